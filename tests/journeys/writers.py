"""People who create, restrict and delete keys of both kinds, sign in and out; and whether what is stored fits to that.

Every answer names its request, and so does every event: what was acknowledged is found again one by one.
"""

import http.client
import json
import random
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

from console import demo
from tests.journeys.live import LiveServer

_CSRF = secrets.token_hex(16)  # the cookie and the field have to be equal, and are chosen by whoever sends both
_KEY = re.compile(r"/iam/apikeys/classic/([0-9]+)")
_VALUE = re.compile(r"\b[0-9a-f]{64}\b")
_PLATFORM_KEY = re.compile(r"/iam/apikeys/platform/([0-9]+)/delete")
_PLATFORM_VALUE = re.compile(r"\bktp_[0-9A-Za-z]{49}\b")
_MOST_PLATFORM_KEYS = 4  # of a writer: far fewer than there may be
_WRITERS = ("olivia", "olivia", "marcus", "priya", "noor", "sam")

_PREPARE = """
import json
from accounts.models import Member
members = Member.objects.filter(account_id=1234567)
members.update(user_managed_login=True)  # so that everybody may restrict their own key
print(json.dumps({email.split("@")[0]: pk for email, pk in members.values_list("user__email", "pk")}))
"""

# However many attempts there were: what a sign-in leaves behind, its event included.
_SESSION = """
from accounts import audit, events
from accounts.models import Member
from accounts.origin import COMMAND_LINE
from django.db import transaction
from tests.visitors import signed_in_session
member = Member.objects.select_related("user").get(api_username="1234567_{}@acme.example")
with transaction.atomic():
    print(signed_in_session(member))
    audit.record(events.SIGNED_IN, actor=member, origin=COMMAND_LINE)
"""

_STORED = """
import json
from accounts.models import Event, Member, Session
from console import audit_check, tree_check
from keys import material
from keys.models import ClassicKey, PlatformKey
events = Event.objects.order_by("account_id", "number")
keys = ClassicKey.objects.order_by("pk")
print(json.dumps({
    "events": list(events.values_list("action", "outcome", "subject_id", "request_id", "details")),
    "keys": [[key.pk, key.holder_id, key.allowed_addresses, material.take(key).text] for key in keys],
    "platform_keys": {f"ApiKey-{uuid}": name for uuid, name in PlatformKey.objects.values_list("uuid", "name")},
    "sessions": list(Session.objects.exclude(user=None).values_list("user__email", flat=True)),
    "emails": dict(Member.objects.values_list("pk", "user__email")),
    "breaks": [audit_check.first_break(account) for account in audit_check.account_ids()],
}))
"""

_FOUND = """
import json
from keys.platform.lifecycle import key_of_value
print(json.dumps([getattr(key_of_value(value), "name", None) for value in {}]))
"""


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: str


def ask(port: int, path: str, fields: Mapping[str, str] | None = None, *, session: str = "") -> Answer:
    """Send a form, or ask for a page, on a connection of its own. Raises what breaks off."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {
        "Cookie": f"keytree_csrf={_CSRF}; keytree_session={session}",
        # From somewhere else each time: how often one may sign in from one place is not what is tried here.
        "X-Forwarded-For": f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    try:
        if fields is None:
            connection.request("GET", path, headers=headers)
        else:
            connection.request("POST", path, urlencode({**fields, "csrfmiddlewaretoken": _CSRF}), headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())
    finally:
        connection.close()


def sign_in(port: int, name: str) -> Answer:
    """Sign a person of the demo in."""
    return ask(port, "/login", {"username": f"{name}@acme.example", "password": demo.PASSWORD})


def session_of(answer: Answer) -> str:
    """The session that an answer gives."""
    cookies = " ".join(answer.headers.get_all("Set-Cookie", []))
    return re.search(r"keytree_session=(\w+)", cookies)[1]


class Writers:
    """The people, and what was said to them."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.members: dict[str, int] = json.loads(server.run(_PREPARE))
        self.acknowledged: dict[str, str] = {}  # actions by request
        self.values: dict[int, str] = {}  # values by key
        self.platform_values: dict[str, str] = {}  # values of IBM Cloud API keys by name
        self.broken_off: list[str] = []  # what kind of error each
        self.statuses: Counter[int] = Counter()
        self._kept: dict[str, str] = {}  # sessions by name
        self._over = threading.Event()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let them write until the block ends, and then finish what they are at."""
        threads = [threading.Thread(target=self._write_always, args=(name,)) for name in _WRITERS]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
        self._leave_a_key("noor")

    def wait_for(self, more: int, seconds: float = 20) -> None:
        """Wait until so many more writes are acknowledged."""
        wanted, deadline = len(self.acknowledged) + more, time.monotonic() + seconds
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, (self.statuses, self.broken_off[-5:], self.server.log[-2000:])
            time.sleep(0.005)

    def _write_always(self, name: str) -> None:
        while not self._over.is_set():
            self._visit(name)

    def _visit(self, name: str) -> None:
        """Sign in, do this and that, and sign out in the end more often than not."""
        answer = self._post("user.signed_in", "/login", "/", username=f"{name}@acme.example", password=demo.PASSWORD)
        is_new = answer is not None and answer.status == 302
        # A sign-in that broke off counts as wrong: after a while one has to wait, and goes on in an earlier session.
        session = session_of(answer) if is_new else self._kept.get(name)
        if session is None:
            time.sleep(0.02)
            return
        for _ in range(4):
            if random.random() < 0.3:
                self._create_or_delete_platform(session, name)
            else:
                self._create(session, name)
                self._change(session, random.random() < 0.6)
            if self._over.is_set():
                return
        if is_new and random.random() < 0.7:
            self._post("user.signed_out", "/logout", "/login", session)
        elif is_new:
            self._kept[name] = session

    def _create(self, session: str, name: str) -> None:
        answer = self._post("classic_key.created", f"/iam/users/{self.members[name]}/classic_key", "", session)
        if answer and answer.status == 200:
            self.values[int(_KEY.search(answer.body)[1])] = _VALUE.search(answer.body)[0]

    def _create_or_delete_platform(self, session: str, name: str) -> None:
        """Create an IBM Cloud API key under a name of its own, or delete one while there are some."""
        page = "/iam/apikeys?view=my"
        listed = self._send(page, None, session)
        found = list(dict.fromkeys(_PLATFORM_KEY.findall(listed.body))) if listed else []
        if len(found) >= _MOST_PLATFORM_KEYS or (found and random.random() < 0.4):
            path = f"/iam/apikeys/platform/{random.choice(found)}/delete"
            self._post("platform_key.deleted", path, page, session)
            return
        fields = {"name": f"Key {secrets.token_hex(8)}", "leaked_action": "disable"}
        path = f"/iam/users/{self.members[name]}/platform_key"
        answer = self._post("platform_key.created", path, "", session, **fields)
        if answer and answer.status == 200:
            self.platform_values[fields["name"]] = _PLATFORM_VALUE.search(answer.body)[0]

    def _leave_a_key(self, name: str) -> None:
        """Make a key whose value is known: of somebody who has nobody below, whose list is therefore their own key."""
        session = self.server.run(_SESSION.format(name)).strip()
        listed = self._send("/iam/apikeys", None, session)
        for key in set(_KEY.findall(listed.body)):
            self._post("classic_key.deleted", f"/iam/apikeys/classic/{key}/delete", "/iam/apikeys", session)
        self._create(session, name)

    def _change(self, session: str, deletes: bool) -> None:
        """Delete or restrict one of the first keys in the list: at the very first is one's own."""
        listed = self._send("/iam/apikeys", None, session)
        found = list(dict.fromkeys(_KEY.findall(listed.body)))[:3] if listed else []
        if not found:
            return
        key = f"/iam/apikeys/classic/{random.choice(found)}"
        if deletes:
            self._post("classic_key.deleted", f"{key}/delete", "/iam/apikeys", session)
        else:
            # Never the same as before: that would be no change.
            new = f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(256)}"
            self._post("classic_key.restriction_changed", f"{key}/restriction", "/iam/apikeys", session, classic=new)

    def _post(self, action: str, path: str, leads_to: str, session: str = "", **fields: str) -> Answer | None:
        """Send a form and note whether the answer acknowledges the action: by where it leads, or by being the page."""
        answer = self._send(path, fields, session)
        if answer is None:
            return None
        done = answer.status == 302 and answer.headers["Location"] == leads_to if leads_to else answer.status == 200
        if done:
            self.acknowledged[answer.headers["X-Request-ID"]] = action
        return answer

    def _send(self, path: str, fields: Mapping[str, str] | None, session: str) -> Answer | None:
        """Send a request and return the answer, none when it broke off: then it was done, or it was not."""
        try:
            answer = ask(self.server.port, path, fields, session=session)
        except (OSError, http.client.HTTPException) as error:
            self.broken_off.append(type(error).__name__)
            return None
        self.statuses[answer.status] += 1
        return answer


def assert_stored(writers: Writers, run: Callable[[str], str], *, is_copy: bool = False) -> set[str]:
    """What is stored is what was acknowledged, and what the events say, and nothing else. Returns the requests.

    Args:
        writers: who wrote.
        run: runs statements where the data is.
        is_copy: the data is a copy, of before the end and without open sessions.
    """
    stored: dict[str, Any] = json.loads(run(_STORED))
    assert not any(stored["breaks"]), stored["breaks"]
    happened = [(action, *rest) for action, outcome, *rest in stored["events"] if outcome == "success"]
    by_request = Counter((request, action) for action, _, request, _ in happened)
    if not is_copy:
        lost = [item for item in writers.acknowledged.items() if by_request[item] != 1]
        assert not lost, lost
        # One write at most for each request that broke off or was refused for the moment; others did nothing unsaid.
        unsaid = [action for action, _, request, _ in happened if request and request not in writers.acknowledged]
        assert len(unsaid) <= len(writers.broken_off) + writers.statuses[503], (unsaid, writers.statuses)
    # What the events say from the first one on, told again.
    keys: dict[int, str] = {}
    kept: dict[int, str] = {}
    platform_keys: dict[str, str] = {}
    sessions: Counter[str] = Counter()
    for action, member, _, details in happened:
        if action == "classic_key.created":
            assert member not in keys, "a second key"
            keys[member] = json.loads(details or "{}").get("restriction", "")
            assert keys[member] == kept.pop(member, "")
        elif action == "classic_key.restriction_changed":
            facts = json.loads(details)
            assert keys[member] == facts["before"].replace("none", "")
            keys[member] = facts["after"].replace("none", "")
        elif action == "classic_key.deleted":
            kept[member] = keys.pop(member)
        elif action == "platform_key.created":
            facts = json.loads(details)
            platform_keys[facts["key"]] = facts["name"]
        elif action == "platform_key.deleted":
            del platform_keys[json.loads(details)["key"]]
        elif action in {"user.signed_in", "user.signed_out"}:
            sessions[stored["emails"][str(member)]] += 1 if action == "user.signed_in" else -1
    assert {holder: restriction for _, holder, restriction, _ in stored["keys"]} == keys
    assert len(stored["keys"]) == len(keys)
    assert stored["platform_keys"] == platform_keys
    known = [name for name in platform_keys.values() if name in writers.platform_values]
    assert json.loads(run(_FOUND.format([writers.platform_values[name] for name in known]))) == known
    assert Counter(stored["sessions"]) == (Counter() if is_copy else +sessions)
    shown = [(value, writers.values[pk]) for pk, _, _, value in stored["keys"] if pk in writers.values]
    assert all(value == said for value, said in shown)
    assert shown or is_copy
    return {request for _, _, request, _ in happened}
