"""A classic key from creation to deletion: each write asks the policy, changes and records in one transaction.

Everything is read again inside the transaction, so that rights are those of the present tree and statuses.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import addresses, audit, hierarchy
from accounts.memberships import locked_member, present_member, restrict_platform
from accounts.models import Member
from accounts.origin import Origin
from accounts.transactions import large_write, one_transaction
from keys import events, material, policy
from keys.models import ClassicKey, KeptRestriction
from keys.policy import KeyAction

#: How many keys are deleted by one statement: SQLite takes some thirty thousand values in one.
_AT_ONCE = 10_000
#: Source: PostgreSQL documentation, "Error Codes".
_NOT_UNIQUE = "23505"


class KeyExists(Exception):
    """The member has a key already; nothing was changed."""


class KeyGone(Exception):
    """The key was deleted meanwhile, or the actor may not know of it: the same answer for both."""


@one_transaction
def create_classic_key(*, holder: Member, by: Member, origin: Origin) -> tuple[ClassicKey, material.PlainValue]:
    """Create the key of ``holder`` and return it with its value in plain, for this one answer.

    Raises NotAllowed, or KeyExists when there is one: the unique index decides, so of any number of simultaneous
    calls one succeeds.
    """
    # The status of somebody else must not change before the key exists: such a key is deleted when its holder comes to
    # work in the console.
    by, holder = present_member(by), (present_member if by.pk == holder.pk else locked_member)(holder)
    policy.require_create(by, holder)
    key = ClassicKey(
        uid=material.new_uid(),
        account_id=holder.account_id,
        holder=holder,
        holder_path=holder.path,
        holder_sort_name=holder.sort_name,
        creator=by,
        created_at=timezone.now(),
    )
    value = material.new_value()
    material.put(key, value)
    _insert(key)
    details = {"restriction": audit.shortened(key.allowed_addresses)} if _restrict_as_before(key) else None
    audit.record(events.CREATED, actor=by, subject=holder, origin=origin, details=details)
    return key, value


def _restrict_as_before(key: ClassicKey) -> bool:
    """Give a new key the restriction of its holder's last one; return whether there was any.

    To be called when the new key is in the table: if the last one was being deleted, that is over by then.
    """
    kept = KeptRestriction.objects.filter(holder_id=key.holder_id).first()
    if kept is None:
        return False
    key.allowed_addresses = kept.allowed_addresses
    key.save(update_fields=["allowed_addresses"])
    kept.delete()
    return True


def _keep_restrictions(keys: QuerySet[ClassicKey]) -> None:
    """Keep the restrictions of ``keys``, which are about to be deleted, for their holders' next ones."""
    restricted = keys.exclude(allowed_addresses="").values_list("holder_id", "allowed_addresses")
    KeptRestriction.objects.bulk_create(
        KeptRestriction(holder_id=holder_id, allowed_addresses=text) for holder_id, text in restricted
    )


def _insert(key: ClassicKey, *, is_last_try: bool = False) -> None:
    """Insert a new key. Raises KeyExists if its holder has one.

    On PostgreSQL the key in the way may be deleted before it is looked for; then the new one is tried once more.
    """
    try:
        with transaction.atomic():
            key.save(force_insert=True)
    except IntegrityError as error:
        if ClassicKey.objects.filter(holder_id=key.holder_id).exists():
            raise KeyExists from error
        if is_last_try or getattr(error.__cause__, "sqlstate", None) != _NOT_UNIQUE:
            raise
    else:
        return
    _insert(key, is_last_try=True)


@one_transaction
def show_value(*, key: ClassicKey, by: Member, origin: Origin, download: bool = False) -> material.PlainValue:
    """Return the value of ``key`` for its creator, recording that it was shown or downloaded.

    Raises NotAllowed, KeyGone, or SealError when the ring lacks its master key.
    """
    key, by = _present_key(key, by)
    policy.require(by, KeyAction.SHOW_VALUE, key)
    value = material.take(key)
    audit.record(events.DOWNLOADED if download else events.SHOWN, actor=by, subject=key.holder, origin=origin)
    return value


@one_transaction
def restrict_classic_key(*, key: ClassicKey, addresses_text: str, by: Member, origin: Origin) -> str:
    """Set from where ``key`` may be used and return the canonical text; empty allows every address.

    Raises NotAllowed, KeyGone, or AddressError naming each bad entry.
    """
    canonical = str(addresses.parse(addresses_text))
    key, by = _present_key(key, by)
    policy.require(by, KeyAction.EDIT_RESTRICTION, key)
    if canonical != key.allowed_addresses:
        details = audit.change(key.allowed_addresses, canonical)
        key.allowed_addresses = canonical
        key.save(update_fields=["allowed_addresses"])
        audit.record(events.RESTRICTED, actor=by, subject=key.holder, origin=origin, details=details)
    return canonical


@one_transaction
def restrict_member(
    *,
    member: Member,
    key: ClassicKey | None,
    platform_text: str | None,
    classic_text: str | None,
    by: Member,
    origin: Origin,
) -> None:
    """Set both restrictions of a member, for the console and for their key, or neither.

    Args:
        key: the member's key, none when there is none or ``by`` may not know of it.
        platform_text: none leaves the restriction of the console as it is.
        classic_text: none leaves the key's restriction as it is.

    Raises what ``restrict_classic_key`` and ``accounts.memberships.restrict_platform`` raise.
    """
    if key is not None and classic_text is not None:
        restrict_classic_key(key=key, addresses_text=classic_text, by=by, origin=origin)
    if platform_text is not None:
        restrict_platform(member=member, addresses_text=platform_text, by=by, origin=origin)


@one_transaction
def delete_classic_key(*, key: ClassicKey, by: Member, origin: Origin) -> None:
    """Delete ``key``; it stops working with the end of the transaction. Raises NotAllowed or KeyGone."""
    key, by = _present_key(key, by)
    policy.require(by, KeyAction.DELETE, key)
    present = ClassicKey.objects.filter(pk=key.pk)
    _keep_restrictions(present)
    present.delete()
    audit.record(events.DELETED, actor=by, subject=key.holder, origin=origin)


@dataclass(frozen=True)
class Revoked:
    """What became of a branch's keys."""

    deleted: int
    gone: int  # chosen, but no longer there or no longer in the branch
    new: int  # in the branch, but not in the review


@one_transaction
@large_write()
def revoke_branch(
    *, member: Member, chosen: Collection[int], seen: Collection[int], reason: str, by: Member, origin: Origin
) -> Revoked:
    """Delete the ``chosen`` keys of ``member`` and of those below; they stop working with the end of the transaction.

    Keys that came into the branch after ``by`` had ``seen`` it stay, and keys that have gone meanwhile are no error.
    One event per key, all with the same number of the revocation; a few statements for thousands of keys. Raises
    NotAllowed.
    """
    hierarchy.lock_account(member.account_id)
    by, member = present_member(by), present_member(member)
    policy.require_revoke_branch(by, member)
    in_branch = ClassicKey.objects.filter(hierarchy.branch(member, prefix="holder_"))
    present = set(in_branch.order_by().values_list("pk", flat=True))
    holders = _delete_all(sorted(present.intersection(chosen)))
    details = {"reason": reason, "revocation": secrets.token_hex(6)}
    audit.record_all(events.REVOKED, actor=by, subjects=holders, origin=origin, details=details)
    return Revoked(deleted=len(holders), gone=len(chosen) - len(holders), new=len(present.difference(seen)))


def _delete_all(ids: Sequence[int]) -> list[Member]:
    """Delete these keys and return their holders; five statements for each ``_AT_ONCE``."""
    holders: list[Member] = []
    for start in range(0, len(ids), _AT_ONCE):
        # Locked first: a key that somebody else deletes at the same moment is in their event, not in ours.
        keys = ClassicKey.objects.select_for_update(of=("self",)).filter(pk__in=ids[start : start + _AT_ONCE])
        found = dict(keys.order_by("pk").values_list("pk", "holder_id"))
        people = Member.objects.filter(pk__in=found.values()).select_related("user").order_by("path")
        holders += people.only("status", "name_here", "user__name", "user__email")
        locked = ClassicKey.objects.filter(pk__in=found)
        _keep_restrictions(locked)
        locked.delete()
    return holders


def delete_key_of_leaving(*, member: Member, by: Member | None, origin: Origin) -> None:
    """Delete the key of a member who is being removed, if there is one, inside the transaction of the removal.

    It takes no right to the key itself, because a key cannot outlive its holder.
    """
    _delete_by_the_way(ClassicKey.objects.filter(holder=member), member, by, origin, "user removed")


def delete_key_made_by_another(*, member: Member, by: Member, origin: Origin) -> None:
    """Delete the key of a member who comes to work in the console, unless they created it; inside the change of status.

    It was created while they were VPN-only, by somebody above them who knows its value and could go on calling in their
    name, although they can create their own now. Its restriction is kept for the next one.
    """
    keys = ClassicKey.objects.filter(holder=member).exclude(creator=member)
    _keep_restrictions(keys)
    _delete_by_the_way(keys, member, by, origin, "its user logs in")


def _delete_by_the_way(keys: QuerySet[ClassicKey], holder: Member, by: Member | None, origin: Origin, why: str) -> None:
    """Delete ``keys``, one at most, as a consequence of what ``by`` did to its holder, and record it.

    If ``by`` may not know whether there was a key, they do not learn it: the event names them, but not as its actor, so
    that it is not among those they see.
    """
    if not keys.delete()[0]:
        return
    knows = by is not None and policy.can_see_keys_of(by, holder)
    audit.record(
        events.DELETED,
        actor=by if knows else None,
        actor_label=audit.label(by) if by else "",
        subject=holder,
        origin=origin,
        details={"why": why},
    )


def _present_key(key: ClassicKey, by: Member) -> tuple[ClassicKey, Member]:
    """Return key and actor as they are now, the key locked to the end of the transaction. Raises KeyGone."""
    by = present_member(by)
    found = (
        ClassicKey.objects.select_for_update(of=("self",))
        .select_related("holder__user", "holder__account")
        .filter(pk=key.pk, uid=key.uid)
        .first()
    )
    if found is None or not policy.can_see_keys_of(by, found.holder):
        raise KeyGone
    return found, by
