"""Invitations that are made, sent, accepted and cancelled at the same moment: each person once, each mail once."""

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts import events, importing, invitations, memberships, new_members, outbox, tokens
from accounts.enums import MemberStatus, Permission
from accounts.importing import ImportRefused
from accounts.invitations import IdentityKnown, InvitationGone
from accounts.invitees import read
from accounts.member_files import Content, Entry
from accounts.models import Event, Invitation, Member, User
from accounts.origin import Origin
from accounts.policy import NotAllowed
from tests.conftest import ACME, BOREALIS
from tests.races.racing import actions_about, assert_sound
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "newcomer@new.example"


@pytest.fixture
def token(people, origin) -> str:
    """The token of an invitation from Marcus that has gone out."""
    invitations.invite(invitees=read(NEW), granted=Permission(0), by=people["marcus"], origin=origin)
    outbox.send_due()
    return tokens.token_of(Invitation.objects.get())


def _accept(token: str, origin: Origin) -> Any:
    return invitations.accept_as_new(token=token, name="Tove", password="a long pass phrase", origin=origin)


def test_of_ten_simultaneous_acceptances_one_lets_somebody_in(people, token, origin):
    (answers,) = at_once(*[lambda: _accept(token, origin)] * 10)
    assert Counter(type(answer) for answer in answers) == {Member: 1, InvitationGone: 9}
    assert actions_about(Member.objects.get(user__email=NEW))["invitation.accepted"] == 1
    assert_sound()


def test_of_accepting_cancelling_and_sending_anew_at_once_each_finds_the_other_done(people, origin):
    for _ in range(6):
        invitations.invite(invitees=read(NEW), granted=Permission(0), by=people["marcus"], origin=origin)
        waiting, token = Member.objects.get(user__email=NEW), tokens.token_of(Invitation.objects.get())
        about = {"member": waiting, "by": people["marcus"], "origin": origin}
        (answers,) = at_once(
            lambda token=token: _accept(token, origin),
            lambda about=about: invitations.cancel(**about),
            lambda about=about: invitations.resend(**about),
            outbox.send_due,
        )
        accepted, cancelled, renewed, sent = answers
        assert type(accepted) in (Member, InvitationGone)
        assert type(cancelled) in (type(None), NotAllowed)
        assert type(renewed) in (type(None), NotAllowed)
        assert type(sent) is outbox.Round
        assert not (isinstance(accepted, Member) and cancelled is None)
        assert isinstance(accepted, Member) or cancelled is None or renewed is None
        done = actions_about(waiting)
        assert done["invitation.accepted"] == isinstance(accepted, Member)
        assert done["invitation.cancelled"] == (cancelled is None)
        left = Member.objects.filter(pk=waiting.pk).first()
        if left is not None and left.status == MemberStatus.ACTIVE:
            memberships.remove_member(member=left, by=people["marcus"], origin=origin)
        elif left is not None:
            invitations.cancel(**about)
        User.objects.filter(email=NEW).delete()
    assert not Invitation.objects.exists()
    assert_sound()


def test_of_two_who_invite_the_same_people_at_once_each_gets_each_person_once(people, origin):
    invitees = read(" ".join(f"user{number}@new.example" for number in range(20)))
    sam = Member.objects.select_related("user", "account").get(account_id=BOREALIS, parent=None)

    def invite(by: Member) -> Any:
        return invitations.invite(invitees=invitees, granted=Permission(0), by=by, origin=origin)

    (answers,) = at_once(*[lambda by=by: invite(by) for by in (people["marcus"], people["olivia"], sam)])
    outcomes = Counter(result.outcome for results in answers for result in results)
    assert outcomes == {invitations.Outcome.INVITED: 40, invitations.Outcome.ALREADY_INVITED: 20}
    assert User.objects.filter(email__endswith="@new.example").count() == 20
    assert_sound()


def test_many_senders_send_each_mail_once(people, origin, mailoutbox):
    invitees = read(" ".join(f"user{number}@new.example" for number in range(30)))
    invitations.invite(invitees=invitees, granted=Permission(0), by=people["marcus"], origin=origin)
    (rounds,) = at_once(*[outbox.send_due] * 6)
    assert sum(each.sent for each in rounds) == 30
    assert Counter(message.to[0] for message in mailoutbox) == Counter(invitee.email for invitee in invitees)
    invited = Member.objects.filter(user__email__endswith="@new.example")
    assert set(invited.values_list("status", flat=True)) == {MemberStatus.PENDING}
    assert_sound()


def test_of_two_accounts_accepted_at_once_one_gives_name_and_password(people, origin):
    """Who has the one link must not replace what was set by the other: it is their identity by then."""
    sam = Member.objects.select_related("user", "account").get(account_id=BOREALIS, parent=None)
    for _ in range(5):
        for by in (people["marcus"], sam):
            invitations.invite(invitees=read(NEW), granted=Permission(0), by=by, origin=origin)
        links = [tokens.token_of(invitation) for invitation in Invitation.objects.all()]
        (answers,) = at_once(*[partial(_accept, link, origin) for link in links])
        assert Counter(type(answer) for answer in answers) == {Member: 1, IdentityKnown: 1}
        for invited in Member.objects.filter(user__email=NEW):
            if invited.status == MemberStatus.ACTIVE:
                memberships.remove_member(member=invited, by=invited, origin=origin)
            else:
                by = people["marcus"] if invited.account_id == ACME else sam
                invitations.cancel(member=invited, by=by, origin=origin)
        User.objects.filter(email=NEW).delete()
    assert_sound()


def test_of_many_who_add_the_same_vpn_user_at_once_one_does(people, origin):
    about = {"name": "Oslo", "email": NEW, "password": "", "by": people["marcus"], "origin": origin}
    (answers,) = at_once(*[partial(new_members.add_vpn_user, **about)] * 6)
    assert Counter(type(answer) for answer in answers) == {Member: 1, ValueError: 5}
    assert_sound()


def test_of_two_imports_of_the_same_people_at_once_one_invites_them(people, origin):
    content = Content([Entry(number, f"user{number}@new.example", "") for number in range(1, 21)], [])
    carry_out = partial(importing.carry_out, content, by=people["marcus"], origin=origin)
    (answers,) = at_once(*[carry_out] * 3)
    assert Counter(type(answer) for answer in answers) == {int: 1, ImportRefused: 2}
    assert Invitation.objects.count() == 20
    assert_sound()


def test_of_many_who_end_expired_invitations_at_once_each_is_ended_by_one(people, origin):
    invitees = read(" ".join(f"user{number}@new.example" for number in range(10)))
    invitations.invite(invitees=invitees, granted=Permission(0), by=people["marcus"], origin=origin)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=8))
    (ended,) = at_once(*[partial(invitations.end_expired, days=7, origin=origin)] * 4)
    assert sum(ended) == 10
    assert Event.objects.filter(action=events.INVITATION_CANCELLED).count() == 10
    assert not Invitation.objects.exists()
    assert_sound()
