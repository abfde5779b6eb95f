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
