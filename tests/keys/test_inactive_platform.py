"""The report of unused IBM Cloud API keys of all users: who has it, what is in it, its file, and the way back to it."""

import csv
import io
import re
from datetime import UTC, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import listing
from accounts.enums import Permission
from accounts.models import Event, Member
from keys.models import PlatformKey
from tests.trees import grow, make_platform_key
from tests.visitors import body_of, visitor

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MONTH = 30 * DAY
REPORT, FILE = "/iam/inactive?tab=keys&view=all", "/iam/inactive.csv?tab=keys&view=all"


def make(holder: Member, name: str, *, used: timedelta | None, made: timedelta = 100 * DAY, **fields) -> PlatformKey:
    """A key that was made, and used, so long ago."""
    now = timezone.now()
    at = None if used is None else now - used
    fields |= {"last_used_at": at, "last_used_day": at.astimezone(UTC).date() if at else None}
    return make_platform_key(holder, name, created_at=now - made, **fields)


def at_console(member: Member) -> Client:
    return visitor(Member.objects.select_related("user", "account").get(pk=member.pk))


def rows(client: Client, address: str = REPORT) -> dict[str, str]:
    """The rows of the page by the names of their keys, in order."""
    body = client.get(address).content.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    return {re.search(r"<bdi>(.*?)</bdi>", row)[1]: row for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)}


@pytest.fixture
def members() -> list[Member]:
    return grow([0, 1])


@pytest.mark.parametrize("is_large", [False, True])
def test_keys_are_inactive_from_thirty_days_on(members, monkeypatch, is_large):
    owner, parent, leaf = members
    if is_large:
        monkeypatch.setattr(listing, "_SORTED", 0)
    hour = DAY / 24
    make(leaf, "Used long ago", used=MONTH + hour, made=100 * DAY)
    make(parent, "Used lately", used=MONTH - hour)
    make(owner, "Never used", used=None, made=MONTH + hour)
    make(owner, "Just made", used=None, made=MONTH - hour)
    make(
        leaf, "Used years ago", used=900 * DAY, made=999 * DAY, is_enabled=False, expires_at=timezone.now() - DAY,
        description="For the old hall",
    )  # fmt: skip
    foreign = grow([])[0]
    make(foreign, "Elsewhere", used=None)
    client = at_console(owner)
    assert list(rows(client)) == ["Used years ago", "Used long ago", "Never used"]
    assert list(rows(client, REPORT + "&sort=name")) == ["Never used", "Used long ago", "Used years ago"]
    assert list(rows(client, REPORT + "&q=LONG+used")) == ["Used long ago"]
    assert list(rows(client, REPORT + "&per_page=10&q=nothing")) == []
    read = list(csv.DictReader(io.StringIO(body_of(client.get(FILE)).decode())))
    assert [(row["Name"], row["Owner"], row["Enabled"]) for row in read] == [
        ("Used years ago", leaf.user.name, "No"), ("Used long ago", leaf.user.name, "Yes"),
        ("Never used", owner.user.name, "Yes"),
    ]  # fmt: skip
    oldest = rows(client)["Used years ago"]
    assert '<span class="tag tag--red">Expired</span>' in oldest
    assert "<bdi>For the old hall</bdi>" in oldest


def test_report_is_of_the_moment_that_it_names(members):
    make(members[1], "Key", used=MONTH + DAY)
    client = at_console(members[0])
    earlier = int((timezone.now() - 2 * DAY).timestamp())
    assert list(rows(client, f"{REPORT}&as_of={earlier}")) == []
    page = client.get(f"{REPORT}&as_of={earlier}").content.decode()
    # The other view and tab, and the file, are about the same moment.
    assert f'<input type="hidden" name="as_of" value="{earlier}">' in page.partition('<select id="view"')[0]
    assert f'as_of={earlier}">Users</a>' in page
    assert f'name="as_of" value="{earlier}"' not in page.partition("Update report")[0].rpartition("<form")[2]


def test_only_who_may_see_all_keys_has_it(members):
    owner, parent, leaf = members
    make(leaf, "A key of the leaf", used=None)
    make(parent, "A key of the parent", used=None)
    Member.objects.filter(pk=leaf.pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    for member, sees in ((owner, True), (parent, False), (leaf, True)):
        client = at_console(member)
        page = client.get(REPORT).content.decode()
        assert ("A key of the leaf" in page) is sees, member
        assert ('<select id="view"' in page) is sees, member
        assert ("A key of the leaf" in body_of(client.get(FILE)).decode()) is sees, member
        assert "A key of the" not in client.get("/iam/inactive?tab=keys").content.decode()


def test_menu_deletes_and_leads_back(members):
    owner, parent, _ = members
    key = make(parent, "Old", used=None)
    make(parent, "Kept", used=None, is_locked=True)
    client = at_console(owner)
    listed = rows(client)
    assert re.findall(r'class="menu__entry[^>]*>([^<]+)</a>', listed["Old"]) == ["Delete"]
    assert re.findall(r'class="menu__entry[^>]*>([^<]+)</a>', listed["Kept"]) == []
    assert "Locked</span>" in listed["Kept"]
    address = re.search(r'href="([^"]+)"[^>]*>Delete</a>', listed["Old"])[1].replace("&amp;", "&")
    question = client.get(address).content.decode()
    assert "Inactive identities" in question
    answer = client.post(address, {"is_confirmed": "on"})
    assert answer["Location"].startswith("/iam/inactive?")
    assert "view=all" in answer["Location"]
    assert not PlatformKey.objects.filter(pk=key.pk).exists()
    assert Event.objects.get(action="platform_key.deleted").subject_id == parent.pk
    assert list(rows(client, answer["Location"])) == ["Kept"]


def test_number_of_queries_does_not_grow(members):
    counts = []
    client = at_console(members[0])
    for number in (1, 20):
        for each in range(number):
            make(members[number % 2 + 1], f"Key {each}", used=None)
        client.get(REPORT)
        with CaptureQueriesContext(connection) as asked:
            assert len(rows(client)) >= number
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 6


def test_large_account_is_read_by_its_indexes(members, monkeypatch):
    """Of two alternatives each has its range of the index on the use; neither reads the table through."""
    monkeypatch.setattr(listing, "_SORTED", 0)
    make(members[1], "Key", used=None)
    client = at_console(members[0])
    with CaptureQueriesContext(connection) as asked:
        client.get(REPORT)
    (statement,) = [query["sql"] for query in asked if "WITH size" in query["sql"]]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            plan = " / ".join(row[3] for row in cursor.fetchall())
        assert plan.count("platform_key_by_use_idx (account_id=? AND last_used_day") == 2
