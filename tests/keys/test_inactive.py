"""The report of inactive users and keys, and which keys lie unused or may be used from everywhere."""

import csv
import io
import re
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from django.utils import timezone

from accounts import listing
from accounts.enums import MemberStatus, Permission
from accounts.models import Member
from accounts.prepared import Prepared
from keys import insight, usage
from keys.models import ClassicKey
from tests.trees import grow, make_key
from tests.visitors import body_of, visitor

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MONTH = 30 * DAY
#: The owner, two branches, and below the first of them two more levels.
PARENTS = [0, 0, 1, 1, 3, 5]


@pytest.fixture
def tree() -> SimpleNamespace:
    """An account where each has a key, and both were used just now."""
    members = grow(PARENTS)
    Member.objects.update(signed_in_at=timezone.now())
    keys = [make_key(member) for member in members]
    for key in keys:
        used(key, timezone.now())
    return SimpleNamespace(members=members, keys=keys)


def used(key: ClassicKey, at: datetime | None, created: timedelta = 100 * DAY) -> None:
    day = at.astimezone(UTC).date() if at else None
    ClassicKey.objects.filter(pk=key.pk).update(
        last_used_at=at, last_used_day=day, created_at=timezone.now() - created, last_used_from="10.0.0.1" if at else ""
    )


def at_console(member: Member):
    return visitor(Member.objects.select_related("user", "account").get(pk=member.pk))


def listed(client, address: str) -> list[str]:
    """Whose rows the page has, in order."""
    answer = client.get(address)
    assert answer.status_code == 200
    body = answer.content.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    return [re.search(r"<bdi>(.*?)</bdi>", row)[1] for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]


def names(tree: SimpleNamespace, *numbers: int) -> list[str]:
    return sorted(tree.members[number].user.name for number in numbers)


def test_users_are_inactive_from_thirty_days_on(tree, monkeypatch):
    """Whoever never signed in counts from the day of joining; whoever cannot sign in is not in the report."""
    now, people = timezone.now(), Member.objects
    for number, ago in ((1, MONTH + DAY), (2, MONTH - DAY / 24), (3, MONTH + DAY / 24)):
        people.filter(pk=tree.members[number].pk).update(signed_in_at=now - ago)
    people.filter(pk=tree.members[4].pk).update(signed_in_at=None, joined_at=now - 2 * MONTH)
    people.filter(pk=tree.members[5].pk).update(signed_in_at=None, joined_at=now - DAY)
    people.filter(pk=tree.members[6].pk).update(signed_in_at=now - 2 * MONTH, status=MemberStatus.VPN_ONLY)
    client = at_console(tree.members[0])
    assert listed(client, "/iam/inactive") == names(tree, 1, 3, 4)
    assert listed(client, "/iam/inactive?sort=-user") == names(tree, 1, 3, 4)[::-1]
    rows = list(csv.DictReader(io.StringIO(body_of(client.get("/iam/inactive.csv")).decode())))
    assert [row["User"] for row in rows] == names(tree, 1, 3, 4)
    assert [row["User"] for row in rows if not row["Last login"]] == names(tree, 4)
    monkeypatch.setattr(listing, "_SORTED", 0)  # as in large accounts and branches
    assert listed(client, "/iam/inactive") == names(tree, 1, 3, 4)
    assert listed(at_console(tree.members[1]), "/iam/inactive") == names(tree, 3, 4)


def test_report_without_anybody_says_that_who_joined_lately_counts_as_active(cast):
    """Of the demo nobody has ever logged in before, so not everybody has logged in within thirty days."""
    body = visitor(cast["olivia"]).get("/iam/inactive").content.decode()
    assert Member.objects.filter(account=cast["olivia"].account, joined_at__isnull=False, signed_in_at=None).exists()
    assert "Everyone logged in, or joined, within 30 days." in body


def test_user_who_comes_back_is_no_longer_inactive(cast):
    people, now = Member.objects, timezone.now()
    people.filter(user__email="noor@acme.example").update(signed_in_at=now - 2 * MONTH)
    assert listed(visitor(cast["olivia"]), "/iam/inactive") == ["Noor Haddad"]
    noor = visitor()
    noor.post("/login", {"username": "noor@acme.example", "password": "keytree-demo"})
    assert listed(visitor(cast["olivia"]), "/iam/inactive") == []
    # Noor came into one of her two accounts: the other is in use once she goes over to it.
    people.filter(user__email="noor@acme.example").update(signed_in_at=now - 2 * MONTH)
    noor.post("/account/switch", {"account": "7654321"})
    assert people.get(account_id=7654321, user__email="noor@acme.example").signed_in_at > now
    assert listed(visitor(cast["olivia"]), "/iam/inactive") == ["Noor Haddad"]


def test_report_is_of_the_users_that_one_looks_after(tree):
    """With the permission those of the account, unless it hides them; else those below; nobody for whoever has none."""
    Member.objects.update(signed_in_at=timezone.now() - 2 * MONTH)
    branch, sibling, leaf = tree.members[1], tree.members[2], tree.members[6]
    assert listed(at_console(branch), "/iam/inactive") == names(tree, 3, 4, 5, 6)
    refused = at_console(sibling).get("/iam/inactive")
    assert (refused.status_code, "or users below you" in refused.content.decode()) == (403, True)
    assert 'href="/iam/inactive"' not in at_console(sibling).get("/iam/apikeys").content.decode()
    assert 'href="/iam/inactive"' in at_console(branch).get("/iam/apikeys").content.decode()
    Member.objects.filter(pk=leaf.pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    assert listed(at_console(leaf), "/iam/inactive") == names(tree, 0, 1, 2, 3, 4, 5)
    assert "Remove</a>" not in at_console(leaf).get("/iam/inactive").content.decode()
    # The permission gives sight of nobody's key.
    assert listed(at_console(leaf), "/iam/inactive?tab=keys") == []
    assert "Unused 30 days" not in at_console(leaf).get("/iam/inactive").content.decode()
    leaf.account.restrict_user_list = True
    leaf.account.save()
    assert listed(at_console(leaf), "/iam/inactive") == []


def test_report_is_of_the_moment_that_it_names(tree):
    """Its pages, tabs and file keep the moment; *Update report* makes another; what is no moment is the present."""
    moment = int(time.time() - 10 * 86_400)
    Member.objects.filter(pk=tree.members[1].pk).update(signed_in_at=timezone.now() - MONTH - DAY)
    Member.objects.filter(pk=tree.members[2].pk).update(signed_in_at=timezone.now() - 41 * DAY)
    used(tree.keys[1], timezone.now() - MONTH - DAY)
    used(tree.keys[2], timezone.now() - 41 * DAY)
    client = at_console(tree.members[0])
    assert listed(client, "/iam/inactive") == names(tree, 1, 2)
    for tab in ("users", "keys"):
        assert listed(client, f"/iam/inactive?tab={tab}&as_of={moment}") == names(tree, 2)
        file = body_of(client.get(f"/iam/inactive.csv?tab={tab}&as_of={moment}")).decode()
        assert [row["User"] for row in csv.DictReader(io.StringIO(file))] == names(tree, 2)
    body = client.get(f"/iam/inactive?as_of={moment}").content.decode()
    assert datetime.fromtimestamp(moment, UTC).strftime('Report of <time datetime="%Y-%m-%dT%H:%M:%SZ">') in body
    assert body.count(f"as_of={moment}") >= 4  # two tabs, the heading, the file
    assert "as_of" not in body.partition('<form class="button-set"')[2].partition("</form>")[0]
    for text in ("", "x", "-1", "9" * 12, str(int(time.time()) + 1_000), "1e3", "٣"):
        assert listed(client, f"/iam/inactive?as_of={quote(text)}") == names(tree, 1, 2)


def test_keys_are_inactive_until_they_are_used(tree):
    now = timezone.now()
    used(tree.keys[1], now - MONTH - DAY)
    used(tree.keys[2], now - MONTH + DAY / 24)
    used(tree.keys[3], None)
    used(tree.keys[4], None, created=DAY)
    used(tree.keys[0], now - MONTH - DAY / 24)
    client = at_console(tree.members[0])
    assert sorted(listed(client, "/iam/inactive?tab=keys")) == names(tree, 0, 1, 3)
    rows = csv.DictReader(io.StringIO(body_of(client.get("/iam/inactive.csv?tab=keys")).decode()))
    assert sorted(row["User"] for row in rows) == names(tree, 0, 1, 3)
    for number in (0, 1, 3):
        usage.collector.accepted(tree.keys[number].pk, "10.0.0.1")
    usage.flush()
    assert listed(client, "/iam/inactive?tab=keys") == []
    now_used = ClassicKey.objects.filter(pk__in=[tree.keys[number].pk for number in (0, 1, 3)])
    assert [key.last_used_day == key.last_used_at.date() for key in now_used] == [True] * 3


@pytest.mark.parametrize("is_large", [False, True], ids=["read", "by index"])
def test_report_is_searched_and_filtered_as_other_lists_are(tree, monkeypatch, is_large):
    """By words of any length, and a status or a restriction; the report's moment and the file's rows go with it."""
    if is_large:
        monkeypatch.setattr(listing, "_SORTED", 0)
        monkeypatch.setattr(listing, "_READ", 0)
    now, top, branch = timezone.now(), tree.members[0], tree.members[1]
    Member.objects.update(signed_in_at=now - 2 * MONTH)
    Member.objects.filter(pk=tree.members[4].pk).update(status=MemberStatus.SUSPENDED)
    Member.objects.filter(pk=tree.members[6].pk).update(signed_in_at=now)
    for number, key in enumerate(tree.keys):
        used(key, now if number == 6 else None)
        ClassicKey.objects.filter(pk=key.pk).update(allowed_addresses="10.0.0.0/8" if number % 2 else "")

    def found(viewer: Member, query: str) -> list[str]:
        client = at_console(viewer)
        rows = csv.DictReader(io.StringIO(body_of(client.get(f"/iam/inactive.csv?{query}")).decode()))
        on_page = listed(client, f"/iam/inactive?{query}")
        assert sorted(row["User"] for row in rows) == sorted(on_page), query
        return sorted(on_page)

    third = quote(tree.members[3].user.email)
    for query, of_owner, of_branch in (
        (f"q={third}", [3], [3]),
        ("q=zzz", [], []),
        ("status=suspended", [4], [4]),
        ("status=active", [1, 2, 3, 5], [3, 5]),
        ("status=vpn_only", [1, 2, 3, 4, 5], [3, 4, 5]),  # none of those offered
        (f"q={third}&status=suspended", [], []),
        ("q=m", [1, 2, 3, 4, 5], [3, 4, 5]),
        ("tab=keys&restriction=none", [0, 2, 4], [4]),
        ("tab=keys&restriction=some", [1, 3, 5], [1, 3, 5]),
        (f"tab=keys&q={third}&restriction=some", [3, 5], [3, 5]),  # the child's by its parent
        (f"tab=keys&q={third}&restriction=none", [], []),
    ):
        assert found(top, query) == names(tree, *of_owner), query
        assert found(branch, query) == names(tree, *of_branch), query
    moment = int(time.time()) - 60
    page = at_console(top).get(f"/iam/inactive?q=zzz&as_of={moment}").content.decode()
    assert "No users match" in page
    assert "Inactive users, filtered: search “zzz”." in page
    assert f'<input type="hidden" name="as_of" value="{moment}">' in page.partition('role="search"')[2]


def test_removing_and_deleting_lead_back_to_the_report(tree):
    Member.objects.filter(pk=tree.members[6].pk).update(signed_in_at=timezone.now() - 2 * MONTH)
    used(tree.keys[6], None)
    client = at_console(tree.members[0])
    users = client.get("/iam/inactive").content.decode()
    (remove,) = re.findall(r'href="([^"]+)" data-dialog>Remove</a>', users)
    question = client.get(remove).content.decode()
    assert '<p class="page-title">Inactive identities</p>' in question
    (action,) = re.findall(r'action="(/iam/users/[^"]+)" data-dialog-form', question)
    keys = client.get("/iam/inactive?tab=keys").content.decode()
    (delete,) = re.findall(r'href="([^"]+)" data-dialog>Delete</a>', keys)
    deleted = client.post(delete)
    removed = client.post(action)
    for answer, tab in ((deleted, "tab=keys"), (removed, "as_of=")):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/iam/inactive?")
        assert tab in answer["Location"]
    assert not Member.objects.filter(pk=tree.members[6].pk).exists()
    # What somebody made up counts for nothing.
    foreign = f"/iam/users/{tree.members[5].pk}/remove?next={quote('//elsewhere.example/iam/inactive')}"
    assert "elsewhere" not in client.get(foreign).content.decode().partition("<dialog")[2]


def test_filters_and_figures_count_what_a_plain_reading_of_the_keys_counts(tree, monkeypatch):
    """In small branches, which are read, and in large ones, which are counted by indexes."""
    now = timezone.now()
    states = [(None, 100 * DAY), (now - 2 * MONTH, 100 * DAY), (None, DAY), (now, 100 * DAY)]
    for number, key in enumerate(tree.keys):
        used(key, *states[number % len(states)])
        ClassicKey.objects.filter(pk=key.pk).update(allowed_addresses="10.0.0.0/8" if number % 3 else "")

    def fits(key: ClassicKey, use: str, restriction: str) -> bool:
        uses = {"": True, "30days": (key.last_used_at or key.created_at) < now - MONTH, "never": not key.last_used_at}
        restrictions = {"": True, "none": not key.allowed_addresses, "some": bool(key.allowed_addresses)}
        return uses[use] and restrictions[restriction]

    def compare() -> None:
        for viewer in (tree.members[0], tree.members[1]):
            keys = ClassicKey.objects.filter(holder_path__startswith=viewer.path).select_related("holder__user")
            client = at_console(viewer)
            for use in ("", "30days", "never"):
                for restriction in ("", "none", "some"):
                    expected = sorted(key.holder.user.name for key in keys if fits(key, use, restriction))
                    address = f"/iam/apikeys?used={use}&restriction={restriction}"
                    assert sorted(listed(client, address)) == expected, address
                    assert sorted(listed(client, f"{address}&q=member")) == expected, address
            expected = [
                sum(fits(key, *chosen) for key in keys) for chosen in (("30days", ""), ("never", ""), ("", "none"))
            ]
            assert [figure.count for figure in insight.figures(viewer, viewer=viewer)] == expected

    compare()
    monkeypatch.setattr(listing, "_SORTED", 0)
    monkeypatch.setattr(listing, "_READ", 0)
    monkeypatch.setattr(insight, "COUNTED", 3)
    client = at_console(tree.members[0])
    body = client.get("/iam/inactive?tab=keys").content.decode()
    assert re.findall(r"More than 3 keys|\b3 keys", body) == ["More than 3 keys", "More than 3 keys", "3 keys"]
    monkeypatch.setattr(insight, "COUNTED", 4)
    # Made anew: the statements are kept, with the number that they had.
    monkeypatch.setattr(insight, "_counts_of_account", Prepared(insight._counts, of=(int, int, datetime)))
    monkeypatch.setattr(insight, "_counts_of_branch", Prepared(insight._counts, of=(int, int, datetime, str)))
    compare()


def test_keys_of_one_branch_are_counted_and_listed_from_its_users_page(tree):
    """And from nobody's whom the viewer may not look into."""
    for key in tree.keys:
        used(key, None)
    top, branch, sibling = (tree.members[number] for number in (0, 3, 2))
    body = at_console(top).get(f"/iam/users/{branch.pk}").content.decode()
    card = body.partition('id="branch-heading"')[2].partition("</section>")[0]
    assert re.findall(r">(\d+ keys|None)<", card) == ["3 keys"] * 3
    (link,) = re.findall(r'href="(/iam/apikeys\?used=never[^"]+)"', card)
    assert sorted(listed(at_console(top), link.replace("&amp;", "&"))) == names(tree, 3, 5, 6)
    assert 'id="branch-heading"' not in at_console(sibling).get(f"/iam/users/{branch.pk}").content.decode()
    assert 'id="branch-heading"' not in at_console(top).get(f"/iam/users/{sibling.pk}").content.decode()
    # Somebody else's branch counts as none asked for: the own key alone.
    assert listed(at_console(sibling), f"/iam/apikeys?branch={branch.pk}") == names(tree, 2)
    rows = csv.DictReader(
        io.StringIO(body_of(at_console(top).get(f"/iam/apikeys/classic.csv?branch={branch.pk}")).decode())
    )
    assert sorted(row["User"] for row in rows) == names(tree, 3, 5, 6)
