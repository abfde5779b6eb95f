"""``createObject``: who is invited or added by it, how, and what is refused before anything is written."""

import pytest

from accounts.enums import MemberStatus
from accounts.models import Account, Event, Invitation, Mail, Member, User
from keys.api.faults import TooMuch
from tests.conftest import ACME
from tests.keys.api.calling import ask, caller_of, denied, invalid, public, refused

pytestmark = pytest.mark.django_db

CREATE = "User_Customer::createObject"
EMAIL = "new@acme.example"
#: What slcli sends of somebody whom it takes as a template, with the name and address that were typed.
SENT = {"username": EMAIL, "email": EMAIL, "firstName": "Marcus", "lastName": "Lindqvist", "userStatusId": 1001}
VPN = {**SENT, "userStatusId": 1022}


@pytest.fixture
def marcus(cast):
    return caller_of(cast["marcus"])


def stored() -> list[int]:
    return [model.objects.count() for model in (Member, User, Invitation, Mail, Event)]


def test_user_is_invited_below_the_caller_without_permissions(cast, marcus):
    made = ask(marcus, CREATE, None, SENT, None, None)
    new = Member.objects.select_related("user", "invitation").get(pk=made["id"])
    assert (made["username"], made["email"], made["userStatusId"]) == (f"{ACME}_{EMAIL}", EMAIL, 1004)
    assert (new.parent_id, new.permissions, new.status) == (cast["marcus"].pk, 0, MemberStatus.PROCESSING)
    assert (new.user.name, new.user.has_usable_password()) == (EMAIL, False)  # names and password are theirs to choose
    assert new.invitation.invited_by_id == cast["marcus"].pk
    assert Mail.objects.filter(invitation=new.invitation).exists()
    event = Event.objects.latest("pk")
    assert (event.action, event.actor_id, event.subject_id) == ("invitation.created", cast["marcus"].pk, new.pk)
    assert (event.address, event.request_id) == (marcus.origin.address, marcus.origin.request_id)


@pytest.mark.parametrize(
    "template",
    [
        {"email": "New@ACME.example", "username": "New@ACME.example"},
        {"email": EMAIL, "username": f"{ACME}_{EMAIL}", "userStatusId": "1004"},
        {**SENT, "complexType": "SoftLayer_User_Customer", "accountId": ACME, "openIdConnectUserName": EMAIL},
        {**SENT, "address1": None, "city": "", "roles": [], "timezoneId": None, "sslVpnAllowedFlag": False},
    ],
)
def test_templates_that_say_nothing_else_invite(marcus, template):
    assert ask(marcus, CREATE, None, {**template, "parentId": marcus.member.pk}, "", mask="email,parent[id]") == {
        "email": EMAIL,
        "parent": {"id": marcus.member.pk},
    }


def test_vpn_only_user_is_added_with_the_name_and_password_that_were_given(cast, marcus):
    # The whole name is that of the template, who is the caller.
    lisbon = {**VPN, "firstName": "Lisbon", "lastName": "office", "displayName": "Marcus", "username": "Lisbon"}
    made = ask(marcus, CREATE, None, lisbon, None, "a long enough pass phrase")
    new = Member.objects.get(pk=made["id"])
    assert (new.status, new.parent_id, new.name_here) == (MemberStatus.VPN_ONLY, cast["marcus"].pk, "Lisbon office")
    assert (made["username"], made["userStatusId"], new.api_username) == ("lisbon", 1022, "lisbon")
    assert new.vpn_password
    assert "pass phrase" not in new.vpn_password
    event = Event.objects.latest("pk")
    assert (event.action, event.subject_id, event.facts) == ("member.added", new.pk, {"status": "VPN-only"})
    taken = {**lisbon, "email": "lisboa@acme.example"}
    assert refused(marcus, CREATE, None, taken) == invalid("This API username is taken. Choose another.")
    plain = ask(marcus, CREATE, None, {"displayName": "Porto", "email": "porto@acme.example", "userStatusId": "1022"})
    assert (plain["username"], plain["displayName"]) == (f"{ACME}_porto@acme.example", "Porto")


NO_PASSWORD = invalid("Leave the passwords out: the user is sent an invitation, and chooses a password when joining.")


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ([], invalid("Please provide a record of the user to create.")),
        (["new"], invalid("Please provide a record of the user to create.")),
        ([{}], invalid("Enter a valid email address.")),
        ([{**SENT, "email": "a@acme.example, b@acme.example"}], invalid("Enter a valid email address.")),
        ([{**SENT, "email": ["a@acme.example"]}], invalid("email is a text.")),
        ([{**SENT, "username": 5}], invalid("username is a text.")),
        ([SENT, "Correct-horse-1"], NO_PASSWORD),
        ([SENT, None, "Correct-horse-1"], NO_PASSWORD),
        ([SENT, {"a": 1}], invalid("A password is a text.")),
        (
            [{**SENT, "username": "new"}],
            invalid(
                f"username of an invited user is the email address, or {ACME}_{EMAIL}, which their API username will "
                "be."
            ),
        ),
        (
            [{**SENT, "userStatusId": 1002}],
            invalid("userStatusId of a new user is 1001 (invited), 1022 (VPN-only), or left out."),
        ),
        (
            [{**SENT, "userStatusId": {}}],
            invalid("userStatusId of a new user is 1001 (invited), 1022 (VPN-only), or left out."),
        ),
        (
            [{**SENT, "city": "Berlin", "id": 5, "parentId": 1, "isMasterUserFlag": True, "permissions": [{"id": 1}]}],
            invalid("These properties cannot be set here: city, id, isMasterUserFlag, parentId, permissions."),
        ),
        (
            [{**SENT, "accountId": 7654321, "openIdConnectUserName": "other@acme.example"}],
            invalid("These properties cannot be set here: accountId, openIdConnectUserName."),
        ),
        (
            [{**SENT, **{f"a{number:02}": "x" for number in range(12)}}],
            invalid(
                "These properties cannot be set here: a00, a01, a02, a03, a04, a05, a06, a07, a08, a09 and 2 more."
            ),
        ),
        (
            [{**SENT, "email": "priya@acme.example", "username": ""}],
            invalid("The user is not invited. Already a user of this account."),
        ),
        (
            [{**SENT, "email": "lena@acme.example", "username": ""}],
            invalid("The user is not invited. Already invited."),
        ),
        (
            [VPN, "Correct-horse-1"],
            invalid(
                "Leave the password out: a VPN-only user never logs in. The VPN password is the argument after it, or "
                "is set afterwards."
            ),
        ),
        ([{**VPN, "city": "Berlin"}], invalid("These properties cannot be set here: city.")),
        ([{**VPN, "firstName": "", "lastName": None}], invalid("firstName with lastName: This field is required.")),
        (
            [VPN, None, "short"],
            invalid("VPN password: This password is too short. It must contain at least 12 characters."),
        ),
        (
            [{**VPN, "email": "priya@acme.example", "username": ""}],
            invalid("This address already belongs to a user of the account."),
        ),
    ],
)
def test_what_cannot_be_done_is_named_and_nothing_is_written(marcus, arguments, refusal):
    before = stored()
    assert refused(marcus, CREATE, None, *arguments) == refusal
    assert stored() == before


def test_who_may_not_is_told_so_first_and_that_is_an_event(cast):
    priya, before = caller_of(cast["priya"]), stored()
    for number, (template, reason) in enumerate(
        [
            ({}, "You need the permission Manage users, or a role of User management, to invite users."),
            (
                {"userStatusId": 1022},
                "You need the permission Manage users, or a role of User management, to add a VPN-only user.",
            ),
        ],
        start=1,
    ):
        assert refused(priya, CREATE, None, template, "secret pass phrase") == denied(reason)
        event = Event.objects.latest("pk")
        assert (event.action, event.outcome, event.actor_id) == ("permission.refused", "refused", cast["priya"].pk)
        assert "secret" not in event.details
        assert stored() == [*before[:-1], before[-1] + number]


def test_what_the_account_restricts_holds_as_on_the_page(marcus, settings):
    Account.objects.filter(pk=ACME).update(restrict_user_domains=True, user_domains="*.example.org")
    before = stored()
    assert refused(marcus, CREATE, None, SENT) == invalid(
        "The user is not invited. Not allowed by the account's domains."
    )
    assert refused(marcus, CREATE, None, VPN) == invalid("The account allows no users with this address.")
    assert stored() == before
    Account.objects.filter(pk=ACME).update(restrict_user_domains=False)
    settings.KEYTREE_INVITATIONS_PER_DAY = 1
    assert ask(marcus, CREATE, None, SENT, mask="email") == {"email": EMAIL}
    before = stored()
    with pytest.raises(TooMuch, match="^This account may send 1 invitations in a day. You can send more from ") as full:
        ask(marcus, CREATE, None, {"email": "another@acme.example"})
    assert (full.value.code, full.value.status) == ("SoftLayer_Exception_Public", 429)
    assert 0 < full.value.retry_after <= 24 * 60 * 60
    assert Event.objects.latest("pk").action == "permission.refused"
    assert stored() == [*before[:-1], before[-1] + 1]


def test_nobody_is_brought_in_below_the_deepest_level(marcus, monkeypatch):
    monkeypatch.setattr("accounts.hierarchy.MAX_DEPTH", 2)
    before = stored()
    for template in (SENT, VPN):
        text = "The user hierarchy has at most 2 levels, and this would need more."
        assert refused(marcus, CREATE, None, template) == invalid(text)
    assert stored() == before


def test_mask_or_filter_that_might_be_too_much_or_wrong_is_refused_before_anything_is_made(marcus):
    before = stored()
    too_much = refused(marcus, CREATE, None, SENT, mask="id,parent[childUsers]")
    assert too_much == public("Object mask: lists of any length, such as childUsers, cannot be asked for by this call.")
    wrong = refused(marcus, CREATE, None, SENT, mask="password")
    assert wrong == public('Object mask: "password" is not a property of SoftLayer_User_Customer.')
    filtered = refused(marcus, CREATE, None, SENT, object_filter={"id": {"operation": 1}})
    assert filtered == public("“id” is no property that can be filtered by here.")
    assert stored() == before
