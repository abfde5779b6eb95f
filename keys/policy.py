"""Who may do what with a classic infrastructure API key: the one table. Pure: no query, no HTTP.

Pages, forms, menus, downloads and commands all ask here. The rules are the section "Classic infrastructure API keys"
of docs/rules.md.
"""

import enum

from accounts.enums import CONSOLE_STATUSES, MemberStatus, Permission, Relation
from accounts.hierarchy import is_at_or_above, relation
from accounts.models import Member
from accounts.policy import NotAllowed, cares_for, may_work, reason_without_work
from keys.models import ClassicKey


class KeyAction(enum.Enum):
    """What one member may do with a key; the words complete "You may not …"."""

    VIEW = "view this key"
    SHOW_VALUE = "see the value of this key"
    EDIT_RESTRICTION = "restrict the addresses this key is used from"
    DELETE = "delete this key"


def can(actor: Member, action: KeyAction, key: ClassicKey) -> bool:
    """Whether ``actor`` may do ``action`` with ``key`` now. ``key.holder`` must be loaded; takes no query."""
    if not may_work(actor) or not is_at_or_above(actor, key.holder):
        return False
    match action:
        case KeyAction.VIEW | KeyAction.DELETE:
            return True  # for oneself and everyone below: no further permission is needed
        case KeyAction.SHOW_VALUE:
            return key.creator_id == actor.pk
        case KeyAction.EDIT_RESTRICTION:
            is_own = key.holder_id == actor.pk
            return (is_own and actor.user_managed_login) or cares_for(actor, key.holder)


def require(actor: Member, action: KeyAction, key: ClassicKey) -> None:
    """Raise NotAllowed, with the reason in words, unless ``actor`` may do ``action`` with ``key``."""
    if not can(actor, action, key):
        raise NotAllowed(_reason(actor, action, key))


def _reason(actor: Member, action: KeyAction, key: ClassicKey) -> str:
    if not may_work(actor):
        return reason_without_work(actor)
    if action is KeyAction.SHOW_VALUE:
        return "Only the user who created a key can see its value."
    if action is KeyAction.EDIT_RESTRICTION and key.holder_id == actor.pk:
        return "You can restrict your own key only while user-managed login is on for you."
    if action is KeyAction.EDIT_RESTRICTION:
        return "You need the permission Manage users to restrict this key."
    return f"Only its user and the users above them may {action.value}."


def can_see_keys_of(actor: Member, holder: Member) -> bool:
    """Whether ``actor`` may know if ``holder`` has a key: themselves and those above them."""
    return may_work(actor) and is_at_or_above(actor, holder)


def can_revoke_branch(actor: Member, member: Member) -> bool:
    """Whether ``actor`` may delete the keys of ``member`` and of everybody below: whoever may delete each of them."""
    return can_see_keys_of(actor, member)


def require_revoke_branch(actor: Member, member: Member) -> None:
    """Raise NotAllowed, with the reason in words, unless ``actor`` may delete the keys of that branch."""
    if not may_work(actor):
        raise NotAllowed(reason_without_work(actor))
    if not can_revoke_branch(actor, member):
        raise NotAllowed("Only the user and the users above them may revoke the keys in this branch.")


def can_create(actor: Member, holder: Member) -> bool:
    """Whether ``actor`` may create a key for ``holder``, as long as there is none.

    For oneself as an active member. A VPN-only member cannot sign in, so someone above with *Manage users* may.
    """
    if actor.pk == holder.pk:
        return may_work(actor) and actor.status == MemberStatus.ACTIVE
    return (
        may_work(actor)
        and holder.status == MemberStatus.VPN_ONLY
        and relation(actor, holder) is Relation.ANCESTOR
        and Permission.MANAGE_USERS in actor.granted
    )


def goes_when_holder_works(key: ClassicKey, holder: Member) -> bool:
    """Whether the key is deleted when a change of status lets ``holder``, who cannot yet, work in the console.

    Somebody else created it, and could go on calling in the name of a user who can create their own.
    """
    return key.creator_id != holder.pk and holder.status not in CONSOLE_STATUSES


#: Rights besides the actions on one key; the words complete "You may …".
_ABOUT_HOLDER = {
    "know whether this user has a key": can_see_keys_of,
    "revoke the keys in this user's branch": can_revoke_branch,
    "create this user's key while there is none": can_create,
}


def rights_over(actor: Member, holder: Member, key: ClassicKey | None) -> list[str]:
    """Return all that ``actor`` may do now about the keys of ``holder``, in words. Takes no query.

    ``key`` is that of ``holder``, or none where whoever is told may not know of it.
    """
    about_key = [action.value for action in KeyAction if key is not None and can(actor, action, key)]
    return about_key + [words for words, rule in _ABOUT_HOLDER.items() if rule(actor, holder)]


def require_create(actor: Member, holder: Member) -> None:
    """Raise NotAllowed, with the reason in words, unless ``actor`` may create a key for ``holder``."""
    if can_create(actor, holder):
        return
    if not may_work(actor):
        raise NotAllowed(reason_without_work(actor))
    if actor.pk == holder.pk:
        status = MemberStatus(actor.status).label
        raise NotAllowed(f"Your status in this account is {status}. Only active users can create a key.")
    raise NotAllowed(
        "Users create their own key. You can create one only for a VPN-only user below you, with Manage users."
    )
