"""Who may do what with a member: the one table, for pages, forms, menus and commands alike. Pure: no query, no HTTP.

What may be done with a member's keys is decided by the app that has the keys, on top of ``may_work`` and the tree.
"""

import enum

from accounts.enums import CONSOLE_STATUSES, MemberStatus, Permission, Relation
from accounts.hierarchy import relation
from accounts.models import Member


class MemberAction(enum.Enum):
    """What one member may do about another; the words are the documentation's."""

    VIEW = "see this user"
    VIEW_CARE = "see how this user is looked after"  # restrictions, VPN user name, who can manage
    EDIT_RESTRICTION = "restrict the addresses this user signs in from"
    EDIT_VPN_PASSWORD = "set this user's VPN password"  # noqa: S105 - a sentence, not a secret


class NotAllowed(Exception):
    """A refusal with its reason, for someone who may see the thing but not do this with it."""


def may_work(actor: Member) -> bool:
    """Whether the actor's own status lets them do anything at all in this account."""
    return actor.status in CONSOLE_STATUSES


def cares_for(actor: Member, target: Member) -> bool:
    """Whether the actor holds a permission that covers ``target``: theirs to restrict and to look after.

    *Manage users* covers the actor's own descendants, *User management* any member but the owner; the owner covers
    everybody, themselves included.
    """
    if not may_work(actor):
        return False
    granted, related = actor.granted, relation(actor, target)
    if actor.is_owner:
        return related in {Relation.SELF, Relation.ANCESTOR}
    if related is Relation.ANCESTOR and Permission.MANAGE_USERS in granted:
        return True
    manages_all = bool(granted & (Permission.USER_EDITOR | Permission.USER_ADMINISTRATOR))
    return (
        manages_all and related in {Relation.ANCESTOR, Relation.DESCENDANT, Relation.UNRELATED} and not target.is_owner
    )


def can(actor: Member, action: MemberAction, target: Member) -> bool:
    """Whether ``actor`` may do ``action`` to ``target`` now. Takes no query."""
    related = relation(actor, target)
    if related is Relation.FOREIGN or not may_work(actor):
        return False
    is_self, is_above = related is Relation.SELF, related is Relation.ANCESTOR
    if not (is_self or is_above or not actor.account.restrict_user_list):
        return False  # whom one may not see, one can do nothing about
    match action:
        case MemberAction.VIEW:
            return True
        case MemberAction.VIEW_CARE:
            return is_self or is_above or cares_for(actor, target)
        case MemberAction.EDIT_RESTRICTION:
            return (is_self and actor.user_managed_login) or cares_for(actor, target)
        case MemberAction.EDIT_VPN_PASSWORD:
            return is_self or cares_for(actor, target)


def require(actor: Member, action: MemberAction, target: Member) -> None:
    """Raise NotAllowed, with the reason in words, unless ``actor`` may do ``action`` to ``target``."""
    if not can(actor, action, target):
        raise NotAllowed(reason(actor, action, target))


def reason(actor: Member, action: MemberAction, target: Member) -> str:
    """Return why the actor may not, in a sentence for them."""
    if not may_work(actor):
        return f"Your status in this account is {MemberStatus(actor.status).label}, which allows nothing here."
    if relation(actor, target) is Relation.SELF and action is MemberAction.EDIT_RESTRICTION:
        return "You can restrict your own addresses only while user-managed login is on for you."
    return f"You need the permission Manage users, and be above this user, to {action.value}."
