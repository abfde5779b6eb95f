"""Who may do what, as one table. Written from the rules of the product and not from the code that it judges.

A *case* is one situation: how the actor stands to the target in the tree, both statuses, what the actor was granted,
whether their login is managed by themselves, whether the account shows its user list. ``TABLE`` says for each *act* who
may; ``tests.surfaces`` says for each page and form which acts it needs and what it answers. A *cell* is a case at a
surface.

*Source:* docs/rules.md; docs/security.md, "One policy, one way in".
"""

import enum
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

ACTIVE, DISABLED, INVALID = "active", "disabled_classic", "invalid"
PENDING, PROCESSING, SUSPENDED, VPN_ONLY = "pending", "processing", "suspended", "vpn_only"
STATUSES = (ACTIVE, DISABLED, INVALID, PENDING, PROCESSING, SUSPENDED, VPN_ONLY)
#: "Disabled classic infrastructure (console yes, classic no)"; everybody else can do nothing in the console.
WORKING = frozenset({ACTIVE, DISABLED})
#: "Suspended (may sign in, can do nothing in that account)".
SIGNED_IN = WORKING | {SUSPENDED}
#: "the member's status is active, invalid or VPN-only".
CALLING = frozenset({ACTIVE, INVALID, VPN_ONLY})

#: The permissions by the numbers that are stored, so that a renumbering in the code is found out as well.
NONE, MANAGE_USERS, EDITOR, ADMINISTRATOR, IDENTITY, CREATOR = 0, 1, 2, 4, 8, 16
GRANTS = (NONE, MANAGE_USERS, EDITOR, ADMINISTRATOR, IDENTITY, CREATOR, MANAGE_USERS | IDENTITY | CREATOR)


class Stand(enum.Enum):
    """How the actor stands to the target; the words complete "the actor is …"."""

    SELF_CREATOR = "the target, who created the key"
    SELF_NOT_CREATOR = "the target, whose key an ancestor created while they were VPN-only"
    OWNER_SELF = "the target, who is the owner of the account"
    PARENT = "the target's parent"
    PARENT_CREATOR = "the target's parent, who created the key"
    GRANDPARENT = "the target's grandparent"
    OWNER = "the owner of the account"
    CHILD = "a child of the target"
    GRANDCHILD = "a grandchild of the target"
    SIBLING = "a sibling of the target"
    COUSIN = "a cousin of the target"
    COUSIN_CREATOR = "a cousin, who was above when they created the key"
    BELOW_OWNER = "far below the target, who is the owner of the account"
    OTHER_ACCOUNT = "a member of another account"
    OTHER_OWNER = "the owner of another account"
    NOBODY = "nobody: not signed in"


_S = Stand
SELF = frozenset({_S.SELF_CREATOR, _S.SELF_NOT_CREATOR, _S.OWNER_SELF})
ABOVE = frozenset({_S.PARENT, _S.PARENT_CREATOR, _S.GRANDPARENT, _S.OWNER})
OWNERS = frozenset({_S.OWNER_SELF, _S.OWNER, _S.OTHER_OWNER})
NOT_ABOVE = frozenset({_S.CHILD, _S.GRANDCHILD, _S.SIBLING, _S.COUSIN, _S.COUSIN_CREATOR, _S.BELOW_OWNER})
#: Those who are in the target's branch.
BELOW = frozenset({_S.CHILD, _S.GRANDCHILD, _S.BELOW_OWNER})
#: Of those who are neither the target nor above: who has somebody below in the tree that the cases are tried in.
WITH_USERS_BELOW = frozenset({_S.CHILD})
TARGET_IS_OWNER = frozenset({_S.OWNER_SELF, _S.BELOW_OWNER})
CREATED_THE_KEY = frozenset({_S.SELF_CREATOR, _S.OWNER_SELF, _S.PARENT_CREATOR, _S.COUSIN_CREATOR})


class Freeze(enum.Enum):
    """Which branch is frozen, if any; the words complete "frozen is …"."""

    NOTHING = "nothing"
    TARGET = "the target's branch"
    PARENT = "the branch of the target's parent"
    ACTOR = "the actor's branch"
    ELSEWHERE = "a branch that neither of them is in"


#: Of each freeze: which actors it holds, and of which actors' targets it holds the target. "The member and everybody
#: below", and nobody else.
HOLDS: dict[Freeze, tuple[frozenset[Stand], frozenset[Stand]]] = {
    Freeze.NOTHING: (frozenset(), frozenset()),
    Freeze.TARGET: (SELF | BELOW, frozenset(Stand)),
    Freeze.PARENT: (SELF | BELOW | {_S.PARENT, _S.PARENT_CREATOR, _S.SIBLING}, frozenset(Stand)),
    Freeze.ACTOR: (frozenset(Stand), SELF | ABOVE),
    Freeze.ELSEWHERE: (frozenset(), frozenset()),
}


class Case(NamedTuple):
    """One situation."""

    stand: Stand
    actor_status: str = ACTIVE
    target_status: str = ACTIVE
    granted: int = NONE
    manages_own_login: bool = False
    list_is_restricted: bool = False
    freeze: Freeze = Freeze.NOTHING

    @property
    def actor_is_frozen(self) -> bool:
        """Whether the actor is in a frozen branch, and so can do nothing in the account."""
        return self.stand in HOLDS[self.freeze][0]

    @property
    def target_is_frozen(self) -> bool:
        """Whether the target is in one: it changes nothing of what others may do about them."""
        return self.stand in HOLDS[self.freeze][1]

    @property
    def is_signed_in(self) -> bool:
        """Whether there is a session that counts: an identity that is gone has none, whatever its cookie says."""
        return self.stand is not Stand.NOBODY and self.actor_status in SIGNED_IN


class Act(enum.Enum):
    """What one member does about another, or about their key."""

    SEE_USER = "see the user, with name and status"
    SEE_CARE = "see how the user is looked after"
    RESTRICT_USER = "restrict from where the user signs in"
    SET_VPN_PASSWORD = "set the user's VPN password"
    CHANGE_STATUS = "change the user's status"
    CHANGE_PARENT = "change the user's parent"
    CHANGE_PERMISSIONS = "change the user's permissions"
    CHANGE_LOGIN = "turn user-managed login on or off for the user"
    REMOVE = "remove the user, or leave"
    KNOW_OF_KEY = "know whether the user has a key"
    SEE_KEY = "see the key in the list, and its details"
    SHOW_VALUE = "see the value of the key"
    RESTRICT_KEY = "restrict from where the key is used"
    DELETE_KEY = "delete the key"
    REVOKE_BRANCH = "delete the keys of the user and of everybody below, in one step"
    CREATE_KEY = "create the key, as long as there is none"
    BE_ONESELF = "be the target"
    SEE_PLATFORM_KEY = "see an IBM Cloud API key of the user, and do with it what its state allows"
    SEE_ALL_PLATFORM_KEYS = "see the IBM Cloud API keys of all users of the account"
    CREATE_PLATFORM_KEY = "create an IBM Cloud API key, which is one's own"
    SEE_EVENTS = "see the events about the user"
    INVITE = "invite users"
    ADD_VPN_USER = "add a VPN-only user"
    FREEZE_BRANCH = "freeze or thaw the branch of the user"
    RESEND_INVITE = "send the user's invitation again"
    CANCEL_INVITE = "cancel the user's invitation"
    END_SESSIONS = "end all sessions that the user has in the account"
    SEE_SESSION = "see one of the user's sessions, and end it"
    CHANGE_SETTINGS = "change the account's settings"
    SEE_INACTIVE = "see which users and keys are not used"
    GRANT_TO_ONESELF = "give oneself the permission to create keys while that is restricted"


def _always(_: Case) -> bool:
    return True


def _manages_users(case: Case) -> bool:
    """*Manage users* covers one's own descendants, the two roles of *User management* any member but the owner."""
    return bool(case.granted & (MANAGE_USERS | EDITOR | ADMINISTRATOR))


def _manages_any_user(case: Case) -> bool:
    """Nobody can do something to a user whom they may not see: they get the answer for one who does not exist."""
    is_seen = not case.list_is_restricted
    return is_seen and bool(case.granted & (EDITOR | ADMINISTRATOR)) and case.stand not in TARGET_IS_OWNER


def _is_in(case: Case) -> bool:
    """Whether the target has accepted the invitation: before that there is no status to change."""
    return case.target_status not in {PENDING, PROCESSING}


def _is_invited(case: Case) -> bool:
    return not _is_in(case)


def _signs_in(case: Case) -> bool:
    return case.target_status in SIGNED_IN


#: Who may: sets of stands, each with what else it takes. The actor's own status must be one of ``WORKING``.
TABLE: dict[Act, tuple[tuple[frozenset[Stand], Callable[[Case], bool]], ...]] = {
    # "With Restrict user list visibility off, every active member sees all members of the account …; with it on, only
    # oneself and one's descendants; the owner always sees all."
    Act.SEE_USER: ((SELF | ABOVE, _always), (NOT_ABOVE, lambda case: not case.list_is_restricted)),
    # The cards and the tab that say who looks after somebody: for themselves, those above, and those who look after.
    Act.SEE_CARE: ((SELF | ABOVE, _always), (NOT_ABOVE, _manages_any_user)),
    # "an ancestor with Manage users, the owner, or oneself when User-managed login is on"; User management: "the same
    # for any member but the owner".
    Act.RESTRICT_USER: (
        (OWNERS & (SELF | ABOVE), _always),
        (SELF, lambda case: case.manages_own_login),
        (ABOVE, _manages_users),
        (NOT_ABOVE, _manages_any_user),
    ),
    # "self, or ancestor with Manage users, or owner"; User management as above.
    Act.SET_VPN_PASSWORD: (
        (SELF, _always),
        (frozenset({_S.OWNER}), _always),
        (ABOVE, _manages_users),
        (NOT_ABOVE, _manages_any_user),
    ),
    # "Changed from User details by an ancestor with Manage users or the owner; never one's own, never the owner's."
    Act.CHANGE_STATUS: (
        (frozenset({_S.OWNER}), _is_in),
        (ABOVE, lambda case: _manages_users(case) and _is_in(case)),
        (NOT_ABOVE, lambda case: _manages_any_user(case) and _is_in(case)),
    ),
    # "ancestor with Manage users, or owner". Permissions and the login belong to the same list of what it allows.
    **dict.fromkeys(
        (Act.CHANGE_PARENT, Act.CHANGE_PERMISSIONS, Act.CHANGE_LOGIN),
        (
            (frozenset({_S.OWNER}), _always),
            (ABOVE, _manages_users),
            (NOT_ABOVE, _manages_any_user),
        ),
    ),
    # "an ancestor with Manage users, or the owner"; "removal needs Administrator"; "yourself too: leaving". Who was
    # only invited has an invitation to cancel instead.
    Act.REMOVE: (
        (SELF - OWNERS, _always),
        (frozenset({_S.OWNER}), _is_in),
        (ABOVE, lambda case: _is_in(case) and bool(case.granted & (MANAGE_USERS | ADMINISTRATOR))),
        (NOT_ABOVE, lambda case: _is_in(case) and _manages_any_user(case) and bool(case.granted & ADMINISTRATOR)),
    ),
    # "Invite users (owner, or a member with Manage users)", and both roles of User management: "invite". Whom else the
    # case is about does not matter: those who are invited stand below the one who invites.
    **dict.fromkeys(
        (Act.INVITE, Act.ADD_VPN_USER),
        ((OWNERS, _always), (frozenset(Stand) - {_S.NOBODY}, _manages_users)),
    ),
    # "Resend invite and Cancel invite in the row's Actions menu": whoever looks after the user, who is not in yet.
    **dict.fromkeys(
        (Act.RESEND_INVITE, Act.CANCEL_INVITE),
        (
            (frozenset({_S.OWNER}), _is_invited),
            (ABOVE, lambda case: _manages_users(case) and _is_invited(case)),
            (NOT_ABOVE, lambda case: _manages_any_user(case) and _is_invited(case)),
        ),
    ),
    # The card Manage user's login, for those who look after the user. One's own have a page of their own.
    Act.END_SESSIONS: (
        (frozenset({_S.OWNER}), _signs_in),
        (ABOVE, lambda case: _manages_users(case) and _signs_in(case)),
        (NOT_ABOVE, lambda case: _manages_any_user(case) and _signs_in(case)),
    ),
    # "a user lists their sessions and ends one or all": nobody else's, whatever they may do besides.
    Act.SEE_SESSION: ((SELF, _always),),
    # "IAM identity: Administrator: … account settings"; the owner has all. The case's target does not matter.
    Act.CHANGE_SETTINGS: (
        (OWNERS, _always),
        (frozenset(Stand) - {_S.NOBODY}, lambda case: bool(case.granted & IDENTITY)),
    ),
    # "nobody grants one they lack, or to themselves"; but creation "needs an explicit permission, the account owner
    # included", and above the owner there is nobody.
    Act.GRANT_TO_ONESELF: ((OWNERS, _always),),
    # "IAM identity: Administrator: … inactive identities"; and whoever has users below, for their branch.
    Act.SEE_INACTIVE: (
        (OWNERS | SELF | ABOVE | WITH_USERS_BELOW, _always),
        (frozenset(Stand) - {_S.NOBODY}, lambda case: bool(case.granted & IDENTITY)),
    ),
    # "your own key, and the keys of every descendant. Nobody else's: not your ancestors', not your siblings'." No
    # permission gives sight of another's classic key.
    Act.KNOW_OF_KEY: ((SELF | ABOVE, _always),),
    Act.SEE_KEY: ((SELF | ABOVE, _always),),
    # "The value can be revealed and copied only by the member who created the key" - and only while they may know of
    # it: nothing granted by an earlier tree survives it.
    Act.SHOW_VALUE: (((SELF | ABOVE) & CREATED_THE_KEY, _always),),
    # "you if User-managed login is on for you, otherwise, and for others, an ancestor with Manage users, or the owner".
    Act.RESTRICT_KEY: (
        (OWNERS & (SELF | ABOVE), _always),
        (SELF, lambda case: case.manages_own_login),
        (ABOVE, _manages_users),
    ),
    # "you and your ancestors; no other permission is needed".
    Act.DELETE_KEY: ((SELF | ABOVE, _always),),
    # Whoever may delete each of them: who stands above a user stands above everybody below.
    Act.REVOKE_BRANCH: ((SELF | ABOVE, _always),),
    # "an ancestor with Manage users, or the owner": who decides about a user's place; "never oneself", and so no branch
    # that one is in.
    Act.FREEZE_BRANCH: (
        (frozenset({_S.OWNER}), _always),
        (ABOVE, _manages_users),
        (NOT_ABOVE - BELOW, _manages_any_user),
    ),
    # "yourself, for yourself, … as an active member"; of a VPN-only member "an ancestor with Manage users".
    Act.CREATE_KEY: (
        (SELF, lambda case: case.actor_status == ACTIVE),
        (frozenset({_S.OWNER}), lambda case: case.target_status == VPN_ONLY),
        (ABOVE, lambda case: case.target_status == VPN_ONLY and bool(case.granted & MANAGE_USERS)),
    ),
    # "My IBM Cloud API keys (anyone) and All user IBM Cloud API keys (the owner, and members with the administrator
    # permission on identity)": the tree gives no rights here.
    Act.BE_ONESELF: ((SELF, _always),),
    Act.SEE_PLATFORM_KEY: (
        (SELF | {_S.OWNER}, _always),
        (ABOVE | NOT_ABOVE, lambda case: bool(case.granted & IDENTITY)),
    ),
    # The list of all, whomever else the case is about.
    Act.SEE_ALL_PLATFORM_KEYS: (
        (OWNERS, _always),
        (frozenset(Stand) - {_S.NOBODY}, lambda case: bool(case.granted & IDENTITY)),
    ),
    Act.CREATE_PLATFORM_KEY: ((SELF, lambda case: case.actor_status == ACTIVE),),
    # "A member sees the events of self and descendants."
    Act.SEE_EVENTS: ((SELF | ABOVE, _always),),
}


def may(act: Act, case: Case) -> bool:
    """Whether the actor of this case may."""
    if case.actor_status not in WORKING or case.actor_is_frozen:
        return False
    return any(case.stand in stands and when(case) for stands, when in TABLE[act])


def works(case: Case) -> bool:
    """Whether the key of this case's target is accepted when it calls with the right value, from any address."""
    return case.target_status in CALLING and not case.target_is_frozen


# --- The cases --------------------------------------------------------------------------------------------------------


def every_case() -> Iterator[Case]:
    """All combinations there are. One's own status is one's own: a target who is the actor has the same."""
    dimensions = (STATUSES, STATUSES, GRANTS, (False, True), (False, True))
    for stand in Stand:
        if stand is Stand.NOBODY:
            yield Case(stand)
            continue
        for actor_status, target_status, *rest in itertools.product(*dimensions):
            if stand not in SELF or actor_status == target_status:
                yield Case(stand, actor_status, target_status, *rest)
        yield from _frozen_cases(stand)


def _frozen_cases(stand: Stand) -> Iterator[Case]:
    """Each freeze there can be with each target status and each grant; nobody freezes the owner's branch."""
    for freeze, target_status, granted in itertools.product(Freeze, STATUSES, GRANTS):
        is_the_owners = stand in (TARGET_IS_OWNER if freeze in (Freeze.TARGET, Freeze.PARENT) else OWNERS)
        if freeze is Freeze.NOTHING or (is_the_owners and freeze is not Freeze.ELSEWHERE):
            continue
        actor_status = target_status if stand in SELF else ACTIVE
        yield Case(stand, actor_status, target_status, granted, manages_own_login=True, freeze=freeze)


#: The stand that has every answer: its cases are tried through pages one by one, of the others a part.
_THOROUGH = frozenset({_S.PARENT_CREATOR})
#: The stand whose pages are tried with frozen branches: one that is not held by that of the target's parent.
_FROZEN = _S.GRANDPARENT
#: The stand that is not above the target and looks after them all the same, as the role says.
_LOOKING_AFTER = _S.COUSIN
#: Those that are tried through pages on every database: one who may, one who may not.
ON_EVERY_DATABASE = frozenset({_S.PARENT, _S.SIBLING})


def page_cases(stand: Stand) -> list[Case]:
    """The cases that pages are tried in: a page costs a thousand times what a question to the policy does.

    Each target status, each grant, the user list open and restricted, each way that an actor's status counts; not all
    combinations, which the policies are asked for without a page.
    """
    if stand is Stand.NOBODY:
        return [Case(stand)]
    cases = [
        Case(stand),
        Case(stand, ACTIVE, VPN_ONLY, MANAGE_USERS),
        Case(stand, ACTIVE, ACTIVE, EDITOR, True, True),
    ]
    if stand not in SELF | ABOVE:
        # What they may not with a permission of their own, they may not without it either.
        del cases[0]
    if stand is _LOOKING_AFTER:
        cases += [Case(stand, ACTIVE, ACTIVE, EDITOR), Case(stand, ACTIVE, ACTIVE, IDENTITY)]
    if stand in _THOROUGH:
        # Where one stands does not matter to somebody who may not work.
        cases += [Case(stand, SUSPENDED, ACTIVE, MANAGE_USERS, True)]
        cases += [
            Case(stand, ACTIVE, status, granted, list_is_restricted=bool(number % 2))
            for number, (status, granted) in enumerate(zip(STATUSES, GRANTS, strict=True))
        ]
        cases += [Case(stand, ACTIVE, ACTIVE, EDITOR), Case(stand, ACTIVE, ACTIVE, MANAGE_USERS)]
        cases += [Case(stand, status, ACTIVE, MANAGE_USERS, True) for status in (DISABLED, INVALID)]
    if stand is _FROZEN:
        cases += [Case(stand, ACTIVE, ACTIVE, MANAGE_USERS, freeze=freeze) for freeze in (Freeze.PARENT, Freeze.ACTOR)]
    if stand in SELF:
        cases = [case._replace(target_status=case.actor_status) for case in cases]
    return list(dict.fromkeys(cases))


def call_cases(stand: Stand) -> list[Case]:
    """Those that pages are tried in; each status of the actor, for somebody who asks about themselves."""
    cases = page_cases(stand)
    if stand is Stand.SELF_CREATOR:
        cases += [Case(stand, status, status) for status in STATUSES]
    return list(dict.fromkeys(cases))
