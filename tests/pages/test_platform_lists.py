"""The two views of IBM Cloud API keys: what they list for whom, what a row says, what its menu offers, the files."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.enums import MemberStatus, Permission
from accounts.models import Account, Event, Member
from keys.models import MOST_PLATFORM_KEYS, PlatformKey
from tests.conftest import ACME, BOREALIS
from tests.pages.reading import KEYS, USERS, page
from tests.trees import grow, make_account, make_key, make_member, make_platform_key
from tests.visitors import body_of, visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

MINE, ALL = f"{KEYS}?view=my", f"{KEYS}?view=all"
CREATE = "Create an IBM Cloud API key"
NAME = re.compile(r'data-label="Name" class="break"><bdi>(.*?)</bdi>')


def rows_of(body: str) -> dict[str, str]:
    """The rows of the table by the names of the keys, in order."""
    rows = re.findall(r"<tr>(.*?)</tr>", body.partition("<tbody>")[2].partition("</tbody>")[0], re.DOTALL)
    return {NAME.search(row)[1]: row for row in rows}


def cell(row: str, label: str) -> str:
    """What a cell says, without its markup."""
    return " ".join(
        re.sub("<[^>]+>", " ", re.search(rf'data-label="{label}"[^>]*>(.*?)</td>', row, re.DOTALL)[1]).split()
    )


def menu_of(row: str) -> list[str]:
    return re.findall(r'class="menu__entry[^>]*>([^<]+)</a>', row)


def views_of(body: str) -> list[str]:
    return re.findall(r"<option[^>]*>([^<]*API keys)</option>", body)


def grant(member: Member, permissions: Permission) -> Member:
    Member.objects.filter(pk=member.pk).update(permissions=permissions)
    return member


# --- Which keys, to whom ----------------------------------------------------------------------------------------------


def test_keys_whose_master_key_is_gone_are_named(cast):
    """Calls with them are refused like unknown ones: nothing else would tell the user why."""
    key, said = make_platform_key(cast["priya"], "Build & deploy"), "Calls with some of these keys are refused"
    make_platform_key(cast["priya"], "Other")
    lists = [(visitor(cast["priya"]), MINE), (visitor(cast["olivia"]), ALL)]
    assert not [url for client, url in lists if said in page(client.get(url))]
    PlatformKey.objects.filter(pk=key.pk).update(ring_key_id="gone")
    for client, url in lists:
        body = client.get(url).content.decode()
        assert said in body
        assert "that these were stored under: Build &amp; deploy. Tell whoever runs it" in body


def test_my_view_lists_ones_own_keys_in_this_account_alone(cast):
    make_platform_key(cast["priya"], "mine")
    make_platform_key(cast["marcus"], "my parent's")
    make_platform_key(cast["noor"], "my child's")
    elsewhere = Member.objects.get(user=cast["noor"].user, account_id=BOREALIS)
    make_platform_key(elsewhere, "my child's elsewhere")
    for name, expected in (("priya", ["mine"]), ("noor", ["my child's"]), ("marcus", ["my parent's"])):
        assert list(rows_of(page(visitor(cast[name]).get(MINE)))) == expected


def test_view_of_all_is_for_the_owner_and_administrators_of_identities(cast):
    make_platform_key(cast["priya"], "Priya's")
    make_platform_key(cast["sam"], "Sam's")
    make_platform_key(Member.objects.get(user=cast["sam"].user, account_id=BOREALIS), "of another account")
    administrator = grant(cast["noor"], Permission.IDENTITY_ADMINISTRATOR)
    for viewer in (cast["olivia"], administrator):
        body = page(visitor(viewer).get(ALL))
        assert list(rows_of(body)) == ["Priya's", "Sam's"]
        assert views_of(body) == [
            "My IBM Cloud API keys", "All user IBM Cloud API keys", "Classic infrastructure API keys",
        ]  # fmt: skip


@pytest.mark.parametrize("path", [ALL, f"{KEYS}/all.csv"])
def test_view_of_all_is_refused_to_others_with_the_reason_and_an_event(cast, path):
    make_platform_key(cast["noor"], "Noor's")  # the tree gives no rights over it
    answer = visitor(cast["marcus"]).get(path)
    assert answer.status_code == 403
    assert "You need the role IAM identity: Administrator to see the IBM Cloud API keys of all users." in page(answer)
    assert "Noor's" not in page(answer)
    event = Event.objects.filter(account_id=ACME).latest("number")
    assert (event.action, event.outcome, event.actor_id) == ("permission.refused", "refused", cast["marcus"].pk)


def test_select_offers_the_views_that_the_viewer_may_use(cast):
    for path in (KEYS, MINE):
        assert views_of(page(visitor(cast["priya"]).get(path))) == [
            "My IBM Cloud API keys", "Classic infrastructure API keys",
        ]  # fmt: skip


@pytest.mark.parametrize("path", [KEYS, f"{KEYS}?view=", f"{KEYS}?view=classic", f"{KEYS}?view=nonsense"])
def test_any_other_view_is_the_classic_one(cast, path):
    make_platform_key(cast["priya"], "mine")
    body = page(visitor(cast["priya"]).get(path))
    assert "One classic infrastructure key per user." in body
    assert '<option value="classic" selected>' in body
    assert "mine</bdi>" not in body


def test_another_view_keeps_the_length_of_a_page_and_no_filter_of_this_one(cast):
    for view in ("my", "classic"):
        body = page(visitor(cast["marcus"]).get(f"{KEYS}?view={view}&q=a&sort=created&per_page=10&used=never&at=x"))
        form = body.partition('class="view-select"')[2].partition("</form>")[0]
        assert re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form) == [("per_page", "10")]


# --- What a row says --------------------------------------------------------------------------------------------------


def test_columns_stand_in_their_order(cast):
    make_platform_key(cast["olivia"])
    for path, owner in ((MINE, []), (ALL, ["Owner"])):
        head = page(visitor(cast["olivia"]).get(path)).partition("<thead>")[2].partition("</thead>")[0]
        columns = re.findall(r"<th .*?</th>", head, re.DOTALL)
        assert [" ".join(re.sub("<[^>]+>", " ", column).split()) for column in columns] == [
            "Status", "Name", *owner, "Description", "Date created", "Expires", "Enabled", "Last used", "Actions",
        ]  # fmt: skip


def test_row_says_what_the_key_is(cast):
    make_platform_key(
        cast["priya"], "Backup", description="Writes <b>backups</b>",
        created_at=datetime(2026, 3, 14, 4, 54, tzinfo=UTC), expires_at=datetime(2100, 1, 1, tzinfo=UTC),
        last_used_at=timezone.now() - timedelta(hours=3),
    )  # fmt: skip
    client = visitor(cast["olivia"])
    assert "<bdi>Writes &lt;b&gt;backups&lt;/b&gt;</bdi>" in client.get(ALL).content.decode()
    row = rows_of(page(client.get(ALL)))["Backup"]
    said = {label: cell(row, label) for label in ("Status", "Name", "Owner", "Date created", "Expires", "Last used")}
    assert said == {
        "Status": "Unlocked",
        "Name": "Backup",
        "Owner": "Priya Raman",
        "Date created": "14-03-2026 04:54 GMT",
        "Expires": "31-12-2099",  # the last day on which it works
        "Last used": "3 hours ago",
    }
    assert f'href="/iam/users/{cast["priya"].pk}"' in row
    plain = rows_of(page(visitor(make_platform_key(cast["noor"], "Plain").holder).get(MINE)))["Plain"]
    assert [cell(plain, label) for label in ("Description", "Expires", "Last used")] == ["", "Never", "Never"]
    assert "Owner" not in plain


def test_own_keys_among_all_carry_the_tag(cast):
    make_platform_key(cast["olivia"], "hers")
    make_platform_key(cast["priya"], "Priya's")
    rows = rows_of(page(visitor(cast["olivia"]).get(ALL)))
    assert {name: cell(row, "Owner") for name, row in rows.items()} == {
        "hers": "Olivia Reyes self",
        "Priya's": "Priya Raman",
    }


def test_owner_whom_the_account_hides_from_the_administrator_is_named_without_a_link(cast):
    make_platform_key(cast["sam"], "Sam's")
    administrator = grant(cast["noor"], Permission.IDENTITY_ADMINISTRATOR)
    Account.objects.filter(pk=ACME).update(restrict_user_list=True)
    row = rows_of(page(visitor(administrator).get(ALL)))["Sam's"]
    assert cell(row, "Owner") == "Sam Okafor"
    assert "/iam/users/" not in row.partition('class="table__menu"')[0]
    assert visitor(administrator).get(f"{USERS}/{cast['sam'].pk}").status_code == 404


PAST, FUTURE = timedelta(days=-1), timedelta(days=1)
STATES = {
    "plain": ({}, "Unlocked", "", "Yes", ["Edit", "Lock", "Delete"], "disable"),
    "disabled": ({"is_enabled": False}, "Unlocked", "", "No", ["Edit", "Lock", "Delete"], "enable"),
    "locked": ({"is_locked": True}, "Locked", "", "Yes", ["Unlock"], ""),
    "locked and disabled": ({"is_locked": True, "is_enabled": False}, "Locked", "", "No", ["Unlock"], ""),
    "expires": ({"expires_at": FUTURE}, "Unlocked", "", "Yes", ["Edit", "Lock", "Delete"], "disable"),
    "expired": ({"expires_at": PAST}, "Unlocked", "Expired", "Yes", ["Lock", "Delete"], ""),
    "expired and locked": ({"expires_at": PAST, "is_locked": True}, "Locked", "Expired", "Yes", ["Unlock"], ""),
    "leaked": (
        {"leaked_at": PAST, "is_enabled": False}, "Unlocked", "Leaked", "No", ["Edit", "Lock", "Delete"], "enable",
    ),
    "leaked and expired": (
        {"leaked_at": PAST, "expires_at": PAST}, "Unlocked", "Leaked Expired", "Yes", ["Lock", "Delete"], "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("who", "path"), [("priya", MINE), ("olivia", ALL)])
def test_status_tags_switch_and_menu_are_those_of_the_keys_state(cast, state, who, path):
    fields, status, tags, enabled, menu, switched_by = STATES[state]
    now = timezone.now()
    key = make_platform_key(
        cast["priya"], "Tested", **{n: now + v if isinstance(v, timedelta) else v for n, v in fields.items()}
    )
    row = rows_of(page(visitor(cast[who]).get(path)))["Tested"]
    assert (cell(row, "Status"), cell(row, "Enabled"), menu_of(row)) == (status, enabled, menu)
    assert f"#{status.lower()}" in row
    assert cell(row, "Name") == f"Tested {tags}".strip()
    assert re.findall(r'<span class="(tag[^"]*)"', row.partition('data-label="Owner"')[0]) == ["tag tag--red"] * len(
        tags.split()
    )
    switches = re.findall(
        r'role="switch" aria-checked="(\w+)" aria-label="([^"]*)" form="switch-form" formaction="([^"]*)"', row
    )
    url, is_on = f"{KEYS}/platform/{key.pk}/{switched_by}", "true" if key.is_enabled else "false"
    assert switches == ([(is_on, "Enabled: Tested", url)] if switched_by else [])
    assert 'aria-label="Actions for Tested"' in row


def test_each_entry_of_a_menu_and_each_switch_is_answered(cast):
    """Nothing is offered that fails, and all of it leads back to the list as it was."""
    here = f"{MINE}&sort=-created"
    client = visitor(cast["priya"])
    for fields in ({}, {"is_enabled": False}, {"is_locked": True}, {"expires_at": timezone.now() + PAST}):
        key = make_platform_key(cast["priya"], "Tested", **fields)
        row = rows_of(page(client.get(here)))["Tested"]
        for url in re.findall(r'class="menu__entry[^>]*href="([^"]*)"', row):
            assert f'href="{here}" aria-label="Close"' in page(client.get(url)), url
        for url in re.findall(r'formaction="([^"]*)"', row):
            assert f'href="{here}" aria-label="Close"' in page(client.get(url, {"next": here})), url
        assert PlatformKey.objects.get(pk=key.pk).is_enabled is key.is_enabled  # asked, and not done
        key.delete()


def test_switches_share_a_form_that_carries_no_token_into_an_address(cast):
    for number in range(3):
        make_platform_key(cast["priya"], f"Key {number}", is_enabled=number == 1)
    body = page(visitor(cast["priya"]).get(MINE))
    (fields,) = re.findall(r'<form id="switch-form" hidden data-dialog-form>(.*?)</form>', body)
    assert fields == f'<input type="hidden" name="next" value="{MINE}">'


# --- Sorting, paging, filtering ---------------------------------------------------------------------------------------


def test_lists_are_sorted_by_name_without_regard_to_case_and_by_date(cast):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for day, name in enumerate(["beta", "Alpha", "gamma", "Delta"]):
        make_platform_key(cast["priya"], name, created_at=start + timedelta(days=day))
    for who, path in (("priya", MINE), ("olivia", ALL)):
        client = visitor(cast[who])
        by_name, by_date = ["Alpha", "beta", "Delta", "gamma"], ["beta", "Alpha", "gamma", "Delta"]
        for sort, expected in (
            ("", by_name), ("name", by_name), ("-name", by_name[::-1]), ("created", by_date),
            ("-created", by_date[::-1]), ("created_by", by_name),
        ):  # fmt: skip
            assert list(rows_of(page(client.get(f"{path}&sort={sort}")))) == expected, sort
        body = page(client.get(path))
        assert body.count("aria-sort=") == 1
        assert (
            f'<th scope="col" aria-sort="ascending">\n  <a class="table__sort" id="sort-name" href="{path}&sort=-name"'
            in body
        )
        assert f'id="sort-created" href="{path}&sort=-created"' in body


def test_pages_of_all_keys_follow_each_other_without_gaps():
    account = make_account()
    owner = make_member(account, None)
    users = [owner, *(make_member(account, owner) for _ in range(4))]
    names = [f"Key {number:02}" for number in range(25)]
    for number, name in enumerate(names):
        make_platform_key(users[number % 5], name)
    client, url, listed = visitor(owner), f"{ALL}&per_page=10", []
    while url:
        body = page(client.get(url))
        listed += rows_of(body)
        found = re.search(r'href="([^"]+)" rel="next"', body)
        url = found[1] if found else ""
    assert listed == names
    assert "21–25 of 25 items" in body


def test_filter_looks_at_name_and_description_and_nothing_else(cast):
    make_platform_key(cast["priya"], "Nightly Backup", description="Straße")
    make_platform_key(cast["priya"], "Build server", description="for the backup's tests")
    make_platform_key(cast["priya"], "Other")
    client = visitor(cast["olivia"])
    for q, expected in (
        ("BACKUP", ["Build server", "Nightly Backup"]), ("night back", ["Nightly Backup"]),
        ("strasse", ["Nightly Backup"]), ("%", []), ("priya", []), ("zzz", []),
    ):  # fmt: skip
        body = page(client.get(ALL, {"view": "all", "q": q}))
        assert list(rows_of(body)) == expected, q
        assert ("No keys match" in body) is (not expected)
        assert f'href="{ALL}">Clear filters' in body
    form = body.partition('<form class="toolbar__filters"')[2].partition("</form>")[0]
    assert '<input type="hidden" name="view" value="all">' in form
    assert 'placeholder="Filter by API key name or description"' in form


def test_print_says_which_view_it_is_and_by_what_it_is_filtered(cast):
    make_platform_key(cast["olivia"])
    client = visitor(cast["olivia"])
    for path, said in (
        (MINE, "My IBM Cloud API keys."),
        (f"{ALL}&q=build", "All user IBM Cloud API keys, filtered: search “build”."),
    ):
        assert re.findall('<p class="printed">(.*)</p>', page(client.get(path)))[0] == said


# --- Nothing to list, nothing to create -------------------------------------------------------------------------------


def test_lists_without_keys_say_so_each_in_its_words_with_the_button_in_their_place(cast):
    client = visitor(cast["olivia"])
    for path, said in ((MINE, "A key lets your programs call"), (ALL, "No user of the account has one.")):
        body = page(client.get(path))
        empty = body.partition('class="empty"')[2]
        assert "No IBM Cloud API keys" in empty
        assert said in empty
        assert CREATE in empty
        assert body.count(CREATE) == 1
        assert "Export CSV" not in body
        assert 'role="search"' not in body.partition("<main")[2]
    filtered = page(client.get(f"{MINE}&q=x"))
    assert "No keys match" in filtered
    assert "No IBM Cloud API keys" not in filtered


def test_button_opens_the_dialog_for_oneself_and_leads_back(cast):
    make_platform_key(cast["olivia"])
    body = page(visitor(cast["olivia"]).get(ALL))
    url = re.search(rf'href="([^"]*)" data-dialog>{CREATE}', body)[1]
    assert url == f"{USERS}/{cast['olivia'].pk}/platform_key?next=%2Fiam%2Fapikeys%3Fview%3Dall"
    assert f'href="{ALL}" aria-label="Close"' in page(visitor(cast["olivia"]).get(url))


def _disable(member: Member) -> str:
    Member.objects.filter(pk=member.pk).update(status=MemberStatus.DISABLED_CLASSIC)
    return "Only active users can create a key."


def _restrict(member: Member) -> str:
    Account.objects.filter(pk=member.account_id).update(restrict_key_creation=True)
    return "You need the permission User API key creator"


def _fill(member: Member) -> str:
    """In all accounts together."""
    other = Member.objects.exclude(pk=member.pk).get(user=member.user)
    for number in range(MOST_PLATFORM_KEYS):
        make_platform_key(other if number else member, f"Key {number}")
    return "You have 20 IBM Cloud API keys in all your accounts together, which is as many as there can be."


@pytest.mark.parametrize("change", [_disable, _restrict, _fill])
def test_button_is_absent_where_no_key_can_be_created_and_a_line_says_why(cast, change):
    sam = cast["sam"]
    client, paths = visitor(sam), (MINE, f"{USERS}/{sam.pk}")
    for path in paths:
        assert CREATE in page(client.get(path))
    why = change(sam)
    for path in paths:
        body = page(client.get(path))
        assert CREATE not in body, path
        assert body.count(why) == 1, path


def test_whoever_has_the_permission_creates_while_it_is_restricted(cast):
    _restrict(grant(cast["sam"], Permission.API_KEY_CREATOR))
    body = page(visitor(cast["sam"]).get(MINE))
    assert CREATE in body
    assert "restricts who creates" not in body
    assert CREATE not in page(visitor(cast["olivia"]).get(MINE))  # nor the owner, who has all the others


# --- Files ------------------------------------------------------------------------------------------------------------


def _file(client, path: str) -> list[dict[str, str]]:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.streaming
    return list(csv.DictReader(io.StringIO(body_of(answer).decode())))


def test_files_have_the_rows_of_their_view_and_filter(cast):
    make_platform_key(
        cast["priya"], "=Backup", description="+1", created_at=datetime(2026, 3, 14, 4, 54, 7, tzinfo=UTC),
        expires_at=datetime(2100, 1, 1, tzinfo=UTC), is_enabled=False, is_locked=True,
        leaked_at=datetime(2026, 4, 1, tzinfo=UTC), last_used_at=datetime(2026, 5, 1, tzinfo=UTC),
        last_used_from="203.0.113.7",
    )  # fmt: skip
    make_platform_key(cast["olivia"], "Zebra")
    client = visitor(cast["olivia"])
    backup, zebra = _file(client, f"{KEYS}/all.csv")
    assert backup == {
        "Owner": "Priya Raman", "Email": "priya@acme.example", "Name": "'=Backup", "Description": "'+1",
        "Date created": "2026-03-14T04:54:07Z", "Expires": "2100-01-01T00:00:00Z", "Enabled": "No", "Locked": "Yes",
        "Leaked": "2026-04-01T00:00:00Z", "Last used": "2026-05-01T00:00:00Z", "Last used from": "203.0.113.7",
    }  # fmt: skip
    assert [zebra[name] for name in ("Expires", "Enabled", "Locked", "Leaked", "Last used")] == [
        "",
        "Yes",
        "No",
        "",
        "",
    ]
    assert [row["Name"] for row in _file(client, f"{KEYS}/my.csv")] == ["Zebra"]
    assert [row["Name"] for row in _file(client, f"{KEYS}/all.csv?q=zeb")] == ["Zebra"]
    assert [row["Name"] for row in _file(client, f"{KEYS}/all.csv?sort=-name")] == ["Zebra", "'=Backup"]
    link = re.search(r'href="([^"]*)">Export CSV', page(client.get(f"{ALL}&q=zeb&sort=-name")))[1]
    assert link == f"{KEYS}/all.csv?q=zeb&sort=-name"


@pytest.mark.parametrize("path", [MINE, ALL, f"{KEYS}/my.csv", f"{KEYS}/all.csv", "user"])
def test_no_list_holds_what_a_key_could_be_known_by(cast, path):
    key = make_platform_key(cast["olivia"])
    body = body_of(visitor(cast["olivia"]).get(f"{USERS}/{key.holder_id}" if path == "user" else path))
    assert key.name.encode() in body
    digest = bytes(key.digest)
    for secret in (digest, digest.hex().encode(), b"ktp_"):
        assert secret not in body


def test_file_of_all_asks_as_often_as_it_has_chunks():
    owner, *users = grow([0] * 30)
    for user in users:
        for number in range(3):
            make_platform_key(user, f"Key {number}")
    client = visitor(owner)
    with CaptureQueriesContext(connection) as captured:
        lines = body_of(client.get(f"{KEYS}/all.csv")).splitlines()
    assert len(lines) == 91
    assert len(captured) <= 5


# --- A user's page ----------------------------------------------------------------------------------------------------


def _card(client, member: Member) -> str:
    return page(client.get(f"{USERS}/{member.pk}")).partition('id="keys-heading"')[2].partition("</section>")[0]


def test_card_lists_ibm_cloud_keys_beside_the_classic_one_with_the_same_menu(cast):
    priya = cast["priya"]
    make_platform_key(priya, "Backup", is_locked=True)
    make_platform_key(priya, "Zebra", is_enabled=False, leaked_at=timezone.now())
    for who in ("priya", "olivia"):
        card = _card(visitor(cast[who]), priya)
        rows = re.findall(r"<tr>(.*?)</tr>", card.partition("<tbody>")[2], re.DOTALL)
        types = [re.search(r"<td>(.*?)</td>", row)[1] for row in rows]
        assert types == ["Classic infrastructure API key", "IBM Cloud API key", "IBM Cloud API key"]
        assert [cell(row, "Name") for row in rows[1:]] == ["Backup Locked", "Zebra Leaked Disabled"]
        assert [menu_of(row) for row in rows] == [["View details", "Delete"], ["Unlock"], ["Edit", "Lock", "Delete"]]
        assert f"?next=%2Fiam%2Fusers%2F{priya.pk}" in rows[1]
        assert (CREATE in card) is (who == "priya")


def test_card_tells_nothing_of_ibm_cloud_keys_to_those_above_without_the_permission(cast):
    before = _card(visitor(cast["marcus"]), cast["priya"])
    make_platform_key(cast["priya"], "Backup")
    after = _card(visitor(cast["marcus"]), cast["priya"])
    assert "Backup" not in after
    assert "IBM Cloud" not in after
    without_token = re.compile(r'name="csrfmiddlewaretoken" value="[^"]+"')
    assert without_token.sub("", after) == without_token.sub("", before)


def test_card_of_an_administrator_who_is_not_above_has_no_word_of_the_classic_key(cast):
    administrator = grant(cast["noor"], Permission.IDENTITY_ADMINISTRATOR)
    sam = make_platform_key(cast["sam"], "Backup").holder
    with_key = _card(visitor(administrator), sam)
    assert "Backup" in with_key
    assert "lassic" not in with_key
    assert CREATE not in with_key
    assert "lassic" not in _card(visitor(administrator), cast["dmitri"])


def test_card_lists_the_keys_of_this_account_alone(cast):
    elsewhere = Member.objects.get(user=cast["sam"].user, account_id=BOREALIS)
    make_platform_key(elsewhere, "Elsewhere")
    make_platform_key(cast["sam"], "Here")
    for who in ("sam", "olivia"):
        card = _card(visitor(cast[who]), cast["sam"])
        assert "Here" in card
        assert "Elsewhere" not in card


def test_classic_list_asks_no_more_than_before_however_many_ibm_cloud_keys_there_are(cast):
    make_key(cast["noor"])
    counts = []
    for number in (0, 3):
        for _ in range(number):
            make_platform_key(cast["marcus"])
        with CaptureQueriesContext(connection) as captured:
            visitor(cast["marcus"]).get(KEYS)
        assert not [query for query in captured.captured_queries if "platformkey" in query["sql"]]
        counts.append(len(captured))
    assert counts[0] == counts[1]
