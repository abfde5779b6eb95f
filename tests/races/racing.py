"""Many calls at the same moment, and what is whole after them."""

import os
import time
from collections import Counter
from collections.abc import Callable
from threading import Barrier, Event, Lock
from typing import Any

from django.db import connection

from accounts import audit
from accounts.models import Event as AuditEvent
from accounts.models import Member
from tests.threads import at_once, errors


def most_threads(wanted: int) -> int:
    """How many threads may each have a connection: the suite's other processes may race beside, with as many."""
    if connection.vendor != "postgresql":
        return wanted
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        return min(wanted, max(int(cursor.fetchone()[0]) // processes - 15, 5))


def many_at_once(call: Callable[[], Any], times: int) -> list[Any]:
    """What ``times`` calls returned or raised, as many of them at the same moment as there can be connections."""
    threads, left, lock = most_threads(times), [times], Lock()

    def some() -> list[Any]:
        said = []
        while True:
            with lock:
                if not left[0]:
                    return said
                left[0] -= 1
            try:
                said.append(call())
            except Exception as error:  # noqa: BLE001 - for the test to judge
                said.append(error)

    (answers,) = at_once(*[some] * threads)
    assert not errors(answers)
    return [answer for said in answers for answer in said]


def assert_refused_after(change: Callable[[], None], is_accepted: Callable[[], bool]) -> None:
    """Calls go on while a change is made: what begins after its end is refused, on every connection."""
    callers, over, ready = 6, Event(), Barrier(7)
    ended: list[float] = []

    def call() -> list[tuple[float, bool]]:
        said = []
        ready.wait()
        while not over.is_set():
            began = time.monotonic()
            said.append((began, is_accepted()))
        return said

    def make_the_change() -> None:
        ready.wait()
        time.sleep(0.15)
        change()
        ended.append(time.monotonic())
        time.sleep(0.15)
        over.set()

    (answers,) = at_once(*[call] * callers, make_the_change)

    assert not errors(answers)
    calls = [one for said in answers[:callers] for one in said]
    before, after = ([is_yes for began, is_yes in calls if (began > ended[0]) is late] for late in (False, True))
    assert any(before)
    assert len(after) > callers
    assert not any(after)


def actions_about(member: Member) -> Counter[str]:
    return Counter(AuditEvent.objects.filter(subject_id=member.pk).values_list("action", flat=True))


def assert_sound() -> None:
    """The tree is whole, and so is the trail."""
    for account_id in AuditEvent.objects.order_by().values_list("account_id", flat=True).distinct():
        assert list(audit.breaks(account_id)) == []
    connection.check_constraints()


def somebody_waits_for_a_lock() -> bool:
    """Whether that is so within a while: PostgreSQL alone says. In this database: others race in theirs."""
    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = current_database()"
    )
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees who there was when it began
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return True
            time.sleep(0.05)
    return False
