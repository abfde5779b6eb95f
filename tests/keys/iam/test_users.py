"""Users as IBM Cloud's clients read them: whom the caller sees, one, page after page, and searched."""

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import listing
from accounts.enums import MemberStatus
from accounts.models import Account, Event, Member
from tests.keys.iam.asking import USERS, Iam
from tests.trees import make_member

pytestmark = pytest.mark.django_db

NOBODY = (404, "BXNIM0102E", "User could not be found.")
NO_ACCOUNT = (404, "BXNIM0102E", "Account could not be found.")
BY_NAME = ["vpn-berlin", "dmitri", "lena", "marcus", "noor", "olivia", "priya", "sam"]
MARCUS_BRANCH = ["vpn-berlin", "lena", "marcus", "noor", "priya"]


@pytest.fixture
def marcus(as_user) -> Iam:
    return as_user("marcus")


def found(iam: Iam, **asked: object) -> list[str]:
    """Whom a list names, by the first part of their addresses."""
    reply = iam("GET", f"{USERS}?{urlencode(asked)}")
    assert reply.status == 200, reply
    assert reply.json["total_results"] == len(reply.json["resources"])
    return [user["email"].partition("@")[0] for user in reply.json["resources"]]


# --- One user ---------------------------------------------------------------------------------------------------------


def test_profile_says_what_there_is(marcus, cast):
    lena, marcus_there = (marcus("GET", f"{USERS}/IBMid-{cast[name].pk}").json for name in ("lena", "marcus"))
    Member.objects.filter(pk=cast["marcus"].pk).update(joined_at="2026-03-14T09:26:53.5Z")
    assert marcus("GET", f"{USERS}/{marcus.own_id}").json == marcus_there | {"added_on": "2026-03-14T09:26:53Z"} == {
        "id": str(cast["marcus"].pk), "iam_id": marcus.own_id, "realm": "IBMid", "user_id": "marcus@acme.example",
        "firstname": "Marcus", "lastname": "Lindqvist", "state": "ACTIVE", "email": "marcus@acme.example",
        "account_id": "1234567", "added_on": "2026-03-14T09:26:53Z",
    }  # fmt: skip
    assert (lena["state"], "added_on" in lena) == ("PENDING", False)


def test_state_is_called_as_in_the_original(marcus, cast):
    others = {"DISABLED_CLASSIC": "DISABLED_CLASSIC_INFRASTRUCTURE", "INVALID": "IAMID_INVALID"}
    for status in MemberStatus:
        word = others.get(status.name, status.name)
        Member.objects.filter(pk=cast["noor"].pk).update(status=status)
        assert marcus("GET", f"{USERS}/IBMid-{cast['noor'].pk}").json["state"] == word
        assert "noor" in found(marcus, search=f"state:{word.lower()[2:]}")
        assert "noor" not in found(marcus, search=f"state:{word}X")


def test_settings_are_for_those_who_look_after_the_user(marcus, cast):
    Member.objects.filter(pk=cast["priya"].pk).update(allowed_addresses="17.5.7.8", user_managed_login=True)
    told = {"language": "", "notification_language": "", "allowed_ip_addresses": "17.5.7.8", "self_manage": True}
    assert marcus("GET", f"{USERS}/IBMid-{cast['priya'].pk}/settings").json == told
    why = "Only the user, those above them, and those who manage them may see how this user is looked after."
    assert marcus("GET", f"{USERS}/IBMid-{cast['sam'].pk}/settings").error == (403, "forbidden", why)
    event = Event.objects.order_by("-pk")[0]
    assert (event.action, event.actor_id, event.subject_id) == (
        "permission.refused", cast["marcus"].pk, cast["sam"].pk,
    )  # fmt: skip
    listed = marcus("GET", f"{USERS}?include_settings=TRUE").json["resources"]
    assert [user["email"].partition("@")[0] for user in listed if "settings" in user] == MARCUS_BRANCH
    assert [user["settings"] for user in listed if user["id"] == str(cast["priya"].pk)] == [told]
    assert not [
        user for user in marcus("GET", f"{USERS}?include_settings=false").json["resources"] if "settings" in user
    ]


def test_refusals_of_a_program_in_a_loop_do_not_fill_the_activity_log(marcus, as_user, cast, monkeypatch):
    """One event a minute of the same, twenty of different ones, and one that says that there were more."""
    now = timezone.now().replace(second=5)
    monkeypatch.setattr(timezone, "now", lambda: now)
    strangers, priya = [make_member(cast["olivia"].account, cast["olivia"]) for _ in range(30)], as_user("priya")

    def refusals(people: Sequence[Member]) -> list[Event]:
        before = Event.objects.count()
        for member in people:
            assert marcus("GET", f"{USERS}/IBMid-{member.pk}/settings").status == 403
        return list(Event.objects.order_by("pk")[before:])

    for _ in range(2):
        assert [event.subject_id for event in refusals([cast["sam"]] * 3)] == [cast["sam"].pk]
        now += timedelta(minutes=1)
    *each, last = refusals(strangers * 2)
    assert [event.subject_id for event in each] == [member.pk for member in strangers[:20]]
    assert {event.action for event in (*each, last)} == {"permission.refused"}
    assert (last.subject_id, last.facts["what"]) == (cast["marcus"].pk, "make further calls that are refused")
    assert priya("GET", f"{USERS}/IBMid-{cast['sam'].pk}/settings").status == 403
    assert Event.objects.latest("pk").subject_id == cast["sam"].pk  # others are not counted with it
    now += timedelta(minutes=1)
    assert [event.subject_id for event in refusals(strangers[20:21])] == [strangers[20].pk]
    now += timedelta(minutes=1)
    for caller, more in ((marcus, {}), (priya, {}), (marcus, {"REMOTE_ADDR": "198.51.100.7"})):
        before = Event.objects.count()
        for _ in range(2):
            assert caller("GET", f"{USERS}/IBMid-{cast['sam'].pk}/settings", **more).status == 403
        assert Event.objects.count() - before == 1  # of each who is refused, and of each place


def test_whom_one_does_not_see_and_what_there_is_not_are_the_same(marcus, cast):
    Account.objects.update(restrict_user_list=True)
    elsewhere = Member.objects.get(account_id=7654321, user=cast["noor"].user)
    for named in (
        f"IBMid-{cast['sam'].pk}",
        f"IBMid-{elsewhere.pk}",
        "IBMid-999999",
        "IBMid-0",
        "x",
        str(cast["sam"].pk),
    ):
        for what in ("", "/settings"):
            assert marcus("GET", f"{USERS}/{named}{what}").error == NOBODY, named
    for account in ("7654321", "9999999", "x", "01234567", "%20"):
        for what in ("", f"/{marcus.own_id}", f"/{marcus.own_id}/settings"):
            assert marcus("GET", f"/v2/accounts/{account}/users{what}").error == NO_ACCOUNT, account
    assert found(marcus) == MARCUS_BRANCH
    assert found(marcus, search=f"email:acme,iam_id:IBMid-{cast['sam'].pk}") == MARCUS_BRANCH
    assert found(marcus, user_id="sam@acme.example") == []


def test_nothing_is_written(marcus, cast):
    """Inviting, changing and removing, as the library asks for them."""
    user = f"{USERS}/IBMid-{cast['noor'].pk}"
    for verb, address in (("POST", USERS), ("PATCH", user), ("DELETE", user), ("PATCH", f"{user}/settings")):
        reply = marcus(verb, address, {"users": [{"email": "new@acme.example"}], "state": "VPN_ONLY"})
        assert reply.error == (405, "method_not_allowed", "This address is called by GET.")
        assert reply.headers["Allow"] == "GET"


# --- Several ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 7, 8])
def test_pages_hold_everybody_once_by_name(marcus, size):
    for asked in ({}, {"search": "email:acme.example", "include_settings": "true"}):
        read = marcus.pages(USERS, following="next_url", token="_start", limit=size, **asked)
        assert [user["email"].partition("@")[0] for page in read for user in page["resources"]] == BY_NAME
        assert {(page["total_results"], page["limit"]) for page in read} == {(8, size)}
        assert all(marcus("GET", page["first_url"]).json == read[0] for page in read)


def test_long_list_is_counted_once(marcus, monkeypatch):
    """Beyond what a page counts the number goes from page to page."""
    monkeypatch.setattr(listing, "COUNTED", 3)
    for is_restricted, totals in ((False, [8] * 3), (True, [5] * 2)):
        Account.objects.update(restrict_user_list=is_restricted)
        for asked in ({}, {"search": "email:acme"}):
            with CaptureQueriesContext(connection) as captured:
                read = marcus.pages(USERS, following="next_url", token="_start", limit=3, **asked)
            assert [page["total_results"] for page in read] == totals
            assert sum(query["sql"].startswith("SELECT COUNT(*) AS") for query in captured.captured_queries) == 1


def test_addresses_of_pages_are_those_of_the_installation(marcus, settings):
    settings.KEYTREE_PUBLIC_URL = "https://keys.example.com"
    page = marcus("GET", f"{USERS}?limit=1&x=y", headers={"Host": "evil.example"}).json
    assert page["first_url"] == f"https://keys.example.com{USERS}?limit=1"
    assert page["next_url"].startswith(f"https://keys.example.com{USERS}?limit=1&_start=8.")


def test_search_finds_those_whom_it_describes(marcus, cast, monkeypatch):
    sam = f"IBMid-{cast['sam'].pk}"
    for sorted_up_to in (listing._SORTED, 3):  # by reading, and by an index
        monkeypatch.setattr(listing, "_SORTED", sorted_up_to)
        for search, expected in {
            "email:acme.example": BY_NAME, "email:PRIYA@": ["priya"], "userId:noor@acme.example": ["noor"],
            "firstname:Priya": ["priya"], "lastname:RAMAN": ["priya"], "firstname:a ram": ["priya"],
            "firstname:acme": [], "firstname:a vpn": [], "email:raman": [], "email:%": [], "email:_": [],
            "state:suspended": ["dmitri"], "state:nobody": [], f"iam_id:{sam}": ["sam"], "iam_id:x": [],
            "state:SUSPENDED, email:ol": ["dmitri", "olivia"], "email:pr,firstname:noor": ["noor", "priya"],
            "email:priya,lastname:haddad,firstname:priya": ["noor", "priya"],
        }.items():  # fmt: skip
            assert found(marcus, search=search) == expected, search
            both = [name for name in expected if name == "priya"]
            assert found(marcus, search=search, user_id="Priya@Acme.example") == both, search


def test_search_goes_by_the_index_of_texts_where_all_that_it_describes_are_in_it(marcus):
    index = {"sqlite": "accounts_member_index", "postgresql": "accounts_letter_groups"}[connection.vendor]
    for asked, has_index in (
        ({"search": "email:priya"}, True), ({"search": "lastname:raman,userId:sam@acme"}, True),
        ({"search": "email:priya,firstname:no"}, False), ({"search": "email:priya,state:ACTIVE"}, False),
        ({"search": "email:priya", "user_id": "priya@acme.example"}, False),
    ):  # fmt: skip
        with CaptureQueriesContext(connection) as captured:
            assert "priya" in found(marcus, **asked)
        assert any(index in query["sql"] for query in captured.captured_queries) is has_index, asked


def test_user_id_is_the_whole_address(marcus):
    assert found(marcus, user_id="PRIYA@acme.example") == ["priya"]
    for text in ("priya", "priya@acme", "", "%", "x" * 5_000, "\u0130\u2028"):
        assert found(marcus, user_id=text) == []


def test_what_is_not_understood_is_a_bad_request(marcus):
    for asked in (
        "limit=0", "limit=101", "limit=x", "limit=", "limit=-1", "limit=1&limit=2", "include_settings=yes",
        "include_settings=", "search=", "search=priya", "search=email:", "search=email:%20", "search=:x", "search=,",
        "search=email:a,", "search=realm:IBMid", "search=substate:x", "search=EMAIL:x", f"search=email:{'x' * 201}",
        "search=" + ",".join(["email:x"] * 9), "search=email:%00", "search=%ff:x", "_start=x", "_start=1", "_start=.",
        "_start=8.x", "_start=x.WyJ4IiwxLDEsZmFsc2Vd", "_start=-1.WyJ4IiwxLDEsZmFsc2Vd", "user_id=%00",
    ):  # fmt: skip
        assert marcus("GET", f"{USERS}?{asked}").error[:2] == (400, "BXNIM0106E"), asked


def test_queries_do_not_grow_with_the_list(marcus, django_assert_num_queries):
    """One for the member and two for the page; that for the key goes to the driver."""
    for limit in (1, 100):
        for more in ("", "&include_settings=true", "&search=email:acme,state:ACTIVE", "&user_id=priya@acme.example"):
            with django_assert_num_queries(3):
                assert marcus("GET", f"{USERS}?limit={limit}{more}").status == 200
    with django_assert_num_queries(2):
        assert marcus("GET", f"{USERS}/{marcus.own_id}/settings").status == 200
