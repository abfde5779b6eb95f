"""Workers killed at work, and a database that stops: nothing acknowledged is lost, nothing is half done."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.journeys.live import LiveServer
from tests.journeys.test_verification import ask as verify
from tests.journeys.test_verification import good
from tests.journeys.writers import Writers, ask, assert_stored, session_of, sign_in
from tests.postgres import running_server

#: Kills of a longer run: TEST_KILLS=1000 make test-one ARGS="tests/journeys/test_crash.py". Else what fits into this
#: time, and more than this time where a busy machine needs it for the fewest.
KILLS = int(os.environ.get("TEST_KILLS", "0"))
FEWEST, SECONDS = 10, 5


def workers_of(server: LiveServer) -> list[int]:
    """The processes that gunicorn has forked and not yet buried."""
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_kill_of_workers_loses_nothing_acknowledged_and_leaves_nothing_half_done(start_live):
    server = start_live(WEB_CONCURRENCY="3", KEYTREE_TRUSTED_PROXIES="127.0.0.1")
    writers, kills = Writers(server), 0
    with writers.at_work():
        writers.wait_for(5)
        until = 0 if KILLS else time.monotonic() + SECONDS
        while kills < (KILLS or FEWEST) or time.monotonic() < until:
            try:
                os.kill(random.choice(workers_of(server)), signal.SIGKILL)
            except ProcessLookupError:
                continue  # one killed before, buried since it was looked up
            kills += 1
            writers.wait_for(1)
            time.sleep(random.random() / 50)
    server.stop()
    assert kills >= FEWEST
    assert len(writers.broken_off) >= kills / 10  # they were at work when they were killed
    assert set(writers.statuses) <= {200, 302, 403, 404, 429, 503}, writers.statuses
    assert set(writers.acknowledged.values()) >= {
        "classic_key.created",
        "classic_key.deleted",
        "classic_key.restriction_changed",
        "platform_key.created",
        "platform_key.deleted",
        "user.signed_in",
        "user.signed_out",
    }
    assert_stored(writers, server.run)


_SIGNED_IN = """
from accounts.models import Member
from tests.visitors import signed_in_session
print(signed_in_session(Member.objects.select_related("user").get(api_username="1234567_noor@acme.example")))
"""
_NOORS = """
from accounts.models import Event, Member
from keys.models import ClassicKey
noor = Member.objects.get(api_username="1234567_noor@acme.example")
print(noor.pk, ClassicKey.objects.filter(holder=noor).count(), Event.objects.filter(subject_id=noor.pk).count())
"""


def test_pages_and_writes_are_503_while_the_database_is_away_and_work_again_when_it_is_back(live):
    session, before = live.run(_SIGNED_IN).strip(), live.run(_NOORS).split()
    create = f"/iam/users/{before[0]}/classic_key"
    forms = {
        create: {},
        "/logout": {},
        "/account/switch": {"account": "7654321"},
        "/login": {"username": "a@b.example"},
    }
    with live.database_away():
        for path, fields in [("/iam/apikeys", None), ("/iam/activity.csv", None), *forms.items()]:
            answer = ask(live.port, path, None if fields is None else {"password": "c", **fields}, session=session)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5"), path
            assert "Traceback" not in answer.body
        assert ask(live.port, "/healthz").status == 200
        assert ask(live.port, "/readyz").status == 503
    assert live.run(_NOORS).split() == before
    assert ask(live.port, "/readyz").status == 200
    assert ask(live.port, create, {}, session=session).status == 200
    assert live.run(_NOORS).split() == [before[0], "1", str(int(before[2]) + 1)]


@pytest.mark.postgresql_only
def test_database_stopped_and_started_under_writes_loses_nothing_and_is_found_again(start_live, live_template):
    """A server of its own, so that it can be stopped: at once, as by a power cut, with the workers left running."""
    with running_server(unsafe=False) as postgres:
        dump = ["pg_dump", "--format=custom", f"--dbname={live_template.url}"]
        whole = subprocess.run(dump, capture_output=True, check=True).stdout
        subprocess.run(["pg_restore", f"--dbname={postgres.url}"], input=whole, check=True)
        server = start_live(DATABASE_URL=postgres.url, WEB_CONCURRENCY="2", KEYTREE_TRUSTED_PROXIES="127.0.0.1")
        header, session = good(server), session_of(sign_in(server.port, "olivia"))
        writers = Writers(server)
        with writers.at_work():
            writers.wait_for(20)
            postgres.crash()
            for path, fields in (("/iam/apikeys", None), ("/login", {"username": "a@b.example", "password": "c"})):
                answer = ask(server.port, path, fields, session=session)
                assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            assert verify(server, header) == 503
            assert ask(server.port, "/healthz").status == 200
            assert ask(server.port, "/readyz").status == 503
            postgres.start()
            writers.wait_for(20)
            assert ask(server.port, "/iam/apikeys", session=session).status == 200
            assert verify(server, header) in {204, 401}
        assert set(writers.statuses) <= {200, 302, 403, 404, 429, 503}, writers.statuses
        assert writers.statuses[503]
        assert_stored(writers, server.run)
