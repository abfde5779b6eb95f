"""Invitations from the form to the joined member, through the outbox and a real mail server."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit, events, hierarchy, importing, invitations, memberships, outbox, tokens
from accounts.enums import MemberStatus, Permission
from accounts.invitees import read
from accounts.member_files import Content, Entry
from accounts.models import Account, Event, Invitation, Mail, Member, Session, User
from accounts.origin import Origin
from accounts.policy import NotAllowed
from accounts.sessions import row_key
from console import demo
from tests.accounts.inviting import NEW, PASSWORD, actions_about, invite, invited, member, outcomes
from tests.mail_server import link_in, mail_server
from tests.visitors import session_of, visitor

pytestmark = pytest.mark.django_db


# --- From the form to the account -------------------------------------------------------------------------------------


def test_somebody_new_is_invited_and_joins(cast, settings):
    with mail_server(settings) as server:
        invite(visitor(cast["marcus"]), NEW, Permission.MANAGE_USERS)
        assert member(NEW).status == MemberStatus.PROCESSING
        assert outbox.send_due() == outbox.Round(sent=1)
        message = server.to(NEW)
    waiting = member(NEW)
    assert (waiting.status, waiting.parent, waiting.joined_at) == (MemberStatus.PENDING, cast["marcus"], None)
    assert message["Subject"] == "Invitation to Acme Robotics"
    assert message["From"] == "Keytree <keytree@localhost>"
    assert "Marcus Lindqvist (marcus@acme.example) invites you" in message.get_body(("plain",)).get_content()

    guest, path = Client(), link_in(message)
    page = guest.get(path).content.decode()
    assert "Join Acme Robotics" in page
    assert NEW in page
    assert "Marcus Lindqvist" in page
    assert member(NEW).status == MemberStatus.PENDING  # a GET changes nothing
    answer = guest.post(path, {"name": "Tove Nyström", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")

    joined = member(NEW)
    assert (joined.status, joined.name, joined.sort_name) == (MemberStatus.ACTIVE, "Tove Nyström", "tove nyström")
    assert joined.joined_at is not None
    assert joined.granted == Permission.MANAGE_USERS
    assert joined.user.check_password(PASSWORD)
    assert not Invitation.objects.exists()
    assert not Mail.objects.exists()
    assert actions_about(joined.pk) == [
        events.INVITED, events.INVITATION_SENT, events.INVITATION_ACCEPTED, events.SIGNED_IN,
    ]  # fmt: skip
    users = guest.get("/iam/users").content.decode()
    assert "You have joined 1234567 - Acme Robotics" in users  # whichever page comes first
    assert "Tove Nyström" in users
    assert list(audit.breaks(joined.account_id)) == []


def test_user_of_another_account_joins_with_their_password(cast):
    borealis = Member.objects.select_related("user", "account").get(account_id=7654321, user__email="sam@acme.example")
    invite(visitor(borealis), "priya@acme.example")
    outbox.send_due()
    path = re.search(r"/invitations/\S+", mail.outbox[-1].body)[0]
    guest = Client()
    assert 'name="name"' not in guest.get(path).content.decode()
    wrong = guest.post(path, {"password": "not hers at all"})
    assert "This password is wrong" in wrong.content.decode()
    assert guest.post(path, {"password": "keytree-demo"}).status_code == 302
    assert session_of(guest)["account_id"] == 7654321
    joined = Member.objects.get(account_id=7654321, user=cast["priya"].user)
    assert (joined.status, joined.name) == (MemberStatus.ACTIVE, "Priya Raman")
    assert "You have joined 7654321 - Borealis Labs" in guest.get("/iam/apikeys").content.decode()


def test_guesses_at_the_password_of_an_invited_user_have_to_wait(cast):
    path = invited(Member.objects.get(account_id=7654321, user__email="sam@acme.example"), "priya@acme.example")
    guest = Client()
    assert [guest.post(path, {"password": f"guess {n}"}).status_code for n in range(6)] == [200] * 5 + [429]


def test_signed_in_user_joins_by_a_button_in_a_new_session(cast):
    path = invited(Member.objects.get(account_id=7654321, user__email="sam@acme.example"), "priya@acme.example")
    client = visitor(cast["priya"])
    before = session_of(client).session_key
    page = client.get(path).content.decode()
    assert "You are logged in with this address" in page
    assert 'type="password"' not in page
    assert client.post(path).status_code == 302
    session = session_of(client)
    assert session.session_key != before
    assert session["account_id"] == 7654321
    assert not Session.objects.filter(pk=row_key(before)).exists()
    assert "You have joined 7654321 - Borealis Labs" in client.get("/iam/apikeys").content.decode()


def test_somebody_else_who_is_signed_in_cannot_accept(cast):
    path = invited(cast["marcus"])
    client = visitor(cast["priya"])
    for answer in (client.get(path), client.post(path), client.post(path, {"name": "Priya", "password": PASSWORD})):
        assert answer.status_code == 403
        assert "this invitation is for another address" in answer.content.decode()
    assert member(NEW).status == MemberStatus.PENDING


def test_invited_people_cannot_sign_in_before_they_accept(cast):
    path = invited(cast["marcus"])
    User.objects.filter(email=NEW).update(password=cast["marcus"].user.password)
    answer = Client().post("/login", {"username": NEW, "password": "keytree-demo"})
    assert "Your user cannot log in to any account" in answer.content.decode()
    assert Client().post(path, {"password": "keytree-demo"}).status_code == 302


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"name": "", "password": PASSWORD},
        {"name": "Tove", "password": "short"},
        {"name": "Tove", "password": "tove@new.example"},
        {"name": "\u202e", "password": PASSWORD},
    ],
)
def test_bad_name_or_password_is_named_and_the_invitation_stays(typed, cast):
    path = invited(cast["marcus"])
    answer = Client().post(path, typed)
    assert answer.status_code == 200
    assert "_error" in answer.content.decode()
    assert PASSWORD not in answer.content.decode()
    assert member(NEW).status == MemberStatus.PENDING


def test_cannot_join_from_an_address_that_the_account_does_not_allow(cast):
    path = invited(cast["marcus"])
    Account.objects.update(allowed_addresses="17.5.7.8")
    answer = Client().post(path, {"name": "Tove", "password": PASSWORD})
    assert "You cannot join from this address" in answer.content.decode()
    assert member(NEW).status == MemberStatus.PENDING


# --- Links that are worth nothing -------------------------------------------------------------------------------------


@pytest.mark.sqlite_only
def test_used_cancelled_replaced_and_unknown_links_look_the_same(cast, origin):
    used, replaced, cancelled = (invited(cast["marcus"], f"{name}@new.example") for name in ("a", "b", "c"))
    assert Client().post(used, {"name": "Tove", "password": PASSWORD}).status_code == 302
    invitations.resend(member=member("b@new.example"), by=cast["marcus"], origin=origin)
    invitations.cancel(member=member("c@new.example"), by=cast["marcus"], origin=origin)
    links = (
        used,
        replaced,
        cancelled,
        "/invitations/x",
        "/invitations/" + "A" * 43,
        "/invitations/%ed%a0%80",
        "/invitations/%00",
    )
    for act in ("get", "post"):
        answers = [getattr(Client(), act)(link) for link in links]
        assert {answer.status_code for answer in answers} == {404}
        pages = {
            re.sub(r'value="[^"]+"', "", answer.content.decode()).replace(link, "")
            for link, answer in zip(links, answers, strict=True)
        }
        assert len(pages) == 1
        assert "This invitation cannot be used" in pages.pop()


@pytest.mark.parametrize("way", ["typed", "sent anew", "from a file"])
def test_link_is_good_for_thirty_days_to_the_second(cast, clock, way):
    """And the mail says until when."""
    marcus = cast["marcus"]
    if way == "from a file":
        importing.carry_out(Content([Entry(1, NEW)]), by=marcus, origin=Origin("17.5.7.8"))
    else:
        invited(marcus)
    if way == "sent anew":
        clock(days=7)
        visitor(marcus).post(f"/iam/users/{member(NEW).pk}/resend_invite")
    until = clock() + timedelta(days=30)
    outbox.send_due()
    text = mail.outbox[-1].body
    assert f"until {until:%d-%m-%Y %H:%M} GMT" in text
    path = re.search(r"/invitations/\S+", text)[0]
    clock(days=30, seconds=-1)
    assert Client().get(path).status_code == 200
    clock(seconds=1)
    joining = {"name": "Tove", "password": PASSWORD}
    assert [Client().get(path).status_code, Client().post(path, joining).status_code] == [410, 410]


def test_expired_link_says_whom_to_ask_and_is_sent_anew(cast):
    path = invited(cast["marcus"])
    Invitation.objects.update(expires_at=timezone.now())
    for answer in (Client().get(path), Client().post(path, {"name": "Tove", "password": PASSWORD})):
        assert answer.status_code == 410
        assert "Ask <b><bdi>Marcus Lindqvist</bdi></b> to send it again" in answer.content.decode()
    client, waiting = visitor(cast["marcus"]), member(NEW)
    assert "Pending, expired" in client.get("/iam/users").content.decode()
    assert client.post(f"/iam/users/{waiting.pk}/resend_invite").status_code == 302
    outbox.send_due()
    assert "Pending, expired" not in client.get(f"/iam/users/{waiting.pk}").content.decode()
    new = re.search(r"/invitations/\S+", mail.outbox[-1].body)[0]
    assert new != path
    assert Invitation.objects.get().expires_at > timezone.now() + timedelta(days=29)
    assert Client().get(path).status_code == 404
    assert Client().get(new).status_code == 200


def test_answers_to_a_link_keep_it_to_themselves(cast):
    path = invited(cast["marcus"])
    for link in (path, "/invitations/unknown"):
        answer = Client().get(link)
        assert answer["Referrer-Policy"] == "strict-origin"
        assert answer["Cache-Control"] == "no-store"
        assert "http" not in re.sub(r"https?://(?:www\.w3\.org|testserver)\S*", "", answer.content.decode())


def test_token_is_nowhere_in_the_database_and_cannot_be_planted(cast):
    token = invited(cast["marcus"]).rpartition("/")[2]
    assert len(token) == 47
    invitation = Invitation.objects.get()
    assert bytes(invitation.token_digest) == tokens.digest_of(token)
    Invitation.objects.update(token_digest=tokens.digest_of("planted"))
    assert Client().get("/invitations/planted").status_code == 404


def test_invitation_whose_master_key_is_gone_opens_nothing_and_can_be_sent_anew(cast, caplog):
    path = invited(cast["marcus"])
    Invitation.objects.update(ring_key_id="gone")
    assert Client().get(path).status_code == 404
    assert "a link that was sent cannot be checked: Key gone is not in the key ring." in caplog.text
    visitor(cast["marcus"]).post(f"/iam/users/{member(NEW).pk}/resend_invite")
    outbox.send_due()
    assert Client().get(re.search(r"/invitations/\S+", mail.outbox[-1].body)[0]).status_code == 200


# --- Many at once -----------------------------------------------------------------------------------------------------


def test_each_address_gets_its_outcome(cast):
    Account.objects.update(user_domains="*@acme.example\n**.new.example", restrict_user_domains=True)
    answer = invite(
        visitor(cast["marcus"]),
        "New One <one@a.new.example>; two@b.new.example\npriya@acme.example lena@acme.example\n"
        "sam@elsewhere.example, nonsense",
    )
    assert sorted(outcomes(answer)) == [
        ("lena@acme.example", "Already invited"),
        ("nonsense", "Not an address Enter a valid email address."),
        ("one@a.new.example", "Invited"),
        ("priya@acme.example", "Already a user of this account"),
        ("sam@elsewhere.example", "Not allowed by the account&#x27;s domains"),
        ("two@b.new.example", "Invited"),
    ]
    assert Mail.objects.count() == 2


def test_what_is_no_address_can_be_corrected_with_the_same_permissions(cast):
    answer = invite(visitor(cast["olivia"]), f"{NEW} kim@new@example nonsense", Permission.MANAGE_USERS)
    page = answer.content.decode()
    assert re.search(r'<form[^>]*action="/iam/users/invite_users"', page)
    assert re.search(r'<textarea name="addresses"[^>]*>\s*kim@new@example\nnonsense</textarea>', page)
    ticked = re.findall(r'name="permissions" value="(\d+)"[^>]*checked', page)
    assert ticked == [str(int(Permission.MANAGE_USERS))]
    assert "<textarea" not in invite(visitor(cast["olivia"]), "kim@new.example").content.decode()


def test_a_known_and_an_unknown_address_look_the_same_to_who_invites(cast):
    """Neither the outcome nor the list nor the page of the invited person tells who is in another account."""
    owner = Member.objects.select_related("user", "account").get(account_id=7654321, user__email="sam@acme.example")
    User.objects.filter(email="priya@acme.example").update(last_login=timezone.now())
    client = visitor(owner)
    answer = invite(client, "priya@acme.example nobody@acme.example")
    assert {outcome for _, outcome in outcomes(answer)} == {"Invited"}
    outbox.send_due()
    pages = []
    for name in ("priya", "nobody"):
        found = Member.objects.get(account_id=7654321, user__email=f"{name}@acme.example")
        page = client.get(f"/iam/users/{found.pk}").content.decode()
        csrf = re.compile(r'name="csrfmiddlewaretoken" value="[^"]+"|<time.*?</time>')
        pages.append(re.sub(rf"(/users/|user=|<dd>){found.pk}\b", "", csrf.sub("", page).replace(name, "")))
    assert pages[0] == pages[1]
    Client().post("/login", {"username": "priya@acme.example", "password": "not the right one"})
    assert not Event.objects.filter(account_id=7654321, action=events.SIGN_IN_REFUSED).exists()
    for address in (
        "/iam/users",
        "/iam/users?q=raman",
        "/iam/users?view=hierarchy",
        "/iam/activity",
        "/iam/users?q=nobody",
    ):
        assert "Raman" not in client.get(address).content.decode().replace('value="raman"', "")


def test_a_thousand_are_invited_in_one_request_with_few_statements(cast):
    counted = []
    for start, many in ((0, 1), (1, 3), (4, 100), (104, 1000)):
        text = "\n".join(f"user{number}@new.example" for number in range(start, start + many))
        with CaptureQueriesContext(connection) as captured:
            invite(visitor(cast["olivia"]), text)
        counted.append(len(captured.captured_queries))
    assert counted[0] == counted[1] <= 32
    assert counted[2] <= counted[0] + 10
    assert counted[3] <= counted[0] + 110  # inserts in batches, as many rows as a statement has room for
    assert Member.objects.filter(status=MemberStatus.PROCESSING).count() == 1104
    assert Event.objects.filter(action=events.INVITED).count() == 1104
    assert list(audit.breaks(1234567)) == []
    connection.check_constraints()


@pytest.mark.parametrize(("typed", "error"), [
    ("", "This field is required."),
    (" ,;\n", "Enter at least one address."),
    (" ".join(f"u{n}@new.example" for n in range(1001)), "These are 1,001 addresses."),
    ("x" * 400_001, "at most 400000 characters"),
])  # fmt: skip
def test_bad_list_of_addresses_is_named_and_nobody_is_invited(typed, error, cast):
    answer = visitor(cast["marcus"]).post("/iam/users/invite_users", {"addresses": typed})
    assert answer.status_code == 200
    assert error in answer.content.decode()
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(("sent", "granted"), [
    ([1, 1], Permission.MANAGE_USERS),
    ([1, 2, 1, 2], Permission.MANAGE_USERS | Permission.USER_EDITOR),
])  # fmt: skip
def test_permission_that_is_sent_twice_is_given_once(cast, sent, granted):
    """Numbers of permissions are bits: added up, two of one would be another."""
    visitor(cast["olivia"]).post("/iam/users/invite_users", {"addresses": NEW, "permissions": sent})
    assert Member.objects.get(user__email=NEW).granted == granted


@pytest.mark.parametrize(
    "granted", [Permission.USER_ADMINISTRATOR, Permission.IDENTITY_ADMINISTRATOR, Permission.USER_EDITOR]
)
def test_nobody_gives_with_an_invitation_what_they_lack(granted, cast, origin):
    answer = visitor(cast["marcus"]).post("/iam/users/invite_users", {"addresses": NEW, "permissions": [int(granted)]})
    assert "Select a valid choice" in answer.content.decode()
    (refused,) = Event.objects.filter(action="permission.refused")
    assert (refused.actor_id, refused.facts["what"]) == (cast["marcus"].pk, "invite users")
    assert refused.facts["why"].startswith("You cannot give a permission that you do not have: ")
    with pytest.raises(NotAllowed):
        invitations.invite(invitees=read(NEW), granted=granted, by=cast["marcus"], origin=origin)
    assert not User.objects.filter(email=NEW).exists()


def test_deepest_level_is_said_beside_the_form(cast, monkeypatch):
    monkeypatch.setattr("accounts.hierarchy.MAX_DEPTH", 2)
    answer = visitor(cast["marcus"]).post("/iam/users/invite_users", {"addresses": NEW})
    assert "at most 2 levels" in answer.content.decode()
    assert not User.objects.filter(email=NEW).exists()


@pytest.mark.parametrize(
    ("path", "write", "typed"),
    [
        ("invite_users", "accounts.invitations.invite", {"addresses": NEW}),
        ("add_vpn_user", "accounts.new_members.add_vpn_user", {"name": "Oslo", "email": NEW}),
    ],
)
def test_permission_lost_meanwhile_is_a_refusal_with_its_event(path, write, typed, cast, monkeypatch):
    def refuse(**_):
        raise NotAllowed("You need the permission Manage users to invite users.")

    monkeypatch.setattr(write, refuse)
    answer = visitor(cast["marcus"]).post(f"/iam/users/{path}", typed)
    assert answer.status_code == 403
    assert Event.objects.order_by("pk").last().action == events.PERMISSION_REFUSED


def test_deepest_level_is_said_beside_the_form_of_a_vpn_only_user(cast, monkeypatch):
    monkeypatch.setattr("accounts.hierarchy.MAX_DEPTH", 2)
    answer = visitor(cast["marcus"]).post("/iam/users/add_vpn_user", {"name": "Oslo", "email": NEW})
    assert "at most 2 levels" in answer.content.decode()


# --- Cancelled --------------------------------------------------------------------------------------------------------


def test_cancelling_takes_the_user_along_who_was_in_no_account(cast):
    invited(cast["marcus"])
    waiting = member(NEW)
    client = visitor(cast["marcus"])
    assert "Cancel the invitation of" in client.get(f"/iam/users/{waiting.pk}/cancel_invite").content.decode()
    assert client.post(f"/iam/users/{waiting.pk}/cancel_invite").status_code == 302
    assert not User.objects.filter(email=NEW).exists()
    assert actions_about(waiting.pk)[-1] == events.INVITATION_CANCELLED
    assert outcomes(invite(client, NEW)) == [(NEW, "Invited")]


def test_question_about_cancelling_says_what_becomes_of_users_below(cast, origin):
    """Whom a file placed there, and who joined before."""
    address, moves = f"/iam/users/{cast['lena'].pk}/cancel_invite", "The users below move up to <b><bdi>Marcus"
    marcus = visitor(cast["marcus"])
    assert "move up" not in marcus.get(address).content.decode()
    hierarchy.move_branch(cast["noor"], cast["lena"])
    assert moves in marcus.get(address).content.decode()
    assert "is frozen" not in marcus.get(address).content.decode()
    memberships.freeze_branch(member=cast["lena"], reason="An audit", by=cast["olivia"], origin=origin)
    assert "is frozen, and no longer is then" in marcus.get(address).content.decode()
    assert marcus.post(address).status_code == 302
    assert Member.objects.get(pk=cast["noor"].pk).parent_id == cast["marcus"].pk


def test_cancelling_leaves_a_user_of_another_account_alone(cast, origin):
    owner = Member.objects.select_related("user", "account").get(account_id=7654321, user__email="sam@acme.example")
    invited(owner, "priya@acme.example")
    waiting = Member.objects.get(account_id=7654321, user=cast["priya"].user)
    invitations.cancel(member=waiting, by=owner, origin=origin)
    assert User.objects.get(email="priya@acme.example").check_password("keytree-demo")


def test_cancelling_leaves_alone_who_is_invited_by_another_account_too(cast, origin):
    owner = Member.objects.select_related("user", "account").get(account_id=7654321, user__email="sam@acme.example")
    for by in (cast["marcus"], owner):
        invited(by, NEW)
    here = Member.objects.get(account_id=1234567, user__email=NEW)
    invitations.cancel(member=here, by=cast["marcus"], origin=origin)
    left = Member.objects.get(user__email=NEW)
    assert (left.account_id, Invitation.objects.get().member_id) == (7654321, left.pk)


def test_removing_leaves_the_user_who_has_a_password(cast, origin):
    """Whoever invites them again invites somebody who signs in as before, with the factors that they set up."""
    memberships.remove_member(member=cast["berlin"], by=cast["olivia"], origin=origin)
    assert not User.objects.filter(pk=cast["berlin"].user_id).exists()  # they never had one
    memberships.remove_member(member=cast["priya"], by=cast["olivia"], origin=origin, hand_over=True)
    assert not Member.objects.filter(user=cast["priya"].user).exists()
    assert User.objects.get(pk=cast["priya"].user_id).check_password(demo.PASSWORD)


def test_when_the_inviter_is_removed_their_invited_move_up_and_can_still_join(cast, origin):
    path = invited(cast["marcus"])
    with pytest.raises(memberships.NotEmpty) as refused:
        memberships.remove_member(member=cast["marcus"], by=cast["olivia"], origin=origin)
    assert NEW in [below.user.email for below in refused.value.working]
    memberships.remove_member(member=cast["marcus"], by=cast["olivia"], origin=origin, hand_over=True)
    assert member(NEW).parent == cast["olivia"]
    assert "A user who has left" in Client().get(path).content.decode()
    assert Client().post(path, {"name": "Tove", "password": PASSWORD}).status_code == 302


def test_whoever_sends_an_invitation_anew_is_named_in_it(cast, origin):
    path = invited(cast["marcus"])
    invitations.resend(member=member(NEW), by=cast["olivia"], origin=origin)
    assert Invitation.objects.get().invited_by == cast["olivia"]
    outbox.send_due()
    assert "Olivia Reyes" in mail.outbox[-1].body
    assert "Marcus Lindqvist" not in mail.outbox[-1].body
    assert Client().get(path).status_code != 200


def test_pending_member_of_old_without_an_invitation_can_be_sent_one(cast):
    """The demo's and the generator's pending members never had one."""
    client = visitor(cast["marcus"])
    assert client.post(f"/iam/users/{cast['lena'].pk}/resend_invite").status_code == 302
    outbox.send_due()
    path = re.search(r"/invitations/\S+", mail.outbox[-1].body)[0]
    assert 'value="Lena Fischer"' in Client().get(path).content.decode()
    assert Client().post(path, {"name": "Lena F.", "password": PASSWORD}).status_code == 302
    assert member("lena@acme.example").name == "Lena F."


def test_who_was_invited_by_two_accounts_sets_one_password(cast, origin):
    owner = Member.objects.select_related("user", "account").get(account_id=7654321, user__email="sam@acme.example")
    here, there = invited(cast["marcus"]), invited(owner, NEW)
    assert Client().post(here, {"name": "Tove", "password": PASSWORD}).status_code == 302
    with pytest.raises(invitations.IdentityKnown):
        invitations.accept_as_new(token=there.rpartition("/")[2], name="Eve", password="x", origin=origin)
    assert "You already have a user here" in Client().get(there).content.decode()
    elsewhere = Member.objects.get(account_id=7654321, user__email=NEW)
    assert elsewhere.name == NEW  # there she is still only invited
    assert Client().post(there, {"password": PASSWORD}).status_code == 302
    elsewhere.refresh_from_db()
    assert Member.objects.get(pk=elsewhere.pk).name == "Tove"
