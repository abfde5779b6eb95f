"""Who may do what with a member: the one table, for pages, forms, menus and commands alike. Pure: no query, no HTTP.

What may be done with a member's keys is decided by the app of keys, using ``may_work`` and the tree.
"""

import enum
from collections.abc import Callable

from accounts.enums import CONSOLE_STATUSES, INVITED_STATUSES, SIGN_IN_STATUSES, MemberStatus, Permission, Relation
from accounts.hierarchy import is_at_or_above, relation
from accounts.models import Member


class MemberAction(enum.Enum):
    """What one member may do about another; the words are the documentation's."""

    VIEW = "see this user"
    VIEW_CARE = "see how this user is looked after"  # restrictions, VPN user name, who can manage
    VIEW_EVENTS = "see the events about this user in Activity"
    EDIT_RESTRICTION = "restrict the addresses this user logs in from"
    EDIT_VPN_PASSWORD = "set this user's VPN password"  # noqa: S105 - a sentence, not a secret
    CHANGE_STATUS = "change this user's status"
    CHANGE_PARENT = "change this user's parent"
    CHANGE_PERMISSIONS = "change this user's permissions"
    CHANGE_LOGIN = "turn user-managed login on or off for this user"
    REMOVE = "remove this user from the account"
    INVITE = "invite users"  # below oneself: the target is the actor
    ADD_VPN_USER = "add a VPN-only user"  # likewise
    RESEND_INVITE = "send this user's invitation again"
    FREEZE_BRANCH = "freeze or thaw this user's branch"
    CANCEL_INVITE = "cancel this user's invitation"
    END_SESSIONS = "end this user's login sessions"  # those in this account
    CHANGE_SETTINGS = "change the account's settings"  # the target is the actor
    VIEW_INACTIVE = "see which users and keys are not used"  # likewise
    GRANT_TO_ONESELF = "give yourself a permission"  # likewise; the one that the owner does not have anyway


_ABOUT_ONES_PLACE = frozenset(
    {
        MemberAction.CHANGE_STATUS, MemberAction.CHANGE_PARENT, MemberAction.CHANGE_PERMISSIONS,
        MemberAction.CHANGE_LOGIN, MemberAction.REMOVE, MemberAction.RESEND_INVITE, MemberAction.CANCEL_INVITE,
        MemberAction.FREEZE_BRANCH,
    }
)  # fmt: skip
_IS_IN = "This user has already joined the account, so there is no invitation any more."
#: Why an action does not fit, by the action and whether the target is still invited.
_OUT_OF_STEP = {
    (MemberAction.RESEND_INVITE, False): _IS_IN,
    (MemberAction.CANCEL_INVITE, False): _IS_IN,
    (MemberAction.CHANGE_STATUS, True): "This user has not accepted the invitation yet.",
    (MemberAction.REMOVE, True): "This user has not accepted the invitation yet: cancel it instead.",
}
#: Each of these covers every member but the owner.
MANAGING_ALL = Permission.USER_EDITOR | Permission.USER_ADMINISTRATOR
#: Each of these lets its holder bring people into the account.
_BRINGING_IN = Permission.MANAGE_USERS | MANAGING_ALL


class NotAllowed(Exception):
    """A refusal with its reason, for someone who may see the thing but not do this with it."""


def may_work(actor: Member) -> bool:
    """Whether the actor can do anything at all in this account: their status allows it and they are not frozen."""
    return actor.status in CONSOLE_STATUSES and not actor.is_frozen


def is_enrolment_due(actor: Member) -> bool:
    """Whether the actor has to set up a second factor before anything else in this account.

    The actor must be loaded with a session. This is no part of ``may_work``: rights and keys do not depend on it.
    """
    return actor.account.require_second_factor and not actor.has_second_factor


def never_logs_in(member: Member) -> bool:
    """Whether no status lets ``member`` log in: they were added without an invitation. ``member.user`` must be loaded.

    Whoever owns an account logs in to it, however they came. As a condition: ``accounts.identity.JOINED``; those whom a
    command adds without a password cannot log in either.
    """
    return not member.is_owner and (member.name_here is not None or not member.user.has_usable_password())


def reason_without_work(actor: Member) -> str:
    """Return why the actor can do nothing in this account, in a sentence for them."""
    if actor.status in CONSOLE_STATUSES:
        return "Your branch of users is frozen. Until it is thawed, you cannot do anything here."
    return f"Your status in this account is {MemberStatus(actor.status).label}, which allows nothing here."


def cares_for(actor: Member, target: Member) -> bool:
    """Whether the actor covers ``target``: holds a permission to restrict and manage them.

    *Manage users* covers the actor's own descendants, *User management* any member but the owner; the owner covers
    everybody, themselves included.
    """
    if not may_work(actor):
        return False
    if actor.is_owner:
        return is_at_or_above(actor, target)
    granted, related = actor.granted, relation(actor, target)
    if related is Relation.ANCESTOR and Permission.MANAGE_USERS in granted:
        return True
    is_another_here = related in {Relation.ANCESTOR, Relation.DESCENDANT, Relation.UNRELATED}
    return bool(granted & MANAGING_ALL) and is_another_here and not target.is_owner


def governs(actor: Member, target: Member) -> bool:
    """Whether the actor decides about the target's place in the account: never about their own or the owner's."""
    return actor.pk != target.pk and not target.is_owner and cares_for(actor, target)


def _brings_in(actor: Member, target: Member) -> bool:
    """Whether the actor may invite, or add without an invitation, users below ``target``: below themselves alone."""
    return actor.pk == target.pk and bool(actor.granted & _BRINGING_IN)


def _freezes(actor: Member, target: Member) -> bool:
    """Whether the actor governs the target and is not in their branch: nobody freezes themselves."""
    return governs(actor, target) and relation(actor, target) is not Relation.DESCENDANT


def _decides_on_invitation(actor: Member, target: Member) -> bool:
    """Whether the target is still invited, and the actor governs them."""
    return target.status in INVITED_STATUSES and governs(actor, target)


def _removes(actor: Member, target: Member) -> bool:
    """Whether the actor may remove the target, or leave; the role Editor is not enough to remove."""
    if target.status in INVITED_STATUSES:
        return False  # there is an invitation to cancel instead
    if actor.pk == target.pk:
        return not target.is_owner
    by_branch = relation(actor, target) is Relation.ANCESTOR and Permission.MANAGE_USERS in actor.granted
    return governs(actor, target) and (by_branch or Permission.USER_ADMINISTRATOR in actor.granted)


def _ends_sessions(actor: Member, target: Member) -> bool:
    """Whether the actor governs the target, who may sign in to this account. One's own sessions have their own page."""
    return target.status in SIGN_IN_STATUSES and governs(actor, target)


def _changes_settings(actor: Member, target: Member) -> bool:
    return actor.pk == target.pk and Permission.IDENTITY_ADMINISTRATOR in actor.granted


def _grants_to_oneself(actor: Member, target: Member) -> bool:
    """Whether the actor is the owner, above whom there is nobody who could give them what they lack."""
    return actor.pk == target.pk and actor.is_owner


def _sees_inactive(actor: Member, target: Member) -> bool:
    """Whether the report would list anybody for the actor: users of the account, or those below."""
    is_administrator = Permission.IDENTITY_ADMINISTRATOR in actor.granted
    return actor.pk == target.pk and (is_administrator or actor.has_users_below)


#: The rule of each action, for an actor who may work and may see the target.
_RULES: dict[MemberAction, Callable[[Member, Member], bool]] = {
    MemberAction.VIEW: lambda *_: True,
    MemberAction.VIEW_CARE: lambda actor, target: is_at_or_above(actor, target) or cares_for(actor, target),
    MemberAction.VIEW_EVENTS: is_at_or_above,  # as a condition: audit.visible_events
    MemberAction.EDIT_RESTRICTION: lambda actor, target: (
        (actor.pk == target.pk and actor.user_managed_login) or cares_for(actor, target)
    ),
    MemberAction.EDIT_VPN_PASSWORD: lambda actor, target: actor.pk == target.pk or cares_for(actor, target),
    MemberAction.CHANGE_STATUS: lambda actor, target: governs(actor, target) and target.status not in INVITED_STATUSES,
    MemberAction.CHANGE_PARENT: governs,
    MemberAction.CHANGE_PERMISSIONS: governs,
    MemberAction.CHANGE_LOGIN: governs,
    MemberAction.REMOVE: _removes,
    MemberAction.FREEZE_BRANCH: _freezes,
    MemberAction.INVITE: _brings_in,
    MemberAction.ADD_VPN_USER: _brings_in,
    MemberAction.RESEND_INVITE: _decides_on_invitation,
    MemberAction.CANCEL_INVITE: _decides_on_invitation,
    MemberAction.END_SESSIONS: _ends_sessions,
    MemberAction.CHANGE_SETTINGS: _changes_settings,
    MemberAction.VIEW_INACTIVE: _sees_inactive,
    MemberAction.GRANT_TO_ONESELF: _grants_to_oneself,
}


def can(actor: Member, action: MemberAction, target: Member) -> bool:
    """Whether ``actor`` may do ``action`` to ``target`` now. Takes no query."""
    if relation(actor, target) is Relation.FOREIGN or not may_work(actor):
        return False
    if not (sees_whole_account(actor) or is_at_or_above(actor, target)):
        return False  # whom one may not see, one can do nothing about
    return _RULES[action](actor, target)


def sees_whole_account(actor: Member) -> bool:
    """Whether ``actor``, who may work, sees every user of the account, and not those of their branch alone."""
    return actor.is_owner or not actor.account.restrict_user_list


def sees_whole_account_inactive(actor: Member) -> bool:
    """Whether ``actor``, who sees inactive users, sees those of the whole account, and not of their branch alone.

    The permission gives no sight of users whom the account hides from its holder. Takes no query.
    """
    return Permission.IDENTITY_ADMINISTRATOR in actor.granted and sees_whole_account(actor)


#: Actions that concern nobody who is in the account already, but for the actor.
_NOBODYS = frozenset({MemberAction.INVITE, MemberAction.ADD_VPN_USER, MemberAction.GRANT_TO_ONESELF})


def rights_over(actor: Member, member: Member) -> list[str]:
    """Return everything that ``actor`` may do that concerns ``member``, in words; takes no query.

    Includes what they may do to the account as a whole, such as changing its settings.
    """
    return [_right(action, actor, member) for action in MemberAction if _is_right_over(actor, action, member)]


def _is_right_over(actor: Member, action: MemberAction, member: Member) -> bool:
    if action in _NOBODYS:
        return False
    if action is MemberAction.CHANGE_SETTINGS:
        return can(actor, action, actor)
    if action is MemberAction.VIEW_INACTIVE:  # whoever is above somebody has users below
        is_above = relation(actor, member) is Relation.ANCESTOR
        sees_them = is_above or (actor.pk != member.pk and sees_whole_account_inactive(actor))
        return may_work(actor) and sees_them
    return can(actor, action, member)


def _right(action: MemberAction, actor: Member, member: Member) -> str:
    is_leaving = action is MemberAction.REMOVE and actor.pk == member.pk
    return "leave the account" if is_leaving else action.value


def source_of_rights(actor: Member, member: Member) -> str:
    """Return what gives ``actor`` rights over ``member``, in words: being them, standing above them, or permissions."""
    if actor.pk == member.pk:
        return "Being this user"
    if actor.is_owner:
        return "Account owner"
    if relation(actor, member) is Relation.ANCESTOR:
        above = "Parent" if actor.pk == member.parent_id else "Above in the hierarchy"
        return f"{above}, with Manage users" if cares_for(actor, member) else above
    roles = {"User management": MANAGING_ALL, "IAM identity: Administrator": Permission.IDENTITY_ADMINISTRATOR}
    return ", ".join(role for role, permissions in roles.items() if actor.granted & permissions)


def can_invite_below(actor: Member, parent: Member) -> bool:
    """Whether ``actor``, who may invite, may place those they invite below ``parent``. Takes no query.

    Below themselves, or below a user of their branch who works in the account or is invited. Nobody comes into a frozen
    branch.
    """
    is_in_branch = is_at_or_above(actor, parent)
    return is_in_branch and parent.status in CONSOLE_STATUSES | INVITED_STATUSES and not parent.is_frozen


def can_place_below(actor: Member, member: Member, parent: Member) -> bool:
    """Whether ``actor`` may make ``parent`` the parent of ``member``, whom they may move. Takes no query.

    The parent works in the account and is not below ``member``. Nobody is moved into a frozen branch from outside. An
    actor above ``member`` chooses in their own branch, so that they cannot show keys to people they have nothing to do
    with. An actor who is not, but manages everybody, chooses among those above ``member``: so no permission gives sight
    of a key, neither to who holds it nor to somebody who helps them.
    """
    if parent.status not in CONSOLE_STATUSES or (parent.is_frozen and not member.is_frozen):
        return False
    if is_at_or_above(member, parent):
        return False
    if relation(actor, member) is Relation.ANCESTOR:
        return is_at_or_above(actor, parent)
    is_above = relation(parent, member) is Relation.ANCESTOR
    return bool(actor.granted & MANAGING_ALL) and is_above and can(actor, MemberAction.VIEW, parent)


def choice_of_parents(actor: Member, member: Member) -> str:
    """Return among whom ``actor`` may choose a parent for ``member``, in words for them: see ``can_place_below``."""
    if actor.is_owner:
        return "any user who works in the account and is not below them"
    is_above = relation(actor, member) is Relation.ANCESTOR
    return "yourself or a user below you" if is_above else "a user who is above them already"


def grantable(actor: Member, member: Member) -> Permission:
    """Return the permissions that ``actor`` may give to or take from ``member``: nobody grants what they lack."""
    return actor.granted if can(actor, MemberAction.CHANGE_PERMISSIONS, member) else Permission(0)


def grantable_with_invitation(actor: Member) -> Permission:
    """Return the permissions that ``actor`` may give to those they invite: nobody grants what they lack."""
    return actor.granted if can(actor, MemberAction.INVITE, actor) else Permission(0)


def require(actor: Member, action: MemberAction, target: Member) -> None:
    """Raise NotAllowed, with the reason in words, unless ``actor`` may do ``action`` to ``target``."""
    if not can(actor, action, target):
        raise NotAllowed(reason(actor, action, target))


def reason(actor: Member, action: MemberAction, target: Member) -> str:
    """Return why the actor may not, in a sentence for them."""
    if not may_work(actor):
        return reason_without_work(actor)
    if relation(actor, target) is Relation.SELF and action is MemberAction.EDIT_RESTRICTION:
        return "You can restrict your own addresses only while user-managed login is on for you."
    if action in _ABOUT_ONES_PLACE and target.is_owner:
        return "The owner of the account keeps their place in it."
    is_in_branch = action is MemberAction.FREEZE_BRANCH and relation(actor, target) is Relation.DESCENDANT
    if is_in_branch or (action in _ABOUT_ONES_PLACE and relation(actor, target) is Relation.SELF):
        return "Your own place in the account, and the branch that you are in, are decided by those above you."
    if action in {MemberAction.INVITE, MemberAction.ADD_VPN_USER}:
        return f"You need the permission Manage users, or a role of User management, to {action.value}."
    out_of_step = _OUT_OF_STEP.get((action, target.status in INVITED_STATUSES))
    special = out_of_step or _special_reason(actor, action, target)
    return special or f"You need the permission Manage users, and be above this user, to {action.value}."


#: Why the actor may not, for actions that have one reason.
_OWN_REASONS = {
    MemberAction.CHANGE_SETTINGS: "You need the role IAM identity: Administrator to change the account's settings.",
    MemberAction.GRANT_TO_ONESELF: (
        "Only the owner of the account may give themselves a permission. Ask someone who manages users."
    ),
    MemberAction.VIEW_INACTIVE: (
        "You need the role IAM identity: Administrator, or users below you, to see who is inactive."
    ),
    MemberAction.VIEW_CARE: (
        "Only the user, those above them, and those who manage them may see how this user is looked after."
    ),
    MemberAction.VIEW_EVENTS: "Only the user and those above them may see the events about this user.",
}


def _special_reason(actor: Member, action: MemberAction, target: Member) -> str:
    """Return why the actor may not, where the usual reason does not fit; empty where it does."""
    if action in _OWN_REASONS:
        return _OWN_REASONS[action]
    if action is MemberAction.END_SESSIONS and relation(actor, target) is Relation.SELF:
        return "Your own sessions are listed under Login sessions, in the profile menu."
    if action is MemberAction.END_SESSIONS and target.status not in SIGN_IN_STATUSES:
        return "This user does not log in to this account, so there are no sessions to end."
    return ""
