"""No mail cannon: how many invitations an account sends in a day, and how many one address gets."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts import importing, invitations, member_files
from accounts.models import AttemptCount, Event, Invitation, Mail, Member, User
from accounts.origin import COMMAND_LINE
from tests.conftest import ACME, BOREALIS
from tests.visitors import visitor

pytestmark = pytest.mark.django_db

INVITE, IMPORT = "/iam/users/invite_users", "/iam/users/import"


def text(answer) -> str:
    return answer.content.decode()


def rows() -> tuple[int, ...]:
    """How many there are of all that an invitation makes."""
    return tuple(model.objects.count() for model in (User, Member, Invitation, Mail))


def refusals() -> list[str]:
    return [event.facts["what"] for event in Event.objects.filter(account_id=ACME, action="permission.refused")]


def a_day_passes() -> None:
    AttemptCount.objects.update(window_ends_at=timezone.now() - timedelta(seconds=1))


def test_account_sends_so_many_invitations_in_a_day_and_no_more(cast, settings):
    settings.KEYTREE_INVITATIONS_PER_DAY = 3
    marcus, olivia = visitor(cast["marcus"]), visitor(cast["olivia"])
    assert "2 users invited" in text(marcus.post(INVITE, {"addresses": "a@new.example b@new.example"}))
    before, many = rows(), "c@new.example d@new.example"
    answer = olivia.post(INVITE, {"addresses": many})  # the account's limit, not that of each of its users
    assert answer.status_code == 429
    assert 86_000 < int(answer["Retry-After"]) <= 86_400
    said = (
        r"This account may send 3 invitations in a day. 1 can be sent now, more from [\d-]{10} [\d:]{5} GMT on. Nothing"
    )
    assert re.search(said, text(answer))
    assert many in text(answer)  # as typed
    file = SimpleUploadedFile("users.csv", b"email\nc@new.example\nd@new.example")
    report = text(olivia.post(IMPORT, {"file": file}, follow=True))
    assert "1 can be sent now" in report  # said before the yes, which is not offered
    assert "Invite 2 users" not in report
    answer = olivia.post(IMPORT, {"act": "invite", "file_id": re.search(r'name="file_id" value="([^"]+)"', report)[1]})
    assert (answer.status_code, "Nothing was sent." in text(answer)) == (429, True)
    assert rows() == before
    assert refusals() == ["invite users"] * 2
    assert "1 user invited" in text(olivia.post(INVITE, {"addresses": "c@new.example, priya@acme.example"}))
    resend = f"/iam/users/{Member.objects.get(user__email='c@new.example').pk}/resend_invite"
    assert "No email was sent" in text(olivia.post(resend, follow=True))
    a_day_passes()
    assert "2 users invited" in text(olivia.post(INVITE, {"addresses": "d@new.example e@new.example"}))
    assert "Invitation sent again" in text(olivia.post(resend, follow=True))


def test_whoever_runs_the_server_is_not_limited(cast, settings):
    settings.KEYTREE_INVITATIONS_PER_DAY = 1
    content = member_files.read(b"email\na@new.example\nb@new.example")
    done = importing.carry_out(content, by=cast["marcus"], origin=COMMAND_LINE, is_limited=False)
    assert done == 2


def test_nobodys_mailbox_is_filled_by_sending_anew_or_by_cancelling(cast, monkeypatch):
    limit = invitations.SENT_ANEW.attempts
    assert limit == 20
    monkeypatch.setattr(invitations, "SENT_ANEW", invitations.throttle.Limit("sent anew", 2, timedelta(days=1)))
    marcus, lena = visitor(cast["marcus"]), f"/iam/users/{cast['lena'].pk}"
    assert "Invitation sent again" in text(marcus.post(f"{lena}/resend_invite", follow=True))
    marcus.post(f"{lena}/cancel_invite")
    assert "1 user invited" not in text(marcus.post(INVITE, {"addresses": "lena@acme.example"}))
    assert "Too many invitations today" in text(marcus.post(INVITE, {"addresses": "LENA@acme.example"}))
    file = SimpleUploadedFile("users.csv", b"email\nlena@acme.example")
    answer = text(marcus.post(IMPORT, {"file": file}, follow=True))
    assert "Too many invitations were sent to this address today." in answer
    elsewhere = visitor(Member.objects.get(account_id=BOREALIS, parent=None))
    assert "1 user invited" in text(elsewhere.post(INVITE, {"addresses": "lena@acme.example"}))
    a_day_passes()
    assert "1 user invited" in text(marcus.post(INVITE, {"addresses": "lena@acme.example"}))
    invited = Invitation.objects.filter(member__account_id=ACME, member__user__email="lena@acme.example")
    lena = f"/iam/users/{invited.get().member_id}"
    for _ in range(2):
        marcus.post(f"{lena}/resend_invite")
    generation = invited.get().generation
    answer = text(marcus.post(f"{lena}/resend_invite", follow=True))
    assert re.search(r"An invitation can be sent again 2 times in a day\. It can be sent again from [\d-]{10}", answer)
    assert invited.get().generation == generation
    assert refusals() == ["send this user's invitation again"]
    assert marcus.post(f"{lena}/cancel_invite").status_code == 302  # never in the way of cancelling
    assert not invited.exists()
