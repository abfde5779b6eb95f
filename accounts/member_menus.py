"""The *Actions* menus of a user: what a viewer may do with them now, as the policy says. No query."""

from collections.abc import Iterator, Sequence

from accounts.actions_menu import MenuItem
from accounts.enums import MemberStatus
from accounts.links import link
from accounts.models import Member
from accounts.policy import MemberAction, can

#: An entry of a menu: what it takes, its label, its route, and whether it takes something away.
_Entry = tuple[MemberAction, str, str, bool]
_OF_INVITATIONS: tuple[_Entry, ...] = (
    (MemberAction.RESEND_INVITE, "Resend invite", "accounts:resend-invite", False),
    (MemberAction.CANCEL_INVITE, "Cancel invite", "accounts:cancel-invite", True),
)
_REMOVE: _Entry = (MemberAction.REMOVE, "Remove user", "accounts:remove", True)


def menu(member: Member, viewer: Member, *, way: str = "") -> list[MenuItem]:
    """Return the entries of the Actions menu of a user's row that ``viewer`` may use now. Takes no query.

    ``way`` is the query by which the dialogs lead back to the list as it is.
    """
    items = []
    if can(viewer, MemberAction.VIEW_CARE, member):
        items.append(MenuItem("Manage user", link("accounts:user", member.pk)))
    return items + _usable(member, viewer, (*_OF_INVITATIONS, _REMOVE, *_freeze_entries(member)), way=way)


def page_menu(member: Member, viewer: Member) -> list[MenuItem]:
    """Return the entries of the Actions menu of a user's own page that ``viewer`` may use now. Takes no query.

    It has *Suspend*, or *Activate*, beside those of the row: the card of statuses is farther down.
    """
    is_active = member.status != MemberStatus.SUSPENDED
    change = (MemberAction.CHANGE_STATUS, "Suspend" if is_active else "Activate", "accounts:status", is_active)
    return _usable(member, viewer, (*_OF_INVITATIONS, change, _REMOVE, *_freeze_entries(member)))


def _usable(member: Member, viewer: Member, entries: Sequence[_Entry], *, way: str = "") -> list[MenuItem]:
    return [
        MenuItem(label, link(route, member.pk) + way, is_dialog=True, is_danger=is_danger)
        for action, label, route, is_danger in entries
        if can(viewer, action, member)
    ]


def _freeze_entries(member: Member) -> Iterator[_Entry]:
    """Yield the entry about the freezing of a member's branch, if there is a branch or it is frozen."""
    if getattr(member, "freeze", None) is not None:
        yield MemberAction.FREEZE_BRANCH, "Thaw branch", "accounts:thaw", False
    elif member.has_users_below:
        yield MemberAction.FREEZE_BRANCH, "Freeze branch", "accounts:freeze", True
