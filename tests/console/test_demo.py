"""The demo accounts: made as the product makes accounts, so that their audit trail tells all there is."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import audit
from accounts.models import Event, Mail, Member
from console import demo
from keys.models import PlatformKey
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


def test_ibm_cloud_keys_of_the_demo_are_what_the_readme_says(db):
    """Two in use, a locked one, and one that expires; with their events, and without mail."""
    assert demo.load()
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    keys = PlatformKey.objects.order_by("pk").values_list("holder__user__name", "name", "is_locked", "expires_at")
    assert list(keys) == [
        ("Olivia Reyes", "Terraform", False, None),
        ("Olivia Reyes", "Cost report", False, None),
        ("Marcus Lindqvist", "Nightly backup", True, None),
        ("Priya Raman", "Load test", False, today + timedelta(days=30)),
    ]
    assert Event.objects.filter(action="platform_key.created").count() == 4
    assert not Mail.objects.exists()
    assert list(audit.breaks(ACME)) == []
