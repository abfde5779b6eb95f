"""What is around every page, and who is said to manage a user."""

import re
import shlex
from configparser import RawConfigParser

import pytest

from accounts import audit, events, memberships
from accounts.enums import Permission
from accounts.models import Account, Member
from accounts.origin import Origin
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.pages.reading import KEYS, USERS, current, key_url, page
from tests.trees import make_key, make_member, make_platform_key
from tests.visitors import visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def test_navigation_marks_the_page_behind_a_dialog_and_none_that_is_not_there(cast):
    noor, marcus = visitor(cast["noor"]), visitor(cast["marcus"])
    assert current(page(noor.post(f"{USERS}/{cast['noor'].pk}/classic_key"))) == ["API keys"]
    assert current(page(marcus.get(f"{USERS}/{cast['priya'].pk}/remove"))) == ["Users"]
    assert current(page(marcus.get(f"{key_url(cast['priya'])}/restriction"))) == ["API keys"]
    assert current(page(marcus.get(f"{key_url(cast['priya'])}/delete?next=/iam/inactive%3Ftab=keys"))) == [
        "Inactive identities"
    ]
    assert current(page(marcus.get(f"{USERS}/999999"))) == []


def test_who_is_above_without_managing_users_is_promised_no_restricting(cast):
    """Being above somebody shows a key and deletes it; to restrict it takes the permission too (keys/policy.py)."""
    priya = visitor(cast["priya"])
    assert "and delete it. Those of them who manage users can also restrict its addresses." in page(priya.get("/help"))
    ClassicKey.objects.filter(holder__in=[cast["priya"], cast["noor"]]).delete()
    listed = page(priya.get(KEYS))
    assert "Their keys appear here as soon as they create them, for you to look after." in listed
    make_key(cast["noor"])
    assert "/restriction" not in page(priya.get(key_url(cast["noor"])))


def test_ones_own_page_speaks_to_oneself(cast):
    marcus, own, other = visitor(cast["marcus"]), cast["marcus"].pk, cast["priya"].pk
    own_page, other_page = (page(marcus.get(f"{USERS}/{pk}")) for pk in (own, other))
    for to_oneself, of_another in (
        ("is on, you set your own IP address restrictions.", "is on, the user sets their own IP address restrictions."),
        (
            ">Your classic infrastructure key and those of all users below.<",
            ">The classic infrastructure keys of <bdi>Priya Raman</bdi> and of all users below.<",
        ),
    ):
        assert (to_oneself in own_page, to_oneself in other_page) == (True, False)
        assert (of_another in own_page, of_another in other_page) == (False, True)


def test_suspended_user_has_no_navigation_and_hears_of_other_accounts_only_if_there_are_any(cast):
    Member.objects.filter(pk=cast["sam"].pk).update(status="suspended")
    for name, has_another in (("dmitri", False), ("sam", True)):
        body = page(visitor(cast[name]).get(KEYS))
        assert 'id="side-nav"' not in body
        assert 'aria-label="Menu"' not in body
        assert ("Your other accounts are not affected" in body) is has_another


def test_who_can_manage_says_at_once_what_about_the_key_and_folds_the_rest(cast):
    body = page(visitor(cast["marcus"]).get(f"{USERS}/{cast['priya'].pk}?tab=manage"))
    cells = (re.search(f'data-label="Rights over the {what}">(.*?)</td>', body) for what in ("key", "user"))
    over_key, over_user = (cell[1] for cell in cells)
    assert over_key.startswith("View this key, see the value of this key, ")
    rights = re.findall("<li>(.*?)</li>", over_user)
    assert rights[0] == "See this user"
    assert f'<summary>{len(rights)} rights<span class="visually-hidden"> of Priya Raman</span></summary>' in over_user
    assert "Being this user" in body
    # The tree gives no rights over IBM Cloud API keys.
    assert "<i>Rights over the key</i> are about the classic infrastructure API key" in body
    assert "The users above can see that a classic infrastructure API key exists, and can delete it." in body


def test_who_can_manage_names_administrators_as_far_as_the_reader_sees_them(cast):
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    url, client = f"{USERS}/{cast['priya'].pk}?tab=manage", visitor(cast["priya"])
    body = page(client.get(url))
    row = body.partition('data-label="Reason">IAM identity: Administrator<')[2]
    assert re.search(r'data-label="Rights over the key">(.*?)</td>', row)[1] == "None at present"
    assert re.findall("<li>(.*?)</li>", row.partition("</tr>")[0]) == [
        "See this user", "Change the account's settings", "See which users and keys are not used",
        "See and manage this user's IBM Cloud API keys",
    ]  # fmt: skip
    Account.objects.filter(pk=ACME).update(restrict_user_list=True)
    body = page(client.get(url))
    assert "Sam Okafor" not in body
    assert "End this user's login sessions" in body  # of those above, named all the same


def test_print_says_of_which_account_and_when(cast):
    body = page(visitor(cast["marcus"]).get(KEYS))
    assert re.search(r'class="printed">1234567 - Acme Robotics, as of \d\d-\d\d-\d{4} \d\d:\d\d GMT<', body)


def test_header_searches_for_no_more_than_the_list_does(cast):
    """A longer text could not be searched for, and one of thousands of letters would not even be read."""
    fields = re.findall(r'<input[^>]*type="search"[^>]*>', page(visitor(cast["marcus"]).get(USERS)))
    assert len(fields) == 2
    assert all('maxlength="200"' in field for field in fields)


def test_help_is_in_the_bar_and_tells_how_programs_call_as_the_viewer(cast):
    noor = cast["noor"]
    Member.objects.filter(pk=noor.pk).update(api_username="1234567_noor.o'haddad@acme.example")
    client = visitor(noor)
    bar = page(client.get(KEYS)).partition("</header>")[0]
    assert re.search(r'<a class="header__action header__help" href="/help" aria-label="Help">', bar)
    assert re.search(r'<a class="menu__entry menu__entry--small" href="/help">Help</a>', bar)
    body = page(client.get("/help"))
    examples = re.findall(r'<pre class="example" dir="ltr"><code>(.*?)</code>', body, re.DOTALL)
    command, settings_file, _, _ = examples
    assert shlex.split(command)[:3] == ["curl", "--user", "1234567_noor.o'haddad@acme.example"]
    client_settings = RawConfigParser()
    client_settings.read_string(settings_file)
    assert dict(client_settings["softlayer"]) == {
        "username": "1234567_noor.o'haddad@acme.example",
        "api_key": "",
        "endpoint_url": "http://testserver/rest/v3.1/",
    }
    copied = re.search(r'<button[^>]* data-copy="([^"]*)" aria-label="Put API username on the clipboard">', body)[1]
    assert copied == "1234567_noor.o'haddad@acme.example"
    addresses = re.findall(r'<a href="([^"]+)"', body.partition("<main")[2])
    assert f"{USERS}/{noor.pk}?tab=manage" in addresses
    assert [client.get(address).status_code for address in addresses] == [200] * len(addresses)


def test_help_tells_how_programs_call_with_an_ibm_cloud_api_key(cast):
    body = page(visitor(cast["noor"]).get("/help"))
    assert "up to 20, each with a name" in body
    assert 'data-copy="apikey" aria-label="Put API username of IBM Cloud API keys on the clipboard"' in body
    assert "With an IBM Cloud API key, <code>username</code> is <code>apikey</code>." in body
    assert "or of an IBM Cloud API key, whose user name is <code>apikey</code>;" in body  # why a value is refused
    _, _, program, report = re.findall(r'<pre class="example" dir="ltr"><code>(.*?)</code>', body, re.DOTALL)
    compile(program, "help", "exec")
    assert re.findall('"(.*?)"', program) == ["http://testserver", "http://testserver"]
    assert shlex.split(report) == ["curl", "--data-binary", "@found.txt", "http://testserver/leaked"]


def test_help_tells_of_disabling_keys_to_whoever_sees_those_of_all(cast):
    Member.objects.filter(pk=cast["priya"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    told = {
        name: "Disable an IBM Cloud API key" in page(visitor(cast[name]).get("/help"))
        for name in ("olivia", "marcus", "priya", "noor")
    }
    assert told == {"olivia": True, "marcus": False, "priya": True, "noor": False}


def test_help_tells_whoever_has_or_brings_users_below_what_there_is_to_do(cast):
    """Marcus has users below and may invite, Priya has some, Noor may invite, and a new user has nobody."""
    Member.objects.filter(pk=cast["noor"].pk).update(permissions=Permission.MANAGE_USERS)
    cast["new"] = make_member(cast["sam"].account, cast["sam"])
    told = {
        name: "Looking after users" in page(visitor(cast[name]).get("/help"))
        for name in ("marcus", "priya", "noor", "new")
    }
    assert told == {"marcus": True, "priya": True, "noor": True, "new": False}


def test_whoever_may_not_work_in_the_console_yet_is_offered_no_help_page(cast):
    Member.objects.filter(pk=cast["noor"].pk).update(status="suspended")
    answer = visitor(cast["noor"]).get("/help")
    assert answer.status_code == 403
    assert "/help" not in page(answer).partition("</header>")[0]


def test_who_cannot_have_a_key_is_told_why_and_whom_to_ask(cast):
    Member.objects.filter(pk=cast["noor"].pk).update(status="disabled_classic")
    body = visitor(cast["noor"]).get("/iam/apikeys").content.decode()
    assert "Classic infrastructure is disabled for you in this account" in body
    assert "Create a classic infrastructure key" not in body


def test_network_address_breaks_after_its_colons(cast):
    audit.record(events.RESTRICTION_CHANGED, actor=cast["marcus"], subject=cast["priya"], origin=Origin("2001:db8::1"))
    body = visitor(cast["priya"]).get("/user/notifications").content.decode()
    assert ">2001:<wbr>db8:<wbr>:<wbr>1</td>" in body


def test_keys_that_are_refused_whatever_they_say_are_marked_so_in_lists(cast):
    """Else a suspended user's key would look like any other."""
    about = {"by": cast["olivia"], "origin": Origin("17.5.7.8")}
    memberships.freeze_branch(member=cast["priya"], reason="Looked into", **about)
    memberships.change_status(member=cast["marcus"], status="disabled_classic", **about)
    for address in (KEYS, f"/iam/users/{cast['olivia'].pk}/revoke_keys"):
        body = page(visitor(cast["olivia"]).get(address))
        rows = {re.search("<bdi>([^<]+)", row)[1]: row for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)[1:]}
        tags = {name: re.findall(r'tag--red">([^<]+)', row) for name, row in rows.items()}
        assert tags["Dmitri Volkov"] == ["suspended"]
        assert tags["Priya Raman"] == ["frozen"]
        assert tags["Marcus Lindqvist"] == ["disabled"]
        assert tags["Berlin office"] == tags["Sam Okafor"] == tags["Olivia Reyes"] == []


def test_ibm_cloud_api_keys_that_are_refused_because_of_their_users_are_marked_so_among_all(cast):
    """The same, as far as the viewer sees the users; and whoever has such keys is told so."""
    about = {"by": cast["olivia"], "origin": Origin("17.5.7.8")}
    for name in ("olivia", "marcus", "priya", "noor", "sam", "dmitri"):
        make_platform_key(cast[name], name)
    memberships.freeze_branch(member=cast["priya"], reason="Looked into", **about)
    memberships.change_status(member=cast["marcus"], status="disabled_classic", **about)
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    marked = {"marcus": ["disabled"], "priya": ["frozen"], "noor": ["frozen"], "dmitri": ["suspended"]}
    for viewer, is_restricted, seen in (("olivia", False, set(marked)), ("sam", True, {"dmitri"})):
        Account.objects.filter(pk=ACME).update(restrict_user_list=is_restricted)
        body = page(visitor(cast[viewer]).get(f"{KEYS}?view=all"))
        rows = {re.search("<bdi>([a-z]+)", row)[1]: row for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)[1:]}
        tags = {name: re.findall(r'tag--red">([^<]+)', row.partition("Owner")[2]) for name, row in rows.items()}
        expected = {name: marked[name] if name in seen else [] for name in marked}
        assert tags.items() >= {**expected, "olivia": [], "sam": []}.items()
    told = page(visitor(cast["marcus"]).get(f"{KEYS}?view=my"))
    assert "Your status in this account is Disabled classic infrastructure: your keys are refused." in told
