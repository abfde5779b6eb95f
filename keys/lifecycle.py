"""A classic key from creation to deletion: each write asks the policy, changes and records in one transaction.

Used by pages, commands and the API alike. Everything is read anew inside the transaction, so that rights are those of
the present tree and statuses.
"""

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import addresses, audit
from accounts.memberships import present_member
from accounts.models import Member
from accounts.origin import Origin
from keys import events, material, policy
from keys.models import ClassicKey
from keys.policy import KeyAction


class KeyExists(Exception):
    """The member has a key already; nothing was changed."""


class KeyGone(Exception):
    """The key was deleted meanwhile, or the actor may not know of it: the same answer for both."""


def create_classic_key(*, holder: Member, by: Member, origin: Origin) -> tuple[ClassicKey, material.PlainValue]:
    """Create the key of ``holder`` and return it with its value in plain, for this one answer.

    Raises NotAllowed, or KeyExists when there is one: the unique index decides, so of any number of simultaneous
    calls one succeeds.
    """
    with transaction.atomic():
        by, holder = present_member(by), present_member(holder)
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
        try:
            with transaction.atomic():
                key.save(force_insert=True)
        except IntegrityError as error:
            if ClassicKey.objects.filter(holder=holder).exists():
                raise KeyExists from error
            raise
        audit.record(events.CREATED, actor=by, subject=holder, origin=origin)
    return key, value


def show_value(*, key: ClassicKey, by: Member, origin: Origin, download: bool = False) -> material.PlainValue:
    """Return the value of ``key`` for its creator, recording that it was shown or downloaded.

    Raises NotAllowed, KeyGone, or SealError when the ring lacks its master key.
    """
    with transaction.atomic():
        key, by = _present_key(key, by)
        policy.require(by, KeyAction.SHOW_VALUE, key)
        value = material.take(key)
        audit.record(events.DOWNLOADED if download else events.SHOWN, actor=by, subject=key.holder, origin=origin)
    return value


def restrict_classic_key(*, key: ClassicKey, addresses_text: str, by: Member, origin: Origin) -> str:
    """Set from where ``key`` may be used and return the canonical text; empty allows every address.

    Raises NotAllowed, KeyGone, or AddressError naming each bad entry.
    """
    canonical = str(addresses.parse(addresses_text))
    with transaction.atomic():
        key, by = _present_key(key, by)
        policy.require(by, KeyAction.EDIT_RESTRICTION, key)
        if canonical != key.allowed_addresses:
            details = audit.change(key.allowed_addresses, canonical)
            key.allowed_addresses = canonical
            key.save(update_fields=["allowed_addresses"])
            audit.record(events.RESTRICTED, actor=by, subject=key.holder, origin=origin, details=details)
    return canonical


def delete_classic_key(*, key: ClassicKey, by: Member, origin: Origin) -> None:
    """Delete ``key``; it stops working with the end of the transaction. Raises NotAllowed or KeyGone."""
    with transaction.atomic():
        key, by = _present_key(key, by)
        policy.require(by, KeyAction.DELETE, key)
        ClassicKey.objects.filter(pk=key.pk).delete()
        audit.record(events.DELETED, actor=by, subject=key.holder, origin=origin)


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
