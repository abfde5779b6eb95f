"""*Notifications*: what others did to oneself, and the mark in the header until it is marked as read."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import audit, events, memberships, notifications, signin
from accounts.models import Event, Member
from accounts.origin import Origin
from keys import lifecycle
from keys.models import ClassicKey
from tests.conftest import BOREALIS
from tests.visitors import visitor

pytestmark = pytest.mark.django_db

PAGE = "/user/notifications"
HERE = Origin("17.5.7.8")


def page(member: Member, address: str = PAGE) -> str:
    return visitor(member).get(address).content.decode()


def rows_of(body: str) -> list[str]:
    return re.findall(r"<tr>(.*?)</tr>", body.partition("<tbody>")[2].partition("</tbody>")[0], re.DOTALL)


def new_in(body: str) -> list[bool]:
    return [">new</span>" in row for row in rows_of(body)]


def is_marked(member: Member) -> bool:
    """Whether a page of the member's tells that there is something new: the bell, and on a phone the menu."""
    body = page(member, "/iam/apikeys")
    bell, menu = 'aria-label="Notifications, new ones"' in body, re.search(r">Notifications <span[^>]*>new<", body)
    assert bell is bool(menu)
    return bell


def mark_read(member: Member) -> None:
    """Press the button on the member's page, if there is one."""
    button = re.search(r'<button[^>]* name="until" value="(\d+)">Mark all as read', page(member))
    if button:
        assert visitor(member).post(PAGE, {"until": button[1]})["Location"] == PAGE


def restrict(member: Member, by: Member) -> None:
    audit.record(events.RESTRICTION_CHANGED, actor=by, subject=member, origin=HERE)


def test_what_another_does_is_told_to_whom_it_concerns_until_it_is_marked_as_read(cast):
    people = [cast[name] for name in ("olivia", "marcus", "priya", "noor")]
    for member in people:
        mark_read(member)
    assert not any(map(is_marked, people))
    memberships.restrict_platform(member=cast["priya"], addresses_text="0.0.0.0/0", by=cast["marcus"], origin=HERE)
    assert [member for member in people if is_marked(member)] == [cast["priya"]]
    body = page(cast["priya"])
    newest, *others = rows_of(body)
    assert "Cloud platform address restriction changed" in newest
    assert f'href="/iam/users/{cast["marcus"].pk}"' in newest
    assert "17.5.7.8" in newest
    assert new_in(body) == [True] + [False] * len(others)
    # To look is not enough: a page can be opened by a link of somebody else's, or by the browser itself.
    assert is_marked(cast["priya"])
    mark_read(cast["priya"])
    assert not is_marked(cast["priya"])
    assert not any(new_in(page(cast["priya"])))
    assert "Mark all as read" not in page(cast["priya"])


def test_what_one_does_oneself_is_none(cast):
    mark_read(cast["priya"])
    before, key = rows_of(page(cast["priya"])), ClassicKey.objects.get(holder=cast["priya"])
    lifecycle.delete_classic_key(key=key, by=cast["priya"], origin=HERE)
    assert Event.objects.filter(subject_id=cast["priya"].pk, actor_id=cast["priya"].pk).exists()
    assert not is_marked(cast["priya"])
    assert rows_of(page(cast["priya"])) == before


def test_strangers_and_commands_are_others(cast):
    mark_read(cast["priya"])
    audit.record(events.OWNER_CHANGED, actor=None, actor_label="the command line", subject=cast["priya"], origin=HERE)
    assert is_marked(cast["priya"])
    newest = rows_of(page(cast["priya"]))[0]
    assert "Owner of the account changed" in newest
    assert "the command line" in newest


def test_refused_sign_ins_are_in_activity_alone(cast):
    """Most are one's own, and whoever knows an address could keep its bell lit."""
    mark_read(cast["priya"])
    before = rows_of(page(cast["priya"]))
    signin.record_refusal(cast["priya"].user, HERE, "wrong password")
    assert not is_marked(cast["priya"])
    assert rows_of(page(cast["priya"])) == before
    assert "Login refused" in rows_of(page(cast["priya"], "/iam/activity"))[0]


def test_account_where_there_is_something_new_is_marked_in_the_menu_of_accounts(cast):
    sam = cast["sam"]
    marked = 'aria-describedby="news-7654321">7654321 - Borealis Labs <span'
    there = Member.objects.select_related("user", "account").get(user=sam.user, account_id=BOREALIS)
    assert marked not in page(sam, "/iam/apikeys")
    audit.record(events.OWNER_CHANGED, actor=None, actor_label="the command line", subject=there, origin=HERE)
    assert marked in page(sam, "/iam/apikeys")


def test_key_whose_details_somebody_above_opened_is_told(cast):
    mark_read(cast["priya"])
    key = ClassicKey.objects.get(holder=cast["priya"])
    assert visitor(cast["marcus"]).get(f"/iam/apikeys/classic/{key.pk}").status_code == 200
    assert is_marked(cast["priya"])


def test_each_member_has_their_own(cast):
    """Whoever has members in two accounts has two lists; and those above, who may see the events, have none of them."""
    restrict(cast["priya"], by=cast["marcus"])
    for name, member in cast.items():
        for event in notifications.events_for(member):
            assert (event.account_id, event.subject_id) == (member.account_id, member.pk), name
            assert event.actor_id != member.pk, name
    assert notifications.events_for(cast["priya"]).count() == len(rows_of(page(cast["priya"])))
    mark_read(cast["priya"])
    assert is_marked(cast["noor"])  # who was added by somebody, and has not read so


def test_who_may_not_work_has_no_mark_that_leads_nowhere(cast):
    """They have neither bell nor list: the mark could never be taken away."""
    restrict(cast["dmitri"], by=cast["sam"])
    body = page(cast["dmitri"], "/iam/apikeys")
    assert "Suspended" in body
    assert "data-news" not in body
    # Nor in the menu of their other accounts, where they are suspended in one of them.
    there = Member.objects.select_related("user", "account").get(user=cast["sam"].user, account_id=BOREALIS)
    audit.record(events.OWNER_CHANGED, actor=None, actor_label="the command line", subject=there, origin=HERE)
    assert f'aria-describedby="news-{BOREALIS}"' in page(cast["sam"], "/iam/apikeys")
    Member.objects.filter(pk=there.pk).update(status="suspended")
    assert f'aria-describedby="news-{BOREALIS}"' not in page(cast["sam"], "/iam/apikeys")


def test_what_came_after_the_page_was_made_stays_new(cast):
    restrict(cast["priya"], by=cast["marcus"])
    until = re.search(r'name="until" value="(\d+)"', page(cast["priya"]))[1]
    restrict(cast["priya"], by=cast["olivia"])
    visitor(cast["priya"]).post(PAGE, {"until": until})
    assert is_marked(cast["priya"])
    assert new_in(page(cast["priya"]))[:2] == [True, False]


def test_an_older_page_does_not_make_new_again_what_was_read(cast):
    restrict(cast["priya"], by=cast["marcus"])
    mark_read(cast["priya"])
    oldest = notifications.events_for(cast["priya"]).order_by("number").first().number
    visitor(cast["priya"]).post(PAGE, {"until": str(oldest)})
    assert not is_marked(cast["priya"])


def test_nothing_is_read_before_it_happens(cast):
    visitor(cast["priya"]).post(PAGE, {"until": 2**31 - 1})
    assert not is_marked(cast["priya"])
    restrict(cast["priya"], by=cast["marcus"])
    assert is_marked(cast["priya"])


@pytest.mark.parametrize("data", [{}, {"until": ""}, {"until": "-1"}, {"until": str(2**31)}, {"until": "١٢٣"}])
def test_form_that_does_not_say_up_to_where_marks_nothing(cast, data):
    restrict(cast["priya"], by=cast["marcus"])
    answer = visitor(cast["priya"]).post(PAGE, data, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    assert is_marked(cast["priya"])


def test_older_pages_have_no_button_that_would_mark_less_than_all(cast):
    for _ in range(11):
        restrict(cast["priya"], by=cast["marcus"])
    first = page(cast["priya"], f"{PAGE}?per_page=10")
    older = re.search(r'href="(/user/notifications\?[^"]*at=[^"]+)"', first)[1].replace("&amp;", "&")
    assert "Mark all as read" in first
    assert rows_of(page(cast["priya"], older))
    assert "Mark all as read" not in page(cast["priya"], older)


def test_empty_list_says_what_will_be_in_it(cast):
    assert "No notifications" in page(cast["olivia"])
    assert not is_marked(cast["olivia"])


@pytest.mark.sqlite_only
def test_every_page_asks_by_an_index_without_what_one_did_oneself(cast):
    """SQLite says so itself: however much a user did, their pages take no longer for it."""
    with CaptureQueriesContext(connection) as captured:
        signin.members_to_sign_in(cast["priya"].user_id)
    (statement,) = [query["sql"] for query in captured.captured_queries]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement.replace('%', '%%')}")
        (step,) = [step for *_, step in cursor.fetchall() if "event" in step]
    assert "event_by_others_idx (account_id=? AND subject_id=? AND number>?)" in step
