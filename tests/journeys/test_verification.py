"""``/verify`` of a real server: many at once while keys change, the end of a worker, odd bodies, the database away."""

import http.client
import json
import socket
import threading
import time

import pytest

from tests.journeys.live import LiveServer
from tests.journeys.nginx import send
from tests.keys.calls import basic

OLIVIA = "olivia@acme.example"


def ask(server: LiveServer, *headers: tuple[str, str]) -> int:
    """Return the status that ``/verify`` answers with."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        return send(connection, "/verify", *headers).status
    finally:
        connection.close()


def good(server: LiveServer) -> tuple[str, str]:
    """Return the header that lets Olivia's calls pass."""
    return "Authorization", basic(*server.credentials(OLIVIA))


# Takes the key's use away and gives it back, in three ways and in the end for good; prints from when to when it was
# certain that the calls of that time are refused, and are accepted.
CHANGES = """
import json, time
from accounts.models import Account, Member
from keys.models import ClassicKey
keys = ClassicKey.objects.filter(holder__user__email="olivia@acme.example")
holders = Member.objects.filter(pk=keys.get().holder_id)
accounts = Account.objects.filter(pk=1234567)
changes = [
    (lambda: holders.update(status="suspended"), lambda: holders.update(status="active")),
    (lambda: keys.update(allowed_addresses="10.0.0.1"), lambda: keys.update(allowed_addresses="")),
    (lambda: accounts.update(allowed_addresses="10.0.0.1"), lambda: accounts.update(allowed_addresses="")),
] * 3 + [(keys.delete, int)]
windows = []
since = time.time()
for take, give in changes:
    time.sleep(0.15)
    until = time.time()
    windows.append((204, since, until))
    take()
    since = time.time()
    time.sleep(0.15)
    windows.append((401, since, time.time()))
    give()
    since = time.time()
print(json.dumps(windows))
"""


def test_change_takes_effect_on_the_next_call_of_every_worker(start_live):
    server = start_live(WEB_CONCURRENCY="2")
    header, stop = good(server), threading.Event()
    answers: list[tuple[float, float, int]] = []

    def keep_asking() -> None:
        while not stop.is_set():
            asked = time.time()
            status = ask(server, header)
            answers.append((asked, time.time(), status))

    callers = [threading.Thread(target=keep_asking) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        windows = json.loads(server.run(CHANGES))
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    checked = {204: 0, 401: 0}
    for asked, answered, status in answers:
        for expected, since, until in windows:
            if since < asked and answered < until:
                assert status == expected, (asked - since, until - answered)
                checked[expected] += 1
    assert min(checked.values()) >= 5  # on a busy machine; some hundred on an idle one


def test_worker_that_ends_writes_what_it_noted(start_live):
    server = start_live(WEB_CONCURRENCY="2")
    header, wrong = good(server), ("Authorization", basic("1234567_olivia@acme.example", "wrong"))
    assert ask(server, header) == 204
    assert {ask(server, wrong) for _ in range(300)} == {401}
    server.stop()
    used, counts = json.loads(
        server.run(
            "import json\n"
            "from accounts.models import Event\n"
            "from keys.models import ClassicKey\n"
            "used = list(ClassicKey.objects.exclude(last_used_at=None).values_list('last_used_from', flat=True))\n"
            "print(json.dumps([used, [event.facts['count'] for event in Event.objects.filter(outcome='refused')]]))"
        )
    )
    assert used == ["127.0.0.1"]
    assert sum(counts) == 300
    assert len(counts) <= 6  # at most one a minute and worker, and one for the end of each


def test_worker_writes_by_itself_within_seconds(live):
    assert ask(live, ("Authorization", basic("1234567_olivia@acme.example", "wrong"))) == 401
    deadline = time.monotonic() + 20
    while (
        live.run("from accounts.models import Event\nprint(Event.objects.filter(outcome='refused').count())") != "1\n"
    ):
        assert time.monotonic() < deadline, live.log


@pytest.fixture(scope="module")
def standing(start_shared) -> LiveServer:
    """A server that tests only ask, and so one for all of them."""
    return start_shared()


@pytest.mark.xdist_group("standing")
@pytest.mark.parametrize(
    "request_text",
    [
        "POST /verify HTTP/1.1\r\nContent-Length: 1000000\r\n{}\r\nnot all of it",
        "POST /verify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{}\r\nfff\r\nnot all of it",
        "PUT /verify/a HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue\r\n{}\r\n",
        "PURGE /verify/a?b HTTP/1.0\r\n{}\r\n",
        "GET http://elsewhere.example/verify HTTP/1.1\r\nHost: elsewhere.example\r\n{}\r\n",
    ],
)
def test_answer_does_not_wait_for_a_body(standing, request_text):
    name, value = good(standing)
    with socket.create_connection(("127.0.0.1", standing.port), timeout=10) as connection:
        connection.sendall(request_text.format(f"{name}: {value}\r\n").encode())
        answer = b""
        while b" 204 " not in answer:
            received = connection.recv(4096)
            assert received, answer
            answer += received


@pytest.mark.sqlite_only
@pytest.mark.xdist_group("standing")
def test_body_that_was_not_read_is_not_the_next_request(standing):
    name, value = good(standing)
    smuggled = f"GET /verify HTTP/1.1\r\n{name}: {value}\r\n\r\n"
    first = f"POST /verify HTTP/1.1\r\nContent-Length: {len(smuggled)}\r\n\r\n{smuggled}"
    with socket.create_connection(("127.0.0.1", standing.port), timeout=10) as connection:
        connection.sendall(f"{first}GET /verify HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            answers = stream.read()
    assert b"401" in answers
    assert b"204" not in answers


def test_database_away_is_503_and_it_works_again_when_it_is_back(live):
    header = good(live)
    with live.database_away():
        assert ask(live, header) == 503
        assert ask(live) == 401  # nothing to ask the database
    assert ask(live, header) == 204


PLATFORM_KEY = """
from accounts.models import Member
from accounts.origin import COMMAND_LINE
from keys.platform.lifecycle import Description, create_platform_key
owner = Member.objects.order_by("pk")[0]
print(create_platform_key(description=Description("One"), by=owner, origin=COMMAND_LINE)[1].text)
"""


@pytest.mark.postgresql_only
def test_connection_ended_by_the_database_goes_unnoticed(live):
    """Each kind of key has a statement that was prepared on it."""
    headers = [good(live), ("Authorization", basic("apikey", live.run(PLATFORM_KEY).strip()))]
    for first, second in (headers, reversed(headers)):
        assert ask(live, first) == ask(live, second) == 204
        live.end_database_sessions()
        assert ask(live, first) == ask(live, second) == 204


LOCKED_KEY = """
import psycopg
from django.db import connection
from keys.models import ClassicKey, PlatformKey
from keys.usage import Collector

def used():
    return list({kind}.objects.exclude(last_used_at=None).order_by("pk").values_list("pk", flat=True))

locked, free = {kind}.objects.order_by("pk")[:2]
collector = Collector()
with psycopg.connect(connection.connection.info.dsn) as other:
    other.execute("SELECT 1 FROM {table} WHERE id = %s FOR UPDATE", [locked.pk])
    for key in (locked, free):
        collector.accepted(key.uuid.hex if {kind} is PlatformKey else key.pk, "10.0.0.1")
    collector.flush()
    print(used() == [free.pk])
collector.flush()
print(used() == [locked.pk, free.pk])
"""


@pytest.mark.postgresql_only
@pytest.mark.parametrize("kind", ["ClassicKey", "PlatformKey"])
def test_last_used_passes_over_locked_keys_and_comes_back_to_them(live, kind):
    for _ in range(2):
        live.run(PLATFORM_KEY)
    assert live.run(LOCKED_KEY.format(kind=kind, table=f"keys_{kind.lower()}")) == "True\nTrue\n"


# What `manage.py runserver` serves by; {header} is what to ask with.
DEVELOPMENT_SERVER = """
import threading, urllib.request
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application
server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
server.set_app(get_internal_wsgi_application())
threading.Thread(target=server.serve_forever, daemon=True).start()
address = "http://127.0.0.1:%d/verify/some/path" % server.server_port
with urllib.request.urlopen(urllib.request.Request(address, headers=dict([{header}]))) as answer:
    # In one piece and on a line of its own: the server's thread writes its log to the same place.
    print("\\nanswered %d %s\\n" % (answer.status, answer.headers["X-Keytree-User"]), end="", flush=True)
server.shutdown()
"""


@pytest.mark.sqlite_only
@pytest.mark.xdist_group("standing")
def test_development_server_answers_too(standing):
    said = standing.run(DEVELOPMENT_SERVER.format(header=good(standing)))
    assert f"answered 204 {OLIVIA}" in said.splitlines()
