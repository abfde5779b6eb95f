"""``change_owner``: the account goes over whole, with its event and word to both, or not at all."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.enums import MemberStatus, Permission
from accounts.models import Event, Mail, Member
from keys.platform.policy import may_create_while_restricted
from keys.policy import can_see_keys_of
from tests.conftest import ACME

pytestmark = pytest.mark.django_db


def change_owner(email: str, account: int = ACME) -> str:
    out = StringIO()
    call_command("change_owner", account=account, email=email, stdout=out)
    return out.getvalue()


def fresh(member: Member) -> Member:
    return Member.objects.select_related("user", "account").get(pk=member.pk)


def test_the_new_owner_is_above_everybody_and_the_former_one_below(cast):
    Mail.objects.all().delete()

    said = change_owner("PRIYA@acme.example")

    assert said == "Priya Raman <priya@acme.example> owns the account 1234567 - Acme Robotics from now on.\n"
    priya, olivia, marcus, noor = (fresh(cast[name]) for name in ("priya", "olivia", "marcus", "noor"))
    assert (priya.parent_id, olivia.parent_id, marcus.parent_id, noor.parent_id) == (
        None, priya.pk, olivia.pk, priya.pk,
    )  # fmt: skip
    assert can_see_keys_of(priya, olivia)
    assert not can_see_keys_of(olivia, noor)
    assert not olivia.granted
    told = Event.objects.filter(action="account.owner_changed").order_by("number")
    assert [(event.subject_id, event.actor_id, event.actor_label) for event in told] == [
        (priya.pk, None, "The server"), (olivia.pk, None, "The server"),
    ]  # fmt: skip
    assert (told[0].facts["before_id"], told[0].facts["after_id"]) == (olivia.pk, priya.pk)
    assert set(Mail.objects.values_list("recipient", flat=True)) == {"priya@acme.example", "olivia@acme.example"}


@pytest.mark.parametrize(
    ("email", "account", "why"),
    [
        ("olivia@acme.example", ACME, "the owner of the account already"),
        ("dmitri@acme.example", ACME, "this user is Suspended"),
        ("vpn-berlin@acme.example", ACME, "this user is VPN-only"),
        ("lena@acme.example", ACME, "this user is Pending"),
        ("nobody@acme.example", ACME, "There is no user with this address in an account 1234567"),
        ("priya@acme.example", 7654321, "There is no user with this address in an account 7654321"),
        ("no address", ACME, "Enter a valid email address."),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(email, account, why, cast):
    before = list(Member.objects.order_by("pk").values_list("pk", "parent_id", "path"))
    with pytest.raises(CommandError, match=why):
        change_owner(email, account)
    assert list(Member.objects.order_by("pk").values_list("pk", "parent_id", "path")) == before
    assert not Event.objects.filter(action="account.owner_changed").exists()


def test_whoever_cannot_log_in_owns_no_account(cast):
    """Whatever status a user has been given who was added without an invitation."""
    Member.objects.filter(pk=cast["berlin"].pk).update(status=MemberStatus.ACTIVE)
    with pytest.raises(CommandError, match="added without an invitation and cannot log in"):
        change_owner("vpn-berlin@acme.example")
    assert fresh(cast["olivia"]).is_owner


def test_new_owner_keeps_the_permission_to_create_keys_and_the_former_one_nothing(cast):
    """Not even what they held before they owned the account."""
    olivia, marcus = cast["olivia"], cast["marcus"]
    Member.objects.filter(pk=olivia.pk).update(permissions=int(Permission.API_KEY_CREATOR))
    Member.objects.filter(pk=marcus.pk).update(permissions=int(Permission.MANAGE_USERS | Permission.API_KEY_CREATOR))
    change_owner("marcus@acme.example")
    assert may_create_while_restricted(fresh(marcus))
    assert not may_create_while_restricted(fresh(olivia))
    change_owner("olivia@acme.example")
    assert not fresh(marcus).granted
    assert not may_create_while_restricted(fresh(olivia))


def test_somebody_whose_key_is_disabled_may_own_the_account(cast):
    Member.objects.filter(pk=cast["sam"].pk).update(status=MemberStatus.DISABLED_CLASSIC)
    said = change_owner("sam@acme.example")
    assert fresh(cast["sam"]).is_owner
    assert "nobody can change the status of an owner." in said
