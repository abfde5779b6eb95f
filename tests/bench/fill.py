"""Fills an empty database for the benchmark: the one function of a child process (tests.bench.child).

Beyond what console.generator makes: an event for each member, and two branches whose keys are all older than everybody
else's, which is the worst that can happen to a list that is read newest first.
"""

import heapq
import time
from array import array
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.db.models import F

from accounts.enums import MemberStatus
from accounts.hierarchy import path_range
from accounts.models import Account, AuditChain, Member
from accounts.models.member import CODE_LENGTH
from console.generator import Shape, generate
from console.maintenance import unhurried
from keys.models import ClassicKey
from tests.bench.output import progress

#: How long before all others the keys of the two branches were made.
_LONG_AGO = timedelta(days=20 * 365)
#: Branches, by the number of keys in them, that are tried in search of the slowest viewer; below 1, shares of all keys.
_TRIED = (2, 30, 300, 1_000, 1_900, 2_200, 5_000, 9_000, 11_000, 0.001, 0.02, 0.05, 0.1, 0.2)
#: Between two reports.
_SECONDS = 10


def fill(members: int) -> dict[str, Any]:
    """Fill the database and return facts about it."""
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    account = generate(
        members=members, shape=Shape.RANDOM, keys_share=1, password_for_all=False, progress=_Reporter(members)
    )
    with unhurried():
        progress("  events ...")
        _add_events(account)
        progress("  branches ...")
        branches = _Branches(account)
        viewers = dict(branches.viewers())
        oldest = [member for name, member in viewers.items() if name.startswith("oldest")]
        for member in oldest:
            path = Member.objects.get(pk=member).path
            keys = ClassicKey.objects.filter(path_range(path, field="holder_path"), account_id=account.pk)
            keys.update(created_at=F("created_at") - _LONG_AGO)
        movable = branches.movable(min(10_000, members // 10))
        if connection.vendor == "postgresql":
            progress("  statistics ...")  # as autovacuum would within the next minutes
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")
    return {
        "account": account.pk,
        "keys": ClassicKey.objects.count(),
        "levels": branches.levels,
        "viewers": viewers,
        "tried": list(branches.tried(apart_from=oldest)),
        "movable": movable,
    }


class _Reporter:
    """Says how far the generation is, now and then."""

    def __init__(self, members: int) -> None:
        self._members, self._started = members, time.monotonic()
        self._last = self._started

    def __call__(self, done: int) -> None:
        if (now := time.monotonic()) - self._last >= _SECONDS:
            self._last = now
            progress(f"  {done:,} of {self._members:,} members after {now - self._started:,.0f} s")


def _add_events(account: Account) -> None:
    """Give each member the event of being added. The chain's links are left out: nobody verifies this trail."""
    chain = AuditChain.objects.get(pk=account.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO accounts_event (account_id, number, at, action, outcome, actor_id, actor_label, subject_id,
                subject_label, address, request_id, details, once, link)
            SELECT member.account_id, %s + ROW_NUMBER() OVER (ORDER BY member.id), person.created_at, 'member.added',
                'success', member.parent_id, 'Somebody <somebody@generated.example>', member.id,
                person.name || ' <' || person.email || '>', '192.0.2.1', 'generated', '{}', NULL, %s
            FROM accounts_member AS member JOIN accounts_user AS person ON person.id = member.user_id
            WHERE member.account_id = %s AND member.parent_id IS NOT NULL
            """,
            [chain.number, b"", account.pk],
        )
    AuditChain.objects.filter(pk=account.pk).update(number=chain.number + Member.objects.count() - 1)


class _Branches:
    """How many keys there are in each member's branch, and from whose place the lists are measured."""

    def __init__(self, account: Account) -> None:
        self._account = account
        rows = Member.objects.filter(account=account).order_by("pk")
        self._first = rows[0].pk
        count = rows.count()
        self._parents, self._members, self._keys = (array("l", [value]) * count for value in (0, 1, 0))
        self._usable = bytearray(count)
        self.levels = 0
        facts = rows.values_list("pk", "parent_id", "path", "status", "allowed_addresses", "classic_key__id")
        for pk, parent_id, path, status, addresses, key_id in facts.iterator(chunk_size=10_000):
            place = pk - self._first
            self._parents[place] = (parent_id or self._first) - self._first
            self._keys[place] = key_id is not None
            self._usable[place] = status == MemberStatus.ACTIVE and not addresses and key_id is not None
            self.levels = max(self.levels, len(path) // CODE_LENGTH)
        for place in range(count - 1, 0, -1):  # whoever was invited later has the higher key
            self._members[self._parents[place]] += self._members[place]
            self._keys[self._parents[place]] += self._keys[place]

    def viewers(self) -> Iterator[tuple[str, int]]:
        """Yield (name, member) of those that the figures are about."""
        everything = self._keys[0]
        yield "owner", self._first
        yield "leaf", self._nearest(1)
        half = self._nearest(everything / 2)
        yield "half", half
        hundredth = self._nearest(everything / 100)
        yield "hundredth", hundredth
        tenth = self._nearest(everything / 10, apart_from=[hundredth])
        yield "oldest tenth", tenth
        yield "oldest hundredth", self._nearest(everything / 100, apart_from=[hundredth, tenth])

    def tried(self, *, apart_from: Iterable[int]) -> Iterable[int]:
        """Return further viewers, of branches of many sizes, neither above nor below those given."""
        sizes = (size if size > 1 else size * self._keys[0] for size in _TRIED)
        return sorted({self._nearest(size, apart_from=apart_from) for size in sizes if size < self._keys[0]})

    def movable(self, members: int) -> dict[str, int]:
        """Return a branch of about that many members, not directly below the owner."""
        places = (place for place in range(1, len(self._members)) if self._parents[place])
        place = min(places, key=lambda place: abs(self._members[place] - members))
        return {"member": place + self._first, "members": self._members[place]}

    def _nearest(self, keys: float, *, apart_from: Iterable[int] = ()) -> int:
        """Return the usable member whose branch has nearest to so many keys, neither above nor below those given."""
        apart = [other - self._first for other in apart_from]
        usable = (place for place, is_usable in enumerate(self._usable) if is_usable)
        nearest = heapq.nsmallest(1_000, usable, key=lambda place: abs(self._keys[place] - keys))
        found = next(place for place in nearest if not any(self._related(place, other) for other in apart))
        return found + self._first

    def _related(self, one: int, other: int) -> bool:
        return self._is_above(one, other) or self._is_above(other, one)

    def _is_above(self, upper: int, lower: int) -> bool:
        while lower > upper:
            lower = self._parents[lower]
        return lower == upper
