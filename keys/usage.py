"""When keys were last used and which calls were refused: noted in memory by each process, and written a little later.

A classic key goes by its number here, an IBM Cloud API key by the hexadecimal digits of its UUID. With the latter's use
comes the move of its digest to the current master key, which is possible only when somebody presents the value.

No call waits for a write, and the time of an answer does not tell whether there was anything to write. A process that
is killed loses the last second of what is noted here; one that is stopped loses nothing.

*Source:* docs/rules.md, "Whose key works"; docs/security.md, "Audit" and "Secrets at rest".
"""

import atexit
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import nsmallest
from itertools import islice
from typing import Any

from django.db import connection, transaction

from accounts import audit, formats
from accounts.models import Member
from accounts.origin import Origin
from keys import events
from keys.models import PlatformKey

_log = logging.getLogger(__name__)

_MINUTE = 60  # seconds
_EVERY = 1.0  # seconds between two writes of a process
_AT_ONCE = 3.0  # seconds from a refusal to its event; if it takes longer, the event says when the refusal was
_IDLE = 15.0  # seconds without anything to write, after which the writer gives back its database connection

# Strangers can make up any number of addresses, so there are bounds for what is kept, and for the time of writing it.
_MOST_KEYS = 2_000  # whose refusals are kept; where there are more, the account with the most of them gives way
_MOST_ADDRESSES = 20  # of one key's refusals; those from further addresses are counted together
_MOST_EVENTS = 50  # in one go; each has its own transaction, so that other events of the account get in between
_MOST_USED = 20_000  # keys remembered as used within the last minute
_MOST_MOVED = 500  # digests in one go

_NO_FACTS: Mapping[str, str] = {}
#: Stands for the addresses beyond _MOST_ADDRESSES.
_FURTHER = "further addresses"

#: The number of a classic key, or the UUID of an IBM Cloud API key in hexadecimal digits.
KeyId = int | str


@dataclass(frozen=True, slots=True)
class Moved:
    """A digest, and what it is under the current master key, which the value was presented for."""

    old: bytes
    new: bytes
    ring_key_id: str


@dataclass(slots=True)
class _Refused:
    """Refusals from one address that are not in the activity log yet: how many for which reason, and since when."""

    first: float
    last: float
    whys: Counter[str] = field(default_factory=Counter)
    minute: int = -1  # since the epoch; the last one that has its event, by this process or another

    def facts(self, now: float) -> dict[str, str | int]:
        """Return the details of an event about them; if it is late, including when they were."""
        reasons = self.whys.most_common()
        why = reasons[0][0] if len(reasons) == 1 else ", ".join(f"{reason} ({count})" for reason, count in reasons)
        facts: dict[str, str | int] = {"why": why, "count": self.whys.total()}
        if now - self.first > _AT_ONCE:
            for name, moment in (("first", self.first), ("last", self.last)):
                facts[name] = formats.iso(datetime.fromtimestamp(moment, UTC))
        return facts


@dataclass(slots=True)
class _RefusedKey:
    """Refusals of one key by address, None being an unknown one."""

    account_id: int
    holder_id: int
    action: str
    facts: Mapping[str, str]
    places: dict[str | None, _Refused] = field(default_factory=dict)


class Collector:
    """What one process has noted and not written yet. Any thread may note; one at a time writes."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # over what is noted: held for moments, never during a query
        self._writing = threading.Lock()
        self._used: dict[KeyId, tuple[float, str]] = {}
        self._next_use: dict[KeyId, float] = {}
        self._moved: dict[bytes, Moved] = {}  # by the digest that is in the row
        self._refused: dict[KeyId, _RefusedKey] = {}
        self._held: Counter[int] = Counter()  # how many of these keys each account has
        self._dropped = 0
        self._noted = threading.Event()
        self._in_background = False
        self._writer: threading.Thread | None = None

    # --- Noting: on the way of every call, so without a query --------------------------------------------------------

    def accepted(self, key_id: KeyId, address: str | None, moved: Moved | None = None) -> None:
        """Note that a call was accepted, unless one with the same key was noted within the last minute.

        Args:
            moved: the digest under the current master key, of an IBM Cloud API key that is stored with another one.
        """
        now = self._clock()
        if now < self._next_use.get(key_id, 0.0):
            return
        with self._lock:
            if len(self._next_use) >= _MOST_USED:
                self._next_use.clear()  # notes more than necessary; the statement writes once a minute all the same
            self._next_use[key_id] = now + _MINUTE
            self._used[key_id] = now, address or ""
            if moved is not None:
                self._moved[moved.old] = moved
        self._wake()

    def refused(
        self,
        *,
        key_id: KeyId,
        account_id: int,
        holder_id: int,
        why: str,
        address: str | None,
        action: str = events.CALL_REFUSED,
        facts: Mapping[str, str] = _NO_FACTS,
    ) -> None:
        """Note that a call with a known key was refused.

        Whoever tries the keys of one account without end must not keep those of another out of its activity log.

        Args:
            action: the name of the event that it becomes.
            facts: which key it is, where its holder has more than one.
        """
        now = self._clock()
        with self._lock:
            key = self._refused.get(key_id)
            if key is None:
                if len(self._refused) >= _MOST_KEYS and not self._make_room(account_id):
                    self._dropped += 1
                    return
                key = self._refused[key_id] = _RefusedKey(account_id, holder_id, action, facts)
                self._held[account_id] += 1
            if address not in key.places and len(key.places) >= _MOST_ADDRESSES:
                address = _FURTHER
            noted = key.places.setdefault(address, _Refused(now, now))
            if not noted.whys:
                noted.first = now
            noted.last = now
            noted.whys[why] += 1
        self._wake()

    def _make_room(self, account_id: int) -> bool:
        """Drop the newest key of the account that has the most, if that leaves it no fewer than ``account_id`` gets."""
        largest, most = self._held.most_common(1)[0]
        if self._held[account_id] >= most - 1:
            return False
        newest = next(key_id for key_id, key in reversed(self._refused.items()) if key.account_id == largest)
        self._dropped += sum(noted.whys.total() for noted in self._forget(newest).places.values())
        return True

    def _forget(self, key_id: KeyId) -> _RefusedKey:
        key = self._refused.pop(key_id)
        self._held[key.account_id] -= 1
        if not self._held[key.account_id]:
            del self._held[key.account_id]
        return key

    # --- Writing -----------------------------------------------------------------------------------------------------

    def flush(self, *, last: bool = False) -> None:
        """Write what is due on this thread's connection; what cannot be written stays noted.

        One statement for all the keys used of a kind, one transaction for each event. Raises the database's errors.

        Args:
            last: whether the process ends, so that refusals must not be left for the next minute.
        """
        with self._writing:
            self._write_used()
            self._write_refused(last=last)
            self._write_moved(last=last)

    def _write_used(self) -> None:
        with self._lock:
            used, self._used = self._used, {}
        left: Iterable[KeyId] = used
        try:
            left = _write_last_used(used) if used else ()
        finally:
            with self._lock:
                for key_id in left:
                    self._used.setdefault(key_id, used[key_id])

    def _write_moved(self, *, last: bool) -> None:
        with self._lock:
            due = list(islice(self._moved.values(), None if last else _MOST_MOVED))
        for moved in due:
            # Compare and swap: the key may have been deleted, or another process may have moved it.
            PlatformKey.objects.filter(digest=moved.old).update(digest=moved.new, ring_key_id=moved.ring_key_id)
            with self._lock:
                self._moved.pop(moved.old, None)

    def _write_refused(self, *, last: bool) -> None:
        now = self._clock()
        minute = int(now) // _MINUTE
        for key_id, key, address, noted in self._due(minute, last=last):
            with self._lock:
                whys, details = noted.whys.copy(), {**key.facts, **noted.facts(now)}
            # At the end of the process the count must not be lost because this minute has its event already: it is
            # written as that of the next free minute.
            slots = range(minute, minute + (_MINUTE if last else 1))
            written = any(_write_event(f"{key_id}:{address}:{slot}", key, address, details) for slot in slots)
            with self._lock:
                noted.minute = minute
                if written:
                    noted.whys -= whys
                    noted.first = now  # of those that came since

    def _due(self, minute: int, *, last: bool) -> list[tuple[KeyId, _RefusedKey, str | None, _Refused]]:
        """Return the refusals to write in this minute, and forget keys without any for a whole minute.

        What waits longest goes first: else keys that are tried again every minute would keep all others waiting.
        """
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            for key_id, key in list(self._refused.items()):
                key.places = {a: noted for a, noted in key.places.items() if noted.whys or noted.minute >= minute}
                if not key.places:
                    self._forget(key_id)
            due = [
                (key_id, key, address, noted)
                for key_id, key in self._refused.items()
                for address, noted in key.places.items()
                if noted.whys and (last or noted.minute < minute)
            ]
        if dropped:
            _log.warning("%d refused calls are in no activity log: too many keys were tried at once", dropped)
        return due if last else nsmallest(_MOST_EVENTS, due, key=lambda one: one[3].first)

    # --- The writer: a thread, where a process serves calls ----------------------------------------------------------

    def run_in_background(self) -> None:
        """Write by a thread of this process and at its end; without this, only ``flush`` writes.

        The thread begins with the first thing noted: a server that forks its workers has forked them by then.
        """
        self._in_background = True

    def _wake(self) -> None:
        if not self._in_background:
            return
        self._noted.set()
        with self._lock:
            if self._writer is None or not self._writer.is_alive():
                self._writer = threading.Thread(target=self._write_always, name="keytree-usage", daemon=True)
                self._writer.start()
                atexit.register(self._write_at_exit)

    def _write_always(self) -> None:
        while True:
            if not (self._used or self._refused or self._moved or self._noted.wait(_IDLE)):
                connection.close()
                self._noted.wait()
            self._noted.clear()
            # Before writing, not after, so that the write does not coincide with the answer to the call it is about.
            time.sleep(_EVERY)
            self._write_and_log(last=False)

    def _write_at_exit(self) -> None:
        self._write_and_log(last=True)
        connection.close()

    def _write_and_log(self, *, last: bool) -> None:
        try:
            self.flush(last=last)
        except Exception as error:  # noqa: BLE001 - whatever it is: it stays noted, and the next write may go better
            # The kind alone: a database's message may quote values.
            _log.error("last used and refused calls could not be written: %s", type(error).__name__)
            connection.close()


#: This process's.
collector = Collector()


def run_in_background() -> None:
    """Let this process, which serves calls, write what it notes by a thread of its own and at its end."""
    collector.run_in_background()


def flush() -> None:
    """Write all that this process has noted, as it ends. Raises the database's errors."""
    collector.flush(last=True)


# A list of rows as the source of an UPDATE is beyond the ORM. What was written less than a minute ago stays, whoever
# wrote it. On PostgreSQL the statement skips locked rows and returns them, so that they are tried again: waiting for
# one would keep the others locked, and could deadlock with the move of a branch.
_POSTGRESQL = """
    WITH used AS (
        SELECT * FROM unnest(%s::{type}[], %s::timestamptz[], %s::timestamptz[], %s::date[], %s::text[])
            AS used ({id}, used_at, not_after, used_day, used_from)
    ), due AS (
        SELECT key.{id} FROM {table} AS key JOIN used USING ({id})
        WHERE key.last_used_at IS NULL OR key.last_used_at <= used.not_after
    ), free AS (
        SELECT key.{id} FROM {table} AS key JOIN used USING ({id})
        WHERE key.last_used_at IS NULL OR key.last_used_at <= used.not_after
        FOR NO KEY UPDATE OF key SKIP LOCKED
    ), written AS (
        UPDATE {table} AS key
        SET last_used_at = used.used_at, last_used_day = used.used_day, last_used_from = used.used_from
        FROM used JOIN free USING ({id}) WHERE key.{id} = used.{id} RETURNING key.{id}
    )
    SELECT {id} FROM due EXCEPT SELECT {id} FROM written
"""
_SQLITE = """
    UPDATE {table}
    SET last_used_at = used.used_at, last_used_day = used.used_day, last_used_from = used.used_from
    FROM (
        SELECT json_extract(value, '$[0]') AS {id}, json_extract(value, '$[1]') AS used_at,
            json_extract(value, '$[2]') AS not_after, json_extract(value, '$[3]') AS used_day,
            json_extract(value, '$[4]') AS used_from
        FROM json_each(%s)
    ) AS used
    WHERE {table}.{id} = used.{id} AND (last_used_at IS NULL OR last_used_at <= used.not_after)
"""
#: How the keys of each kind are found.
_CLASSIC = {"table": "keys_classickey", "id": "id", "type": "bigint"}
_PLATFORM = {"table": "keys_platformkey", "id": "uuid", "type": "uuid"}


def _write_last_used(used: Mapping[KeyId, tuple[float, str]]) -> list[KeyId]:
    """Write when and from where keys were last used, in one statement for each kind; return those to be tried again."""
    classic = {key_id: use for key_id, use in used.items() if isinstance(key_id, int)}
    platform = {key_id: use for key_id, use in used.items() if isinstance(key_id, str)}
    left = _write_kind(classic, _CLASSIC) if classic else []
    return left + [key_id.hex for key_id in (_write_kind(platform, _PLATFORM) if platform else ())]


def _write_kind(used: Mapping[Any, tuple[float, str]], kind: Mapping[str, str]) -> list[Any]:
    rows = []
    for key_id, (at, address) in used.items():
        moment = datetime.fromtimestamp(at, UTC)
        before = moment - timedelta(seconds=_MINUTE)
        moments = map(connection.ops.adapt_datetimefield_value, (moment, before))
        rows.append((key_id, *moments, connection.ops.adapt_datefield_value(moment.date()), address))
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(_SQLITE.format_map(kind), [json.dumps(rows)])
            return []
        cursor.execute(_POSTGRESQL.format_map(kind), [list(column) for column in zip(*rows, strict=True)])
        return [key_id for (key_id,) in cursor.fetchall()]


def _write_event(place: str, key: _RefusedKey, address: str | None, details: Mapping[str, str | int]) -> bool:
    """Record refusals as the one event of their key, address and minute; return whether it was this call that did."""
    holder = Member.objects.select_related("user").filter(pk=key.holder_id).first()
    if holder is None:
        return True  # removed meanwhile, with the key: there is nothing to record
    if address == _FURTHER:
        details, address = {**details, "from": _FURTHER}, None
    with transaction.atomic():
        event = audit.record(
            key.action,
            actor=None,
            actor_label="Someone calling",
            subject=holder,
            origin=Origin(address),
            outcome=audit.REFUSED,
            details=details,
            once=f"refused:{place}",
        )
    return event is not None
