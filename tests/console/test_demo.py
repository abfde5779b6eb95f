"""The demo accounts: made as the product makes accounts, so that their audit trail tells all there is."""

import pytest

from accounts import audit
from accounts.models import Event, Member
from console import demo
from tests.conftest import ACME

pytestmark = pytest.mark.django_db


def test_a_status_of_the_demo_that_came_later_has_its_event(cast):
    dmitri = cast["dmitri"]
    (event,) = Event.objects.filter(action="member.status_changed")
    assert (event.subject_id, event.actor_id, event.outcome) == (dmitri.pk, cast["olivia"].pk, "success")
    assert event.facts == {"before": "Active", "after": "Suspended"}
    # The key was made while its holder could, and the log tells both in that order.
    (made,) = Event.objects.filter(action="classic_key.created", subject_id=dmitri.pk)
    assert made.number < event.number
    assert list(audit.breaks(ACME)) == []


def test_members_of_the_demo_are_what_the_readme_says(cast):
    told = {person.email: (person.status, person.permissions, person.has_key) for person in demo.ACME}
    members = Member.objects.filter(account_id=ACME).select_related("user", "classic_key")
    assert told == {
        member.user.email: (member.status, member.permissions, hasattr(member, "classic_key")) for member in members
    }
