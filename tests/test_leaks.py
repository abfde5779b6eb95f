"""Where a key's value must not be: everywhere but in three answers to its creator.

The keys here have values that are known, and everything that is done with keys is done first: created, shown,
downloaded, called with. Then every place is searched for them, in every spelling that something could have kept. That
the search finds what is there comes before that: each place is given a value, and must be reported.
"""

import base64
import io
import json
import logging
import re
import uuid
from collections.abc import Iterable, Iterator
from html import unescape
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest
from django.contrib.messages import add_message, constants
from django.contrib.messages.storage.session import SessionStorage
from django.core import mail
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.http import urlencode

from accounts import audit, outbox
from accounts.models import Event, Member, Session, User
from accounts.origin import Origin
from console import demo
from keys import lifecycle, material, usage
from keys.material import PlainValue
from keys.models import ClassicKey
from keys.views.verify import VerifyApplication
from tests.conftest import ACME, BOREALIS
from tests.visitors import body_of, routes, session_of, undone, visitor

pytestmark = pytest.mark.django_db

# --- The search -------------------------------------------------------------------------------------------------------


def spellings(value: str) -> dict[str, set[bytes]]:
    """Every form that a value may have been kept in, by name.

    Base64 looks different at each of three offsets; what its neighbours change at either end is left out.
    """
    text = value.encode()
    in_base64, in_url_base64 = set(), set()
    for before in range(3):
        for encode, found in ((base64.b64encode, in_base64), (base64.urlsafe_b64encode, in_url_base64)):
            padded = encode(b"~" * before + text + b"~" * ((3 - (before + len(text)) % 3) % 3))
            found.add(padded[2 * before : len(padded) - 4])
    raw = bytes.fromhex(value) if re.fullmatch("[0-9a-f]+", value) else text  # a token is no number
    return {
        "plain": {text},
        "upper": {value.upper().encode()},
        "hex": {text.hex().encode(), text.hex().upper().encode()},
        "base64": in_base64 | {base64.b64encode(raw).rstrip(b"=")},
        "url-safe base64": in_url_base64 | {base64.urlsafe_b64encode(raw).rstrip(b"=")},
        "reversed": {text[::-1], value.upper()[::-1].encode()},
        "raw": {raw},
    }


class Seeker:
    """Finds known values in anything."""

    def __init__(self, values: Iterable[str]) -> None:
        self._needles = {n for value in values for forms in spellings(value).values() for n in forms}

    def finds(self, data: Any) -> bool:
        """Whether any value is in there, in any spelling, also where HTML writes its characters by number."""
        if isinstance(data, str):
            data = data.encode(errors="surrogatepass")
        elif isinstance(data, memoryview):
            data = bytes(data)
        elif not isinstance(data, bytes):
            data = repr(data).encode()
        if b"&#" in data:
            data += unescape(data.decode("latin-1")).encode(errors="replace")
        return any(needle in data for needle in self._needles)


def parts_of(response: HttpResponse) -> Iterator[tuple[str, bytes]]:
    """The parts of an answer by name: its headers, its cookies, its body."""
    yield "headers", "\n".join(f"{name}: {value}" for name, value in response.headers.items()).encode()
    yield "reason", response.reason_phrase.encode()
    yield "cookies", response.cookies.output().encode()
    yield "body", body_of(response)


def database_cells() -> Iterator[tuple[str, Any]]:
    """Every value in every column of every table, by "table.column"; and the database file, where it is one."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for name, cell in zip(names, row, strict=True):
                    yield f"{table}.{name}", cell
    if connection.vendor == "sqlite":
        yield "the database file", connection.connection.serialize()


def session_contents() -> Iterator[tuple[str, Any]]:
    """What the sessions hold, unpacked: their rows hold it compressed."""
    for session in Session.objects.all():
        for name, content in session.get_decoded().items():
            yield f"session {name}", json.dumps(content)


def cache_contents() -> Iterator[tuple[str, Any]]:
    """What the caches hold."""
    for cache in caches.all(initialized_only=True):
        for name, content in getattr(cache, "_cache", {}).items():
            yield f"cache {name}", content


def mails() -> Iterator[tuple[str, Any]]:
    """What was sent."""
    for message in getattr(mail, "outbox", []):
        yield f"mail {message.subject}", message.message().as_bytes()


def everything_kept() -> Iterator[tuple[str, Any]]:
    """All that outlives a request."""
    yield from database_cells()
    yield from session_contents()
    yield from cache_contents()
    yield from mails()


class Log(logging.Handler):
    """Keeps every record as it was made, before any filter, and what the real handler printed, after its filter."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.made: list[str] = []
        self.printed = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        self.made.append(f"{record.name} {record.getMessage()} {record.args!r} {record.exc_text or ''}")


@pytest.fixture
def log() -> Iterator[Log]:
    """The log of all that happens in a test, at its most talkative, SQL included."""
    kept, root = Log(), logging.getLogger()
    (real,) = [handler for handler in root.handlers if type(handler.formatter).__module__ == "console.logs"]
    levels = {name: logging.getLogger(name).level for name in ("", "django", "django.db.backends", "keys", "accounts")}
    stream = real.setStream(kept.printed)
    root.handlers.insert(0, kept)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    connection.force_debug_cursor = True  # with it, Django logs each statement with what goes into it
    yield kept
    connection.force_debug_cursor = False
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    root.handlers.remove(kept)
    real.setStream(stream)


# --- The people and their keys ----------------------------------------------------------------------------------------


@pytest.fixture
def collector(monkeypatch) -> usage.Collector:
    """This process's notes of calls, empty."""
    monkeypatch.setattr(usage, "collector", usage.Collector())
    return usage.collector


@pytest.fixture
def known(cast, collector) -> dict[int, str]:
    """The values of all the demo's keys, by key."""
    return {key.pk: material.take(key).text for key in ClassicKey.objects.all()}


@pytest.fixture
def seeker(known) -> Seeker:
    return Seeker(known.values())


@pytest.fixture
def people(cast) -> dict[str, Client]:
    """Everybody who can sign in, and a stranger; Sam once more in the account that is his."""
    found = {name: visitor(cast[name]) for name in ("olivia", "marcus", "priya", "noor", "sam", "dmitri")}
    found["sam of borealis"] = visitor(Member.objects.select_related("user").get(account=BOREALIS, parent=None))
    found["a stranger"] = visitor()
    return found


def call_with(username: str, value: str, **environ: str) -> tuple[str, list[tuple[str, str]]]:
    """Call ``/verify`` as a proxy does and return status line and headers."""
    credentials = base64.b64encode(f"{username}:{value}".encode()).decode()
    told: list[Any] = []
    request = RequestFactory().get("/verify", HTTP_AUTHORIZATION=f"Basic {credentials}", **environ)
    VerifyApplication(None)(request.environ, lambda status, headers: told.extend([status, headers]))
    return told[0], told[1]


def use_in_earnest(people: dict[str, Client], known: dict[int, str]) -> None:
    """Make what could leak: every creator sees and downloads their keys, and everybody calls, rightly and wrongly."""
    for key in ClassicKey.objects.select_related("holder", "creator__user"):
        client = people[key.creator.user.name.split()[0].lower()]
        for route in ("keys:classic-show", "keys:classic-download"):
            client.post(reverse(route, args=[key.pk]))
        call_with(key.holder.api_username, known[key.pk])
        call_with(key.holder.api_username, known[key.pk][:-1] + "x")
        call_with("nobody", known[key.pk])
    usage.flush()


# --- First: the search finds ------------------------------------------------------------------------------------------

VALUE = "0123456789abcdef" * 3 + "fedcba9876543210"


def test_spellings_are_six_and_the_raw_bytes():
    forms = spellings(VALUE)
    assert set(forms) == {"plain", "upper", "hex", "base64", "url-safe base64", "reversed", "raw"}
    assert all(len(needle) >= 32 for needles in forms.values() for needle in needles)


@pytest.mark.parametrize(
    "leaked",
    [
        VALUE,
        VALUE.upper(),
        VALUE[::-1],
        VALUE.encode().hex(),
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode(),
        base64.b64encode(f"olivia:{VALUE}".encode()).decode(),
        base64.b64encode(f"1234567_olivia@acme.example:{VALUE}".encode()).decode(),
        base64.b64encode(f"12_olivia@acme.example:{VALUE} ".encode()).decode(),
        base64.b64encode(bytes.fromhex(VALUE)).decode(),
        base64.urlsafe_b64encode(bytes.fromhex(VALUE)).decode(),
        f"&#x{ord(VALUE[0]):x};{VALUE[1:]}",
    ],
)
def test_a_spelling_is_found_in_the_middle_of_other_text(leaked):
    seeker = Seeker([VALUE])
    assert seeker.finds(f"before {leaked} after")
    assert seeker.finds(f"before {leaked} after".encode())
    assert seeker.finds({"in": [leaked]})
    assert not seeker.finds("before 0123456789abcdef after")


def test_raw_bytes_are_found():
    assert Seeker([VALUE]).finds(memoryview(b"\x00\x01" + bytes.fromhex(VALUE)))


@pytest.mark.parametrize("part", ["headers", "reason", "cookies", "body"])
def test_a_leak_is_found_in_an_answer(part):
    response = HttpResponse("nothing")
    match part:
        case "headers":
            response["X-Key"] = VALUE
        case "reason":
            response.reason_phrase = VALUE
        case "cookies":
            response.set_cookie("key", VALUE)
        case "body":
            response.content = f"<p>{VALUE}</p>"
    assert [name for name, data in parts_of(response) if Seeker([VALUE]).finds(data)] == [part]


def test_a_leak_is_found_in_every_table_with_text(cast):
    """One planted leak for each kind of place: a name, an event, a restriction, a session's row, bytes."""
    seeker, member = Seeker([VALUE]), cast["priya"]
    plants = {
        "accounts_user.name": lambda: User.objects.update(name=VALUE),
        "accounts_event.details": lambda: audit.record(
            "classic_key.shown", actor=member, origin=Origin(None), details={"value": VALUE}
        ),
        "keys_classickey.allowed_addresses": lambda: ClassicKey.objects.update(allowed_addresses=VALUE[::-1]),
        "keys_classickey.sealed_value": lambda: ClassicKey.objects.update(sealed_value=bytes.fromhex(VALUE)),
        "accounts_session.session_data": lambda: Session.objects.create(
            session_key="k" * 32, session_data=VALUE.upper(), expire_date="2030-01-01T00:00Z"
        ),
    }
    for place, plant in plants.items():
        with undone():
            assert not [name for name, cell in database_cells() if seeker.finds(cell)]
            plant()
            found = {name for name, cell in database_cells() if seeker.finds(cell)}
            assert place in found
            assert ("the database file" in found) is (connection.vendor == "sqlite")


def test_a_leak_is_found_in_a_session_and_in_a_message(cast):
    seeker, client = Seeker([VALUE]), visitor(cast["priya"])
    session = session_of(client)
    session["last"] = {"value": VALUE}
    session.save()
    assert [name for name, content in session_contents() if seeker.finds(content)] == ["session last"]
    session["last"] = ""
    request = RequestFactory().get("/")
    request.session = session
    request._messages = SessionStorage(request)
    add_message(request, constants.INFO, f"Your key is {VALUE}")
    request._messages.update(HttpResponse())
    session.save()
    assert [name for name, content in session_contents() if seeker.finds(content)] == ["session _messages"]


def test_a_leak_is_found_in_the_cache():
    cache = caches["default"]
    cache.set("key", {"value": PlainValue(VALUE)})
    assert [name for name, content in cache_contents() if Seeker([VALUE]).finds(content)] == ["cache :1:key"]
    cache.clear()


def test_a_leak_is_found_in_a_mail(mailoutbox):
    mail.send_mail("Your key", f"It is {VALUE}", "a@acme.example", ["b@acme.example"])
    assert [name for name, content in mails() if Seeker([VALUE]).finds(content)] == ["mail Your key"]


def test_a_leak_is_found_in_the_log_as_it_was_made(log):
    logging.getLogger("keys.views").info("made %s", VALUE)
    assert Seeker([VALUE]).finds("\n".join(log.made))
    assert not Seeker([VALUE]).finds(log.printed.getvalue())  # the filter blots it out
    logging.getLogger("keys.views").info("made %s", VALUE[::-1][:-1] + "-")
    assert VALUE[::-1][:-1] in log.printed.getvalue()  # the printed text is what is looked at


def test_a_leak_is_found_in_the_statements_of_the_database(log, cast):
    Member.objects.filter(search_text=VALUE).count()
    assert Seeker([VALUE]).finds("\n".join(log.made))


def test_a_leak_is_found_in_an_error_page_with_debug_on(settings, monkeypatch, cast):
    """Django's own page shows the variables of every function on the way: it is where a value in plain ends up."""
    settings.DEBUG = True
    monkeypatch.setattr("accounts.views.users.render", _fails_holding(VALUE))
    response = visitor(cast["priya"], raises=False).get("/iam/users")
    assert response.status_code == 500
    assert b"local_with_value" in response.content
    # Blotted out or not: without the page's own filter it would be there.
    monkeypatch.setattr("accounts.views.users.render", _fails_holding(VALUE[:40]))
    response = visitor(cast["priya"], raises=False).get("/iam/users")
    assert VALUE[:40].encode() in response.content


def _fails_holding(text: str):
    def fail(*_, **__):
        local_with_value = {"value": text}
        raise RuntimeError(str(len(local_with_value)))

    return fail


# --- Then: nothing is there -------------------------------------------------------------------------------------------


def test_a_plain_value_prints_as_dots():
    value = PlainValue(VALUE)
    shown = (
        str(value),
        repr(value),
        f"{value}",
        f"{[value]}",
        json.dumps(str(value)),
        repr({"v": value}),
    )
    assert not any(Seeker([VALUE]).finds(text) for text in shown)


@pytest.mark.sqlite_only
def test_values_are_in_no_answer_to_anybody_over_a_walk_of_all_pages(people, known, seeker):
    """Every link, form and route with every number there is, as everybody; and in none the key of a session."""
    use_in_earnest(people, known)
    session_seeker = Seeker(Session.objects.exclude(user=None).values_list("pk", flat=True))
    addresses, pages = 0, 0
    for name, client in people.items():
        queue, seen = list(starting_points()), set()
        while queue:
            url = queue.pop()
            if url in seen:
                continue
            seen.add(url)
            response = client.get(url)
            for part, data in parts_of(response):
                assert not seeker.finds(data), f"{part} of {url} for {name}"
                assert part == "cookies" or not session_seeker.finds(data), f"{part} of {url} for {name}"
            pages += response.status_code == 200
            if response.status_code == 200 and "text/html" in response["Content-Type"]:
                queue += links_in(body_of(response).decode())
        addresses += len(seen)
    assert addresses > 500
    assert pages > 200
    found = [place for place, content in everything_kept() if seeker.finds(content)]
    assert not found


def starting_points() -> Iterator[str]:
    """Every route with every key there is, some members and sessions, one that is not, and the lists in their forms."""
    keys = [*ClassicKey.objects.values_list("pk", flat=True), 987_654]
    # The owner and the next below, whom others may not see; links lead to whom one may.
    members = [*Member.objects.filter(account_id=ACME).order_by("path").values_list("pk", flat=True)[:2], 987_654]
    sessions = [*Session.objects.exclude(uid=None).values_list("uid", flat=True)[:2], uuid.uuid4()]
    for name, pattern in routes().items():
        converters = list(pattern.pattern.converters)
        about = keys if "key_id" in converters else sessions if {"uid", "passkey"} & set(converters) else members
        numbers = [[]] if not converters else [[n] for n in about]
        yield from (reverse(name, args=number) for number in numbers)
    for query in ({"sort": "created_by"}, {"sort": "-created"}, {"q": "a"}, {"per_page": 10}, {"q": "nothing like it"}):
        yield "/iam/apikeys?" + urlencode(query)
        yield "/iam/apikeys/classic.csv?" + urlencode(query)
    for action in ("classic_key.created", "classic_key.shown", "classic_key.downloaded", "classic_key.call_refused"):
        yield "/iam/activity?" + urlencode({"action": action})
        yield "/iam/activity.csv?" + urlencode({"action": action})
    yield "/iam/inactive.csv?tab=keys"


def links_in(page: str) -> Iterator[str]:
    """The addresses of this site that a page leads to; of its changing forms, what a GET of them gives."""
    for href in re.findall(r'(?:href|action)="(/[^"#]*)', page):
        if not href.startswith("/static/"):
            # Where a dialog leads back to is no other page: each would be asked for from every page there is. Nor is a
            # filtered list in another order.
            yield re.sub(r"\?next=[^&]*$|&sort=-?\w+$", "", unescape(href))


@pytest.mark.sqlite_only
def test_values_are_in_three_answers_to_their_creators_and_in_no_other_answer_to_a_post(people, known, seeker, cast):
    told = 0
    for key in ClassicKey.objects.select_related("creator__user", "holder"):
        only_this = Seeker([known[key.pk]])
        others = Seeker([value for pk, value in known.items() if pk != key.pk])
        for name, client in people.items():
            is_creator = key.creator.user.name.split()[0].lower() == name and name != "dmitri"
            for route in ("keys:classic-show", "keys:classic-download"):
                response = client.post(reverse(route, args=[key.pk]))
                parts = dict(parts_of(response))
                assert only_this.finds(parts.pop("body")) is is_creator, (route, name)
                assert not any(only_this.finds(data) for data in parts.values())
                assert not any(others.finds(data) for _, data in parts_of(response))
                assert response["Cache-Control"] == "no-store"
                told += is_creator
            for route, data in (
                ("keys:classic-restrict", {"classic": "10.0.0.0/8, nonsense"}),
                ("keys:classic-restrict", {"classic": "10.0.0.0/8"}),
                ("keys:classic-delete", {}),
            ):
                with undone():
                    response = client.post(reverse(route, args=[key.pk]), data)
                    assert not any(seeker.finds(data) for _, data in parts_of(response)), (route, name)
                    following = client.get("/iam/apikeys")
                    assert not any(seeker.finds(data) for _, data in parts_of(following)), (route, name)
    assert told == 2 * (len(known) - 1)  # Dmitri is suspended
    assert not [place for place, content in everything_kept() if seeker.finds(content)]


def test_a_created_value_is_in_that_one_answer(people, cast, monkeypatch):
    """As it comes, and nowhere afterwards: not on the next page, not in what is kept."""
    monkeypatch.setattr(material, "new_value", lambda: PlainValue(VALUE))
    seeker, noor = Seeker([VALUE]), people["noor"]
    create_url = f"/iam/users/{cast['noor'].pk}/classic_key"
    response = noor.post(create_url)
    assert [part for part, data in parts_of(response) if seeker.finds(data)] == ["body"]
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    for url in ("/iam/apikeys", create_url, f"/iam/users/{cast['noor'].pk}"):
        assert not any(seeker.finds(data) for _, data in parts_of(noor.get(url)))
    assert not any(seeker.finds(data) for _, data in parts_of(noor.post(create_url)))
    assert not [place for place, content in everything_kept() if seeker.finds(content)]


def test_an_ancestor_who_made_the_key_is_told_and_its_holder_is_not(people, cast, known):
    """The one pair where creator and holder differ; afterwards the holder signs in like anybody."""
    berlin = ClassicKey.objects.get(holder=cast["berlin"])
    Member.objects.filter(pk=cast["berlin"].pk).update(status="active")
    seeker, client = Seeker([known[berlin.pk]]), visitor(cast["berlin"])
    for route in ("keys:classic-show", "keys:classic-download"):
        url = reverse(route, args=[berlin.pk])
        refused = client.post(url)
        assert refused.status_code == 403
        assert not any(seeker.finds(data) for _, data in parts_of(refused))
        assert seeker.finds(body_of(people["marcus"].post(url)))
        assert not seeker.finds(body_of(people["olivia"].post(url)))


def test_verify_tells_nobody_the_value(people, known, seeker):
    for key in ClassicKey.objects.select_related("holder"):
        for value in (known[key.pk], known[key.pk][:-1] + "x"):
            status, headers = call_with(key.holder.api_username, value)
            assert not seeker.finds(f"{status} {headers}")


def test_values_are_in_no_log(people, cast, known, seeker, log):
    use_in_earnest(people, known)
    for client in people.values():
        for url in ("/iam/apikeys", "/iam/apikeys/classic.csv", "/iam/activity", "/iam/users"):
            body_of(client.get(url))
        client.post(f"/iam/users/{cast['noor'].pk}/classic_key")
    assert any("keys_classickey" in line for line in log.made)  # statements of the database are among them
    assert any("Not Found" in line or "Forbidden" in line for line in log.made)
    assert len(log.printed.getvalue().splitlines()) > 100
    assert not [line for line in log.made if seeker.finds(line)]
    assert not seeker.finds(log.printed.getvalue())


def test_token_of_an_invitation_is_in_its_mail_and_nowhere_else(people, cast, log, mailoutbox, settings):
    """Opened, guessed at, used and cancelled: it is in no answer, row, log, or page of somebody else."""
    links = []
    for address in ("one@new.example", "two@new.example"):
        people["marcus"].post("/iam/users/invite_users", {"addresses": address})
        outbox.send_due()
        links.append(re.search(r"/invitations/\S+", mailoutbox[-1].body)[0])
    seeker = Seeker(link.rpartition("/")[2] for link in links)
    second = Member.objects.get(user__email="two@new.example")
    asked = [("GET", link, {}) for link in links]
    asked += [("POST", links[0], {"name": "One", "password": password}) for password in ("short", "a long pass phrase")]
    asked += [("GET", links[0], {}), ("POST", links[0], {}), ("PUT", links[1], {})]
    for method, link, fields in asked:
        client = visitor()
        response = client.post(link, fields) if method == "POST" else client.generic(method, link)
        # The page itself says its address once: choosing a theme comes back to it.
        found = [part for part, data in parts_of(response) if seeker.finds(data)]
        assert set(found) <= {"body"}, (method, fields)
        assert response.content.decode().count(link) == (0 if response.status_code in (302, 405) else 1)
    pages = ["/iam/users", "/iam/activity", "/iam/activity.csv", f"/iam/users/{second.pk}"]
    for client in people.values():
        for page in pages:
            assert not any(seeker.finds(data) for _, data in parts_of(client.get(page))), page
    people["marcus"].post(f"/iam/users/{second.pk}/cancel_invite")
    people["olivia"].get(links[1])
    kept = [(place, content) for place, content in everything_kept() if not place.startswith("mail ")]
    assert not [place for place, content in kept if seeker.finds(content)]
    assert not seeker.finds(log.printed.getvalue())
    assert "/invitations/[redacted]" in log.printed.getvalue()
    assert not any(seeker.finds(message.subject) for message in mailoutbox)


def test_secrets_of_login_security_are_in_one_answer_each_and_nowhere_else(people, log, mailoutbox, monkeypatch):
    """The seed, the recovery codes and the link of a reset: each made and used, rightly and wrongly."""
    noor = people["noor"]
    page = noor.post("/user/security/passcode")
    (seed,) = re.findall(r"data-value-text>([^<]+)<", body_of(page).decode())
    app = pyotp.TOTP(seed.replace(" ", ""))
    noor.post("/user/security/passcode", {"code": "000000"})
    done = noor.post("/user/security/passcode", {"code": app.now()})
    codes = re.search(r"data-value-text>([^<]+)<", body_of(done).decode())[1].split("\n")
    client = visitor()
    for code in ("wrong", codes[0], codes[0]):
        client.post("/login", {"username": "noor@acme.example", "password": demo.PASSWORD})
        client.get("/login/code")
        client.post("/login/code", {"code": code})
        client.post("/logout")
    visitor().post("/reset", {"email": "noor@acme.example"})
    outbox.send_due()
    (reset,) = [message for message in mailoutbox if "/reset/ktr_" in message.body]
    link = re.search(r"/reset/\S+", reset.body)[0]
    seeds = [seed, seed.replace(" ", "")]
    seeker = Seeker([*seeds, *codes, *(code.replace("-", "") for code in codes), link.rpartition("/")[2]])
    asked = [visitor().get(link), visitor().post(link, {"password": "short"})]
    monkeypatch.setattr("accounts.views.passwords.passwords.reset", _fails_holding("x"))
    asked.append(visitor(raises=False).post(link, {"password": "a longer pass phrase"}))
    assert asked[-1].status_code == 500
    asked += [noor.get(path) for path in ("/user/security", "/iam/activity", "/iam/activity.csv", "/user/sessions")]
    asked += [noor.get("/user/security/passcode"), noor.get("/user/security/recovery_codes")]
    asked += [people["marcus"].get(path) for path in ("/iam/activity", "/iam/users")]
    for response in asked:
        # The page of a link says its own address once: choosing a theme comes back to it.
        text = body_of(response).decode().replace(link, "")
        headers = dict(response.headers.items())
        assert not seeker.finds(text + str(headers) + response.cookies.output()), response.request["PATH_INFO"]
    kept = [(place, content) for place, content in everything_kept() if "Choose another password" not in place]
    assert not [place for place, content in kept if seeker.finds(content)]
    assert not [line for line in log.made if Seeker([*seeds, *codes]).finds(line)]
    assert not seeker.finds(log.printed.getvalue())
    assert "/reset/[redacted]" in log.printed.getvalue()


def test_an_error_while_verifying_does_not_print_the_value(known, seeker, log, monkeypatch):
    """The message of an error may hold anything; what is printed of it must not."""

    def fail(username, value, address):
        raise RuntimeError(f"{username} sent {value}")

    monkeypatch.setattr("keys.views.verify.verify", fail)
    for pk, value in known.items():
        status, _ = call_with(ClassicKey.objects.get(pk=pk).holder.api_username, value)
        assert status.startswith("401")
    assert "verification failed" in log.printed.getvalue()
    assert not seeker.finds(log.printed.getvalue())


#: Where an error meets a value in plain, and the request that leads there.
_FAULTS = {
    "rendering the page of a new key": ("keys.views.classic.render", "create"),
    "rendering the page of a key shown": ("keys.views.classic.render", "show"),
    "inside the template": ("django.template.base.Template.render", "show"),
    "recording that it was created": ("accounts.audit.record", "create"),
    "recording that it was shown": ("accounts.audit.record", "show"),
    "sealing it": ("accounts.sealing.seal", "create"),
    "digesting it": ("accounts.sealing.keyed_digest", "create"),
    "writing the file": ("keys.views.classic.json", "download"),
}


@pytest.mark.sqlite_only
@pytest.mark.parametrize("debug", [False, True], ids=["debug off", "debug on"])
@pytest.mark.parametrize("place", _FAULTS)
def test_an_error_page_does_not_show_the_value(*, place, debug, known, log, settings, monkeypatch, cast):
    """With DEBUG on, Django's page shows every variable on the way to the error, the template's included."""
    settings.DEBUG = debug
    target, action = _FAULTS[place]
    monkeypatch.setattr(material, "new_value", lambda: PlainValue(VALUE))
    seeker = Seeker([VALUE, *known.values()])
    client = visitor(cast["noor" if action == "create" else "priya"], raises=False)
    key = ClassicKey.objects.get(holder=cast["priya"])
    url = {"create": f"/iam/users/{cast['noor'].pk}/classic_key"}.get(action, f"/iam/apikeys/classic/{key.pk}/{action}")

    def fail(*_, **__):
        raise RuntimeError("on purpose")

    with monkeypatch.context() as patch:
        if place == "inside the template":
            _break_template(patch)
        else:
            patch.setattr(target, SimpleNamespace(dumps=fail) if target.endswith(".json") else fail)
        response = client.post(url)
    assert response.status_code == 500
    assert (b"on purpose" in response.content) is debug
    assert "on purpose" in log.printed.getvalue()
    assert not [part for part, data in parts_of(response) if seeker.finds(data)]
    assert not seeker.finds(log.printed.getvalue())
    assert not [place for place, content in everything_kept() if seeker.finds(content)]


def _break_template(patch: Any) -> None:
    """Make the tag fail that the value's own component uses, with the value in the template's context."""
    from django.template.base import FilterExpression

    genuine = FilterExpression.resolve

    def resolve(self, context, ignore_failures=False):
        if self.token == "value" and context.get("value"):
            raise RuntimeError("on purpose")
        return genuine(self, context, ignore_failures)

    patch.setattr(FilterExpression, "resolve", resolve)


@pytest.mark.sqlite_only
def test_values_are_in_no_file_that_is_downloaded(people, known, seeker):
    use_in_earnest(people, known)
    for client in people.values():
        for url in ("/iam/apikeys/classic.csv", "/iam/activity.csv"):
            response = client.get(url)
            assert not any(seeker.finds(data) for _, data in parts_of(response))
    assert len(body_of(people["olivia"].get("/iam/apikeys/classic.csv")).splitlines()) == 1 + len(known)


def test_values_are_in_no_event(people, known, seeker):
    use_in_earnest(people, known)
    happened = {"classic_key.created", "classic_key.shown", "classic_key.downloaded", "classic_key.call_refused"}
    events = list(Event.objects.values_list())
    assert happened <= {event.action for event in Event.objects.all()}
    assert not [event for event in events if seeker.finds(event)]


@pytest.mark.parametrize("command", [["verify_audit"], ["verify_audit", "--heads"], ["check_tree"], ["rotate_keys"]])
def test_commands_do_not_print_values(command, people, known, seeker, capfd):
    use_in_earnest(people, known)
    out, err = io.StringIO(), io.StringIO()
    call_command(*command, stdout=out, stderr=err)
    captured = capfd.readouterr()
    assert not seeker.finds(out.getvalue() + err.getvalue() + captured.out + captured.err)


def test_a_deleted_key_leaves_nothing_that_opens(cast, known, origin):
    """Not even sealed: the row is gone, and with it the only copy."""
    key = ClassicKey.objects.get(holder=cast["priya"])
    sealed, digest = bytes(key.sealed_value), bytes(key.digest)
    lifecycle.delete_classic_key(key=key, by=cast["priya"], origin=origin)
    cells = [bytes(cell) for name, cell in database_cells() if isinstance(cell, bytes | memoryview)]
    assert not [cell for cell in cells if sealed in cell and len(cell) < 10_000]
    assert not [cell for cell in cells if digest in cell and len(cell) < 10_000]


def test_demo_publishes_passwords_and_no_values(known, seeker):
    assert demo.PASSWORD in body_of(visitor().get("/login")).decode()
    assert not any(seeker.finds(data) for _, data in parts_of(visitor().get("/login")))
    assert ClassicKey.objects.filter(account_id=ACME).count() == len(known)
