"""*Restrict API key creation*, and the permission that it takes then: who gives it, and the owner to themselves."""

import re

import pytest

from accounts import events, memberships
from accounts.enums import Permission, together
from accounts.models import Account, Event, Member
from accounts.policy import NotAllowed
from tests.accounts.settings_page import acme, switch, text
from tests.conftest import ACME
from tests.visitors import visitor

pytestmark = pytest.mark.django_db


def recorded() -> list[tuple[str, str]]:
    """The changes of the setting so far: before, after."""
    told = Event.objects.filter(account_id=ACME, action=events.KEY_CREATION_CHANGED).order_by("pk")
    return [(event.facts["before"], event.facts["after"]) for event in told]


def test_key_creation(olivia):
    url = "/iam/settings/key_creation"
    asked = text(olivia.post(url, {"is_on": "true"}))
    assert "<dialog" in asked
    assert "This is about the owner of the account as well." in asked
    assert not recorded()
    olivia.post(url, {"is_on": "true", "is_confirmed": "on"})
    assert acme().restrict_key_creation
    assert switch(text(olivia.get("/iam/settings")), "Restrict API key creation")
    for _ in range(2):
        olivia.post(url, {"is_on": "false", "is_confirmed": "on"})
    assert not acme().restrict_key_creation
    assert recorded() == [("off", "on"), ("on", "off")]


def test_owner_gives_themselves_what_it_takes_to_create_keys(olivia, cast):
    url, settings, owner = "/iam/settings/own_key_creation", "/iam/settings", cast["olivia"]
    assert "yourself the permission" not in text(olivia.get(settings))
    Account.objects.filter(pk=ACME).update(restrict_key_creation=True)
    card = text(olivia.get(settings))
    assert "you cannot create keys either" in card
    assert '<button class="button button--ghost" type="submit" name="is_on" value="true">Give yourself the' in card
    access = text(olivia.get(f"/iam/users/{owner.pk}?tab=access"))
    assert "the owner, too, creates no keys" in access

    for is_on, after in (("true", Permission.API_KEY_CREATOR), ("false", Permission(0))):
        before = Member.objects.get(pk=owner.pk).permissions
        assert "<dialog" in text(olivia.post(url, {"is_on": is_on}))
        assert Member.objects.get(pk=owner.pk).permissions == before
        for _ in range(2):  # a second click changes nothing and is no event
            olivia.post(url, {"is_on": is_on, "is_confirmed": "on"})
        assert Member.objects.get(pk=owner.pk).permissions == after
        offered = "Take the permission back" if after else "Give yourself the permission"
        assert offered in text(olivia.get(settings))
        is_told = "the owner, too, creates no keys" in text(olivia.get(f"/iam/users/{owner.pk}?tab=access"))
        assert is_told is not bool(after)
    activity = text(olivia.get("/iam/activity"))
    assert "given: User API key creator" in activity
    assert "taken away: User API key creator" in activity
    told = Event.objects.filter(action=events.PERMISSIONS_CHANGED).order_by("pk")
    name = "User API key creator"
    assert [(event.actor_id, event.subject_id, event.facts) for event in told] == [
        (owner.pk, owner.pk, {"before": "none", "after": name}),
        (owner.pk, owner.pk, {"before": name, "after": "none"}),
    ]


def test_nobody_but_the_owner_gives_themselves_a_permission(cast):
    Account.objects.filter(pk=ACME).update(restrict_key_creation=True)
    sam = cast["sam"]
    everything_else = ~Permission.API_KEY_CREATOR & together(Permission)
    Member.objects.filter(pk=sam.pk).update(permissions=int(everything_else))
    client = visitor(sam)
    assert "yourself the permission" not in text(client.get("/iam/settings"))
    answer = client.post("/iam/settings/own_key_creation", {"is_on": "true", "is_confirmed": "on"})
    assert answer.status_code == 403
    assert "Only the owner of the account may give themselves a permission." in text(answer)
    client.post(f"/iam/users/{sam.pk}/permissions", {"api_key_creator": "on"})
    assert Member.objects.get(pk=sam.pk).permissions == everything_else


def test_owner_who_hands_the_account_over_meanwhile_gives_themselves_nothing(cast, olivia, monkeypatch):
    def refuse(*_):
        raise NotAllowed("No longer the owner.")

    monkeypatch.setattr(memberships, "require", refuse)
    answer = olivia.post("/iam/settings/own_key_creation", {"is_on": "true", "is_confirmed": "on"})
    assert (answer.status_code, Member.objects.get(pk=cast["olivia"].pk).permissions) == (403, 0)
    event = Event.objects.get(action="permission.refused")
    assert event.facts == {"what": "give yourself a permission", "why": "No longer the owner."}


def test_owner_gives_every_permission_also_the_one_that_they_do_not_use_themselves(cast, olivia):
    sam = cast["sam"]
    shown = text(olivia.get(f"/iam/users/{sam.pk}?tab=access"))
    offered = ["manage_users", "user_editor", "user_administrator", "identity_administrator", "api_key_creator"]
    assert re.findall(r'<input type="checkbox" name="(\w+)"', shown) == offered
    olivia.post(f"/iam/users/{sam.pk}/permissions", {"api_key_creator": "on"})
    assert Member.objects.get(pk=sam.pk).permissions == Permission.API_KEY_CREATOR
    assert "User API key creator" in text(olivia.get("/iam/users/invite_users"))
    olivia.post("/iam/users/invite_users", {"addresses": "a@acme.example", "permissions": ["16"]})
    assert Member.objects.get(user__email="a@acme.example").permissions == Permission.API_KEY_CREATOR


def test_who_may_create_keys_gives_that_to_those_below_and_nothing_else(cast):
    marcus, priya = cast["marcus"], cast["priya"]
    power = Permission.MANAGE_USERS | Permission.API_KEY_CREATOR
    Member.objects.filter(pk=marcus.pk).update(permissions=int(power))
    visitor(marcus).post(f"/iam/users/{priya.pk}/permissions", {"api_key_creator": "on", "user_editor": "on"})
    assert Member.objects.get(pk=priya.pk).permissions == Permission.API_KEY_CREATOR
    Member.objects.filter(pk=marcus.pk).update(permissions=int(Permission.MANAGE_USERS))
    visitor(marcus).post(f"/iam/users/{priya.pk}/permissions", {"manage_users": "on"})
    assert Member.objects.get(pk=priya.pk).permissions == power  # what they lack they do not take either
