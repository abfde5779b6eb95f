"""Whoever opens the details of somebody else's key is recorded, and the holder finds it under *Who can manage*."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Event
from keys import openings
from keys.models import ClassicKey
from tests.visitors import visitor


def details(holder) -> str:
    return f"/iam/apikeys/classic/{ClassicKey.objects.get(holder=holder).pk}"


def opened() -> list[str]:
    events = Event.objects.filter(action="classic_key.details_opened").order_by("number")
    return [event.actor_label.split()[0] for event in events]


def test_opening_details_is_an_event_once_an_hour_for_each_viewer(cast, monkeypatch):
    url, marcus, olivia = details(cast["priya"]), visitor(cast["marcus"]), visitor(cast["olivia"])
    for client in (marcus, marcus, olivia, visitor(cast["priya"]), marcus):
        assert client.get(url).status_code == 200
    assert visitor(cast["sam"]).get(url).status_code == 404
    assert olivia.head(details(cast["marcus"])).status_code == 200
    assert opened() == ["Marcus", "Olivia"]
    later = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(openings.timezone, "now", lambda: later)
    visitor(cast["marcus"]).get(url)
    assert opened() == ["Marcus", "Olivia", "Marcus"]


def test_holder_and_those_above_are_told_who_looked_and_nobody_else(cast, django_assert_num_queries):
    key = ClassicKey.objects.get(holder=cast["priya"])
    page = f"/iam/users/{cast['priya'].pk}?tab=manage"
    assert "No one has so far." in visitor(cast["priya"]).get(page).content.decode()
    for name in ("marcus", "olivia"):
        visitor(cast[name]).get(details(cast["priya"]))
    for name in ("priya", "marcus"):
        body = visitor(cast[name]).get(page).content.decode()
        table = body.partition('id="openings-heading"')[2].partition("</section>")[0]
        assert table.index("Olivia Reyes") < table.index("Marcus Lindqvist")
        assert 'href="/iam/activity?action=classic_key.details_opened&amp;q=priya%40acme.example"' in table
        found = visitor(cast[name]).get("/iam/activity?action=classic_key.details_opened&q=priya%40acme.example")
        assert found.content.decode().count("Details of a classic infrastructure API key opened</td>") == 2
    # Who looks after her without being above may not know of the key.
    cast["sam"].permissions = 4
    cast["sam"].save()
    body = visitor(cast["sam"]).get(page).content.decode()
    assert "Who can manage this user" in body
    assert "openings-heading" not in body
    # Another key, even of the same holder, has been opened by nobody.
    with django_assert_num_queries(1):
        assert len(openings.latest(key)) == 2
    key.pk += 1
    assert openings.latest(key) == []


@pytest.mark.sqlite_only
def test_details_are_not_shown_when_it_cannot_be_recorded(cast, monkeypatch):
    def away(*_args, **_kwargs):
        raise RuntimeError("away")

    monkeypatch.setattr(openings.audit, "record", away)
    answer = visitor(cast["marcus"], raises=False).get(details(cast["priya"]))
    assert answer.status_code == 500
    assert "priya" not in answer.content.decode()
