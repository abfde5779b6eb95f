"""The pages and forms of the product, as one table: which acts of ``tests.matrix`` each needs, and what it answers."""

from dataclasses import dataclass, field

from tests.matrix import SUSPENDED, Act, Case, may

KEY, PLATFORM, MEMBER, TOKEN, SESSION, PASSKEY = "key", "platform key", "member", "token", "session", "passkey"
NOTHING = ""


@dataclass(frozen=True)
class Surface:
    """One page or form, by route and method."""

    route: str
    method: str
    answer: int = 200  # to whoever may
    about: str = NOTHING  # what the number, or word, in its address is
    known_by: Act | None = None  # without it, 404: as for something that does not exist
    allowed_by: Act | None = None  # without it, 403 with the reason
    query: str = ""
    data: dict[str, str] = field(default_factory=dict)
    changes: str = ""  # the table that whoever may changes; nobody else changes anything
    notes: str = ""  # the one event, with no change beside it, that it leaves when somebody else than the target looks
    keeps: str = ""  # the table that says what was read, which changes where there is something new
    is_event: bool = True  # whether the change is one: not what counts only after a further step
    gives_value: bool = False
    gives_platform_value: bool = False
    begins: dict[str, bool] = field(default_factory=dict)  # the state of the platform key that it is about
    needs_no_key: bool = False  # tried while the target has no key, and again while there is one
    for_any_status: bool = False  # leaving and switching are for suspended members too
    for_strangers: bool = False

    @property
    def name(self) -> str:
        """How a failure names it."""
        return f"{self.method} {self.route}{self.query}"


_RESTRICTION = "10.0.0.0/8"
_DESCRIPTION = {"name": "Renamed", "description": "", "expires": "", "leaked_action": "nothing"}
SURFACES = (
    # The list of keys, as a page and as a file; what is in it is checked row by row.
    Surface("keys:classic-list", "GET"),
    Surface("keys:classic-csv", "GET"),
    # Those of IBM Cloud API keys, and their files.
    Surface("keys:classic-list", "GET", query="?view=my"),
    Surface("keys:platform-csv-my", "GET"),
    Surface("keys:classic-list", "GET", query="?view=all", allowed_by=Act.SEE_ALL_PLATFORM_KEYS),
    Surface("keys:platform-csv-all", "GET", allowed_by=Act.SEE_ALL_PLATFORM_KEYS),
    # One key.
    Surface("keys:classic-details", "GET", about=KEY, known_by=Act.SEE_KEY, notes="classic_key.details_opened"),
    Surface("keys:classic-delete", "GET", about=KEY, known_by=Act.SEE_KEY, allowed_by=Act.DELETE_KEY),
    Surface(
        "keys:classic-delete", "POST", 302, about=KEY, known_by=Act.SEE_KEY, allowed_by=Act.DELETE_KEY,
        changes="keys_classickey",
    ),
    Surface("keys:classic-show", "GET", 302, about=KEY, known_by=Act.SEE_KEY),
    Surface(
        "keys:classic-show", "POST", about=KEY, known_by=Act.SEE_KEY, allowed_by=Act.SHOW_VALUE, gives_value=True,
        changes="accounts_event",
    ),
    Surface("keys:classic-download", "GET", 302, about=KEY, known_by=Act.SEE_KEY),
    Surface(
        "keys:classic-download", "POST", about=KEY, known_by=Act.SEE_KEY, allowed_by=Act.SHOW_VALUE, gives_value=True,
        changes="accounts_event",
    ),
    Surface("keys:classic-restrict", "GET", about=KEY, known_by=Act.SEE_KEY, allowed_by=Act.RESTRICT_KEY),
    Surface(
        "keys:classic-restrict", "POST", 302, about=KEY, known_by=Act.SEE_KEY, allowed_by=Act.RESTRICT_KEY,
        data={"classic": _RESTRICTION}, changes="keys_classickey",
    ),
    Surface("keys:classic-create", "GET", 302, about=MEMBER, known_by=Act.KNOW_OF_KEY),
    Surface(
        "keys:classic-create", "POST", about=MEMBER, known_by=Act.KNOW_OF_KEY, allowed_by=Act.CREATE_KEY,
        gives_value=True, needs_no_key=True, changes="keys_classickey",
    ),
    # An IBM Cloud API key, which the tree gives no rights over.
    Surface(
        "keys:platform-create", "GET", about=MEMBER, known_by=Act.BE_ONESELF, allowed_by=Act.CREATE_PLATFORM_KEY,
    ),
    Surface(
        "keys:platform-create", "POST", about=MEMBER, known_by=Act.BE_ONESELF, allowed_by=Act.CREATE_PLATFORM_KEY,
        data=_DESCRIPTION, gives_platform_value=True, changes="keys_platformkey",
    ),
    Surface("keys:platform-edit", "GET", about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY),
    Surface(
        "keys:platform-edit", "POST", 302, about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY, data=_DESCRIPTION,
        changes="keys_platformkey",
    ),
    Surface("keys:platform-lock", "GET", about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY),
    Surface(
        "keys:platform-lock", "POST", 302, about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY, changes="keys_platformkey",
    ),
    Surface(
        "keys:platform-unlock", "GET", about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY, begins={"is_locked": True},
    ),
    Surface(
        "keys:platform-unlock", "POST", 302, about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY,
        begins={"is_locked": True}, changes="keys_platformkey",
    ),
    Surface(
        "keys:platform-enable", "GET", about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY, begins={"is_enabled": False},
    ),
    Surface(
        "keys:platform-enable", "POST", 302, about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY,
        begins={"is_enabled": False}, changes="keys_platformkey",
    ),
    Surface("keys:platform-disable", "GET", about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY),
    Surface(
        "keys:platform-disable", "POST", 302, about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY,
        changes="keys_platformkey",
    ),
    Surface("keys:platform-delete", "GET", about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY),
    Surface(
        "keys:platform-delete", "POST", 302, about=PLATFORM, known_by=Act.SEE_PLATFORM_KEY,
        changes="keys_platformkey",
    ),
    Surface("keys:revoke-branch", "GET", about=MEMBER, known_by=Act.KNOW_OF_KEY, allowed_by=Act.REVOKE_BRANCH),
    Surface(
        "keys:revoke-branch", "POST", 302, about=MEMBER, known_by=Act.KNOW_OF_KEY, allowed_by=Act.REVOKE_BRANCH,
        data={"others": "{keys_in_branch}", "unlisted": "on", "reason": "Not needed any more", "name": "{name}"},
        changes="keys_classickey",
    ),
    # Users.
    Surface("accounts:users", "GET"),
    Surface("accounts:users", "GET", query="?view=hierarchy"),
    Surface("accounts:users-csv", "GET"),
    Surface("accounts:users", "GET", query="?view=picture"),
    Surface("accounts:user", "GET", about=MEMBER, known_by=Act.SEE_USER),
    Surface("accounts:user", "GET", about=MEMBER, known_by=Act.SEE_USER, query="?tab=manage"),
    Surface("accounts:vpn-password", "GET", about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.SET_VPN_PASSWORD),
    Surface(
        "accounts:vpn-password", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.SET_VPN_PASSWORD,
        data={"password": "hard to guess, easy to read"}, changes="accounts_member",
    ),
    Surface("keys:restrictions", "GET", 302, about=MEMBER, known_by=Act.SEE_USER),
    Surface(
        "keys:restrictions", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.RESTRICT_USER,
        data={"platform": "0.0.0.0/0", "classic": _RESTRICTION}, changes="accounts_member",
    ),
    Surface("accounts:user", "GET", about=MEMBER, known_by=Act.SEE_USER, query="?tab=access"),
    # The user's place in the account.
    Surface("accounts:status", "GET", about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.CHANGE_STATUS),
    Surface(
        "accounts:status", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.CHANGE_STATUS,
        data={"status": "{other_status}"}, changes="accounts_member",
    ),
    Surface("accounts:parent", "GET", about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.CHANGE_PARENT),
    # The preview: what would change, before it does.
    Surface(
        "accounts:parent", "GET", about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.CHANGE_PARENT,
        query="?parent={new_parent}",
    ),
    Surface(
        "accounts:parent", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.CHANGE_PARENT,
        data={"parent": "{new_parent}"}, changes="accounts_member",
    ),
    Surface("accounts:permissions", "GET", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.CHANGE_PERMISSIONS),
    Surface(
        "accounts:permissions", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.CHANGE_PERMISSIONS,
        data={"manage_users": "on", "user_editor": "on", "user_administrator": "on"}, changes="accounts_member",
    ),
    Surface(
        "accounts:user-managed-login", "GET", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.CHANGE_LOGIN,
    ),
    Surface(
        "accounts:user-managed-login", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.CHANGE_LOGIN,
        data={"is_on": "true"}, changes="accounts_member",
    ),
    Surface("accounts:remove", "GET", about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.REMOVE),
    Surface(
        "accounts:remove", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.REMOVE,
        data={"hand_over": "on"}, changes="accounts_member",
    ),
    # Their branch.
    Surface("accounts:freeze", "GET", about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.FREEZE_BRANCH),
    Surface(
        "accounts:freeze", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.FREEZE_BRANCH,
        data={"reason": "Not looked into yet"}, changes="accounts_branchfreeze",
    ),
    Surface("accounts:thaw", "GET", about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.FREEZE_BRANCH),
    # Of a branch that is not frozen: nothing changes. tests/accounts/test_freeze.py thaws one that is.
    Surface("accounts:thaw", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.FREEZE_BRANCH),
    # Bringing users in.
    Surface("accounts:invite", "GET", allowed_by=Act.INVITE),
    Surface(
        "accounts:invite", "POST", allowed_by=Act.INVITE, data={"addresses": "new@matrix.example"},
        changes="accounts_invitation",
    ),
    Surface("accounts:import", "GET", allowed_by=Act.INVITE),
    Surface("accounts:import-report", "GET", allowed_by=Act.INVITE),
    # The yes to a file that was looked through.
    Surface(
        "accounts:import", "POST", 302, allowed_by=Act.INVITE, data={"act": "invite", "file_id": "{file_id}"},
        changes="accounts_invitation",
    ),
    Surface("accounts:add-vpn-user", "GET", allowed_by=Act.ADD_VPN_USER),
    Surface(
        "accounts:add-vpn-user", "POST", 302, allowed_by=Act.ADD_VPN_USER,
        data={"name": "A gateway", "email": "gateway@matrix.example"}, changes="accounts_member",
    ),
    Surface("accounts:resend-invite", "GET", about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.RESEND_INVITE),
    Surface(
        "accounts:resend-invite", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.RESEND_INVITE,
        changes="accounts_invitation",
    ),
    Surface("accounts:cancel-invite", "GET", about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.CANCEL_INVITE),
    Surface(
        "accounts:cancel-invite", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.CANCEL_INVITE,
        changes="accounts_member",
    ),
    # Whoever has the token; here nobody has. Who they are decides later: tests/accounts/test_invitations.py.
    Surface("accounts:accept-invitation", "GET", 404, about=TOKEN, for_any_status=True, for_strangers=True),
    Surface("accounts:accept-invitation", "POST", 404, about=TOKEN, for_any_status=True, for_strangers=True),
    # Login sessions: one's own, and those of a user who is looked after.
    Surface("accounts:login-sessions", "GET"),
    Surface("accounts:end-session", "GET", about=SESSION, known_by=Act.SEE_SESSION),
    Surface("accounts:end-session", "POST", 302, about=SESSION, known_by=Act.SEE_SESSION, changes="accounts_session"),
    Surface("accounts:end-all-sessions", "GET"),
    Surface("accounts:end-all-sessions", "POST", 302, changes="accounts_session"),
    Surface("accounts:end-user-sessions", "GET", about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.END_SESSIONS),
    Surface(
        "accounts:end-user-sessions", "POST", 302, about=MEMBER, known_by=Act.SEE_USER, allowed_by=Act.END_SESSIONS,
        changes="accounts_session",
    ),
    # What others did to oneself; tests/accounts/test_notifications.py has some done.
    Surface("accounts:notifications", "GET"),
    Surface("accounts:notifications", "POST", 302, data={"until": "9999"}, keeps="accounts_member"),
    # Login security: one's own password and factors. Who acts here has a passkey; tests/accounts/test_passwords.py and
    # tests/accounts/test_passcodes.py go on from here.
    Surface("accounts:security", "GET"),
    Surface("accounts:change-password", "GET"),
    Surface("accounts:change-password", "POST"),  # with nothing typed
    Surface("accounts:passcode", "GET"),
    Surface("accounts:passcode", "POST", changes="accounts_passcode", is_event=False),
    # Of somebody who has none: tests/accounts/test_passcodes.py replaces one.
    Surface("accounts:replace-passcode", "GET"),
    Surface("accounts:replace-passcode", "POST", 302),
    Surface("accounts:remove-passcode", "GET"),
    Surface("accounts:remove-passcode", "POST", 302),
    Surface("accounts:add-passkey", "GET", 302),
    Surface("accounts:add-passkey", "POST", changes="accounts_passkeychallenge", is_event=False),
    # Of somebody else, or of nobody: tests/accounts/test_passkeys.py removes one's own.
    Surface("accounts:remove-passkey", "GET", 404, about=PASSKEY),
    Surface("accounts:remove-passkey", "POST", 404, about=PASSKEY),
    Surface("accounts:recovery-codes", "GET"),
    Surface("accounts:recovery-codes", "POST", changes="accounts_recoverycode"),
    # The account's settings.
    Surface("accounts:settings", "GET", allowed_by=Act.CHANGE_SETTINGS),
    Surface("accounts:settings-user-list", "GET", 302, allowed_by=Act.CHANGE_SETTINGS),
    Surface(
        "accounts:settings-user-list", "POST", 302, allowed_by=Act.CHANGE_SETTINGS,
        data={"is_on": "{other_list}", "is_confirmed": "on"}, changes="accounts_account",
    ),
    Surface("accounts:settings-key-creation", "GET", 302, allowed_by=Act.CHANGE_SETTINGS),
    Surface(
        "accounts:settings-key-creation", "POST", 302, allowed_by=Act.CHANGE_SETTINGS,
        data={"is_on": "true", "is_confirmed": "on"}, changes="accounts_account",
    ),
    Surface("accounts:settings-own-key-creation", "GET", 302, allowed_by=Act.GRANT_TO_ONESELF),
    Surface(
        "accounts:settings-own-key-creation", "POST", 302, allowed_by=Act.GRANT_TO_ONESELF,
        data={"is_on": "true", "is_confirmed": "on"}, changes="accounts_member",
    ),
    Surface("accounts:settings-second-factor", "GET", 302, allowed_by=Act.CHANGE_SETTINGS),
    Surface(
        "accounts:settings-second-factor", "POST", 302, allowed_by=Act.CHANGE_SETTINGS,
        data={"is_on": "true", "is_confirmed": "on"}, changes="accounts_account",
    ),
    Surface("accounts:settings-addresses", "GET", allowed_by=Act.CHANGE_SETTINGS),
    Surface(
        "accounts:settings-addresses", "POST", 302, allowed_by=Act.CHANGE_SETTINGS, data={"addresses": "0.0.0.0/0"},
        changes="accounts_account",
    ),
    Surface("accounts:settings-domains", "GET", allowed_by=Act.CHANGE_SETTINGS),
    Surface(
        "accounts:settings-domains", "POST", 302, allowed_by=Act.CHANGE_SETTINGS, data={"domains": "matrix.example"},
        changes="accounts_account",
    ),
    Surface("accounts:settings-remove-domain", "GET", 302, allowed_by=Act.CHANGE_SETTINGS),
    Surface(
        "accounts:settings-remove-domain", "POST", 302, allowed_by=Act.CHANGE_SETTINGS,
        data={"pattern": "kept.example"}, changes="accounts_account",
    ),
    Surface("accounts:settings-login-session", "GET", allowed_by=Act.CHANGE_SETTINGS),
    Surface(
        "accounts:settings-login-session", "POST", 302, allowed_by=Act.CHANGE_SETTINGS,
        data={"concurrent": "limited", "most": "3"}, changes="accounts_account",
    ),
    # The audit trail.
    Surface("accounts:activity", "GET"),
    Surface("accounts:activity-csv", "GET"),
    # The report of what is not used, as a page and as a file.
    Surface("keys:inactive", "GET", allowed_by=Act.SEE_INACTIVE),
    Surface("keys:inactive", "GET", allowed_by=Act.SEE_INACTIVE, query="?tab=keys"),
    Surface("keys:inactive", "GET", allowed_by=Act.SEE_INACTIVE, query="?tab=keys&view=all"),
    Surface("keys:inactive-csv", "GET", allowed_by=Act.SEE_INACTIVE),
    Surface("keys:inactive-csv", "GET", allowed_by=Act.SEE_INACTIVE, query="?tab=keys"),
    Surface("keys:inactive-csv", "GET", allowed_by=Act.SEE_INACTIVE, query="?tab=keys&view=all"),
    # What everybody has who is signed in.
    Surface("console:landing", "GET", 302),
    Surface("console:navigation", "POST", 302, data={"folded": "insight"}, for_any_status=True),
    Surface("accounts:session-end", "GET", for_any_status=True),
    Surface("accounts:session-end", "POST", 302, for_any_status=True),
    Surface("accounts:logout", "POST", 302, for_any_status=True, changes="accounts_session"),
    # To an account that the actor is not in: the target's.
    Surface("accounts:switch-account", "POST", 404, data={"account": "{foreign_account}"}, for_any_status=True),
    # What strangers have as well: the login page, the colours, two words for a monitor.
    Surface("accounts:login", "GET", for_any_status=True, for_strangers=True),
    Surface("accounts:login", "POST", for_any_status=True, for_strangers=True),
    # Without a password given before, the second stage leads back to the first.
    Surface("accounts:login-code", "GET", 302, for_any_status=True, for_strangers=True),
    Surface("accounts:login-code", "POST", 302, for_any_status=True, for_strangers=True),
    # Another password by mail: with no address typed, and with a link that nobody was sent.
    Surface("accounts:login-passkey", "GET", 302, for_any_status=True, for_strangers=True),
    Surface("accounts:login-passkey", "POST", 302, for_any_status=True, for_strangers=True),
    Surface("accounts:reset", "GET", for_any_status=True, for_strangers=True),
    Surface("accounts:reset", "POST", for_any_status=True, for_strangers=True),
    Surface("accounts:reset-password", "GET", 404, about=TOKEN, for_any_status=True, for_strangers=True),
    Surface("accounts:reset-password", "POST", 404, about=TOKEN, for_any_status=True, for_strangers=True),
    Surface("console:help", "GET"),
    Surface("console:theme", "POST", 302, data={"theme": "dark"}, for_any_status=True, for_strangers=True),
    Surface("console:healthz", "GET", for_any_status=True, for_strangers=True),
    Surface("console:readyz", "GET", for_any_status=True, for_strangers=True),
)  # fmt: skip

#: Routes and methods outside the table, each with its reason. A new route belongs into the table.
OUTSIDE_THE_TABLE: dict[tuple[str, str], str] = {}


def expected_status(surface: Surface, case: Case) -> int:
    """What the surface answers in this case, as long as what it asks for is there to be had."""
    answer = surface.answer
    if not case.is_signed_in:
        answer = answer if surface.for_strangers else 302
    elif surface.route == "accounts:login":
        answer = 302  # whoever is signed in goes on at once
    elif surface.for_any_status:
        pass
    elif case.actor_status == SUSPENDED or case.actor_is_frozen:
        answer = 403
    elif surface.known_by and not may(surface.known_by, case):
        answer = 404
    elif surface.allowed_by and not may(surface.allowed_by, case):
        answer = 403
    return answer
