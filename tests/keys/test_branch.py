"""Revoking the keys of a branch: the review, what is asked for, the one write, and what people are told."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit, hierarchy
from accounts.models import Event, Mail, Member
from accounts.policy import NotAllowed
from keys import branch_review, lifecycle, material
from keys.forms import IdsField, packed
from keys.lifecycle import Revoked
from keys.models import ClassicKey
from keys.verification import verify
from tests.trees import grow, make_key
from tests.visitors import session_of, visitor

pytestmark = pytest.mark.django_db

CONFIRMED = {"reason": "The laptop was stolen", "name": "marcus lindqvist"}


def keys_of(*members: Member) -> list[int]:
    return sorted(ClassicKey.objects.filter(holder__in=members).values_list("pk", flat=True))


def review_in(page: str) -> dict[str, object]:
    """The fields of the review's form as a browser would send them, without reason and name."""
    hidden = {name: re.search(f'name="{name}" value="([^"]*)"', page)[1] for name in ("named", "others")}
    ticked = {"key": re.findall(r'name="key" value="(\d+)"[^>]* checked', page)}
    return hidden | ticked | ({"unlisted": "on"} if re.search('name="unlisted"[^>]* checked', page) else {})


def notification_in(page: str) -> str:
    body = page.partition("notification__body")[2].partition(">")[2].partition("</div>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.fixture
def marcus(cast):
    return visitor(cast["marcus"])


@pytest.fixture
def url(cast) -> str:
    return f"/iam/users/{cast['marcus'].pk}/revoke_keys"


# --- The page ---------------------------------------------------------------------------------------------------------


def test_review_names_every_key_of_the_branch_in_the_order_of_the_tree(cast, marcus, url):
    page = marcus.get(url).content.decode()
    rows = re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.DOTALL)
    named = [re.search("<bdi>(.*?)</bdi>", row)[1] for row in rows]
    assert named == ["Marcus Lindqvist", "Priya Raman", "Berlin office"]
    assert "Level 1<" in rows[0]
    assert "Level 2, below Marcus Lindqvist" in rows[1]
    assert sorted(review_in(page)["key"]) == sorted(
        map(str, keys_of(*(cast[n] for n in ("marcus", "priya", "berlin"))))
    )


def test_review_says_which_keys_are_in_use(cast, marcus, url):
    assert "in the last 24 hours" not in marcus.get(url).content.decode()
    now = timezone.now()
    for name, hours in (("priya", 1), ("berlin", 23), ("marcus", 25)):
        ClassicKey.objects.filter(holder=cast[name]).update(last_used_at=now - timedelta(hours=hours))
    page = marcus.get(url).content.decode()
    assert "<b>2 of them were used in the last 24 hours</b>" in page
    assert len(re.findall(r'data-label="Last used" class="nowrap"><b>', page)) == 2


def test_ticked_keys_are_deleted_and_the_others_stay(cast, marcus, url):
    value = material.take(ClassicKey.objects.get(holder=cast["berlin"])).text
    fields = review_in(marcus.get(url).content.decode())
    fields["key"].remove(str(keys_of(cast["priya"])[0]))
    answer = marcus.post(url, fields | CONFIRMED, follow=True)
    assert answer.redirect_chain == [(f"/iam/users/{cast['marcus'].pk}", 302)]
    assert notification_in(answer.content.decode()) == (
        "Keys revoked 2 keys were deleted. Calls made with them are refused from now on."
    )
    assert keys_of(cast["marcus"], cast["berlin"]) == []
    assert len(keys_of(cast["priya"], cast["olivia"], cast["sam"])) == 3
    assert not verify(cast["berlin"].api_username, value, "17.5.7.8").accepted


def test_ibm_cloud_api_keys_of_the_branch_stay_and_the_review_says_so(cast, marcus, url, platform_key_of):
    _, value = platform_key_of("priya")
    page = marcus.get(url).content.decode()
    assert "IBM Cloud API keys of the same users go on working" in page
    marcus.post(url, review_in(page) | CONFIRMED)
    assert keys_of(cast["priya"]) == []
    assert verify("apikey", value, "17.5.7.8").accepted


def test_each_key_is_an_event_with_the_reason_and_one_number(cast, marcus, url):
    marcus.post(url, review_in(marcus.get(url).content.decode()) | CONFIRMED | {"reason": " Stolen laptop "})
    events = list(Event.objects.filter(action="classic_key.revoked"))
    assert {event.subject_id for event in events} == {cast[name].pk for name in ("marcus", "priya", "berlin")}
    assert {event.actor_id for event in events} == {cast["marcus"].pk}
    assert {event.facts["reason"] for event in events} == {"Stolen laptop"}
    (number,) = {event.facts["revocation"] for event in events}
    assert re.fullmatch("[0-9a-f]{12}", number)
    assert list(audit.breaks(cast["marcus"].account_id)) == []


def test_holders_are_told_by_mail_and_the_one_who_revokes_is_not(cast, marcus, url, settings):
    settings.KEYTREE_SENDS_MAIL = True
    Mail.objects.all().delete()
    marcus.post(url, review_in(marcus.get(url).content.decode()) | CONFIRMED)
    assert sorted(Mail.objects.values_list("recipient", flat=True)) == ["priya@acme.example", "vpn-berlin@acme.example"]


def test_keys_that_came_meanwhile_stay_and_those_that_went_are_no_error(cast, marcus, url):
    fields = review_in(marcus.get(url).content.decode())
    make_key(cast["noor"])
    ClassicKey.objects.filter(holder=cast["priya"]).delete()
    page = marcus.post(url, fields | CONFIRMED, follow=True).content.decode()
    assert notification_in(page) == (
        "Keys revoked 2 keys were deleted. Calls made with them are refused from now on. 1 key was no longer there. "
        "1 key came into the branch in the meantime and is still there."
    )
    assert keys_of(cast["noor"]) != []


def test_where_every_key_went_meanwhile_none_is_said_to_be_revoked(cast, marcus, url):
    fields = review_in(marcus.get(url).content.decode())
    ClassicKey.objects.filter(pk__in=fields["key"]).delete()
    page = marcus.post(url, fields | CONFIRMED, follow=True).content.decode()
    assert notification_in(page) == "No key was revoked 3 keys were no longer there."


def test_a_key_that_moved_into_the_branch_meanwhile_stays_and_one_that_moved_out_too(cast, marcus, url):
    fields = review_in(marcus.get(url).content.decode())
    hierarchy.move_branch(cast["sam"], cast["marcus"])
    hierarchy.move_branch(cast["priya"], cast["olivia"])
    marcus.post(url, fields | CONFIRMED)
    assert keys_of(cast["marcus"], cast["berlin"]) == []
    assert len(keys_of(cast["sam"], cast["priya"])) == 2


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"reason": " "}, "This field is required."),
        ({"reason": "two\nlines"}, "Enter the reason as one line of text."),
        ({"reason": "x" * 201}, "Ensure this value has at most 200 characters (it has 201)."),
        ({"name": "Priya Raman"}, "This is not the name of the user whose branch this is."),
        ({"name": ""}, "This field is required."),
        ({"key": []}, "Nothing was revoked: tick at least one key."),
        ({"named": "", "others": ""}, "Nothing was revoked: tick at least one key."),
        ({"named": "1.x", "key": ["\u0661", "-1"]}, "Nothing was revoked: tick at least one key."),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_revoked(cast, marcus, url, change, error):
    before = Event.objects.count()
    page = marcus.post(url, review_in(marcus.get(url).content.decode()) | CONFIRMED | change).content.decode()
    assert error in unescape(page)
    assert len(keys_of(*(cast[name] for name in ("marcus", "priya", "berlin")))) == 3
    assert Event.objects.count() == before


def test_name_is_confirmed_as_it_is_seen(cast, marcus, url):
    marcus.post(url, review_in(marcus.get(url).content.decode()) | CONFIRMED | {"name": " MARCUS   Lindqvist"})
    assert keys_of(cast["marcus"]) == []


def test_ticks_and_words_are_kept_when_something_is_missing(marcus, url):
    fields = review_in(marcus.get(url).content.decode())
    fields["key"].pop(0)
    page = marcus.post(url, fields | CONFIRMED | {"name": "nobody"}).content.decode()
    assert review_in(page) == fields
    assert 'value="The laptop was stolen"' in page


def test_proof_of_identity_is_asked_for_and_carries_the_form(cast, marcus, url):
    session = session_of(marcus)
    session["proved_at"] = 0
    session.save()
    fields = review_in(marcus.get(url).content.decode())
    fields["key"].remove(str(keys_of(cast["priya"])[0]))
    page = marcus.post(url, fields | CONFIRMED).content.decode()
    assert "To revoke these keys, enter your password." in page
    names = ("named", "others", "key", "unlisted", "reason", "name")
    carried = {name: re.findall(f'type="hidden" name="{name}" value="([^"]*)"', page) for name in names}
    for password in ("", "wrong"):
        assert marcus.post(url, carried | {"password": password}).status_code == 200
        assert len(keys_of(cast["marcus"], cast["berlin"])) == 2
    marcus.post(url, carried | {"password": "keytree-demo"})
    assert keys_of(cast["marcus"], cast["berlin"]) == []
    assert keys_of(cast["priya"]) != []


@pytest.mark.parametrize("who", ["priya", "noor", "sam"])
def test_who_is_not_above_finds_no_such_page(cast, url, who):
    client = visitor(cast[who])
    assert client.get(url).status_code == client.post(url, CONFIRMED).status_code == 404


def test_one_from_whom_the_branch_was_moved_away_is_refused_with_an_event(cast, marcus, monkeypatch):
    url = f"/iam/users/{cast['priya'].pk}/revoke_keys"
    fields = review_in(marcus.get(url).content.decode()) | CONFIRMED | {"name": "Priya Raman"}
    revoke = lifecycle.revoke_branch

    def moved_first(**arguments):
        hierarchy.move_branch(cast["priya"], cast["sam"])
        return revoke(**arguments)

    monkeypatch.setattr(lifecycle, "revoke_branch", moved_first)
    answer = marcus.post(url, fields)
    assert answer.status_code == 403
    assert "Only the user and the users above them may revoke the keys in this branch." in answer.content.decode()
    assert keys_of(cast["priya"]) != []
    assert Event.objects.get(action="permission.refused").subject_id == cast["priya"].pk


def test_branch_without_keys_says_so(cast):
    page = visitor(cast["noor"]).get(f"/iam/users/{cast['noor'].pk}/revoke_keys").content.decode()
    assert "there is nothing to revoke" in page
    assert "Revoke keys</button>" not in page


def test_entry_stands_in_the_menus_of_users_with_users_below_for_those_above_alone(cast):
    entry = '/revoke_keys">Revoke keys in branch</a>'
    for view in ("", "?view=hierarchy"):
        page = visitor(cast["marcus"]).get(f"/iam/users{view}").content.decode()
        offered = {int(pk) for pk in re.findall(r"/iam/users/(\d+)/revoke_keys", page)}
        assert offered == {cast["marcus"].pk, cast["priya"].pk}
    for who, whose, is_there in (("marcus", "priya", True), ("marcus", "noor", False), ("noor", "priya", False)):
        page = visitor(cast[who]).get(f"/iam/users/{cast[whose].pk}").content.decode()
        assert (entry in page) is is_there


def test_large_branch_names_those_used_last_and_revokes_the_others_too(cast, marcus, url, monkeypatch):
    monkeypatch.setattr(branch_review, "MOST_NAMED", 1)
    ClassicKey.objects.filter(holder=cast["berlin"]).update(last_used_at="2026-01-01T00:00Z")
    page = marcus.get(url).content.decode()
    assert "The 1 that were used last are listed, and the other 2 keys have one tick in common." in page
    assert "Ticked now: <b data-ticked>3</b>" in page
    assert review_in(page)["key"] == [str(pk) for pk in keys_of(cast["berlin"])]
    marcus.post(url, review_in(page) | CONFIRMED | {"key": []})
    assert keys_of(cast["marcus"], cast["priya"]) == []
    assert keys_of(cast["berlin"]) != []


def test_keys_that_are_not_listed_stay_when_their_tick_is_taken_away(cast, marcus, url, monkeypatch):
    monkeypatch.setattr(branch_review, "MOST_NAMED", 1)
    page = marcus.get(f"{url}?ticked=none").content.decode()
    assert "Ticked now: <b data-ticked>0</b>" in page
    fields = review_in(page)
    assert (fields["key"], "unlisted" in fields) == ([], False)
    (named,) = re.findall(r'name="key" value="(\d+)"', page)
    chosen = fields | CONFIRMED | {"key": [named]}
    again = marcus.post(url, chosen | {"name": "somebody"}).content.decode()
    assert review_in(again) == fields | {"key": [named]}
    assert "Ticked now: <b data-ticked>1</b>" in again
    marcus.post(url, chosen)
    assert set(keys_of(cast["marcus"], cast["priya"], cast["berlin"])) == set(IdsField().clean(fields["others"]))


def test_all_can_be_unticked_before_some_are_chosen(cast, marcus, url):
    page = marcus.get(f"{url}?ticked=none").content.decode()
    assert review_in(page)["key"] == []
    chosen = review_in(page) | CONFIRMED | {"key": [str(pk) for pk in keys_of(cast["priya"])]}
    # Ticked again where something is missing, and only that.
    assert review_in(marcus.post(url, chosen | {"name": "somebody"}).content.decode())["key"] == chosen["key"]
    marcus.post(url, chosen)
    assert keys_of(cast["priya"]) == []
    assert len(keys_of(cast["marcus"], cast["berlin"])) == 2


def test_branch_too_large_for_one_step_is_not_revoked_in_one(marcus, url, monkeypatch):
    monkeypatch.setattr(branch_review, "MOST_REVOKED", 2)
    page = marcus.get(url).content.decode()
    assert "more than 2 keys, too many for one step" in page
    assert "<form" not in page.partition("<main")[2]


# --- The write --------------------------------------------------------------------------------------------------------


def test_write_deletes_nothing_outside_the_branch_whatever_is_chosen(origin):
    owner, one, other, below = grow([0, 0, 1])
    ids = {member.pk: make_key(member).pk for member in (owner, one, other, below)}
    chosen = {*ids.values(), 4_004_004, 2**62}
    done = lifecycle.revoke_branch(member=one, chosen=chosen, seen=chosen, reason="r", by=one, origin=origin)
    assert done == Revoked(deleted=2, gone=4, new=0)
    assert set(ClassicKey.objects.values_list("holder_id", flat=True)) == {owner.pk, other.pk}
    with pytest.raises(NotAllowed):
        lifecycle.revoke_branch(member=one, chosen=chosen, seen=chosen, reason="r", by=other, origin=origin)


def test_write_takes_the_same_few_statements_for_any_number_of_keys(origin, settings):
    settings.KEYTREE_SENDS_MAIL = True
    asked = {}
    for size in (1, 3, 40):
        owner, *below = grow([0] * size)
        ids = [make_key(member).pk for member in below]
        with CaptureQueriesContext(connection) as captured:
            lifecycle.revoke_branch(member=owner, chosen=ids, seen=ids, reason="r", by=owner, origin=origin)
        asked[size] = len(captured)
        assert Mail.objects.filter(event__account_id=owner.account_id).count() == size
        assert list(audit.breaks(owner.account_id)) == []
    assert len(set(asked.values())) == 1
    assert asked[1] < 20


def test_write_goes_through_more_keys_than_one_statement_takes(origin, monkeypatch):
    monkeypatch.setattr(lifecycle, "_AT_ONCE", 2)
    owner, *below = grow([0] * 5)
    ids = [make_key(member).pk for member in below]
    done = lifecycle.revoke_branch(member=owner, chosen=ids, seen=ids, reason="r", by=owner, origin=origin)
    assert done == Revoked(deleted=5, gone=0, new=0)
    assert not ClassicKey.objects.exists()


def test_review_asks_the_same_for_any_number_of_keys():
    counts = set()
    for size in (1, 3, 100):
        owner, *below = grow([0] * size)
        for member in below:
            make_key(member)
        client = visitor(owner)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"/iam/users/{owner.pk}/revoke_keys").status_code == 200
        counts.add(len(captured))
    assert counts == {5}  # session; user with memberships; the user; the keys' numbers; the keys


@pytest.mark.parametrize("ids", [set(), {7}, {1, 2, 3}, set(range(5, 100_000, 7)), {1, 2**59}], ids=len)
def test_numbers_of_keys_are_read_as_they_were_written(ids):
    assert IdsField().clean(packed(ids)) == ids


def test_a_hundred_thousand_numbers_fit_into_a_request():
    assert len(packed(set(range(3, 10_000_000, 100)))) * 2 < 1024 * 1024
