"""Where a key's value must not be in what is answered: everywhere but in three answers to its creator.

The keys here have values that are known, and everything that is done with keys is done first: created, shown,
downloaded, called with. That the search finds what is there is shown in test_search.py.
"""

import re
import secrets
import uuid
from collections.abc import Iterator
from html import unescape
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import Member, Session
from console import demo
from keys import material
from keys.material import PlainValue
from keys.models import ClassicKey, PlatformKey
from tests.conftest import ACME
from tests.leaks.acts import call_with, use_in_earnest
from tests.leaks.search import PLATFORM_VALUE, VALUE, Seeker, everything_kept, parts_of
from tests.visitors import body_of, routes, undone, visitor
from tests.web.asking import SESSION

pytestmark = pytest.mark.django_db


@pytest.mark.sqlite_only
def test_values_are_in_no_answer_to_anybody_over_a_walk_of_all_pages(people, known, known_platform, seeker):
    """Every link, form and route with every number there is, as everybody; and in none the key of a session."""
    use_in_earnest(people, known, known_platform)
    session_seeker = Seeker(client.cookies[SESSION].value for client in people.values() if SESSION in client.cookies)
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
    platform_keys = [*PlatformKey.objects.values_list("pk", flat=True), 987_654]
    # The owner and the next below, whom others may not see; links lead to whom one may.
    members = [*Member.objects.filter(account_id=ACME).order_by("path").values_list("pk", flat=True)[:2], 987_654]
    sessions = [*Session.objects.exclude(uid=None).values_list("uid", flat=True)[:2], uuid.uuid4()]
    for name, pattern in routes().items():
        converters = list(pattern.pattern.converters)
        about = keys if "key_id" in converters else sessions if {"uid", "passkey"} & set(converters) else members
        about = platform_keys if "platform_id" in converters else about
        numbers = [[]] if not converters else [[n] for n in about]
        yield from (reverse(name, args=number) for number in numbers)
    for query in ({"sort": "created_by"}, {"sort": "-created"}, {"q": "a"}, {"per_page": 10}, {"q": "nothing like it"}):
        yield "/iam/apikeys?" + urlencode(query)
        yield "/iam/apikeys/classic.csv?" + urlencode(query)
    for view in ("my", "all"):
        yield f"/iam/apikeys?view={view}"
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


def test_a_created_platform_value_is_in_that_one_answer(people, cast, monkeypatch):
    """Its body alone, and nowhere afterwards: in no page or file, to nobody, and in nothing that is kept."""
    monkeypatch.setattr(material, "new_platform_value", lambda: PlainValue(PLATFORM_VALUE))
    seeker, noor = Seeker([PLATFORM_VALUE]), people["noor"]
    url, typed = f"/iam/users/{cast['noor'].pk}/platform_key", {"name": "Build server", "leaked_action": "disable"}
    response = noor.post(url, typed)
    assert response.status_code == 200
    assert [part for part, data in parts_of(response) if seeker.finds(data)] == ["body"]
    assert body_of(response).decode().count(PLATFORM_VALUE) == 1
    assert response["Cache-Control"] == "no-store"
    key = PlatformKey.objects.get()
    dialogs = [reverse(f"keys:platform-{action}", args=[key.pk]) for action in ("edit", "lock", "disable", "delete")]
    lists = ["/iam/apikeys?view=my", "/iam/apikeys?view=all", "/iam/activity", f"/iam/users/{cast['noor'].pk}"]
    for client in (noor, people["olivia"]):
        for page in [*lists, url, *dialogs]:
            assert not any(seeker.finds(data) for _, data in parts_of(client.get(page))), page
        for dialog in dialogs:
            with undone():
                assert not any(seeker.finds(data) for _, data in parts_of(client.post(dialog, typed))), dialog
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
    statuses = set()
    for key in ClassicKey.objects.select_related("holder"):
        for value in (known[key.pk], known[key.pk][:-1] + "x"):
            status, headers = call_with(key.holder.api_username, value)
            assert not seeker.finds(f"{status} {headers}")
            statuses.add(status.partition(" ")[0])
    assert statuses == {"204", "401"}


#: Where an error meets a value in plain, and the request that leads there.
_FAULTS = {
    "rendering the page of a new key": ("accounts.dialogs.render", "create"),
    "rendering the page of a key shown": ("accounts.dialogs.render", "show"),
    "inside the template": ("django.template.base.Template.render", "show"),
    "recording that it was created": ("accounts.audit.record", "create"),
    "recording that it was shown": ("accounts.audit.record", "show"),
    "sealing it": ("accounts.sealing.seal", "create"),
    "digesting it": ("accounts.sealing.keyed_digest", "create"),
    "writing the file": ("keys.views.classic.json", "download"),
    "rendering the page of a new platform key": ("accounts.dialogs.render", "create platform"),
    "recording that a platform key was created": ("accounts.audit.record", "create platform"),
    "digesting a platform value": ("accounts.sealing.keyed_digest", "create platform"),
    "inside the template of a new platform key": ("django.template.base.Template.render", "create platform"),
    "the facts of a platform key's file": ("keys.views.platform.json", "create platform"),
}


@pytest.mark.sqlite_only
@pytest.mark.parametrize("debug", [False, True], ids=["debug off", "debug on"])
@pytest.mark.parametrize("place", _FAULTS)
def test_an_error_page_does_not_show_the_value(*, place, debug, known, log, settings, monkeypatch, cast):
    """With DEBUG on, Django's page shows every variable on the way to the error, the template's included."""
    settings.DEBUG = debug
    target, action = _FAULTS[place]
    monkeypatch.setattr(material, "new_value", lambda: PlainValue(VALUE))
    monkeypatch.setattr(material, "new_platform_value", lambda: PlainValue(PLATFORM_VALUE))
    seeker = Seeker([VALUE, PLATFORM_VALUE, *known.values()])
    client = visitor(cast["noor" if action.startswith("create") else "priya"], raises=False)
    key = ClassicKey.objects.get(holder=cast["priya"])
    url = {
        "create": f"/iam/users/{cast['noor'].pk}/classic_key",
        "create platform": f"/iam/users/{cast['noor'].pk}/platform_key",
    }.get(action, f"/iam/apikeys/classic/{key.pk}/{action}")

    def fail(*_, **__):
        raise RuntimeError("on purpose")

    with monkeypatch.context() as patch:
        if place.startswith("inside the template"):
            _break_template(patch)
        else:
            patch.setattr(target, SimpleNamespace(dumps=fail) if target.endswith(".json") else fail)
        response = client.post(url, {"name": "Build server", "leaked_action": "disable"})
    assert response.status_code == 500
    assert (b"on purpose" in response.content) is debug
    assert "on purpose" in log.printed.getvalue()
    assert not [part for part, data in parts_of(response) if seeker.finds(data)]
    assert not seeker.finds(log.printed.getvalue())
    assert not [place for place, content in everything_kept() if seeker.finds(content)]


@pytest.mark.sqlite_only
@pytest.mark.parametrize("place", ["accounts.audit.record", "accounts.models.User.check_password"])
def test_an_error_page_does_not_show_the_password(place, settings, monkeypatch, cast):
    """Neither what was sent nor what functions on the way to the error were given, nor why something has no text."""
    settings.DEBUG, word = True, secrets.token_hex(8)  # the page shows lines of this file

    class Broken:
        def __repr__(self):
            raise ValueError(word)

    def fail(*given, **named):
        broken = Broken()  # noqa: F841 - on the page
        del given, named
        raise RuntimeError("on purpose")

    monkeypatch.setattr(place, fail)
    answer = visitor(raises=False).post("/login", {"username": "priya@acme.example", "password": word})
    page = answer.content.decode()
    assert "on purpose" in page
    assert "&lt;no text: ValueError&gt;" in page
    assert word not in page


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
def test_values_are_in_no_file_that_is_downloaded(people, known, known_platform, seeker):
    use_in_earnest(people, known, known_platform)
    files = (f"/iam/apikeys/{view}.csv" for view in ("classic", "my", "all"))
    for client, url in product(people.values(), (*files, "/iam/activity.csv")):
        response = client.get(url)
        assert not any(seeker.finds(data) for _, data in parts_of(response))
    assert len(body_of(people["olivia"].get("/iam/apikeys/classic.csv")).splitlines()) == 1 + len(known)


def test_demo_publishes_passwords_and_no_values(known, seeker):
    assert demo.PASSWORD in body_of(visitor().get("/login")).decode()
    assert not any(seeker.finds(data) for _, data in parts_of(visitor().get("/login")))
    assert ClassicKey.objects.filter(account_id=ACME).count() == len(known)
