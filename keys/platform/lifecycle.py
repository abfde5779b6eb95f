"""An IBM Cloud API key from creation to deletion: each write asks the policy, changes and records in one transaction.

Everything is read again inside the transaction, so that rights are those of the present permissions and statuses.
Each write locks the account's audit chain first, and not last as others do: a removal holds it when it locks all keys
of the member, and so does a sign-in when it writes the user's row. Nobody waits for one who waits for them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from accounts import audit, formats
from accounts.memberships import present_member
from accounts.models import Member, User
from accounts.names import sort_name
from accounts.origin import Origin
from accounts.transactions import one_transaction
from keys import material
from keys.models import MOST_PLATFORM_KEYS, LeakedAction, PlatformKey
from keys.platform import events, policy
from keys.platform.policy import SWITCHES, PlatformAction

#: How long before it expires the holder of a key is told.
TOLD_BEFORE = timedelta(days=7)
#: How long an expired key is kept. *Source:* docs/rules.md, "IBM Cloud API keys".
KEPT_AFTER = timedelta(days=90)
_SWITCHED = {
    PlatformAction.LOCK: events.LOCKED,
    PlatformAction.UNLOCK: events.UNLOCKED,
    PlatformAction.ENABLE: events.ENABLED,
    PlatformAction.DISABLE: events.DISABLED,
}

#: What a report of a leak came to, in words for the event and the mail.
_DONE = {LeakedAction.DISABLE: "key disabled", LeakedAction.DELETE: "key deleted", LeakedAction.NOTHING: "none"}


class TooManyKeys(Exception):
    """The user has as many keys as there may be; nothing was changed."""


class CreatedAlready(Exception):
    """The same request has created a key before; nothing was changed."""


class KeyGone(Exception):
    """The key was deleted meanwhile, or the actor may not know of it: the same answer for both."""


class ExpiryPassed(ValueError):
    """The moment at which the key is to expire is over already."""


class ChangedMeanwhile(Exception):
    """The key is not as it was when the actor looked; nothing was changed."""


@dataclass(frozen=True)
class Description:
    """What a user says about a key, cleaned: a name, and perhaps a text, a time, and what to do if it is leaked."""

    name: str
    text: str = ""
    expires_at: datetime | None = None
    leaked_action: LeakedAction = LeakedAction.DISABLE

    @classmethod
    def of(cls, key: PlatformKey) -> "Description":
        """Return that of ``key``."""
        return cls(key.name, key.description, key.expires_at, LeakedAction(key.leaked_action))

    def put(self, key: PlatformKey) -> None:
        """Write it into ``key``, which is not saved."""
        key.name, key.sort_name, key.description = self.name, sort_name(self.name), self.text
        key.search_text = f"{self.name} {self.text}".casefold()
        key.expires_at, key.leaked_action = self.expires_at, self.leaked_action


@one_transaction
def create_platform_key(
    *,
    description: Description,
    by: Member,
    origin: Origin,
    is_locked: bool = False,
    is_enabled: bool = True,
    newest: int | None = None,
) -> tuple[PlatformKey, material.PlainValue]:
    """Create a key of ``by`` and return it with its value in plain, for this one answer: it is stored nowhere.

    Raises NotAllowed, TooManyKeys, ExpiryPassed, or CreatedAlready.

    Args:
        newest: the highest id of the user's keys when the request was prepared, 0 for none. A newer one of the same
            name says that the request comes for the second time.
    """
    audit.lock_chain(by.account_id)
    by = present_member(by)
    policy.require_create(by)
    now = timezone.now()
    _require_future(description.expires_at, now)
    _lock_keys_of(by.user_id)
    if newest is not None:
        _require_first(by.user_id, description.name, newest)
    key = PlatformKey(
        account_id=by.account_id,
        holder=by,
        user_id=by.user_id,
        slot=_free_slot(by.user_id),
        created_at=now,
        is_locked=is_locked,
        is_enabled=is_enabled,
    )
    description.put(key)
    value = material.new_platform_value()
    material.put_platform(key, value)
    key.save(force_insert=True)
    audit.record(events.CREATED, actor=by, origin=origin, details=_facts(key))
    return key, value


def _require_future(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise ExpiryPassed


def _lock_keys_of(user_id: int) -> None:
    """Lock the user's row to the end of the transaction, so that their keys are created one after the other.

    Without that the unique index would refuse the second of two keys made at once, although there may be room for both.
    """
    User.objects.select_for_update(no_key=True).get(pk=user_id)


def _require_first(user_id: int, name: str, newest: int) -> None:
    if PlatformKey.objects.filter(user_id=user_id, pk__gt=newest, name=name).exists():
        raise CreatedAlready


def _free_slot(user_id: int) -> int:
    """Return the first of the user's places that is free. Raises TooManyKeys."""
    taken = set(PlatformKey.objects.filter(user_id=user_id).values_list("slot", flat=True))
    free = next((slot for slot in range(1, MOST_PLATFORM_KEYS + 1) if slot not in taken), None)
    if free is None:
        raise TooManyKeys
    return free


def _facts(key: PlatformKey) -> dict[str, str]:
    """Return which key an event is about."""
    return {"name": key.name, "key": key.record_id}


@one_transaction
def edit_platform_key(
    *, key: PlatformKey, description: Description, by: Member, origin: Origin, revision: str | None = None
) -> PlatformKey:
    """Set name, text, time and leaked action of ``key``.

    Raises NotAllowed, KeyGone, ExpiryPassed, or ChangedMeanwhile.

    Args:
        revision: that the key must still have; none for whichever.
    """
    key, by = _present_key(key, by)
    policy.require(by, PlatformAction.EDIT, key)
    if revision not in {None, key.revision}:
        raise ChangedMeanwhile
    before = Description.of(key)
    if before == description:
        return key
    if description.expires_at != key.expires_at:
        _require_future(description.expires_at, timezone.now())
        key.expiry_told_at = None
    facts = _facts(key)
    description.put(key)
    key.modified_at = timezone.now()
    key.save(
        update_fields=[
            "name", "sort_name", "description", "search_text", "modified_at", "expires_at", "expiry_told_at",
            "leaked_action",
        ]
    )  # fmt: skip
    audit.record(
        events.EDITED, actor=by, subject=key.holder, origin=origin, details={**facts, **_changes(before, description)}
    )
    return key


def _changes(before: Description, after: Description) -> dict[str, str]:
    """Return in words what an edit changed; of the text only that it did."""
    changed = {}
    if after.name != before.name:
        changed["new name"] = after.name
    if after.text != before.text:
        changed["description"] = "changed"
    if after.expires_at != before.expires_at:
        changed["expires"] = formats.end(after.expires_at) if after.expires_at else "never"
    if after.leaked_action != before.leaked_action:
        changed["leaked action"] = after.leaked_action.label
    return changed


@one_transaction
def switch_platform_key(*, key: PlatformKey, action: PlatformAction, by: Member, origin: Origin) -> None:
    """Lock, unlock, enable or disable ``key``, from the end of the transaction on. Raises NotAllowed or KeyGone.

    Args:
        action: one of the ``SWITCHES`` of the policy, which is asked whether it changes anything.
    """
    key, by = _present_key(key, by)
    policy.require(by, action, key)
    field, value, _ = SWITCHES[action]
    setattr(key, field, value)
    key.modified_at = timezone.now()
    key.save(update_fields=[field, "modified_at"])
    audit.record(_SWITCHED[action], actor=by, subject=key.holder, origin=origin, details=_facts(key))


@one_transaction
def delete_platform_key(*, key: PlatformKey, by: Member, origin: Origin) -> None:
    """Delete ``key``; it stops working with the end of the transaction. Raises NotAllowed or KeyGone."""
    key, by = _present_key(key, by)
    policy.require(by, PlatformAction.DELETE, key)
    _delete(key)
    audit.record(events.DELETED, actor=by, subject=key.holder, origin=origin, details=_facts(key))


def _delete(key: PlatformKey) -> None:
    PlatformKey.objects.filter(pk=key.pk).delete()


def delete_keys_of_leaving(*, member: Member, by: Member | None, origin: Origin) -> None:
    """Delete all keys of a member who is being removed, locked ones too, inside the transaction of the removal.

    It takes no right to the keys, because a key cannot outlive its holder. If ``by`` may not know of the keys, the
    events name them, but not as their actor, so that they are not among those they see. The mail about the removal
    says that keys stopped working: there is not one more for each.
    """
    knows = by is not None and policy.can_see_keys_of(by, member)
    for key in PlatformKey.objects.select_for_update().filter(holder=member).order_by("pk"):
        _delete(key)
        audit.record(
            events.DELETED,
            actor=by if knows else None,
            actor_label=audit.label(by) if by else "",
            subject=member,
            origin=origin,
            details={**_facts(key), "why": "user removed"},
            is_told=False,
        )


def key_of_value(value: str) -> PlatformKey | None:
    """Return the key of this value, whatever its state; one query. The caller asks the policy who may know."""
    if not material.is_platform_value(value):
        return None
    digests = [digest for _, digest in material.platform_digests(value)]
    return PlatformKey.objects.select_related("holder__user", "holder__account").filter(digest__in=digests).first()


# --- What happens without anybody deciding on it ----------------------------------------------------------------------


@one_transaction
def report_leaked(*, value: str, source: str, origin: Origin) -> LeakedAction | None:
    """Do with the key of this value what its user chose for this case, and return what that was; none if it is no key.

    Whoever reports it knows the value, and could use it. A lock does not protect the key: nobody decides here. A second
    report does the same once more, since the user may have enabled the key; where that changes nothing, it is an event,
    and a mail, once a day, so that nobody fills a mailbox with reports.

    Args:
        value: as found; anything.
        source: where it was found or who says so, in words, for the event and the mail.
        origin: of the report.
    """
    found = key_of_value(value)
    key = _locked(PlatformKey.objects.filter(pk=found.pk), found.account_id) if found else None
    if key is None:
        return None
    action = LeakedAction(key.leaked_action)
    facts, once = {**_facts(key), "source": source, "action": _DONE[action]}, None
    if action is LeakedAction.DELETE:
        _delete(key)
    elif key.leaked_at is not None and not (key.is_enabled and action is LeakedAction.DISABLE):
        once = f"leaked:{key.pk}:{timezone.now():%Y-%m-%d}"
    else:
        key.modified_at = timezone.now()
        key.leaked_at = key.leaked_at or key.modified_at
        key.is_enabled = key.is_enabled and action is not LeakedAction.DISABLE
        key.save(update_fields=["modified_at", "leaked_at", "is_enabled"])
    audit.record(
        events.LEAKED, actor=None, actor_label="A report", subject=key.holder, origin=origin, details=facts, once=once
    )
    return action


def tell_expiring(*, now: datetime, origin: Origin) -> int:
    """Tell the holders of keys that are about to expire, each once; return how many keys that were."""
    found = list(_to_be_told(now).values_list("pk", "account_id"))
    return sum(_tell_expiring(pk, account_id, now, origin) for pk, account_id in found)


def _to_be_told(now: datetime) -> QuerySet[PlatformKey]:
    """Return the keys that are about to expire, whose holders were not told of it yet."""
    return PlatformKey.objects.filter(
        expires_at__gt=now, expires_at__lte=now + TOLD_BEFORE, expiry_told_at=None, is_enabled=True
    )


@one_transaction
def _tell_expiring(pk: int, account_id: int, now: datetime, origin: Origin) -> bool:
    key = _locked(_to_be_told(now).filter(pk=pk), account_id)
    if key is None or key.expires_at is None:
        return False  # another process told it, or it was edited, perhaps to expire much later
    key.expiry_told_at = now
    key.save(update_fields=["expiry_told_at"])
    facts = {**_facts(key), "expires": formats.end(key.expires_at)}
    audit.record(
        events.EXPIRES_SOON, actor=None, actor_label="The server", subject=key.holder, origin=origin, details=facts
    )
    return True


def delete_expired(*, now: datetime, origin: Origin) -> int:
    """Delete the keys that expired KEPT_AFTER ago, locked ones too; return how many."""
    found = list(_to_be_deleted(now).values_list("pk", "account_id"))
    return sum(_delete_expired(pk, account_id, now, origin) for pk, account_id in found)


def _to_be_deleted(now: datetime) -> QuerySet[PlatformKey]:
    """Return the keys that expired long ago."""
    return PlatformKey.objects.filter(expires_at__lte=now - KEPT_AFTER)


@one_transaction
def _delete_expired(pk: int, account_id: int, now: datetime, origin: Origin) -> bool:
    key = _locked(_to_be_deleted(now).filter(pk=pk), account_id)
    if key is None:
        return False
    _delete(key)
    audit.record(
        events.EXPIRED_DELETED, actor=None, actor_label="The server", subject=key.holder, origin=origin,
        details=_facts(key),
    )  # fmt: skip
    return True


def _present_key(key: PlatformKey, by: Member) -> tuple[PlatformKey, Member]:
    """Return key and actor as they are now, the key locked to the end of the transaction. Raises KeyGone."""
    mine = PlatformKey.objects.filter(pk=key.pk, uuid=key.uuid, account_id=by.account_id)
    found, by = _locked(mine, by.account_id), present_member(by)
    if found is None or not policy.can_see_keys_of(by, found.holder):
        raise KeyGone
    return found, by


def _locked(keys: QuerySet[PlatformKey], account_id: int) -> PlatformKey | None:
    """Return the one of ``keys``, if it is still there, locked after the chain of its account."""
    audit.lock_chain(account_id)
    return keys.select_for_update(of=("self",)).select_related("holder__user", "holder__account").first()
