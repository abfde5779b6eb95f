"""The search of *Activity*, on the page: by the letters that people type, whatever the database makes of them."""

import pytest

from accounts import audit, events
from accounts.models import Member, User
from accounts.origin import Origin
from tests.visitors import visitor

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("typed", ["zoë", "ZOË", "Zoe\u0308", "ångström zoë", "zo", "ZOË.Å"])
def test_activity_is_searched_whatever_the_case_and_the_form_of_its_letters(cast, typed):
    User.objects.filter(pk=cast["priya"].user_id).update(name="Zoë Ångström", email="zoë.å@acme.example")
    priya = Member.objects.select_related("user", "account").get(pk=cast["priya"].pk)
    audit.record(events.RESTRICTION_CHANGED, actor=cast["marcus"], subject=priya, origin=Origin("17.5.7.8"))
    body = visitor(cast["olivia"]).get("/iam/activity", {"q": typed}).content.decode()
    assert "Zoë Ångström" in body


def test_activity_is_searched_for_eight_words_and_for_what_no_pattern_says(cast):
    client = visitor(cast["olivia"])
    assert "No events match" in client.get("/iam/activity", {"q": ".*"}).content.decode()
    assert "No events match" not in client.get("/iam/activity", {"q": "acme " * 8 + "nowhere"}).content.decode()


def test_events_of_many_users_are_the_same_as_those_of_few(cast, origin, monkeypatch):
    """Beyond ``audit._FEW`` users they are found by another statement."""
    # Done by the viewer to one elsewhere, by one below to one elsewhere, and by one elsewhere to one below.
    done = [("marcus", "sam"), ("priya", "sam"), ("sam", "noor")]
    by_marcus, by_priya, by_sam = (
        audit.record(events.STATUS_CHANGED, actor=cast[actor], subject=cast[subject], origin=origin).pk
        for actor, subject in done
    )

    def seen() -> dict[str, set[int]]:
        return {name: set(audit.visible_events(member).values_list("pk", flat=True)) for name, member in cast.items()}

    few = seen()
    monkeypatch.setattr(audit, "_FEW", 0)
    assert seen() == few
    assert {by_marcus, by_priya, by_sam} & few["marcus"] == {by_marcus, by_sam}
    assert few["marcus"] < few["olivia"]
