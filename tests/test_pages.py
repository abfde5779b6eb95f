"""What pages say and where they put the focus, read as the server sends them: none of it needs a script."""

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.enums import CALLING_STATUSES, MemberStatus, Permission
from accounts.list_request import ListRequest
from accounts.listing import Page
from accounts.memberships import freeze_branch
from accounts.models import Account, Event, Member
from accounts.origin import COMMAND_LINE
from accounts.sessions import SessionStore
from console import demo
from keys import lifecycle
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.trees import chain, grow, make_account, make_key
from tests.visitors import body_of, session_of, visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

KEYS, USERS, HIERARCHY = "/iam/apikeys", "/iam/users", "/iam/users?view=hierarchy"
CREATE = "Create a classic infrastructure key"


def page(answer) -> str:
    """The page of an answer, as it reads: without the escapes."""
    assert answer.status_code in {200, 403, 404}
    return unescape(answer.content.decode())


def focused(body: str) -> list[str]:
    """The opening tags of what has the focus when the page is shown: there should be one at most."""
    return re.findall(r"<[^>]*\sautofocus[\s>][^>]*", body)


def current(body: str) -> list[str]:
    """The entries of the navigation that are marked as the page."""
    return re.findall(r'aria-current="page">([^<]+)</a></li>', body.partition("<main")[0])


def key_of(member: Member) -> ClassicKey:
    return ClassicKey.objects.get(holder=member)


def key_url(member: Member) -> str:
    return f"{KEYS}/classic/{key_of(member).pk}"


def row_of(body: str, member: Member) -> str:
    before, _, after = body.partition(f'href="/iam/users/{member.pk}"')
    return before.rpartition("<tr>")[2] + after.partition("</tr>")[0]


# --- What a print says of itself --------------------------------------------------------------------------------------


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


# --- Mistakes, and where the focus is then ----------------------------------------------------------------------------


def test_login_with_nothing_filled_in_speaks_of_logging_in_and_not_of_saving():
    body = page(visitor().post("/login", {"username": "", "password": ""}))
    assert "Check these entries. You are not logged in." in body
    assert "saved" not in body


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"platform": "here", "classic": "there"}, "id_platform"),
        ({"platform": "", "classic": "there"}, "id_classic"),
        ({"platform": "192.0.2.0/24", "classic": ""}, "id_confirm_lockout"),
    ],
)
def test_refused_restrictions_are_told_on_top_and_focus_the_first_mistake(cast, typed, field):
    body = page(visitor(cast["olivia"]).post(f"{USERS}/{cast['olivia'].pk}/restrictions", typed))
    assert "IP address restrictions not saved" in body.partition('id="details-heading"')[0]
    assert [f'id="{field}"' in tag for tag in focused(body)] == [True]


def test_after_a_change_the_title_has_the_focus(cast):
    typed = {"platform": "10.0.0.0/8", "classic": ""}
    answer = visitor(cast["olivia"]).post(f"{USERS}/{cast['sam'].pk}/restrictions", typed, follow=True)
    assert [tag.startswith("<h1") for tag in focused(page(answer))] == [True]


def test_page_that_is_older_than_a_restriction_does_not_lift_it(cast):
    olivia, priya = visitor(cast["olivia"]), cast["priya"]
    address = f"{USERS}/{priya.pk}/restrictions"
    older = {"initial-platform": "", "initial-classic": ""}
    assert olivia.post(address, older | {"platform": "192.0.2.1", "classic": ""}).status_code == 302
    # Another tab, opened before: what was not touched there stays, what was is asked about.
    assert olivia.post(address, older | {"platform": "", "classic": "192.0.2.2"}).status_code == 302
    assert Member.objects.get(pk=priya.pk).allowed_addresses == "192.0.2.1"
    assert ClassicKey.objects.get(holder=priya).allowed_addresses == "192.0.2.2"
    body = page(olivia.post(address, older | {"platform": "192.0.2.3", "classic": ""}))
    assert "Changed meanwhile, to 192.0.2.1." in body
    assert Member.objects.get(pk=priya.pk).allowed_addresses == "192.0.2.1"
    again = dict(re.findall(r'name="(initial-\w+)" value="([^"]*)"', body))
    assert olivia.post(address, again | {"platform": "192.0.2.3", "classic": "192.0.2.2"}).status_code == 302
    assert Member.objects.get(pk=priya.pk).allowed_addresses == "192.0.2.3"
    assert ClassicKey.objects.get(holder=priya).allowed_addresses == "192.0.2.2"


@pytest.mark.parametrize("typed", ["192.0.2.1", "no address"])
def test_restriction_of_a_key_that_is_gone_is_not_told_as_saved(cast, typed):
    olivia, sam = visitor(cast["olivia"]), cast["sam"]
    ClassicKey.objects.filter(holder=sam).delete()
    address = f"{USERS}/{sam.pk}/restrictions"
    body = page(olivia.post(address, {"platform": "198.51.100.7", "classic": typed}))
    assert "The key was deleted meanwhile" in body
    assert Member.objects.get(pk=sam.pk).allowed_addresses == ""
    assert olivia.post(address, {"platform": "198.51.100.7"}).status_code == 302
    assert Member.objects.get(pk=sam.pk).allowed_addresses == "198.51.100.7"


def test_restriction_outlives_the_key_that_its_holder_deletes(cast):
    olivia, priya = visitor(cast["olivia"]), visitor(cast["priya"])
    holder, key = cast["priya"], ClassicKey.objects.get(holder=cast["priya"])
    address = f"{USERS}/{holder.pk}/restrictions"
    assert olivia.post(address, {"platform": "", "classic": "192.0.2.1"}).status_code == 302
    assert "restricted to the same IP addresses" in page(priya.get(f"{KEYS}/classic/{key.pk}/delete"))
    assert priya.post(f"{KEYS}/classic/{key.pk}/delete").status_code == 302
    kept = re.search(r'<[^>]*name="classic"[^>]*>[^<]*', page(olivia.get(f"{USERS}/{holder.pk}")))[0]
    assert "192.0.2.1" in kept
    assert "disabled" in kept
    assert page(priya.post(f"{USERS}/{holder.pk}/classic_key"))
    assert ClassicKey.objects.get(holder=holder).allowed_addresses == "192.0.2.1"
    assert Event.objects.filter(action="classic_key.created").latest("number").facts == {"restriction": "192.0.2.1"}
    # Lifted by whoever may, it is gone for the next key too.
    assert olivia.post(address, {"platform": "", "classic": ""}).status_code == 302
    assert priya.post(f"{KEYS}/classic/{ClassicKey.objects.get(holder=holder).pk}/delete").status_code == 302
    assert page(priya.post(f"{USERS}/{holder.pk}/classic_key"))
    assert ClassicKey.objects.get(holder=holder).allowed_addresses == ""


def test_restrictions_outlive_the_keys_of_a_revoked_branch(cast):
    keys = ClassicKey.objects.filter(holder__in=[cast["marcus"], cast["priya"]])
    keys.filter(holder=cast["priya"]).update(allowed_addresses="192.0.2.1")
    numbers = list(keys.values_list("pk", flat=True))
    lifecycle.revoke_branch(
        member=cast["marcus"], chosen=numbers, seen=numbers, reason="lost", by=cast["olivia"], origin=COMMAND_LINE
    )
    for name, expected in (("marcus", ""), ("priya", "192.0.2.1")):
        key, _ = lifecycle.create_classic_key(holder=cast[name], by=cast[name], origin=COMMAND_LINE)
        assert ClassicKey.objects.get(pk=key.pk).allowed_addresses == expected


def test_field_of_a_key_restriction_has_the_focus_before_and_after_a_mistake(cast):
    client, url = visitor(cast["olivia"]), f"{key_url(cast['sam'])}/restriction"
    for answer in (client.get(url), client.post(url, {"classic": "there"})):
        assert ['id="id_key_classic"' in tag for tag in focused(page(answer))] == [True]


def test_removal_that_lacks_a_decision_focuses_it(cast):
    client, url = visitor(cast["marcus"]), f"{USERS}/{cast['priya'].pk}/remove"
    assert ["data-dialog-close" in tag for tag in focused(page(client.get(url)))] == [True]
    assert ['id="id_hand_over"' in tag for tag in focused(page(client.post(url)))] == [True]


@pytest.mark.parametrize(
    ("path", "typed", "field"),
    [
        ("/iam/users/invite_users", {"addresses": ","}, "addresses"),
        ("/iam/users/add_vpn_user", {"name": "Oslo", "email": "oslo"}, "email"),
        ("/iam/users/import", {}, "file"),
        ("/iam/users/{priya}/vpn_password", {"password": "short"}, "password"),
        ("/iam/settings/addresses", {"is_on": "true", "addresses": "here"}, "addresses"),
        ("/iam/settings/domains", {"is_on": "true", "domains": "x y"}, "domains"),
        ("/iam/settings/login_session", {"concurrent": "limited"}, "most"),
    ],
)
def test_refused_form_focuses_its_first_mistake(cast, path, typed, field):
    body = page(visitor(cast["olivia"]).post(path.format(priya=cast["priya"].pk), typed))
    assert [f'name="{field}"' in tag for tag in focused(body)] == [True]


def test_day_that_has_not_come_focuses_its_field_and_the_answer_is_gone_to(cast):
    body = page(visitor(cast["olivia"]).get(f"{USERS}/{cast['priya'].pk}?tab=manage&on=9999-01-01"))
    assert ['name="on"' in tag for tag in focused(body)] == [True]
    assert 'action="#day"' in body
    assert "Who stood above on a day" in body.partition('id="day"')[2]


def test_addresses_that_were_not_invited_are_told_in_the_title(cast):
    body = page(visitor(cast["olivia"]).post("/iam/users/invite_users", {"addresses": "new@new.example, nonsense"}))
    assert ">1 user invited, 1 address not<" in body
    assert "notification--warning" in body
    assert [tag.startswith("<h1") for tag in focused(body)] == [True]


def test_status_that_a_user_has_already_is_not_told_as_a_change(cast):
    olivia, priya = visitor(cast["olivia"]), cast["priya"]
    events = Event.objects.count()
    body = page(olivia.post(f"{USERS}/{priya.pk}/status", {"status": priya.status}, follow=True))
    assert "Nothing was changed" in body
    assert "Priya Raman is Active already." in body
    assert "from now on" not in body
    assert Event.objects.count() == events


def test_passkey_offers_nothing_to_press_where_there_is_no_script(cast):
    body = page(visitor(cast["sam"]).post("/user/security/passkeys"))
    add = re.search(r"<button[^>]*>Add</button>", body)[0]
    assert "data-needs-script" in add
    assert 'name="name"' not in re.sub(r"<div data-needs-script>.*?</form>", "", body, flags=re.DOTALL)
    assert "Making a passkey takes JavaScript" in body


def test_switching_says_which_account_it_is_now(cast):
    body = page(visitor(cast["sam"]).post("/account/switch", {"account": 7654321}, follow=True))
    assert "You are now in 7654321 - Borealis Labs" in body.partition("<h1")[2]
    assert [tag.startswith("<h1") for tag in focused(body)] == [True]


@pytest.mark.parametrize(
    ("email", "password", "field"),
    [("", "", "id_username"), ("olivia@acme.example", "", "id_password"), ("olivia@acme.example", "no", "id_password")],
)
def test_refused_login_focuses_what_is_to_be_typed_again(cast, client, email, password, field):
    body = page(client.post("/login", {"username": email, "password": password}))
    assert [f'id="{field}"' in tag for tag in focused(body)] == [True]


# --- The dialogs about a key ------------------------------------------------------------------------------------------


def test_shown_value_stands_among_the_facts_of_the_key(cast):
    client, url = visitor(cast["marcus"]), key_url(cast["marcus"])
    details, shown = page(client.get(url)), page(client.post(f"{url}/show"))
    for fact in ("Owner", "Date created", "Created by", "Last used", "IP address restrictions"):
        assert f"<dt>{fact}</dt>" in details
        assert f"<dt>{fact}</dt>" in shown
    assert f'href="{url}/delete"' in shown
    assert not re.search(r"\b[0-9a-f]{64}\b", details)
    assert re.search(r"\b[0-9a-f]{64}\b", shown)


def age_proof(client) -> None:
    session = SessionStore(session_of(client).session_key)
    session["proved_at"] = (timezone.now() - timedelta(hours=1)).timestamp()
    session.save()


def test_download_after_the_proof_leads_back_to_the_details(cast):
    client, url = visitor(cast["marcus"]), key_url(cast["marcus"])
    age_proof(client)
    asked = page(client.post(f"{url}/download"))
    assert "Confirm that it is you" in asked
    assert "more than five minutes have passed since you logged in or last confirmed it." in asked
    assert '<p class="page-title">API keys</p>' in asked
    body = page(client.post(f"{url}/download", {"password": demo.PASSWORD}, follow=True))
    assert "Download the key now." in body
    assert "<dt>Owner</dt>" in body
    assert [f'action="{url}/download"' in body.partition(tag)[0].rpartition("<form")[2] for tag in focused(body)] == [
        True
    ]
    file = client.post(f"{url}/download")
    assert file["Content-Disposition"] == 'attachment; filename="apikey.json"'


@pytest.mark.parametrize("status", MemberStatus)
def test_details_say_whether_calls_are_refused_for_the_users_status(cast, status):
    Member.objects.filter(pk=cast["priya"].pk).update(status=status)
    body = page(visitor(cast["marcus"]).get(key_url(cast["priya"])))
    assert ("Calls with this key are refused now" in body) is (status not in CALLING_STATUSES)
    assert (f"The status of its user is {status.label}." in body) is (status not in CALLING_STATUSES)


@pytest.mark.parametrize(("frozen", "is_told"), [("priya", True), ("marcus", True), ("sam", False)])
def test_details_say_whether_calls_are_refused_for_a_frozen_branch(cast, frozen, is_told):
    """Her own branch, or one that she is in; Sam's is another."""
    freeze_branch(member=cast[frozen], reason="An audit", by=cast["olivia"], origin=COMMAND_LINE)
    body = page(visitor(cast["olivia"]).get(key_url(cast["priya"])))
    assert ("Calls with this key are refused now" in body) is is_told
    assert (">Its user is in a branch of users that is frozen.<" in body) is is_told
    # Nor can she create another, as long as that lasts.
    question = page(visitor(cast["olivia"]).get(f"{key_url(cast['priya'])}/delete"))
    assert ("may create another." in question) is not is_told


def test_details_say_each_reason_for_which_calls_are_refused(cast):
    freeze_branch(member=cast["sam"], reason="An audit", by=cast["olivia"], origin=COMMAND_LINE)
    body = page(visitor(cast["olivia"]).get(key_url(cast["dmitri"])))
    assert "The status of its user is Suspended. Its user is in a branch of users that is frozen." in body


@pytest.mark.parametrize(
    ("viewer", "holder", "sentence"),
    [
        ("marcus", "marcus", "You may create another."),
        ("marcus", "priya", "<bdi>Priya Raman</bdi> may create another."),
        ("marcus", "berlin", "You may create another for them."),  # VPN-only, below somebody with Manage users
        ("sam", "dmitri", ""),  # suspended
    ],
)
def test_deletion_promises_another_key_only_where_there_can_be_one(cast, viewer, holder, sentence):
    body = page(visitor(cast[viewer]).get(f"{key_url(cast[holder])}/delete"))
    assert re.findall(r"cannot be undone\. ?(.*?)</p>", body) == [sentence]


def test_dialogs_lead_back_to_the_page_that_they_were_opened_from(cast):
    client, own_page = visitor(cast["marcus"]), f"{USERS}/{cast['priya'].pk}"
    way = f"?next=%2Fiam%2Fusers%2F{cast['priya'].pk}"
    url = key_url(cast["priya"])
    assert f'href="{url}{way}"' in page(client.get(own_page))
    details = page(client.get(url + way))
    assert f'href="{own_page}" aria-label="Close"' in details
    assert "Manage Priya Raman" in details
    assert f'href="{url}/restriction{way}"' in details
    assert f'action="{url}/restriction{way}"' in page(client.get(f"{url}/restriction{way}"))
    assert client.post(f"{url}/restriction{way}", {"classic": "10.0.0.0/8"})["Location"] == own_page
    assert client.post(f"{url}/delete{way}")["Location"] == KEYS


def test_dialogs_lead_back_to_the_filtered_list(cast):
    client, url = visitor(cast["marcus"]), key_url(cast["priya"])
    way = "?next=%2Fiam%2Fapikeys%3Fq%3Draman"
    assert f'href="{url}{way}"' in page(client.get(f"{KEYS}?q=raman"))
    assert f'href="{url}"' in page(client.get(KEYS))
    for action, typed in (("restriction", {"classic": ""}), ("delete", {})):
        assert client.post(f"{url}/{action}{way}", typed)["Location"] == f"{KEYS}?q=raman"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/iam/apikeys/../logout",
        "/iam/users/1?tab=access",
        "\\\\x",
        "/iam/users",
    ],
)
def test_dialogs_lead_nowhere_else(cast, elsewhere):
    client, url = visitor(cast["marcus"]), key_url(cast["priya"])
    assert f'href="{KEYS}" aria-label="Close"' in page(client.get(url, {"next": elsewhere}))
    answer = client.post(f"{url}/restriction", {"classic": "10.0.0.0/8"}, query_params={"next": elsewhere})
    assert answer["Location"] == KEYS


# --- Lists ------------------------------------------------------------------------------------------------------------


def test_key_list_without_a_key_has_its_button_in_the_lists_place(cast):
    body = page(visitor(cast["noor"]).get(KEYS))
    assert CREATE in body.partition('class="empty"')[2]
    assert body.count(CREATE) == 1
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


def test_numbers_of_the_footer_are_grouped():
    numbers = {"first_number": 1001, "pinned": 0, "total": 9999, "total_is_bound": False, "per_page": 100}
    footer = ListRequest(KEYS, {}).footer(Page(rows=[None] * 100, next=None, previous=None, **numbers))
    said = [footer[name] for name in ("first_number", "last_number", "total_text")]
    assert said == ["1,001", "1,100", "of 9,999 items"]


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


# --- The shell --------------------------------------------------------------------------------------------------------


def test_navigation_marks_the_page_behind_a_dialog_and_none_that_is_not_there(cast):
    noor, marcus = visitor(cast["noor"]), visitor(cast["marcus"])
    assert current(page(noor.post(f"{USERS}/{cast['noor'].pk}/classic_key"))) == ["API keys"]
    assert current(page(marcus.get(f"{USERS}/{cast['priya'].pk}/remove"))) == ["Users"]
    assert current(page(marcus.get(f"{key_url(cast['priya'])}/restriction"))) == ["API keys"]
    assert current(page(marcus.get(f"{key_url(cast['priya'])}/delete?next=/iam/inactive%3Ftab=keys"))) == [
        "Inactive identities"
    ]
    assert current(page(marcus.get(f"{USERS}/999999"))) == []


def test_suspended_user_has_no_navigation_and_hears_of_other_accounts_only_if_there_are_any(cast):
    Member.objects.filter(pk=cast["sam"].pk).update(status="suspended")
    for name, has_another in (("dmitri", False), ("sam", True)):
        body = page(visitor(cast[name]).get(KEYS))
        assert 'id="side-nav"' not in body
        assert 'aria-label="Menu"' not in body
        assert ("Other accounts that you belong to" in body) is has_another


def test_who_can_manage_reads_as_sentences(cast):
    body = page(visitor(cast["marcus"]).get(f"{USERS}/{cast['priya'].pk}?tab=manage"))
    said = re.findall(r'data-label="May">(.*?)</td>', body)
    about_key, about_user = re.findall(r"<p>(.*?)</p>", said[0])
    assert about_key.startswith("View this key, see the value of this key, ")
    assert about_user.startswith("See this user, ")
    assert "Their own account" in body


def test_who_can_manage_names_administrators_as_far_as_the_reader_sees_them(cast):
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    url, client = f"{USERS}/{cast['priya'].pk}?tab=manage", visitor(cast["priya"])
    body = page(client.get(url))
    row = body.partition('data-label="Because of">IAM identity: Administrator<')[2]
    rights = re.search(r'data-label="May">(.*?)</td>', row)
    assert re.findall(r"<p>(.*?)</p>", rights[1]) == [
        "See this user, change the account's settings, see which users and keys are not used"
    ]
    Account.objects.filter(pk=ACME).update(restrict_user_list=True)
    body = page(client.get(url))
    assert "Sam Okafor" not in body
    assert "end this user's login sessions" in body  # of those above, named all the same


def test_print_says_of_which_account_and_when(cast):
    body = page(visitor(cast["marcus"]).get(KEYS))
    assert re.search(r'class="printed">1234567 - Acme Robotics, as of \d\d-\d\d-\d{4} \d\d:\d\d GMT<', body)


def test_header_searches_for_no_more_than_the_list_does(cast):
    """A longer text could not be searched for, and one of thousands of letters would not even be read."""
    fields = re.findall(r'<input[^>]*type="search"[^>]*>', page(visitor(cast["marcus"]).get(USERS)))
    assert len(fields) == 2
    assert all('maxlength="200"' in field for field in fields)
