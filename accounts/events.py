"""The names of audit events, their sentences for the activity page, and those that are told by mail.

Other apps add theirs when they start.
"""

from dataclasses import dataclass

SENTENCES: dict[str, str] = {}
#: The groups in which events are offered for choice, by the first part of their names.
GROUPS: dict[str, str] = {
    "account": "Account",
    "activity": "Account",
    "console": "Refusals",
    "invitation": "Invitations",
    "member": "Users",
    "permission": "Refusals",
    "user": "Log in and login security",
}


@dataclass(frozen=True)
class Notice:
    """How an event is told by mail to the person concerned."""

    subject: str
    sentence: str
    #: Told of one's own acts, when they come from a new address; all others are told of acts of others.
    is_about_oneself: bool = False
    #: Told even if the user did it themselves: it may have been somebody with their session.
    is_about_identity: bool = False
    #: Those of the event's details that the mail tells, in this order.
    facts: tuple[str, ...] = ("before", "after", "reason")
    #: What to do about it, where nobody logs in differently from before.
    advice: str = "If this should not have happened, ask the person who did it or the account owner."


#: The events that are told by mail; ``accounts.notices`` posts them.
NOTICES: dict[str, Notice] = {}


def register(sentences: dict[str, str], groups: dict[str, str] | None = None) -> None:
    """Add an app's events, name to sentence, and groups of its own.

    Raises ValueError if a name is taken, or if there is no group for its first part.
    """
    GROUPS.update(groups or {})
    if alone := {name for name in sentences if _beginning(name) not in GROUPS}:
        raise ValueError(f"Events without a group: {', '.join(sorted(alone))}")
    if taken := SENTENCES.keys() & sentences.keys():
        raise ValueError(f"Events registered twice: {', '.join(sorted(taken))}")
    SENTENCES.update(sentences)


def _beginning(name: str) -> str:
    return name.partition(".")[0]


def in_groups() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return all events as (group, (name, sentence) of each), both in the order of the alphabet."""
    grouped: dict[str, list[tuple[str, str]]] = {group: [] for group in sorted(GROUPS.values())}
    for name, sentence in sorted(SENTENCES.items(), key=lambda item: item[1]):
        grouped[GROUPS[_beginning(name)]].append((name, sentence))
    return list(grouped.items())


def tell_by_mail(notices: dict[str, Notice]) -> None:
    """Let these events be told by mail."""
    NOTICES.update(notices)


ACTIVITY_TRIMMED = "activity.trimmed"
ACCOUNT_CREATED = "account.created"
OWNER_CHANGED = "account.owner_changed"
SIGNED_IN = "user.signed_in"
SIGN_IN_REFUSED = "user.sign_in_refused"
SIGNED_OUT = "user.signed_out"
IDENTITY_PROVED = "user.identity_proved"
ACCOUNT_SWITCHED = "user.account_switched"
PASSWORD_CHANGED = "user.password_changed"  # noqa: S105 - a name, not a secret
PASSWORD_RESET = "user.password_reset"  # noqa: S105 - likewise
PASSCODE_ADDED = "user.passcode_added"
PASSCODE_REPLACED = "user.passcode_replaced"
PASSCODE_REMOVED = "user.passcode_removed"
PASSCODES_PAUSED = "user.passcodes_paused"
RECOVERY_CODES_MADE = "user.recovery_codes_made"
RECOVERY_CODE_USED = "user.recovery_code_used"
PASSKEY_ADDED = "user.passkey_added"
PASSKEY_REMOVED = "user.passkey_removed"
SECOND_FACTOR_RESET = "user.second_factor_reset"
SESSION_ENDED = "user.session_ended"
SESSIONS_ENDED = "user.sessions_ended"
USER_LIST_CHANGED = "account.user_list_changed"
ADDRESSES_CHANGED = "account.addresses_changed"
DOMAINS_CHANGED = "account.domains_changed"
SESSION_LIMITS_CHANGED = "account.session_limits_changed"
SECOND_FACTOR_REQUIRED = "account.second_factor_changed"
KEY_CREATION_CHANGED = "account.key_creation_changed"
MEMBER_ADDED = "member.added"
PERMISSION_REFUSED = "permission.refused"
CONSOLE_REFUSED = "console.refused"
RESTRICTION_CHANGED = "member.restriction_changed"
STATUS_CHANGED = "member.status_changed"
PARENT_CHANGED = "member.parent_changed"
LEFT_BRANCH = "member.branch_left"
PERMISSIONS_CHANGED = "member.permissions_changed"
LOGIN_CHANGED = "member.user_managed_login_changed"
REMOVED = "member.removed"
BRANCH_FROZEN = "member.branch_frozen"
BRANCH_THAWED = "member.branch_thawed"
INVITED = "invitation.created"
INVITATION_SENT = "invitation.sent"
INVITATION_RENEWED = "invitation.renewed"
INVITATION_CANCELLED = "invitation.cancelled"
INVITATION_ACCEPTED = "invitation.accepted"
VPN_PASSWORD_CHANGED = "member.vpn_password_changed"  # noqa: S105 - a name, not a secret

register(
    {
        ACTIVITY_TRIMMED: "Old activity deleted",
        ACCOUNT_CREATED: "Account created",
        OWNER_CHANGED: "Owner of the account changed",
        SIGNED_IN: "Logged in",
        SIGN_IN_REFUSED: "Login refused",
        SIGNED_OUT: "Logged out",
        IDENTITY_PROVED: "Identity confirmed",
        ACCOUNT_SWITCHED: "Switched to this account",
        PASSWORD_CHANGED: "Password changed",
        PASSWORD_RESET: "Password reset",
        PASSCODE_ADDED: "One-time passcodes turned on",
        PASSCODE_REPLACED: "Authenticator app replaced",
        PASSCODE_REMOVED: "One-time passcodes turned off",
        PASSCODES_PAUSED: "One-time passcodes paused for a day",
        RECOVERY_CODES_MADE: "Recovery codes generated",
        RECOVERY_CODE_USED: "Recovery code used",
        PASSKEY_ADDED: "Passkey added",
        PASSKEY_REMOVED: "Passkey removed",
        SECOND_FACTOR_RESET: "Second factor reset",
        SESSION_ENDED: "Session ended",
        SESSIONS_ENDED: "Sessions ended",
        USER_LIST_CHANGED: "Restrict user list visibility changed",
        ADDRESSES_CHANGED: "Restrict IP address access changed",
        DOMAINS_CHANGED: "Restrict user domains changed",
        SESSION_LIMITS_CHANGED: "Login session settings changed",
        SECOND_FACTOR_REQUIRED: "Require a second factor changed",
        KEY_CREATION_CHANGED: "Restrict API key creation changed",
        MEMBER_ADDED: "User added",
        PERMISSION_REFUSED: "Action refused",
        CONSOLE_REFUSED: "Use of the console refused",
        RESTRICTION_CHANGED: "Cloud platform address restriction changed",
        VPN_PASSWORD_CHANGED: "VPN password changed",
        STATUS_CHANGED: "User status changed",
        PARENT_CHANGED: "Parent user changed",
        LEFT_BRANCH: "User moved out of the branch",
        PERMISSIONS_CHANGED: "Permissions changed",
        LOGIN_CHANGED: "User-managed login changed",
        REMOVED: "User removed",
        BRANCH_FROZEN: "Branch frozen",
        BRANCH_THAWED: "Branch thawed",
        INVITED: "User invited",
        INVITATION_SENT: "Invitation sent",
        INVITATION_RENEWED: "Invitation sent again",
        INVITATION_CANCELLED: "Invitation cancelled",
        INVITATION_ACCEPTED: "Invitation accepted",
    }
)
tell_by_mail(
    {
        OWNER_CHANGED: Notice("The owner of the account was changed", "The account has a new owner."),
        STATUS_CHANGED: Notice("Your user status was changed", "Your user status in the account was changed."),
        PARENT_CHANGED: Notice(
            "Your parent user was changed",
            "Your place in the user hierarchy was changed: you have a new parent user.",
        ),
        PERMISSIONS_CHANGED: Notice("Your permissions were changed", "Your permissions in the account were changed."),
        LOGIN_CHANGED: Notice("User-managed login was changed", "User-managed login was turned on or off for you."),
        RESTRICTION_CHANGED: Notice(
            "Your IP address restriction was changed",
            "The addresses from which you may log in to the console were changed.",
        ),
        VPN_PASSWORD_CHANGED: Notice("Your VPN password was changed", "A new VPN password was set for you."),
        PASSWORD_CHANGED: Notice(
            "Your password was changed",
            "A new password was set for your user, and your other login sessions were ended.",
            is_about_identity=True,
        ),
        PASSWORD_RESET: Notice(
            "Your password was reset",
            "A new password was set for your user with a link that was sent to this address, and all your login "
            "sessions were ended.",
            is_about_identity=True,
        ),
        PASSCODE_ADDED: Notice(
            "One-time passcodes were turned on",
            "From now on, you are asked for a code from an authenticator app when you log in.",
            is_about_identity=True,
        ),
        PASSCODE_REPLACED: Notice(
            "Your authenticator app was replaced",
            "From now on, you are asked for codes from your new authenticator app when you log in. Codes from the old "
            "app, earlier recovery codes and your other login sessions no longer work.",
            is_about_identity=True,
        ),
        PASSCODE_REMOVED: Notice(
            "One-time passcodes were turned off",
            "You are no longer asked for a code from an authenticator app when you log in.",
            is_about_identity=True,
        ),
        PASSCODES_PAUSED: Notice(
            "Too many wrong one-time passcodes",
            "Someone who knows your password, or has a login session of yours, entered so many wrong one-time "
            "passcodes that no more are accepted for up to a day. Passkeys and recovery codes go on working.",
            is_about_identity=True,
        ),
        RECOVERY_CODES_MADE: Notice(
            "Recovery codes were generated",
            "New recovery codes were generated for your user. Earlier codes no longer work.",
            is_about_identity=True,
        ),
        RECOVERY_CODE_USED: Notice(
            "A recovery code was used",
            "Someone logged in as you with a recovery code, which cannot be used again.",
            is_about_identity=True,
        ),
        PASSKEY_ADDED: Notice(
            "A passkey was added",
            "A passkey was added to your user: it can be used when you log in.",
            is_about_identity=True,
        ),
        PASSKEY_REMOVED: Notice("A passkey was removed", "A passkey of your user was removed.", is_about_identity=True),
        SECOND_FACTOR_RESET: Notice(
            "Your second factor was reset",
            "One-time passcodes, recovery codes and passkeys of your user were removed by whoever runs this "
            "installation, and all your login sessions were ended.",
            is_about_identity=True,
        ),
        SESSIONS_ENDED: Notice(
            "Your login sessions were ended", "All your login sessions in the account were ended: log in again."
        ),
        BRANCH_FROZEN: Notice(
            "Your branch of users was frozen",
            "You and the users below you cannot use the console, and all your keys are refused, until this is undone.",
        ),
        BRANCH_THAWED: Notice(
            "Your branch of users was thawed",
            "You and the users below you can use the console again, and your keys are accepted as before, unless you "
            "are in another frozen branch too.",
        ),
        REMOVED: Notice(
            "You were removed from an account",
            "You were removed from the account. If you had keys there, they have stopped working.",
        ),
    }
)
