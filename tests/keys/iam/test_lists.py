"""Lists of keys: whose, in which order, and page after page."""

from urllib.parse import urlencode

import pytest

from accounts.enums import Permission
from accounts.models import Event, Member
from accounts.origin import COMMAND_LINE
from keys.models import PlatformKey
from keys.platform.lifecycle import Description, create_platform_key
from tests.keys.iam.asking import KEYS, Iam

pytestmark = pytest.mark.django_db


def names(iam: Iam, **asked: object) -> list[str]:
    reply = iam("GET", f"{KEYS}?{urlencode(asked)}")
    assert reply.status == 200, reply
    return [key["name"] for key in reply.json["apikeys"]]


def test_list_is_of_ones_own_keys_without_any_value(priya, as_user):
    as_user("marcus")
    priya.create("Another")
    for asked in ({}, {"iam_id": priya.own_id}, {"account_id": "1234567"}, {"scope": "entity", "type": "user"}):
        assert names(priya, **asked) == ["Key of priya", "Another"]
    assert names(priya, type="serviceid") == []
    assert priya("GET", f"{KEYS}?account_id=7654321").error == (404, "BXNIM0102E", "Account could not be found.")


def test_order_is_as_asked(priya):
    for name in ("b", "C", "a"):
        priya.create(name)
    assert names(priya) == ["Key of priya", "b", "C", "a"]
    assert names(priya, order="desc") == ["a", "C", "b", "Key of priya"]
    assert names(priya, sort="name") == ["a", "b", "C", "Key of priya"]
    assert names(priya, sort="name", order="desc") == ["Key of priya", "C", "b", "a"]


@pytest.mark.parametrize("scope", ["entity", "account"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 100])
def test_pages_hold_every_key_once_and_lead_back(as_user, cast, size, scope):
    Member.objects.filter(pk=cast["priya"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    priya = as_user("priya")
    for number in range(6):
        priya.create(f"Key {number % 3}")  # names need not differ
    for sort in ("name", "created_at"):
        asked = {"following": "next", "token": "pagetoken", "sort": sort, "scope": scope}
        found, (whole,) = priya.pages(KEYS, pagesize=size, **asked), priya.pages(KEYS, pagesize=100, **asked)
        ids = [key["id"] for page in found for key in page["apikeys"]]
        assert len(set(ids)) == len(ids) == 7
        assert ids == [key["id"] for key in whole["apikeys"]]
        assert [page["offset"] for page in found] == list(range(0, 7, size))
        assert {page["limit"] for page in found} == {size}
        assert ["previous" in page for page in found] == [place > 0 for place in range(len(found))]
        if len(found) > 1:
            before = priya("GET", found[-1]["previous"]).json
            assert [key["id"] for key in before["apikeys"]] == [key["id"] for key in found[-2]["apikeys"]]
            first = priya("GET", found[-1]["first"]).json
            assert [key["id"] for key in first["apikeys"]] == [key["id"] for key in found[0]["apikeys"]]


def test_what_a_page_does_not_know_is_not_carried_on(priya):
    plain, odd = (priya("GET", f"{KEYS}?pagesize=1{more}").json for more in ("", "&include_history=true&x=y&at=z"))
    assert odd == plain


def test_addresses_of_pages_are_those_of_the_installation(priya, settings):
    settings.KEYTREE_PUBLIC_URL = "https://keys.example.com"
    first = priya("GET", KEYS, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"}).json["first"]
    assert first.startswith("https://keys.example.com/v1/apikeys?pagetoken=")


def test_administrator_sees_the_keys_of_all_and_of_each(as_user, cast):
    as_user("marcus"), as_user("noor")
    Member.objects.filter(pk=cast["priya"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    priya, elsewhere = as_user("priya"), Member.objects.get(account_id=7654321, user=cast["noor"].user)
    create_platform_key(description=Description("Elsewhere"), by=elsewhere, origin=COMMAND_LINE)
    assert sorted(names(priya, scope="account")) == ["Key of marcus", "Key of noor", "Key of priya"]
    assert names(priya, iam_id=f"IBMid-{cast['marcus'].pk}") == ["Key of marcus"]
    assert names(priya, iam_id=f"IBMid-{cast['lena'].pk}") == []
    for number in (elsewhere.pk, 999_999, 0):
        reply = priya("GET", f"{KEYS}?iam_id=IBMid-{number}")
        assert reply.error == (404, "BXNIM0102E", "User could not be found.")
    others = PlatformKey.objects.get(holder=cast["noor"])
    assert priya("GET", f"{KEYS}/{others.record_id}").json["iam_id"] == f"IBMid-{cast['noor'].pk}"
    assert priya("DELETE", f"{KEYS}/{others.record_id}").status == 204


def test_others_do_not(priya, as_user, cast):
    as_user("marcus")
    for number in (cast["marcus"].pk, cast["noor"].pk, 999_999):  # those above, below and nobody
        assert priya("GET", f"{KEYS}?iam_id=IBMid-{number}").error == (404, "BXNIM0102E", "User could not be found.")
    told = "You need the role IAM identity: Administrator to see the IBM Cloud API keys of all users."
    assert priya("GET", f"{KEYS}?scope=account").error == (403, "forbidden", told)
    event = Event.objects.order_by("-pk")[0]
    assert (event.action, event.actor_id) == ("permission.refused", cast["priya"].pk)


def test_token_of_a_page_gives_no_rights(priya, as_user, cast):
    """It is made of what was asked, and asked of the policy again."""
    Member.objects.filter(pk=cast["marcus"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    marcus = as_user("marcus")
    address = marcus("GET", f"{KEYS}?scope=account&pagesize=1").json["next"]
    assert marcus("GET", address).status == 200
    assert priya("GET", address).error[0] == 403
    Member.objects.filter(pk=cast["marcus"].pk).update(permissions=0)
    assert marcus("GET", address).error[0] == 403


@pytest.mark.parametrize(
    "asked",
    [
        "pagesize=0", "pagesize=101", "pagesize=x", "pagesize=-1", "pagesize=1.0", "pagesize=", "sort=description",
        "sort=apikey", "sort=digest", "order=up", "scope=all", "filter=name%20co%20x", "pagetoken=x", "pagetoken=%00",
        "pagetoken=c2NvcGU9ZW50aXR5JmF0PXg%3D", "pagetoken=cGFnZXRva2VuPXg%3D", "pagetoken=%F0%9F%98%80",
        "pagesize=1&pagesize=2", "sort=%ff", "&".join(f"a{n}=" for n in range(200)), "pagetoken=AAAA",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_a_bad_request(priya, asked):
    assert priya("GET", f"{KEYS}?{asked}").error[:2] == (400, "BXNIM0106E")


@pytest.mark.parametrize("scope", ["entity", "account"])
def test_queries_do_not_grow_with_the_list(as_user, cast, scope, django_assert_num_queries):
    """One for the member and two for the page; that for the key goes to the driver."""
    Member.objects.filter(pk=cast["priya"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    priya = as_user("priya")
    for number in range(2):
        for _ in range(number * 15):
            priya.create()
        with django_assert_num_queries(3):
            assert priya("GET", f"{KEYS}?scope={scope}&pagesize=50").status == 200
