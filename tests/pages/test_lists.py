"""What lists, their filters, their files and their prints say."""

import csv
import html
import io
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import queries
from accounts.list_request import ListRequest
from accounts.listing import Page
from accounts.models import Account, Event, Member
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.pages.reading import CREATE, HIERARCHY, KEYS, USERS, page, row_of
from tests.trees import chain, grow, make_account, make_key, make_platform_key
from tests.visitors import body_of, visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/iam/apikeys", "Classic infrastructure API keys."),
        (
            "/iam/apikeys?q=acme&used=never&restriction=some&branch={marcus}",
            "Classic infrastructure API keys, filtered: branch “Marcus Lindqvist”, last used “Never used”,"
            " restriction “Restricted”, search “acme”.",
        ),
        ("/iam/apikeys?used=nonsense", "Classic infrastructure API keys."),
        ("/iam/users?status=suspended&q=<b>x", "Account users, filtered: status “Suspended”, search “<b>x”."),
        ("/iam/users?view=hierarchy&q=a", "User hierarchy, filtered: search “a”."),
        ("/iam/activity", "Activity."),
        ("/iam/activity?outcome=refused", "Activity, filtered: outcome “Refused”."),
        (
            "/iam/activity?user={priya}&outcome=success&from=2026-11-24&to=2026-11-24&q=a",
            "Activity, filtered: user “Priya Raman”, outcome “Success”, from “24-11-2026”, to “24-11-2026”,"
            " search “a”.",
        ),
        (
            "/iam/activity?action=member.user_managed_login_changed",
            "Activity, filtered: event “User-managed login changed”.",
        ),
    ],
)
def test_print_of_a_list_says_by_what_it_is_filtered(cast, path, said):
    numbers = {name: member.pk for name, member in cast.items()}
    body = page(visitor(cast["olivia"]).get(path.format(**numbers)))
    listed, of_account = re.findall('<p class="printed">(.*)</p>', body)
    assert listed == said
    assert of_account.startswith("1234567 - Acme Robotics, as of ")


def test_key_list_without_a_key_has_its_button_in_the_lists_place(cast):
    body = page(visitor(cast["noor"]).get(KEYS))
    assert CREATE in body.partition('class="empty"')[2]
    assert body.count(CREATE) == 1
    assert '<a href="/help">How to use a key</a>' in body.partition("<main")[2]
    assert 'role="search"' not in body.partition("<main")[2]  # there is nothing to look for
    assert 'role="search"' in page(visitor(cast["noor"]).get(f"{KEYS}?q=x")).partition("<main")[2]
    ClassicKey.objects.filter(holder=cast["marcus"]).delete()
    listed = page(visitor(cast["marcus"]).get(KEYS))
    assert CREATE in listed.partition("<table")[0]
    assert listed.count(CREATE) == 1


def test_keys_are_filtered_by_what_the_field_names(cast):
    client = visitor(cast["marcus"])
    assert "Filter by user or parent" in page(client.get(KEYS))
    assert "Noor" not in page(client.get(f"{KEYS}?q=olivia"))
    assert "No keys match" in page(client.get(f"{KEYS}?q=details"))  # a word of every description
    assert "Priya Raman" in page(client.get(f"{KEYS}?q=lindqvist"))  # her parent


def test_search_that_finds_nothing_leads_to_the_lists_that_may_have_it(cast):
    """The search in the header is about users, and the API keys page opens on the classic view."""
    users, classic, my, all_keys = (
        f"{USERS}?q=load+%26+test", *(f"{KEYS}?view={view}&q=load+%26+test" for view in ("classic", "my", "all")),
    )  # fmt: skip
    for name, asked, offered in (
        ("olivia", users, [all_keys, classic]),
        ("olivia", f"{HIERARCHY}&q=load+%26+test", [all_keys, classic]),
        ("olivia", classic, [users, all_keys]),
        ("olivia", all_keys, [users, classic]),
        ("olivia", my, [users, all_keys, classic]),
        ("marcus", users, [my, classic]),
        ("marcus", f"{USERS}?status=invalid", []),
        ("marcus", f"{USERS}?q=priya", []),
    ):
        offers = page(visitor(cast[name]).get(asked)).partition("Look for the same in")[2]
        assert re.findall(r'<a data-focus="list q" href="([^"]*)">', offers) == offered
    make_platform_key(cast["priya"], "Load & test")
    assert "Load & test" in page(visitor(cast["olivia"]).get(all_keys))


def test_list_and_file_say_who_created_a_key_that_its_holder_did_not():
    """The user was VPN-only when the key was created, and signs in since."""
    owner, manager, user, other = grow([0, 1, 1])
    make_key(user, creator=manager)
    make_key(other)

    def told(viewer: Member) -> tuple[str, dict[str, str]]:
        """The page of the list, and the key's line of the file."""
        client = visitor(viewer)
        rows = csv.DictReader(io.StringIO(body_of(client.get(f"{KEYS}/classic.csv")).decode()))
        return page(client.get(KEYS)), next(row for row in rows if row["User"] == user.name)

    for viewer, said in (
        (user, "Created for you by another user. You cannot see its value."),
        (manager, f"Child of {manager.name}. Created by you"),
        (owner, f"Child of {manager.name}. Created by another user"),
    ):
        body, line = told(viewer)
        assert f">{said}</td>" in body
        assert (line["Description"], line["Created by"]) == (said, manager.name)
        assert "to see its value" not in body
    ClassicKey.objects.filter(holder=user).update(creator=None)  # as when the creator was removed
    for viewer, said in (
        (user, "Created for you by a user who has left. You cannot see its value."),
        (manager, f"Child of {manager.name}. Created by a user who has left"),
    ):
        body, line = told(viewer)
        assert f">{said}</td>" in body
        assert (line["Description"], line["Created by"]) == (said, "A user who has left")


def test_list_and_file_of_keys_that_their_holders_created_say_no_more_of_it(cast):
    client = visitor(cast["priya"])
    assert "One classic infrastructure key per user. Open View details to see its value." in page(client.get(KEYS))
    (line,) = csv.DictReader(io.StringIO(body_of(client.get(f"{KEYS}/classic.csv")).decode()))
    assert (line["User"], line["Created by"]) == ("Priya Raman", "Priya Raman")
    assert ">Child of Marcus Lindqvist</td>" in row_of(page(visitor(cast["marcus"]).get(KEYS)), cast["priya"])


@pytest.mark.parametrize("path", [KEYS, f"{KEYS}/classic.csv"])
def test_list_and_file_ask_no_more_often_where_others_created_the_keys(path):
    queries = []
    for count in (1, 3):
        _, manager, *users = grow([0, *[1] * count])
        for user in users:
            make_key(user, creator=manager)
        for viewer in (manager, users[0]):
            client = visitor(viewer)
            with CaptureQueriesContext(connection) as captured:
                body_of(client.get(path))
            queries.append(len(captured))
    assert queries[:2] == queries[2:]


@pytest.mark.parametrize("path", [f"{KEYS}?q=raman", f"{USERS}?q=raman", f"{USERS}?status=active", "/iam/activity?q=a"])
def test_filtered_list_has_the_link_that_clears_the_filters(cast, path):
    client, unfiltered = visitor(cast["marcus"]), path.partition("?")[0]
    assert f'href="{unfiltered}">Clear filters</a>' in page(client.get(path))
    assert "Clear filters" not in page(client.get(unfiltered))


def test_another_view_keeps_the_filters(cast):
    body = page(visitor(cast["marcus"]).get(f"{USERS}?q=a&status=active&per_page=10&at=x"))
    form = body.partition('class="view-select"')[2].partition("</form>")[0]
    carried = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    assert carried == {"q": "a", "status": "active", "per_page": "10"}


def test_folding_leads_back_to_the_control(cast):
    body = page(visitor(cast["olivia"]).get(HIERARCHY))
    fold = f"fold-{cast['marcus'].pk}"
    assert f'id="{fold}" href="{HIERARCHY}&folded={cast["marcus"].pk}#{fold}"' in row_of(body, cast["marcus"])
    assert 'class="fold"' not in row_of(body, cast["noor"])


def test_level_is_visible_where_the_indent_ends():
    members = chain(make_account(), 11)
    body = page(visitor(members[0]).get(HIERARCHY))
    tags = [re.findall(r'class="tag">(Level \d+)<', row_of(body, member)) for member in members]
    assert tags == [[]] * 9 + [["Level 10"], ["Level 11"]]


def test_filtered_hierarchy_says_whom_each_is_below(cast):
    client = visitor(cast["marcus"])
    filtered = page(client.get(f"{HIERARCHY}&q=a"))
    assert "below <bdi>Priya Raman</bdi>" in row_of(filtered, cast["noor"])
    assert "below <bdi>" not in row_of(filtered, cast["marcus"])  # nobody above the viewer is told
    assert "below <bdi>" not in page(client.get(HIERARCHY))


def test_filtered_hierarchy_indents_nobody_under_rows_that_are_not_there(cast):
    client = visitor(cast["marcus"])
    for path, indent in ((HIERARCHY, "3"), (f"{HIERARCHY}&q=noor", "1")):
        row = row_of(page(client.get(path)), cast["noor"])
        assert f'data-level="{indent}"' in row
        assert '<span class="visually-hidden">Level 3:</span>' in row


def test_numbers_of_the_footer_are_grouped():
    numbers = {"first_number": 1001, "pinned": 0, "total": 9999, "total_is_bound": False, "per_page": 100}
    footer = ListRequest(KEYS, {}).footer(Page(rows=[None] * 100, next=None, previous=None, **numbers))
    said = [footer[name] for name in ("first_number", "last_number", "total_text")]
    assert said == ["1,001", "1,100", "of 9,999 items"]


@pytest.mark.parametrize(
    ("total", "is_bound", "said"), [(0, False, "of 1"), (100, False, "of 1"), (101, False, "of 2"), (101, True, "")]
)
def test_footer_says_how_many_pages_there_are_where_that_is_known(total, is_bound, said):
    numbers = {"first_number": 1, "pinned": 0, "total": total, "total_is_bound": is_bound, "per_page": 100}
    page = Page(rows=[], next=None, previous=None, **numbers)
    assert ListRequest(KEYS, {}).footer(page)["pages_text"] == said


def test_many_users_below_are_a_short_number_and_read_out_in_words(cast, monkeypatch):
    monkeypatch.setattr(queries, "COUNTED_BELOW", 1)
    body = page(visitor(cast["olivia"]).get(HIERARCHY))
    told = re.findall('data-label="Users below" class="number">(.*?)</td>', body)
    assert told[0] == '<span aria-hidden="true">1+</span><span class="visually-hidden">more than 1</span>'
    assert told[-1] == "0"


def test_card_of_a_users_key_says_when_it_was_used_last(cast):
    client, url = visitor(cast["marcus"]), f"{USERS}/{cast['priya'].pk}"
    last_used = re.compile('data-label="Last used" class="nowrap">(?:<time datetime="[^"]*" title="([^"]*)">)?([^<]*)<')
    assert last_used.findall(page(client.get(url))) == [("", "Never")]
    at = timezone.now() - timedelta(days=3)
    ClassicKey.objects.filter(holder=cast["priya"]).update(last_used_at=at)
    assert last_used.findall(page(client.get(url))) == [(f"{at:%d-%m-%Y %H:%M} GMT", "3 days ago")]


# --- Activity ---------------------------------------------------------------------------------------------------------


def test_activity_says_changes_in_words_and_links_who_is_still_there(cast):
    client = visitor(cast["marcus"])
    client.post(f"{USERS}/{cast['noor'].pk}/status", {"status": "suspended"})
    body = page(client.get("/iam/activity"))
    newest = body.partition("<tbody>")[2].partition("</tr>")[0]
    assert "from Active to Suspended" in newest
    assert re.search(r">\d\d:\d\d:\d\d GMT<", newest)
    for name in ("marcus", "noor"):
        assert f'href="/iam/users/{cast[name].pk}"' in newest
    client.post(f"{USERS}/{cast['noor'].pk}/remove")
    assert Event.objects.filter(action="member.removed").exists()
    body = page(client.get("/iam/activity"))
    assert "<bdi>Noor Haddad</bdi>" in body
    assert f'href="/iam/users/{cast["noor"].pk}"' not in body


@pytest.mark.parametrize("path", ["/iam/activity", "/user/notifications"])
def test_activity_names_whom_the_account_hides_without_a_link(cast, path):
    visitor(cast["marcus"]).post(f"{USERS}/{cast['priya'].pk}/login", {"is_on": "true"})
    client, link = visitor(cast["priya"]), f'href="/iam/users/{cast["marcus"].pk}"'
    assert link in page(client.get(path))
    Account.objects.filter(pk=ACME).update(restrict_user_list=True)
    body = page(client.get(path))
    assert "<bdi>Marcus Lindqvist</bdi>" in body
    assert link not in body


def test_activity_names_somebody_by_name_and_email_or_by_the_email_alone(cast):
    marcus, invited = cast["marcus"], "tove@new.example"
    client = visitor(marcus)
    client.post(f"{USERS}/invite_users", {"addresses": invited})
    event = Event.objects.get(action="invitation.created")
    assert event.subject_label == f"{invited} <{invited}>"
    listed = page(client.get("/iam/activity?action=invitation.created"))
    newest = row_of(listed, Member.objects.get(user__email=invited))
    assert f'<bdi>Marcus Lindqvist</bdi></a><br><span class="helper">{marcus.user.email}</span>' in newest
    assert newest.count(invited) == 1


def test_footer_of_a_folded_hierarchy_counts_what_is_listed(cast):
    """Whoever is below somebody folded is not there to be turned to."""
    client, marcus = visitor(cast["olivia"]), cast["marcus"]
    whole, folded = (page(client.get(f"{HIERARCHY}{more}")) for more in ("", f"&folded={marcus.pk}"))
    for body in (whole, folded):
        rows = len(re.findall(r"<tr>", body.partition("<tbody>")[2].partition("</tbody>")[0]))
        assert f"1–{rows} of {rows} items" in body
    assert whole != folded


def test_last_page_whose_last_row_has_gone_is_the_page_before():
    """Not a page of nothing: as when its only key is deleted, or its only user removed."""
    owner, *users = grow([0] * 20)
    for holder in (owner, *users):
        make_key(holder)
    client = visitor(owner)
    for path, gone in ((f"{KEYS}?per_page=10", "the key"), (f"{USERS}?per_page=10", "the user")):
        url = path
        for _ in range(2):
            url = re.search(r'href="([^"]+)" rel="next"', page(client.get(url)))[1]
        last = page(client.get(url))
        assert "21–21 of 21 items" in last
        (member,) = (user for user in users if f'href="/iam/users/{user.pk}"' in last)
        ClassicKey.objects.filter(holder=member).delete()
        if gone == "the user":
            member.delete()
        body = page(client.get(url))
        assert "11–20 of 20 items" in body, gone
        assert ">Page 2<" in body
        assert ">of 2<" in body
        assert ("self</span>" in body) <= (gone == "the user")  # one's own key stands on the first page alone
        assert 'rel="next"' not in body
        assert 'rel="prev"' in body


# --- A hierarchy of more rows than a page -----------------------------------------------------------------------------

#: Below the owner two branches, of which the first has a branch of its own; 12 members.
_PARENTS = [0, 0, 1, 1, 3, 3, 5, 2, 2, 0, 8]


def _shown(body: str) -> list[str]:
    return re.findall(r"<bdi>(.*?)</bdi>", body.partition("<tbody>")[2].partition("</tbody>")[0])


def _fold_of(body: str, member: Member) -> str:
    """Where the control that folds or opens the member leads, empty where there is none."""
    found = re.search(f'id="fold-{member.pk}" href="([^"]+)"', body)
    return html.unescape(found[1]) if found else ""


def test_large_hierarchy_is_folded_below_its_first_level_and_opened_level_by_level():
    members = grow(_PARENTS)
    names, client = [member.name for member in members], visitor(members[0])
    small = page(client.get(f"{HIERARCHY}&per_page=25"))
    assert len(_shown(small)) == 12
    body = page(client.get(f"{HIERARCHY}&per_page=10"))
    assert _shown(body) == [names[n] for n in (0, 1, 2, 10)]
    assert "1–4 of 4 items" in body
    assert _fold_of(body, members[0]) == ""  # its own branch is what the page is about
    assert 'aria-label="Show users below' in body
    opened = page(client.get(_fold_of(body, members[1])))
    assert _shown(opened) == [names[n] for n in (0, 1, 3, 4, 2, 10)]
    deeper = page(client.get(_fold_of(opened, members[3])))
    assert _shown(deeper) == [names[n] for n in (0, 1, 3, 5, 6, 4, 2, 10)]
    # Closing somebody closes all below, which is open again as it was when they are opened.
    closed = page(client.get(_fold_of(deeper, members[1])))
    assert _shown(closed) == _shown(body)
    assert _shown(page(client.get(_fold_of(closed, members[1])))) == _shown(deeper)


def test_all_of_a_hierarchy_is_unfolded_and_folded():
    members = grow(_PARENTS)
    client = visitor(members[0])
    body = page(client.get(f"{HIERARCHY}&per_page=10"))
    (unfold,) = re.findall(r'href="([^"]+)" data-focus="fold-all">Unfold all<', body)
    unfolded = page(client.get(html.unescape(unfold)))
    assert len(_shown(unfolded)) == 10
    assert "of 12 items" in unfolded
    folded = page(client.get(_fold_of(unfolded, members[1])))
    assert _shown(folded) == [members[n].name for n in (0, 1, 2, 8, 11, 9, 10)]
    assert "of 12 items" in page(client.get(_fold_of(folded, members[1])))
    (fold,) = re.findall(r'href="([^"]+)" data-focus="fold-all">Fold all<', unfolded)
    assert _shown(page(client.get(html.unescape(fold)))) == _shown(body)
    leaf = page(visitor(members[11]).get(HIERARCHY))
    assert "old all<" not in leaf


def test_search_looks_into_what_is_folded_by_itself_and_the_file_has_it():
    members = grow(_PARENTS)
    client = visitor(members[0])
    found = page(client.get(f"{HIERARCHY}&per_page=10&open={members[2].pk}&q={members[7].user.email}"))
    assert _shown(found)[0] == members[7].name
    assert f'name="open" value="{members[2].pk}"' in found  # and is as it was when the search is over
    for query in ("", f"&open={members[2].pk}"):
        lines = body_of(client.get(f"/iam/users.csv?view=hierarchy&per_page=10{query}")).splitlines()
        assert len(lines) == 13


def test_hierarchy_opens_nobody_who_is_not_in_it():
    members, others = grow(_PARENTS), grow(_PARENTS)
    body = page(visitor(members[1]).get(f"{HIERARCHY}&open={members[2].pk}.{members[0].pk}.{others[1].pk}.x.-1"))
    assert _shown(body) == [members[n].name for n in (1, 3, 4)]
    assert _fold_of(body, members[3]).startswith(f"{HIERARCHY}&open={members[3].pk}#")


def test_users_are_found_by_a_name_that_was_copied_in_decomposed_letters(cast):
    Member.objects.filter(pk=cast["priya"].pk).update(search_text="zoë zoe@acme.example")
    assert "priya@acme.example" in page(visitor(cast["olivia"]).get(USERS, {"q": "Zoe\u0308"}))


@pytest.mark.parametrize("query", ["q=acme&sort=-user", "view=hierarchy&status=active&per_page=10"])
def test_dialogs_about_users_lead_back_to_the_list_as_it_was(cast, query):
    client, here = visitor(cast["marcus"]), f"{USERS}?{query}"
    way = "?" + urlencode({"next": here})
    lena, priya = (f"{USERS}/{cast[name].pk}" for name in ("lena", "priya"))
    listed = page(client.get(f"{USERS}?q=acme.example&per_page=25"))
    for url in (f"{priya}/remove", f"{priya}/freeze", f"{lena}/resend_invite", f"{lena}/cancel_invite"):
        assert f'href="{url}?next=%2Fiam%2Fusers%3Fq%3Dacme.example%26per_page%3D25" data-dialog' in listed
        assert f'href="{url}" data-dialog' in page(client.get(USERS))  # nothing to come back to
        dialog = page(client.get(url + way))
        assert f'href="{here}" aria-label="Close"' in dialog
        assert f'action="{url}{way}"' in dialog  # kept by what is sent, mistakes and a proof of identity included
        assert '<p class="page-title">Users</p>' in dialog
    client.post(f"{priya}/freeze", {"reason": "A test"})
    assert f'action="{priya}/thaw{way}"' in page(client.get(f"{priya}/thaw{way}"))
    client.post(f"{priya}/thaw")
    for url in (f"{lena}/resend_invite", f"{lena}/cancel_invite"):
        assert client.post(url + way)["Location"] == here
    assert client.post(f"{priya}/remove{way}", {"hand_over": "on"})["Location"] == here


@pytest.mark.parametrize("elsewhere", ["//evil.example", f"{USERS}/import", "/iam/usersx", KEYS, "\\\\x"])
def test_dialogs_about_users_lead_nowhere_else(cast, elsewhere):
    client, url, way = visitor(cast["marcus"]), f"{USERS}/{cast['lena'].pk}", "?" + urlencode({"next": elsewhere})
    assert f'href="{url}" aria-label="Close"' in page(client.get(f"{url}/cancel_invite{way}"))
    assert client.post(f"{url}/cancel_invite{way}")["Location"] == USERS


def test_long_address_makes_no_long_page(cast):
    """Each row's menu leads back to the list that it stands in."""
    client = visitor(cast["olivia"])
    plain = len(body_of(client.get(KEYS)))
    users = len(body_of(client.get(USERS)))
    for query in ({"q": "\u4e00" * 900}, {"anything": "x" * 7_000}, {"sort": "x" * 7_000}):
        assert len(body_of(client.get(KEYS, query))) < 2 * plain + 20_000, query
        assert len(body_of(client.get(USERS, query))) < 2 * users + 20_000, query


def test_activity_says_what_was_given_and_what_was_taken_away(cast):
    """Two lists of permissions beside each other leave it to the reader to find the difference."""
    olivia = visitor(cast["olivia"])
    for sent in ({"manage_users": "on", "user_editor": "on"}, {"manage_users": "on"}):
        olivia.post(f"/iam/users/{cast['priya'].pk}/permissions", sent)
    body = page(olivia.get("/iam/activity?action=member.permissions_changed"))
    said = re.findall(r'<span class="helper break">([^<]+)</span>', body)
    assert said == [
        "taken away: User management: Editor",
        "given: Manage users (classic infrastructure), User management: Editor",
    ]
