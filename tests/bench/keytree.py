"""What the benchmark asks of Keytree itself: functions of a child process (tests.bench.child)."""

import base64
import random
import resource
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.test import Client

from accounts import audit, events, hierarchy, sessions
from accounts.enums import CALLING_STATUSES
from accounts.models import Member
from accounts.origin import COMMAND_LINE
from console.wsgi import application
from keys import lifecycle, material
from keys.models import ClassicKey
from tests.bench.calls import call_well, environ
from tests.bench.timing import Sample, timed

_cookies: dict[int, str] = {}
_answers: dict[str, Any] = {}


# --- Pages ------------------------------------------------------------------------------------------------------------
def cookie(member: int) -> str:
    """Return the cookie of a session of the member's."""
    if member not in _cookies:
        person, client, now = Member.objects.select_related("user").get(pk=member), Client(), time.time()
        client.force_login(person.user)
        session = client.session
        session.update({sessions.ACCOUNT: person.account_id, sessions.STARTED: now, sessions.SEEN: now})
        session.save()
        _cookies[member] = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    return _cookies[member]


def page(member: int, path: str, times: int = 1) -> list[Sample]:
    """Time a page, as the member sees it."""
    request = environ(path, HTTP_COOKIE=cookie(member))
    return timed(lambda: call_well(application, request), times=times)


def queries(member: int, path: str) -> int:
    """Count the queries of a page, those for session and user included.

    The second time: once a minute, with whatever page comes first, the session notes when its user was last seen.
    """
    count = 0

    def counted(execute: Any, *args: Any) -> Any:
        nonlocal count
        count += 1
        return execute(*args)

    request = environ(path, HTTP_COOKIE=cookie(member))
    call_well(application, request)
    with connection.execute_wrapper(counted):
        call_well(application, request)
    return count


def export(member: int) -> dict[str, float]:
    """Let the member export all keys they see; return size of the file, seconds, and how much the memory grew."""
    page(member, "/iam/apikeys")
    before, started = _peak_memory(), time.perf_counter()
    length = call_well(application, environ("/iam/apikeys/classic.csv", HTTP_COOKIE=cookie(member)))
    return {"bytes": length, "seconds": time.perf_counter() - started, "memory": _peak_memory() - before}


def _peak_memory() -> int:
    """Return the most memory that the process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# --- Verification -----------------------------------------------------------------------------------------------------
def write_authorizations(path: str, count: int) -> int:
    """Write Authorization headers of keys that are accepted, a line each and at most ``count``; return how many."""
    first, last = (ClassicKey.objects.order_by(order).values_list("pk", flat=True)[0] for order in ("pk", "-pk"))
    numbers = random.Random(1).sample(range(first, last + 1), min(3 * count, last + 1 - first))
    keys = ClassicKey.objects.select_related("holder").filter(
        pk__in=numbers, allowed_addresses="", holder__status__in=CALLING_STATUSES
    )
    pairs = (f"{key.holder.api_username}:{material.take(key).text}" for key in keys[:count])
    lines = [f"Basic {base64.b64encode(pair.encode()).decode()}" for pair in pairs]
    Path(path).write_text("".join(f"{line}\n" for line in lines))
    return len(lines)


def verify(authorizations: str, times: int, block: int) -> list[Sample]:
    """Time verifications with the keys whose headers are in the file."""
    if authorizations not in _answers:
        lines = Path(authorizations).read_text().splitlines()
        _answers[authorizations] = cycle([environ("/verify", HTTP_AUTHORIZATION=line) for line in lines])
    requests = _answers[authorizations]
    return timed(lambda: call_well(application, next(requests), expected=204), times=times, block=block)


def database_process() -> int | None:
    """Return the number of the process that PostgreSQL serves this one by, if that is one of this machine's."""
    if connection.vendor == "sqlite":
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT CASE WHEN inet_server_addr() IS NOT DISTINCT FROM inet_client_addr() THEN pg_backend_pid() END"
        )
        return cursor.fetchone()[0]


# --- The tree ---------------------------------------------------------------------------------------------------------
def relation(member: int, other: int, times: int, block: int) -> list[Sample]:
    """Time the question how one member stands to another, both being loaded."""
    one, two = Member.objects.get(pk=member), Member.objects.get(pk=other)
    return timed(lambda: hierarchy.relation(one, two), times=times, block=block)


def lookup(times: int, block: int) -> list[Sample]:
    """Time the quickest question there is to a database: one row by its primary key, straight to the driver."""
    connection.ensure_connection()
    driver, place = connection.connection, "?" if connection.vendor == "sqlite" else "%s"
    numbers = cycle(random.Random(1).sample(range(1, Member.objects.count()), 500))
    statement = f"SELECT id FROM accounts_member WHERE id = {place}"
    return timed(lambda: driver.execute(statement, (next(numbers),)).fetchone(), times=times, block=block)


def move(member: int) -> list[float]:
    """Move a branch below the owner and back, and return the seconds each took."""
    seconds = []
    branch = Member.objects.get(pk=member)
    home, owner = branch.parent, Member.objects.get(account_id=branch.account_id, parent=None)
    for parent in (owner, home):
        started = time.perf_counter()
        branch = hierarchy.move_branch(branch, parent)
        seconds.append(time.perf_counter() - started)
    return seconds


def revoke(member: int) -> tuple[int, float]:
    """Revoke all keys of a branch in the owner's name and undo it; return how many there were and the seconds taken."""
    branch = Member.objects.get(pk=member)
    owner = Member.objects.get(account_id=branch.account_id, parent=None)
    chosen = list(ClassicKey.objects.filter(hierarchy.branch(branch, prefix="holder_")).values_list("pk", flat=True))
    with transaction.atomic():
        started = time.perf_counter()
        done = lifecycle.revoke_branch(
            member=branch, chosen=chosen, seen=chosen, reason="measured", by=owner, origin=COMMAND_LINE
        )
        seconds = time.perf_counter() - started
        transaction.set_rollback(True)
    return done.deleted, seconds


def watch(member: int, authorizations: str, seconds: float) -> dict[str, float]:
    """Ask for a page, a verification and a new event again and again; return the longest wait for each, in seconds."""
    viewer = Member.objects.select_related("user", "account").get(pk=member)
    work = {
        "page": lambda: page(member, "/iam/apikeys"),
        "verification": lambda: verify(authorizations, times=1, block=1),
        "event": lambda: _record(viewer),
    }
    longest = dict.fromkeys(work, 0.0)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, do in work.items():
            ((_, elapsed),) = timed(do, times=1)
            longest[name] = max(longest[name], elapsed)
    return longest


def _record(viewer: Member) -> None:
    with transaction.atomic():
        audit.record(events.IDENTITY_PROVED, actor=viewer, origin=COMMAND_LINE)
