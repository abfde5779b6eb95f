"""Old activity that two clear away at the same moment: each event goes once."""

import pytest
from django.utils import timezone

from accounts import audit, retention
from accounts.models import Event as AuditEvent
from tests.conftest import ACME
from tests.races.racing import assert_sound
from tests.threads import at_once, errors

pytestmark = pytest.mark.django_db(transaction=True)


def test_old_activity_cleared_away_by_two_while_events_are_written(people, origin, monkeypatch):
    """Each event goes once, and each step has one event of its own; what is written meanwhile stays."""
    monkeypatch.setattr(retention, "AT_ONCE", 4)
    noor, before, there = people["noor"], timezone.now(), AuditEvent.objects.filter(account_id=ACME).count()

    def trim() -> int:
        return retention.trim(ACME, before=before, origin=origin)

    def write() -> None:
        audit.record_refusal("console.refused", actor=noor, subject=noor, origin=origin, details={})

    ((one, other, written),) = at_once(trim, trim, write)

    assert not errors([one, other, written])
    assert one + other == there
    assert AuditEvent.objects.filter(account_id=ACME, action="console.refused").count() == 1
    assert AuditEvent.objects.filter(account_id=ACME, action="activity.trimmed").count() == -(-there // 4)
    assert_sound()
