"""Every page asks the database the same number of questions, whether it shows one row, three or a hundred.

The numbers include the session and the user with their memberships: see the bound in docs/performance.md.
"""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit, events, listing
from accounts.enums import Permission
from accounts.models import Member
from accounts.origin import COMMAND_LINE
from keys.models import MOST_PLATFORM_KEYS, ClassicKey
from tests.trees import make_account, make_key, make_member, make_platform_key
from tests.visitors import signed_in_session, visitor

PAGES = {
    # session; user with memberships; own key; count; page
    "/iam/apikeys?per_page=100": 5,
    "/iam/apikeys?per_page=100&sort=created_by": 5,
    "/iam/apikeys?per_page=100&q=a": 5,
    "/iam/apikeys?per_page=100&q=member": 5,
    # session; user with memberships; count; page; keys of the user, in all accounts
    "/iam/apikeys?view=my&per_page=100": 5,
    "/iam/apikeys?view=my&per_page=100&q=key": 5,
    "/iam/apikeys?view=all&per_page=100": 5,
    "/iam/apikeys?view=all&per_page=100&sort=-created": 5,
    "/iam/apikeys?view=all&per_page=100&q=key": 5,
    # session; user with memberships; count; page; keys of the page
    "/iam/users?per_page=100": 5,
    "/iam/users?per_page=100&q=a": 5,
    "/iam/users?per_page=100&q=member": 5,
    "/iam/users?per_page=100&view=hierarchy&q=member": 5,
    # session; user with memberships; whether there is more than a page; count; page; keys of the page
    "/iam/users?per_page=100&view=hierarchy": 6,
    # session; user with memberships; users below; count; page; users who are named and may be seen
    "/iam/activity?per_page=100": 6,
    "/iam/activity?per_page=100&from=2020-01-01&to=9999-12-31": 6,
    # session; user with memberships; whose events; count; page; users who are named and may be seen
    "/iam/activity?per_page=100&user={viewer}": 6,
    "/iam/activity?per_page=100&user={viewer}&from=2020-01-01": 6,
    "/iam/apikeys?per_page=100&used=30days&restriction=none": 5,
    # session; user with memberships; users; page; keys of the page
    "/iam/inactive?per_page=100": 5,
    "/iam/inactive?per_page=100&q=a&status=active": 5,
    "/iam/inactive?per_page=100&q=member": 5,
    # session; user with memberships; keys; page; figures
    "/iam/inactive?per_page=100&tab=keys": 5,
    "/iam/inactive?per_page=100&tab=keys&q=member&restriction=none": 5,
    # session; user with memberships; count; page; users who are named and may be seen
    "/user/notifications?per_page=100": 5,
    # session; user with memberships; sessions
    "/user/sessions": 3,
    # session; user with memberships; passcode; passkeys; recovery codes
    "/user/security": 5,
    # session; user with memberships
    "/iam/settings": 2,
}


#: Lists that leave out what no index of their order tells.
FILTERED = [address for address in PAGES if "inactive" in address or "used=" in address]


def _branch_of(rows: int) -> Member:
    """A member who is not the owner, with ``rows`` users below, each with keys and an event."""
    account = make_account()
    viewer = make_member(account, make_member(account, None))
    Member.objects.filter(pk=viewer.pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    make_key(viewer)
    for number in range(min(rows, MOST_PLATFORM_KEYS)):
        make_platform_key(viewer, f"Key {number}", is_enabled=number % 2 == 0)
    for _ in range(rows):
        child = make_member(account, viewer)
        make_key(child)
        make_platform_key(child)
        audit.record(events.MEMBER_ADDED, actor=viewer, subject=child, origin=COMMAND_LINE)
        audit.record(events.RESTRICTION_CHANGED, actor=child, subject=viewer, origin=COMMAND_LINE)
        signed_in_session(viewer)
    long_ago = timezone.now() - timedelta(days=40)
    Member.objects.update(joined_at=long_ago)
    ClassicKey.objects.update(created_at=long_ago)
    return viewer


def _queries(viewer: Member, address: str) -> list[str]:
    client = visitor(viewer)
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address.format(viewer=viewer.pk))
    assert answer.status_code == 200
    return [query["sql"] for query in captured.captured_queries]


@pytest.mark.django_db
def test_number_of_queries_does_not_grow_with_the_rows() -> None:
    """All pages in one test: making a hundred users takes longer than asking for every page of them."""
    viewers = {rows: _branch_of(rows) for rows in (1, 3, 100)}
    for address, expected in PAGES.items():
        asked = {rows: _queries(viewer, address) for rows, viewer in viewers.items()}
        counts = {rows: len(queries) for rows, queries in asked.items()}
        assert counts == dict.fromkeys(viewers, expected), (address, asked)


@pytest.mark.django_db
def test_a_search_of_a_large_branch_asks_no_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = _branch_of(20)
    searches = [*(address for address in PAGES if "member" in address), *FILTERED]
    monkeypatch.setattr(listing, "_SORTED", 0)
    monkeypatch.setattr(listing, "_READ", 0)
    assert {address: len(_queries(viewer, address)) for address in searches} == {
        address: PAGES[address] for address in searches
    }
    monkeypatch.setattr(listing, "COUNTED", 3)
    monkeypatch.setattr(listing, "_WALKED", 1)
    assert not [address for address in searches if len(_queries(viewer, address)) > 6]


@pytest.mark.django_db
def test_page_of_a_user_asks_the_same_whatever_is_below_and_above_them() -> None:
    shallow = _branch_of(1)
    deep = _branch_of(100)
    for _ in range(20):
        deep = make_member(deep.account, deep)
    make_key(deep)
    make_member(deep.account, deep)
    for tab in ("userdetails", "manage"):
        counts = {len(_queries(member, f"/iam/users/{member.pk}?tab={tab}")) for member in (shallow, deep)}
        assert len(counts) == 1, tab
        assert counts <= set(range(7)), tab


@pytest.mark.django_db
def test_files_ask_as_often_as_they_have_chunks() -> None:
    viewer = _branch_of(100)
    assert ClassicKey.objects.filter(account=viewer.account).count() == 101
    client = visitor(viewer)
    with CaptureQueriesContext(connection) as captured:
        lines = b"".join(client.get("/iam/apikeys/classic.csv").streaming_content).splitlines()
    assert len(lines) == 102
    assert len(captured.captured_queries) <= 6
