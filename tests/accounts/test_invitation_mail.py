"""The mails of invitations through a real mail server, which may be down or refuse them."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import emails, memberships, outbox
from accounts.enums import MemberStatus
from accounts.models import Account, Event, Invitation, Mail, Member, User
from tests.accounts.inviting import NEW, invite, member
from tests.mail_server import mail_server
from tests.visitors import visitor

pytestmark = pytest.mark.django_db


def test_server_down_loses_nothing(cast, settings, capsys):
    with mail_server(settings):
        pass  # its port is free again: nobody listens there
    invite(visitor(cast["marcus"]), f"{NEW} other@new.example")
    assert outbox.send_due() == outbox.Round(failed=1, left=2)
    assert member(NEW).status == MemberStatus.PROCESSING
    page = visitor(cast["marcus"]).get(f"/iam/users/{member(NEW).pk}").content.decode()
    assert "The mail server could not be used. It will be tried again." in page
    with pytest.raises(CommandError):
        call_command("send_mail")  # the second one's turn
    with mail_server(settings) as server:
        assert outbox.send_due() == outbox.Round(left=2)  # not before their time
        Mail.objects.update(next_try_at=timezone.now())
        call_command("send_mail")
        assert sorted(message["To"] for message in server.mails) == ["other@new.example", NEW]
    assert "2 sent, 0 failed; 0 will be tried again." in capsys.readouterr().out
    assert member(NEW).status == MemberStatus.PENDING


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("where", "reply", "problem"), [
    (NEW, "550 No such user", "The mail server refused the address (550)."),
    (NEW, "451 Later", "The mail server refused the address (451). It will be tried again."),
    ("data", "554 Spam", "The mail server refused the mail (554)."),
])  # fmt: skip
def test_refused_mail_is_tried_again_where_that_can_help(where, reply, problem, cast, settings):
    with mail_server(settings) as server:
        server.refused[where] = reply
        invite(visitor(cast["marcus"]), NEW)
        done = outbox.send_due()
        assert (done.sent, done.failed, done.left) == (0, 1, 1 if "again" in problem else 0)
        client = visitor(cast["marcus"])
        assert problem in client.get(f"/iam/users/{member(NEW).pk}").content.decode()
        server.refused.clear()
        client.post(f"/iam/users/{member(NEW).pk}/resend_invite")
        assert outbox.send_due() == outbox.Round(sent=1)
    assert member(NEW).status == MemberStatus.PENDING


def test_one_refused_address_does_not_keep_back_the_others(cast, settings):
    with mail_server(settings) as server:
        server.refused["b@new.example"] = "550 No such user"
        invite(visitor(cast["marcus"]), "a@new.example b@new.example c@new.example")
        assert outbox.send_due() == outbox.Round(sent=2, failed=1)
        assert [message["To"] for message in server.mails] == ["a@new.example", "c@new.example"]


def test_names_in_mails_are_what_they_are_and_make_no_header(cast, settings):
    User.objects.filter(pk=cast["marcus"].user_id).update(name="Zoë <b> O'Brien & 松本")
    Account.objects.update(name="Acmé 工場\nBcc: eve@evil.example")  # which no form lets in
    with mail_server(settings) as server:
        invite(visitor(cast["marcus"]), NEW)
        assert outbox.send_due().sent == 1
        message = server.to(NEW)
    assert message["Subject"].strip() == "Invitation to Acmé 工場 Bcc: eve@evil.example"
    assert message["Bcc"] is None
    assert "Zoë <b> O'Brien & 松本 (marcus" in message.get_body(("plain",)).get_content()
    assert "Zoë &lt;b&gt; O&#x27;Brien &amp; 松本" in message.get_body(("html",)).get_content()


def test_without_a_mail_server_invitations_wait_and_say_so(cast, settings, origin):
    settings.KEYTREE_SENDS_MAIL = False
    client = visitor(cast["marcus"])
    assert "Email is not set up" in invite(client, NEW).content.decode()
    assert outbox.send_due() == outbox.Round(left=1)
    assert member(NEW).status == MemberStatus.PROCESSING
    assert "does not have a mail server yet" in client.get(f"/iam/users/{member(NEW).pk}").content.decode()
    client.post(f"/iam/users/{member(NEW).pk}/resend_invite")
    assert "No email was sent" in client.get("/iam/users").content.decode()
    with pytest.raises(CommandError, match="EMAIL_URL"):
        call_command("send_mail")
    memberships.change_status(member=cast["priya"], status="suspended", by=cast["marcus"], origin=origin)
    assert Mail.objects.count() == 1  # nobody would ever take notices away


def test_mail_is_given_up_after_three_days(cast, settings):
    invite(visitor(cast["marcus"]), NEW)
    Mail.objects.update(created_at=timezone.now() - timedelta(days=4), problem="The mail server could not be used.")
    assert outbox.send_due() == outbox.Round()
    assert Mail.objects.get().next_try_at is None
    page = visitor(cast["marcus"]).get(f"/iam/users/{member(NEW).pk}").content.decode()
    assert "The mail server could not be used.</p>" in page


def test_mail_that_cannot_be_written_does_not_keep_back_the_others(cast):
    invite(visitor(cast["marcus"]), f"{NEW} other@new.example")
    Invitation.objects.filter(member__user__email=NEW).update(ring_key_id="gone")
    assert outbox.send_due() == outbox.Round(sent=1, failed=1)


def test_connection_that_does_not_end_well_is_logged_and_no_more(cast, monkeypatch, caplog):
    def fail(_):
        raise OSError

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.close", fail)
    invite(visitor(cast["marcus"]), NEW)
    assert outbox.send_due() == outbox.Round(sent=1)
    assert "did not end well: OSError" in caplog.text


def test_mail_about_nothing_cannot_be_written():
    with pytest.raises(ValueError, match="an invitation or an event"):
        emails.compose(Mail(recipient=NEW))


def test_claim_that_another_sender_was_quicker_with_is_left_to_them(cast, monkeypatch):
    invite(visitor(cast["marcus"]), NEW)
    genuine, taken = Mail.objects.first(), []

    def first(_):
        if taken:
            return None
        taken.append(Mail.objects.filter(pk=genuine.pk).update(next_try_at=timezone.now() + timedelta(minutes=5)))
        return genuine

    monkeypatch.setattr("django.db.models.query.QuerySet.first", first)
    assert outbox._claim() is None
    monkeypatch.undo()
    assert Mail.objects.get().tries == 0


@pytest.mark.parametrize("meanwhile", ["resend_invite", "cancel_invite"])
def test_mail_of_a_link_that_is_void_by_the_time_it_went_out_makes_nobody_pending(cast, monkeypatch, meanwhile):
    client = visitor(cast["marcus"])
    invite(client, NEW)
    pk = member(NEW).pk

    def send(*_: object) -> None:
        monkeypatch.setattr(outbox._Connection, "send", away)
        assert client.post(f"/iam/users/{pk}/{meanwhile}").status_code == 302

    def away(server: outbox._Connection, _: object) -> None:
        server.is_there = False
        raise outbox._ServerAway

    monkeypatch.setattr(outbox._Connection, "send", send)
    done = outbox.send_due()
    assert (done.sent, done.left) == (1, 1 if meanwhile == "resend_invite" else 0)
    assert {member.status for member in Member.objects.filter(pk=pk)} <= {MemberStatus.PROCESSING}
    assert not Invitation.objects.exclude(sent_at=None).exists()
    assert not Event.objects.filter(action="invitation.sent").exists()


def test_waits_grow_between_tries(cast, settings):
    with mail_server(settings):
        pass
    invite(visitor(cast["marcus"]), NEW)
    waits = []
    for _ in range(8):
        Mail.objects.update(next_try_at=timezone.now())
        outbox.send_due()
        waits.append(round((Mail.objects.get().next_try_at - timezone.now()).total_seconds() / 60))
    assert waits == [5, 15, 60, 180, 360, 720, 720, 720]
