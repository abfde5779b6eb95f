"""Who may do what with an IBM Cloud API key: the one table. Pure: no query, no HTTP.

The tree gives no rights here: a key is its holder's, and the account's administrators of identities see all.

*Source:* docs/rules.md, "IBM Cloud API keys".
"""

import enum

from accounts.enums import MemberStatus, Permission
from accounts.models import Member
from accounts.policy import NotAllowed, may_work, reason_without_work
from keys.models import PlatformKey


class NotNow(NotAllowed):
    """Nobody can do it with the key as it is now; it has nothing to do with who asks."""


class PlatformAction(enum.Enum):
    """What one member may do with an IBM Cloud API key; the words complete "You may not …"."""

    VIEW = "see this key"
    EDIT = "edit this key"
    LOCK = "lock this key"
    UNLOCK = "unlock this key"
    ENABLE = "enable this key"
    DISABLE = "disable this key"
    DELETE = "delete this key"


#: The actions that only turn something over: the field, what it is afterwards, and the word for that.
SWITCHES = {
    PlatformAction.LOCK: ("is_locked", True, "locked"),
    PlatformAction.UNLOCK: ("is_locked", False, "unlocked"),
    PlatformAction.ENABLE: ("is_enabled", True, "enabled"),
    PlatformAction.DISABLE: ("is_enabled", False, "disabled"),
}
#: What can be done with a key that is locked.
_WHILE_LOCKED = frozenset({PlatformAction.VIEW, PlatformAction.UNLOCK})
#: What can be done with a key whose time is over, besides locking and unlocking, which keep it from being deleted.
_WHEN_EXPIRED = frozenset({PlatformAction.VIEW, PlatformAction.LOCK, PlatformAction.UNLOCK, PlatformAction.DELETE})


def can_see_all(actor: Member) -> bool:
    """Whether ``actor`` may see, and look after, the keys of all users of the account."""
    return may_work(actor) and Permission.IDENTITY_ADMINISTRATOR in actor.granted


def require_see_all(actor: Member) -> None:
    """Raise NotAllowed, with the reason in words, unless ``actor`` may see the keys of all users of the account."""
    if not may_work(actor):
        raise NotAllowed(reason_without_work(actor))
    if not can_see_all(actor):
        raise NotAllowed("You need the role IAM identity: Administrator to see the IBM Cloud API keys of all users.")


def can_see_keys_of(actor: Member, holder: Member) -> bool:
    """Whether ``actor`` may know of the keys of ``holder``: their own, or as an administrator of identities."""
    if holder.account_id != actor.account_id or not may_work(actor):
        return False
    return holder.pk == actor.pk or can_see_all(actor)


def rights_over(actor: Member, holder: Member) -> list[str]:
    """Return what ``actor`` may do about the keys of ``holder``, in words. Takes no query."""
    return ["see and manage this user's IBM Cloud API keys"] if can_see_keys_of(actor, holder) else []


def can(actor: Member, action: PlatformAction, key: PlatformKey) -> bool:
    """Whether ``actor`` may do ``action`` with ``key`` now. ``key.holder`` must be loaded; takes no query."""
    return can_see_keys_of(actor, key.holder) and _why_not_now(action, key) == ""


def require(actor: Member, action: PlatformAction, key: PlatformKey) -> None:
    """Raise NotAllowed, with the reason in words, unless ``actor`` may do ``action`` with ``key``.

    Raises NotNow where the actor might do it, if the key were in another state.
    """
    if not can_see_keys_of(actor, key.holder):
        raise NotAllowed(_reason(actor, action))
    if why := _why_not_now(action, key):
        raise NotNow(why)


def _why_not_now(action: PlatformAction, key: PlatformKey) -> str:
    """Return why nobody can do ``action`` with a key in this state; empty if it can be done."""
    if action in SWITCHES:
        field, value, word = SWITCHES[action]
        if getattr(key, field) is value:
            return f"This key is {word} already."
    if key.is_locked and action not in _WHILE_LOCKED:
        return "This key is locked. Unlock it first."
    if key.is_expired and action not in _WHEN_EXPIRED:
        return "This key has expired. It can only be deleted."
    return ""


def _reason(actor: Member, action: PlatformAction) -> str:
    if not may_work(actor):
        return reason_without_work(actor)
    return f"Only its user and an IAM identity Administrator may {action.value}."


def require_create(actor: Member) -> None:
    """Raise NotAllowed, with the reason in words, unless ``actor`` may create an IBM Cloud API key, for themselves."""
    if why := why_not_create(actor):
        raise NotAllowed(why)


def why_not_create(actor: Member) -> str:
    """Return why ``actor`` may not create a key, in a sentence for them; empty if they may.

    A key is always the actor's own. How many they have is not asked.
    """
    if not may_work(actor):
        return reason_without_work(actor)
    if actor.status != MemberStatus.ACTIVE:
        status = MemberStatus(actor.status).label
        return f"Your status in this account is {status}: your keys are refused. Only active users can create a key."
    if actor.account.restrict_key_creation and not may_create_while_restricted(actor):
        how = "give it to yourself in Settings" if actor.is_owner else "ask someone who manages users"
        return f"This account restricts who creates API keys. You need the permission User API key creator: {how}."
    return ""


def may_create_while_restricted(actor: Member) -> bool:
    """Whether ``actor`` was given the permission for it: the owner, who has all others, needs it too.

    *Source:* IBM Cloud documentation, "Restricting users from creating API keys".
    """
    return Permission.API_KEY_CREATOR in Permission(actor.permissions)
