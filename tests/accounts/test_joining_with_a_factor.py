"""Joining by an invitation, of somebody who has a second factor: it is asked for, and lets nobody be stuck."""

import re

import pytest
from django.test import Client

from accounts import invitations, memberships, second_stage
from accounts.enums import Permission
from accounts.invitees import read
from accounts.models import Account, Event, Invitation, Member
from accounts.tokens import token_of
from console import demo
from tests.accounts.factor_steps import actions, give_code, give_password, is_open, set_up, text_of
from tests.conftest import ACME, BOREALIS
from tests.visitors import session_of, visitor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_no_waiting")]


def invited(email: str, account_id: int, origin) -> str:
    """The link of an invitation by the account's owner."""
    owner = Member.objects.select_related("user", "account").get(account_id=account_id, parent=None)
    invitations.invite(invitees=read(email), granted=Permission(0), by=owner, origin=origin)
    return f"/invitations/{token_of(invitation_to(account_id))}"


def invitation_to(account_id: int) -> Invitation:
    return Invitation.objects.select_related("member__user").get(
        member__account_id=account_id, member__user__email="priya@acme.example"
    )


def remove(member: Member, by: Member, origin) -> None:
    memberships.remove_member(member=member, by=by, origin=origin, hand_over=True)


def give_password_to(link: str) -> Client:
    client = Client()
    answer = client.post(link, {"password": demo.PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/login/code")
    return client


def test_invitation_is_no_way_around_the_second_factor(cast, clock, origin):
    app, _ = set_up(visitor(cast["priya"]), clock)
    link = invited("priya@acme.example", BOREALIS, origin)
    client = give_password_to(link)
    assert "You will then join <b>Borealis Labs</b>" in text_of(client.get("/login/code"))
    assert not is_open(client)
    assert invitation_to(BOREALIS).member.status == "processing"
    assert client.post("/login/code", {"code": app.code()})["Location"] == "/"
    assert "You have joined 7654321 - Borealis Labs" in text_of(client.get("/iam/apikeys"))
    assert is_open(client)
    assert session_of(client)["account_id"] == BOREALIS
    assert Event.objects.filter(account_id=BOREALIS).last().facts == {"second factor": "one-time passcode"}


def test_signed_in_user_joins_without_another_code(cast, clock, origin):
    set_up(visitor(cast["priya"]), clock)
    assert visitor(cast["priya"]).post(invited("priya@acme.example", BOREALIS, origin))["Location"] == "/"


@pytest.mark.parametrize("way", ["passcode", "recovery code"])
def test_who_was_removed_and_is_invited_again_joins_with_their_second_factor(cast, clock, origin, way):
    app, codes = set_up(visitor(cast["priya"]), clock)
    remove(cast["priya"], cast["olivia"], origin)
    link = invited("priya@acme.example", ACME, origin)
    answer = Client().post("/login", {"username": "priya@acme.example", "password": demo.PASSWORD})
    assert "To join an account that invited you, open the link in its email." in text_of(answer)
    client = give_password_to(link)
    assert client.post("/login/code", {"code": "000000"}).status_code == 200
    assert not is_open(client)
    client.post("/login/code", {"code": app.code() if way == "passcode" else codes[0]})
    assert is_open(client)
    assert Member.objects.get(account_id=ACME, user=cast["priya"].user).status == "active"
    assert not Invitation.objects.exists()
    assert actions("user.recovery_code_used") == (way == "recovery code")
    assert not give_code(give_password("priya"), codes[0] if way != "passcode" else "000000")


def test_page_of_an_invitation_tells_nothing_of_a_second_factor_before_the_password(cast, clock, origin):
    link = invited("priya@acme.example", BOREALIS, origin)

    def pages() -> list[str]:
        answers = [Client().get(link), Client().post(link, {"password": "wrong"})]
        return [re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text_of(answer)) for answer in answers]

    before = pages()
    set_up(visitor(cast["priya"]), clock)
    assert pages() == before


def test_guesses_at_codes_on_the_way_into_an_account_have_to_wait(cast, clock, origin):
    app, _ = set_up(visitor(cast["priya"]), clock)
    link = invited("priya@acme.example", BOREALIS, origin)
    for _ in range(5):
        assert give_password_to(link).post("/login/code", {"code": "000000"}).status_code == 200
    refused = give_password_to(link).post("/login/code", {"code": app.code()})
    assert (refused.status_code, refused["Retry-After"]) == (429, "300")
    assert invitation_to(BOREALIS).member.status == "processing"


@pytest.mark.parametrize("what", ["cancelled", "sent anew", "expired", "used"])
def test_invitation_that_went_meanwhile_lets_nobody_in_and_uses_no_code_up(cast, clock, origin, what):
    _, codes = set_up(visitor(cast["priya"]), clock)
    link = invited("priya@acme.example", BOREALIS, origin)
    client, invitation = give_password_to(link), invitation_to(BOREALIS)
    owner = Member.objects.select_related("user", "account").get(account_id=BOREALIS, parent=None)
    about = {"member": invitation.member, "by": owner, "origin": origin}
    match what:
        case "cancelled":
            invitations.cancel(**about)
        case "sent anew":
            invitations.resend(**about)
        case "expired":
            Invitation.objects.update(expires_at=clock())
        case "used":
            visitor(cast["priya"]).post(link)
    assert client.post("/login/code", {"code": codes[0]})["Location"] == "/login"
    assert "The invitation can no longer be used" in text_of(client.get("/login"))
    assert not is_open(client)
    assert give_code(give_password("priya"), codes[0])


def test_invitation_that_goes_while_the_code_is_looked_at_lets_nobody_in(cast, clock, origin, monkeypatch):
    app, _ = set_up(visitor(cast["priya"]), clock)
    client = give_password_to(invited("priya@acme.example", BOREALIS, origin))
    genuine = second_stage.check_code

    def meanwhile(*args, **kwargs) -> str:
        Invitation.objects.all().delete()
        return genuine(*args, **kwargs)

    monkeypatch.setattr(second_stage, "check_code", meanwhile)
    assert client.post("/login/code", {"code": app.code()})["Location"] == "/login"
    assert not is_open(client)


def test_account_is_joined_from_an_address_that_it_allows_alone(cast, clock, origin):
    app, _ = set_up(visitor(cast["priya"]), clock)
    client = give_password_to(invited("priya@acme.example", BOREALIS, origin))
    Account.objects.filter(pk=BOREALIS).update(allowed_addresses="10.0.0.0/8")
    assert "You cannot log in from this address." in text_of(client.post("/login/code", {"code": app.code()}))
    assert not is_open(client)
    assert invitation_to(BOREALIS).member.status == "processing"


def test_session_between_password_and_code_holds_no_token(cast, clock, origin):
    set_up(visitor(cast["priya"]), clock)
    link = invited("priya@acme.example", BOREALIS, origin)
    kept = str(dict(session_of(give_password_to(link)).items()))
    assert invitation_to(BOREALIS).uid.hex in kept
    assert link.rpartition("/")[2] not in kept
