"""VPN-only users: how they are added, what they are called, and that they never come in by themselves."""

import re

import pytest
from django.db import connection
from django.test import Client

from accounts import events, hierarchy, new_members, signin
from accounts.enums import MemberStatus, Permission
from accounts.models import Account, Event, Mail, Member, User
from console import demo
from keys.verification import verify
from tests.accounts.inviting import NEW, PASSWORD, member
from tests.visitors import visitor

pytestmark = pytest.mark.django_db


def test_vpn_only_user_is_added_and_gets_a_key_from_above(cast):
    client = visitor(cast["marcus"])
    answer = client.post(
        "/iam/users/add_vpn_user", {"name": "Oslo office", "email": "Oslo@acme.example", "password": PASSWORD}
    )
    added = member("oslo@acme.example")
    assert answer["Location"] == f"/iam/users/{added.pk}"
    assert (added.status, added.name, added.parent) == (MemberStatus.VPN_ONLY, "Oslo office", cast["marcus"])
    assert added.vpn_password
    assert PASSWORD not in added.vpn_password
    assert not added.user.has_usable_password()
    assert "Create a classic infrastructure key" in client.get(f"/iam/users/{added.pk}").content.decode()
    assert client.post(f"/iam/users/{added.pk}/classic_key").status_code == 200


def test_who_added_a_vpn_only_user_is_told_how_their_key_comes_about(cast):
    """A role of *User management* brings people in, and creates no key for them."""
    Member.objects.filter(pk=cast["noor"].pk).update(permissions=Permission.USER_EDITOR)
    for name, said, has_button in (
        ("marcus", "cannot log in. You can create their key.", True),
        ("noor", "cannot log in. Someone above them who manages users can create their key.", False),
    ):
        typed = {"name": f"Office of {name}", "email": f"office-of-{name}@acme.example"}
        page = visitor(cast[name]).post("/iam/users/add_vpn_user", typed, follow=True).content.decode()
        assert f"Office of {name} {said}" in page
        assert ("Create a classic infrastructure key" in page) is has_button


@pytest.mark.parametrize(("typed", "error"), [
    ({"name": "Oslo", "email": "nonsense"}, "Enter a valid email address."),
    ({"name": "", "email": NEW}, "This field is required."),
    ({"name": "Oslo", "email": NEW, "password": "short"}, "at least 12 characters"),
    ({"name": "Oslo", "email": "priya@acme.example"}, "already belongs to a user of the account"),
    ({"name": "Oslo", "email": "oslo@elsewhere.example"}, "allows no users with this address"),
    ({"name": "Oslo", "email": NEW, "api_username": "oslo gateway"}, "with a letter or digit first"),
    ({"name": "Oslo", "email": NEW, "api_username": "oslo:gateway"}, "with a letter or digit first"),
    ({"name": "Oslo", "email": NEW, "api_username": "ｏslo"}, "with a letter or digit first"),
    ({"name": "Oslo", "email": NEW, "api_username": "o" * 101}, "at most 100"),
    ({"name": "Oslo", "email": NEW, "api_username": "7654321_new@acme.example"}, "reserved for account IDs"),
    ({"name": "Oslo", "email": NEW, "api_username": "olivia@acme.example"}, "without an at sign"),
    ({"name": "Pay at HTTPS://evil.example", "email": NEW}, "without a web address"),
    ({"name": "See WWW.evil.example", "email": NEW}, "without a web address"),
    ({"name": "Oslo", "email": NEW, "api_username": "APIKEY"}, "is reserved for IBM Cloud API keys"),
])  # fmt: skip
def test_bad_details_of_a_vpn_only_user_are_named(typed, error, cast):
    Account.objects.update(user_domains="new.example, acme.example", restrict_user_domains=True)
    count = Member.objects.count()
    answer = visitor(cast["marcus"]).post("/iam/users/add_vpn_user", typed)
    assert answer.status_code == 200
    assert error in answer.content.decode()
    assert Member.objects.count() == count


def test_api_username_of_a_vpn_only_user_is_chosen_once_in_the_installation(cast):
    client = visitor(cast["marcus"])
    client.post("/iam/users/add_vpn_user", {"name": "Oslo", "email": NEW, "api_username": " Oslo-Gateway "})
    assert member(NEW).vpn_password == ""  # none was given: no hash of nothing
    added = member(NEW)
    assert added.api_username == "oslo-gateway"
    page = client.post(f"/iam/users/{added.pk}/classic_key").content.decode()
    value = re.search(r"\b[0-9a-f]{64}\b", page)[0]
    assert [verify(name, value, "").accepted for name in ("oslo-gateway", "OSLO-Gateway", f"1234567_{NEW}")] == [
        True, True, False
    ]  # fmt: skip
    # Another account hears that it is taken, and whom it chose it for is not there.
    owner = Member.objects.select_related("user", "account").get(account_id=7654321, user__email="sam@acme.example")
    count = Member.objects.count(), User.objects.count(), Event.objects.count()
    typed = {"name": "Ours", "email": "ours@borealis.example", "api_username": "oslo-gateway"}
    answer = visitor(owner).post("/iam/users/add_vpn_user", typed).content.decode()
    assert "This API username is taken. Choose another." in answer
    assert all(text in answer for text in typed.values())
    assert (Member.objects.count(), User.objects.count(), Event.objects.count()) == count


def test_api_username_that_is_taken_at_the_same_moment_is_said_to_be(cast, monkeypatch):
    genuine = new_members.insert_members

    def meanwhile(**arguments):
        Member.objects.filter(pk=cast["priya"].pk).update(api_username="oslo-gateway")
        return genuine(**arguments)

    monkeypatch.setattr(new_members, "insert_members", meanwhile)
    typed = {"name": "Oslo", "email": NEW, "api_username": "oslo-gateway"}
    answer = visitor(cast["marcus"]).post("/iam/users/add_vpn_user", typed).content.decode()
    assert "This API username is taken. Choose another." in answer


def test_whoever_is_not_added_uses_up_no_number(cast, monkeypatch):
    """A member's number is given out once, and there are so many for the life of an installation."""
    client, (first,) = visitor(cast["marcus"]), hierarchy.reserve_ids(1)
    vpn_user = {"name": "Oslo", "email": NEW, "api_username": "oslo"}
    Member.objects.filter(pk=cast["priya"].pk).update(api_username="oslo")
    assert "is taken" in client.post("/iam/users/add_vpn_user", vpn_user).content.decode()
    monkeypatch.setattr(hierarchy, "MAX_DEPTH", 2)
    assert "2 levels" in client.post("/iam/users/add_vpn_user", {"name": "Oslo", "email": NEW}).content.decode()
    assert "2 levels" in client.post("/iam/users/invite_users", {"addresses": f"{NEW} b@new.example"}).content.decode()
    # Reserving uses them up on PostgreSQL, adding somebody on SQLite.
    assert list(hierarchy.reserve_ids(1)) == [first + 1 if connection.vendor == "postgresql" else first]


def test_vpn_only_user_is_called_what_the_account_called_them_whoever_they_are_elsewhere(cast):
    owner = Member.objects.select_related("user", "account").get(account_id=7654321, user__email="sam@acme.example")
    client = visitor(owner)
    client.post("/iam/users/add_vpn_user", {"name": "A gateway", "email": "priya@acme.example"})
    page = client.get("/iam/users").content.decode()
    assert "A gateway" in page
    assert "Raman" not in page
    assert member("priya@acme.example").name == "Priya Raman"


def test_vpn_password_is_compared_with_the_name_that_the_account_knows(cast):
    """That it is like another one would tell what the user is called elsewhere."""
    owner = Member.objects.select_related("user", "account").get(account_id=7654321, user__email="sam@acme.example")
    client = visitor(owner)
    client.post("/iam/users/add_vpn_user", {"name": "Big gateway", "email": "priya@acme.example"})
    added = Member.objects.get(account_id=7654321, user__email="priya@acme.example")
    url = f"/iam/users/{added.pk}/vpn_password"
    assert client.post(url, {"password": "gatewaysoftlayer"}).status_code == 200
    assert client.post(url, {"password": "ramansoftlayerqz7"}).status_code == 302


def test_account_that_added_somebody_hears_nothing_of_them_elsewhere(cast, monkeypatch):
    monkeypatch.setattr(signin, "_REFUSAL_SECONDS", 0)
    owner = Member.objects.select_related("user", "account").get(account_id=7654321, user__email="sam@acme.example")
    visitor(owner).post("/iam/users/add_vpn_user", {"name": "A gateway", "email": "priya@acme.example"})
    added = Member.objects.filter(account_id=7654321, user=cast["priya"].user)

    def heard() -> list[str]:
        Client().post("/login", {"username": "priya@acme.example", "password": "not the right one"})
        told = Event.objects.filter(account_id=7654321, subject_id=added.get().pk).order_by("number")
        return list(told.values_list("action", flat=True))

    assert heard() == [events.MEMBER_ADDED]
    added.update(status=MemberStatus.ACTIVE)
    assert heard() == [events.MEMBER_ADDED]
    Mail.objects.all().delete()
    change = {"current": demo.PASSWORD, "password": "a better pass phrase"}
    assert visitor(added.get()).post("/user/security/password", change).status_code == 302
    assert Mail.objects.get().event.account_id == 1234567  # told once, wherever it was done


def test_whoever_was_added_without_an_invitation_is_in_by_no_status(cast, monkeypatch):
    """Else an account could take in users of others unasked, and would learn from where they sign in."""
    monkeypatch.setattr(signin, "_REFUSAL_SECONDS", 0)
    owner = Member.objects.select_related("user", "account").get(account_id=7654321, user__email="sam@acme.example")
    visitor(owner).post("/iam/users/add_vpn_user", {"name": "A gateway", "email": "dmitri@acme.example"})
    added = Member.objects.get(account_id=7654321, user=cast["dmitri"].user)
    status = f"/iam/users/{added.pk}/status"
    said = "was added without an invitation and cannot log in, whatever the status."
    assert said in visitor(owner).get(status.removesuffix("/status")).content.decode()
    question = visitor(owner).post(status, {"status": "active", "asks": "True"}).content.decode()
    assert "They still cannot log in, because they were added without an invitation." in question
    assert "They can work" not in question
    assert visitor(owner).post(status, {"status": "active"}).status_code == 302
    assert "login" not in visitor(owner).get(status).content.decode().partition('class="points"')[2]
    client = Client()
    client.post("/login", {"username": "dmitri@acme.example", "password": demo.PASSWORD})
    assert client.get("/iam/users").status_code == 403  # suspended in the one account that he joined
    assert client.post("/account/switch", {"account": 7654321}).status_code == 404
    assert not Event.objects.filter(account_id=7654321, action=events.SIGNED_IN).exists()
