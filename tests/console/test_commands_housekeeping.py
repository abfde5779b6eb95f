"""``housekeeping``: what is over goes, with its event where it was somebody, and what is in use stays."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts import audit, hierarchy, invitations, throttle
from accounts.enums import Permission
from accounts.invitees import read
from accounts.models import AttemptCount, Event, Invitation, Mail, Member, PasswordReset, Session, User
from accounts.sessions import row_key
from tests.conftest import ACME
from tests.visitors import signed_in_session, visitor

pytestmark = pytest.mark.django_db


def tidy(**options: int) -> str:
    out = StringIO()
    call_command("housekeeping", stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def late(cast, origin) -> Member:
    """Somebody invited by Marcus whose link ended a hundred days ago, with a user of their own."""
    invitations.invite(invitees=read("late@new.example"), granted=Permission(0), by=cast["marcus"], origin=origin)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=100))
    return Member.objects.get(user__email="late@new.example")


def test_an_invitation_that_nobody_accepted_goes_with_its_user_and_an_event(late):
    assert "1 invitations" in tidy()
    assert not Member.objects.filter(pk=late.pk).exists()
    assert not User.objects.filter(email="late@new.example").exists()
    assert not Mail.objects.exists()
    event = Event.objects.get(action="invitation.cancelled")
    assert (event.subject_id, event.actor_id, event.facts) == (
        late.pk,
        None,
        {"why": "expired", "parent_id": late.parent_id},
    )
    assert list(audit.breaks(ACME)) == []
    assert "0 invitations" in tidy()


def test_requests_for_another_password_go_a_day_after_their_link_ended(cast):
    for name, ago in (("noor", timedelta(hours=23)), ("priya", timedelta(hours=25))):
        visitor().post("/reset", {"email": f"{name}@acme.example"})
        PasswordReset.objects.filter(email=f"{name}@acme.example").update(expires_at=timezone.now() - ago)
    tidy()
    assert [reset.email for reset in PasswordReset.objects.all()] == ["noor@acme.example"]


def test_whoever_was_below_moves_up(late, cast):
    Member.objects.filter(pk=cast["noor"].pk).update(status="suspended")
    hierarchy.move_branch(cast["noor"], late)
    tidy()
    assert Member.objects.get(pk=cast["noor"].pk).parent_id == cast["marcus"].pk


@pytest.mark.parametrize(("days", "stays"), [(99, False), (101, True)])
def test_the_number_of_days_counts(late, days, stays):
    tidy(invitations_after=days)
    assert Member.objects.filter(pk=late.pk).exists() is stays


def test_an_invitation_sent_anew_meanwhile_stays(late, monkeypatch):
    """It is looked at again under the account's lock."""
    lock = invitations.hierarchy.lock_account

    def lock_late(account_id: int) -> object:
        Invitation.objects.update(expires_at=timezone.now() + timedelta(days=30))
        return lock(account_id)

    monkeypatch.setattr(invitations.hierarchy, "lock_account", lock_late)
    assert "0 invitations" in tidy()
    assert Member.objects.filter(pk=late.pk).exists()


def test_sessions_and_counts_that_are_over_go_and_others_stay(cast):
    over, going_on = signed_in_session(cast["noor"]), signed_in_session(cast["priya"])
    Session.objects.filter(pk=row_key(over)).update(expire_date=timezone.now() - timedelta(seconds=1))
    throttle.count_attempt("a@b.example", "192.0.2.1")
    AttemptCount.objects.update(window_ends_at=timezone.now() - timedelta(days=2))
    throttle.count_attempt("c@d.example", "192.0.2.2")
    assert tidy() == (
        "Cleared away: 1 sessions, 3 counts of attempts, 0 invitations, 0 expired keys. Told of keys that are about to "
        "expire: 0.\n"
    )
    assert [row.session_key for row in Session.objects.all()] == [row_key(going_on)]
    assert AttemptCount.objects.count() == 3
