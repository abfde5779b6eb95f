"""Slows down guessing of passwords and codes, and floods of mail: counted in the database, before a hash is computed.

Attempts are counted first and atomically, so that simultaneous guesses count each. Open sessions and API keys are never
stopped by it; otherwise anybody could lock others out.

Source: docs/security.md, "Signing in".
"""

import hashlib
import ipaddress
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.models import AttemptCount
from accounts.names import canonical_email


@dataclass(frozen=True)
class Limit:
    """At most ``attempts`` in a window that opens with the first of them."""

    name: str
    attempts: int
    window: timedelta


@dataclass(frozen=True)
class Full:
    """There is not enough room left: how many would still fit, and how long until the window ends."""

    left: int
    wait: timedelta

    @property
    def seconds(self) -> int:
        """Whole seconds until the window ends."""
        return _whole_seconds(self.wait)


class TryLater(Exception):
    """Something is refused; ``retry_after`` says for how long, if waiting helps. The message is for who asked."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def retry_after_seconds(self) -> int:
        """Whole seconds to wait before the next attempt; 0 if waiting does not help."""
        return _whole_seconds(self.retry_after) if self.retry_after else 0


def _whole_seconds(time: timedelta) -> int:
    return math.ceil(time.total_seconds())


PAIR = Limit("pair", 5, timedelta(minutes=5))  # one e-mail address from one client address
EMAIL = Limit("email", 20, timedelta(minutes=15))  # one e-mail address, wherever from
ADDRESS = Limit("address", 100, timedelta(minutes=15))  # one client address, whatever e-mail address
#: Beside ``ADDRESS``, of an IPv6 network of 48 bits: one customer may have it, and it holds 65,536 such addresses.
NETWORK = Limit("network", 1_000, timedelta(minutes=15))

#: One-time passcodes of one e-mail address, at the login page and as proofs: whoever knows the password, or has a
#: session, and goes on guessing would hit upon six digits within some months.
PASSCODES = Limit("passcodes", 50, timedelta(days=1))
PROOF_PASSCODES = Limit("proof passcodes", 50, timedelta(days=1))
OF_A_DAY = (PASSCODES, PROOF_PASSCODES)

#: The limits of one kind of attempt: for an e-mail address from one place and from anywhere; then those of the above
#: that count as well.
Limits = tuple[Limit, ...]
SIGN_IN: Limits = (PAIR, EMAIL, ADDRESS)
#: One-time passcodes and recovery codes. They have their own counts: a right password must not allow more guesses.
CODES: Limits = (
    Limit("code pair", 5, timedelta(minutes=5)),
    Limit("code", 20, timedelta(minutes=15)),
    ADDRESS,
)
#: Proofs of identity in an open session, by password, code or passkey. They have their own counts, and none for the
#: place: failures at the login page must not keep anybody out of what they have open.
PROOFS: Limits = (Limit("proof pair", 5, timedelta(minutes=5)), Limit("proof", 20, timedelta(minutes=15)))
#: Word to somebody that they have no passcode left for the day.
PASSCODES_TOLD = Limit("passcodes told", 1, timedelta(hours=12))
#: Links for resetting a password: they must not fill a mailbox, and asking for them must not keep anybody out.
RESETS: Limits = (
    Limit("reset pair", 5, timedelta(minutes=15)),
    Limit("reset", 10, timedelta(hours=1)),
    ADDRESS,
)

#: Reports of leaked keys from one place, and from one network as above.
LEAKS = (Limit("leaks", 60, timedelta(minutes=15)), Limit("leaks network", 600, timedelta(minutes=15)))

_KEPT = timedelta(days=1)
#: How many counts go into one statement, and how many are written by one: each has its own value there.
_AT_ONCE, _AT_A_WRITE = 5_000, 500


def _keys(email: str, address: str | None, limits: Limits = SIGN_IN) -> Sequence[tuple[Limit, str]]:
    email, place = canonical_email(email)[:500], _place(address)
    subjects = {limits[0]: f"{place} {email}", limits[1]: email, ADDRESS: place, **dict.fromkeys(OF_A_DAY, email)}
    keys = [(limit, _key(limit, subjects[limit])) for limit in limits]
    return [*keys, *_network_key(NETWORK, address)] if ADDRESS in limits else keys


def _network_key(limit: Limit, address: str | None) -> Sequence[tuple[Limit, str]]:
    """Return what counts for the network that an IPv6 address is in; nothing for any other."""
    if address is None or ":" not in address:
        return ()
    return [(limit, _key(limit, _network(address, 48)))]


def _key(limit: Limit, subject: str) -> str:
    return hashlib.sha256(f"{limit.name} {subject}".encode()).hexdigest()


def _place(address: str | None) -> str:
    """Return what counts as one place: an IPv4 address, or an IPv6 network of 64 bits, as one home has."""
    if address is None:
        return "unknown"
    return _network(address, 64) if ":" in address else address


def _network(address: str, bits: int) -> str:
    return str(ipaddress.ip_network((address, bits), strict=False))


def count_attempt(email: str, address: str | None, limits: Limits = SIGN_IN) -> timedelta | None:
    """Count one attempt, to sign in unless ``limits`` say otherwise.

    Returns how long to wait if it is one too many, none if it may go on.

    An attempt over a limit is not counted against the others. The rows are taken in the order of their keys, so that
    two attempts never wait for each other in a circle.
    """
    full = _count(_keys(email, address, limits), 1)
    return full.wait if full else None


def count(limit: Limit, subject: str, amount: int = 1) -> Full | None:
    """Count ``amount`` for ``subject``, all or nothing; return none if there was room.

    Counts in the caller's transaction, if there is one, so that what is rolled back is not counted.
    """
    return _count([(limit, _key(limit, subject))], amount)


def count_from(limits: tuple[Limit, Limit], address: str | None) -> Full | None:
    """Count one for a place, and for its network if it has one; return none if there was room."""
    of_place, of_network = limits
    return _count([(of_place, _key(of_place, _place(address))), *_network_key(of_network, address)], 1)


def lack_of_room(limit: Limit, subject: str, amount: int) -> Full | None:
    """Return what ``count`` would return now, without counting; one query."""
    now = timezone.now()
    row = AttemptCount.objects.filter(key=_key(limit, subject), window_ends_at__gt=now).first()
    counted, wait = (row.count, row.window_ends_at - now) if row else (0, limit.window)
    return Full(max(0, limit.attempts - counted), wait) if counted + amount > limit.attempts else None


def used_up(limit: Limit, subjects: Iterable[str]) -> set[str]:
    """Return those of ``subjects`` for which there is no room left, without counting; one query."""
    keys = {_key(limit, subject): subject for subject in subjects}
    full = AttemptCount.objects.filter(
        key__in=keys, count__gte=limit.attempts, window_ends_at__gt=timezone.now()
    ).values_list("key", flat=True)
    return {keys[key] for key in full}


def count_each(limit: Limit, subjects: Sequence[str]) -> set[str]:
    """Count one for each of these distinct ``subjects`` with room for it, and return those; a few statements for all.

    In the caller's transaction, if there is one: what is undone was not done.
    """
    now, keys = timezone.now(), {_key(limit, subject): subject for subject in subjects}
    found: set[str] = set()
    ordered = sorted(keys)
    for start in range(0, len(ordered), _AT_ONCE):
        some = ordered[start : start + _AT_ONCE]
        with transaction.atomic():
            AttemptCount.objects.bulk_create(
                [AttemptCount(key=key, window_ends_at=now + limit.window) for key in some], ignore_conflicts=True
            )
            counted = []
            for row in AttemptCount.objects.select_for_update().filter(key__in=some).order_by("key"):
                if row.window_ends_at <= now:
                    row.count, row.window_ends_at = 0, now + limit.window
                if row.count < limit.attempts:
                    row.count += 1
                    counted.append(row)
            AttemptCount.objects.bulk_update(counted, ["count", "window_ends_at"], batch_size=_AT_A_WRITE)
            found |= {keys[row.key] for row in counted}
    return found


def _count(limited: Sequence[tuple[Limit, str]], amount: int) -> Full | None:
    now, full = timezone.now(), None
    keys = sorted(limited, key=lambda item: item[1])
    with transaction.atomic():
        AttemptCount.objects.bulk_create(
            [AttemptCount(key=key, window_ends_at=now + limit.window) for limit, key in keys], ignore_conflicts=True
        )
        rows = {
            row.key: row
            for row in AttemptCount.objects.select_for_update().filter(key__in=[k for _, k in keys]).order_by("key")
        }
        if len(rows) < len(keys):
            return _count(limited, amount)  # one was cleared away between the two statements
        for limit, key in keys:
            row = rows[key]
            if row.window_ends_at <= now:
                row.count, row.window_ends_at = 0, now + limit.window
            if row.count + amount > limit.attempts:
                this = Full(max(0, limit.attempts - row.count), row.window_ends_at - now)
                full = this if full is None else max(full, this, key=lambda one: one.wait)
        if full is not None:
            transaction.set_rollback(True)  # else somebody over a limit could go on making rows for made-up addresses
            return full
        for row in rows.values():
            row.count += amount
        AttemptCount.objects.bulk_update(rows.values(), ["count", "window_ends_at"])
    return None


def forget_old() -> int:
    """Delete old counts, and return how many."""
    return AttemptCount.objects.filter(window_ends_at__lt=timezone.now() - _KEPT).delete()[0]


def forget(limits: Iterable[Limit], subject: str) -> None:
    """Forget what was counted for ``subject``."""
    AttemptCount.objects.filter(key__in=[_key(limit, subject) for limit in limits]).delete()


def forget_success(email: str, address: str | None, limits: Limits = SIGN_IN) -> None:
    """Take back a counted attempt that succeeded: the pair's count is reset, the wider ones lose just this one."""
    forget_old()  # here it happens once for each success
    with transaction.atomic():
        for limit, key in sorted(_keys(email, address, limits), key=lambda item: item[1]):
            left = Value(0) if limit is limits[0] else Greatest(F("count") - 1, Value(0))
            AttemptCount.objects.filter(key=key).update(count=left)
