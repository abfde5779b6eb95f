"""The other pages as people use them in a real browser: users, the hierarchy, one user, activity, the shell around."""

import csv
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.journeys.live import LiveServer
from tests.journeys.visit import DESKTOP, PHONE, SMALLEST, Visit, phone_and_desk, scrolls_sideways

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-users-journeys")]

with_and_without_script = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])

# An account whose people have the longest names and addresses there can be, from right to left and without a space.
UNWIELDY = """
from accounts.memberships import add_member, create_account
from accounts.models import User
from accounts.origin import COMMAND_LINE
from keys.lifecycle import create_classic_key
names = ["W" * 300, "مفتاح الشجرة " * 23, "עץ המפתחות", "Wortlaut " * 33, "<b>&amp;</b>", "e\\u0301" * 150]
parent = None
for number, name in enumerate(name.strip() for name in names * 2):
    mailbox = f"{number}{'m' * 60}"
    domain = ".".join(["d" * 60] * 3)[: 253 - len(mailbox)]
    user = User.objects.create_user(f"{mailbox}@{domain}", name, "keytree-demo")
    if parent is None:
        User.objects.filter(pk=user.pk).update(email="long@long.example")
        user.refresh_from_db()
        parent = create_account(name="Konto " * 16, owner=user, account_id=3333333, is_demo=True, origin=COMMAND_LINE)
    else:
        parent = add_member(parent=parent, user=user, origin=COMMAND_LINE)
    create_classic_key(holder=parent, by=parent, origin=COMMAND_LINE)
print(parent.pk)
"""
# Nobody of the demo has had a key for a month.
LONG_AGO = """
from datetime import timedelta
from django.utils import timezone
from keys.models import ClassicKey
ClassicKey.objects.update(created_at=timezone.now() - timedelta(days=60))
"""
IS_TOO_WIDE = "box => box.scrollWidth > box.clientWidth"
GENERATED = """
from console import generator
account = generator.generate(members=26, keys_share=0.9, seed=5, account_id=5555555)
print(account.members.get(parent=None).user.email)
"""


@pytest.fixture(scope="module")
def console(start_shared) -> LiveServer:
    """One server for the tests that do not get in each other's way."""
    return start_shared()


@pytest.fixture(scope="module")
def console_with_ids(console: LiveServer) -> dict[str, int]:
    """The ids of Acme's members by first name."""
    said = console.run(
        "from accounts.models import Member\n"
        "for member in Member.objects.filter(account_id=1234567).select_related('user'):\n"
        "    print(member.user.email.partition('@')[0], member.pk)"
    )
    return {name: int(pk) for name, pk in (line.split() for line in said.splitlines())}


def names(visit: Visit) -> list[str]:
    """The people of the table's rows, in order."""
    return visit.page.locator("tbody td:first-child a:not(.fold)").all_inner_texts()


# --- Users -----------------------------------------------------------------------------------------------------------


@phone_and_desk
def test_search_in_the_header_finds_users(console, browse, script, width):
    marcus = browse(console, script=script, width=width).sign_in("marcus")
    if width == PHONE:
        marcus.button("Open search").click()
        if script:
            expect(marcus.page.get_by_label("Search users")).to_be_focused()
    marcus.page.get_by_label("Search users").fill("raman")
    marcus.page.keyboard.press("Enter")
    marcus.expect_page("Users")
    assert names(marcus) == ["Priya Raman"]
    expect(marcus.page.get_by_label("Filter by name or email")).to_have_value("raman")


@with_and_without_script
def test_users_are_filtered_by_status(console, browse, script):
    marcus = browse(console, script=script).sign_in("marcus", at="/iam/users")
    assert len(names(marcus)) == 8
    marcus.choose_view("Status", "Pending")
    assert names(marcus) == ["Lena Fischer"]
    marcus.choose_view("Status", "Invalid")
    expect(marcus.page.get_by_text("No users match", exact=True)).to_be_visible()
    marcus.link("Clear filters").click()
    expect(marcus.row("Lena Fischer")).to_be_visible()
    assert len(names(marcus)) == 8
    if script:
        status = marcus.page.get_by_label("Status", exact=True)
        status.focus()
        for _ in range(2):  # the keys pass through the choices, and go nowhere yet
            marcus.page.keyboard.press("ArrowDown")
        expect(status).to_have_value("disabled_classic")
        assert len(names(marcus)) == 8
        marcus.page.keyboard.press("Enter")
        expect(marcus.page.get_by_text("No users match", exact=True)).to_be_visible()
        expect(status).to_be_focused()


@with_and_without_script
def test_form_of_a_tab_left_in_another_account_is_told_and_does_nothing(console, browse, script):
    """Also where the page's script sends the form and shows the answer."""
    noor = browse(console, script=script).sign_in("noor")
    other = noor.context.new_page()
    other.goto("/iam/users")
    other.get_by_role("button", name="1234567 - Acme Robotics").click()
    other.get_by_role("button", name="7654321 - Borealis Labs").click()
    expect(other.get_by_role("button", name="7654321 - Borealis Labs")).to_be_visible()
    noor.button("Create a classic infrastructure key").click()
    told = noor.notification("Nothing was changed")
    expect(told).to_contain_text("You are in 7654321 - Borealis Labs now")
    expect(told).to_contain_text("Switch back to 1234567 - Acme Robotics")
    noor.page.get_by_role("button", name="7654321 - Borealis Labs").click()
    noor.page.get_by_role("button", name="1234567 - Acme Robotics").click()
    expect(noor.button("Create a classic infrastructure key")).to_be_visible()


@with_and_without_script
def test_hierarchy_folds_and_the_address_keeps_it(console, browse, script):
    olivia = browse(console, script=script).sign_in("olivia", at="/iam/users")
    olivia.choose_view("View", "User hierarchy")
    whole = [
        "Olivia Reyes", "Marcus Lindqvist", "Priya Raman", "Noor Haddad", "Berlin office", "Lena Fischer",
        "Sam Okafor", "Dmitri Volkov",
    ]  # fmt: skip
    assert names(olivia) == whole
    expect(olivia.row("Noor Haddad")).to_contain_text("Level 4")
    expect(olivia.row("Marcus Lindqvist").get_by_role("cell").nth(4)).to_have_text("4")
    olivia.link("Hide users below Marcus Lindqvist").click()
    expect(olivia.row("Priya Raman")).to_have_count(0)
    expect(olivia.link("Show users below Marcus Lindqvist")).to_be_focused()
    olivia.page.reload()
    assert names(olivia) == ["Olivia Reyes", "Marcus Lindqvist", "Sam Okafor", "Dmitri Volkov"]
    olivia.link("Show users below Marcus Lindqvist").click()
    expect(olivia.row("Priya Raman")).to_be_visible()
    assert names(olivia) == whole


# --- One user --------------------------------------------------------------------------------------------------------

PUBLIC = ["Details", "User status", "Parent user"]
ALL = [*PUBLIC, "IP address restrictions", "VPN password", "API keys", "Manage user's login"]


@pytest.mark.parametrize(
    ("viewer", "member", "cards", "may_restrict", "may_create"),
    [
        ("marcus", "priya", ALL, True, False),  # below them, with Manage users
        ("priya", "noor", ALL, False, False),  # below them, without
        ("noor", "noor", ALL, False, True),
        ("olivia", "olivia", ALL, True, False),
        ("sam", "priya", PUBLIC, False, False),  # neither above nor below
        ("priya", "marcus", PUBLIC, False, False),  # above them
    ],
)
def test_user_page_shows_what_its_viewer_may_see(  # noqa: PLR0917 - a table of cases
    console, console_with_ids, browse, viewer, member, cards, may_restrict, may_create
):
    visit = browse(console).sign_in(viewer, at=f"/iam/users/{console_with_ids[member]}")
    assert visit.page.get_by_role("heading", level=2).all_inner_texts() == cards
    expect(visit.button("Save")).to_have_count(int(may_restrict))
    expect(visit.button("Create a classic infrastructure key")).to_have_count(int(may_create))
    expect(visit.link("Who can manage")).to_have_count(int(cards == ALL))


@with_and_without_script
def test_bad_addresses_are_named_one_by_one_and_nothing_is_saved(console, console_with_ids, browse, script):
    olivia = browse(console, script=script).sign_in("olivia", at=f"/iam/users/{console_with_ids['sam']}")
    platform = olivia.page.get_by_label("Cloud platform")
    classic = olivia.page.get_by_label("Classic infrastructure")
    platform.fill("17.5.7.8.0/16, 127.0.0.1, next door")
    classic.fill("192.0.2.9 - 192.0.2.1")
    olivia.button("Save").click()
    expect(olivia.notification("IP address restrictions not saved")).to_have_count(1)
    expect(platform).to_be_focused()
    expect(platform).to_be_in_viewport()
    summary = olivia.page.locator("#restrictions-form").get_by_role("alert")
    expect(summary).to_contain_text("Nothing was saved.")
    for bad in ("“17.5.7.8.0/16”", "“next door”", "“192.0.2.9 - 192.0.2.1”"):
        expect(summary).to_contain_text(bad)
    expect(platform).to_have_value("17.5.7.8.0/16, 127.0.0.1, next door")
    expect(classic).to_have_value("192.0.2.9 - 192.0.2.1")
    summary.get_by_role("link", name="Classic infrastructure").click()
    expect(classic).to_be_focused()
    olivia.go(f"/iam/users/{console_with_ids['sam']}")
    expect(platform).to_have_value("")
    expect(classic).to_have_value("")


@with_and_without_script
def test_locking_oneself_out_asks_first(fresh, browse, script):
    olivia = browse(fresh, script=script).sign_in("olivia")
    olivia.link("Olivia Reyes").click()
    olivia.expect_page("Manage Olivia Reyes")
    confirmation = olivia.page.get_by_label("Save it, although it locks me out from here")
    expect(confirmation).to_have_count(0)
    olivia.page.get_by_label("Cloud platform").fill("192.0.2.0/24")
    olivia.button("Save").click()
    expect(confirmation).not_to_be_checked()
    expect(olivia.page.get_by_text("You are calling from 127.0.0.1")).to_be_visible()
    expect(confirmation).to_be_focused()
    expect(olivia.page.get_by_label("Cloud platform")).to_have_value("192.0.2.0/24")
    olivia.go("/iam/apikeys")
    olivia.expect_page("API keys")
    olivia.link("Olivia Reyes").click()
    olivia.page.get_by_label("Cloud platform").fill("192.0.2.0/24")
    olivia.button("Save").click()
    confirmation.check()
    olivia.button("Save").click()
    olivia.expect_page("Address not allowed")


@with_and_without_script
def test_vpn_password_is_set_in_a_dialog(console, console_with_ids, browse, script):
    member = {True: "priya", False: "noor"}[script]
    marcus = browse(console, script=script).sign_in("marcus", at=f"/iam/users/{console_with_ids[member]}")
    card = marcus.page.get_by_role("region", name="VPN password")
    expect(card).to_contain_text("Not set")
    marcus.link("Edit the VPN password").click()
    dialog = marcus.dialog("Edit VPN password")
    password = dialog.get_by_label("Password")
    expect(password).to_be_focused()
    password.fill("short")
    dialog.get_by_role("button", name="Update password").click()
    expect(dialog.get_by_text("This password is too short.")).to_be_visible()
    expect(password).to_have_value("")
    password.fill("a long enough passphrase")
    dialog.get_by_role("button", name="Update password").click()
    expect(marcus.notification("VPN password updated")).to_be_visible()
    expect(marcus.heading).to_be_focused()
    expect(card).to_contain_text("Set, hidden")


def test_closing_a_dialog_stays_on_the_page_it_was_opened_from(console, console_with_ids, browse):
    marcus = browse(console).sign_in("marcus", at=f"/iam/users/{console_with_ids['marcus']}")
    marcus.page.evaluate("window.isStill = true")
    marcus.choose("Marcus Lindqvist", "View details")
    details = marcus.dialog("API key details")
    details.get_by_role("button", name="Show").click()
    expect(details.locator("[data-value-text]")).to_be_visible()
    details.get_by_role("link", name="Close").click()
    expect(details).to_have_count(0)
    marcus.expect_page("Manage Marcus Lindqvist")
    expect(marcus.button("Actions for Marcus Lindqvist")).to_be_focused()
    assert marcus.page.evaluate("window.isStill")  # nothing was changed, so nothing was loaded anew


def test_form_whose_answer_takes_long_says_so_and_is_sent_once(console, console_with_ids, browse):
    """While the answer is out: as the server would be busy with ten thousand keys for some seconds."""
    marcus = browse(console).sign_in("marcus", at=f"/iam/users/{console_with_ids['marcus']}/revoke_keys")
    sent: list[str] = []

    def keep(route: Route) -> None:
        sent.append(route.request.url)
        route.abort("aborted")  # the page stays as it is until an answer comes, and none does

    marcus.page.route("**/revoke_keys", keep)
    marcus.page.get_by_label("Reason").fill("Tidying up")
    for _ in range(2):
        marcus.button("Revoke keys").click()
        expect(marcus.page.get_by_role("progressbar", name="Revoking the keys")).to_be_visible()
    expect(marcus.page.locator("[data-status]")).to_have_text("Revoking the keys")
    assert len(sent) == 1


# --- Activity --------------------------------------------------------------------------------------------------------


@with_and_without_script
def test_activity_is_filtered_and_exported_as_filtered(console, browse, script):
    olivia = browse(console, script=script).go("/login").log_in("olivia", password="wrong")
    expect(olivia.page.get_by_role("alert")).to_contain_text("is not right")
    olivia.sign_in("olivia", at="/iam/activity")
    olivia.choose_view("Outcome", "Refused")
    olivia.choose_view("Event", "Sign-in refused")
    rows = olivia.page.get_by_role("table", name="Activity").locator("tbody tr")
    expect(rows.first).to_contain_text("why: wrong password")
    count = rows.count()
    with olivia.page.expect_download() as downloading:
        olivia.link("Export CSV").click()
    with downloading.value.path().open(newline="") as file:
        exported = list(csv.DictReader(file))
    assert downloading.value.suggested_filename == "activity.csv"
    assert len(exported) == count
    assert {(row["Event"], row["Outcome"]) for row in exported} == {("Sign-in refused", "Refused")}
    assert exported[0]["Address"] == "127.0.0.1"


# --- Long lists ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generated_owner(console: LiveServer) -> str:
    """The address of the owner of an account of three pages of ten."""
    return console.run(GENERATED).strip()


@pytest.mark.parametrize("path", ["/iam/apikeys?sort=-created_by", "/iam/users?view=hierarchy"])
def test_pages_of_a_long_list_follow_each_other_both_ways(console, generated_owner, browse, path):
    owner = browse(console).sign_in(generated_owner, at=path)
    links = owner.page.locator("tbody td:first-child a:not(.fold)")
    addresses = "links => links.map(link => link.href)"
    owner.page.get_by_label("per page").select_option("10")
    owner.page.wait_for_url("**per_page=10**")
    pages, counts = [], []
    while True:
        pages.append(links.evaluate_all(addresses))
        counts.append(owner.page.locator(".pagination__count").inner_text())
        expect(owner.page.locator(".pagination__page")).to_have_text(f"Page {len(pages)}")
        if not owner.link("Next page").count():
            break
        owner.link("Next page").click()
        owner.page.wait_for_load_state()
    everybody = [link for page in pages for link in page]
    assert len(everybody) == len(set(everybody)) > 20
    assert counts[1] == f"11–20 of {len(everybody)} items"
    for page in reversed(pages[:-1]):
        owner.link("Previous page").click()
        owner.page.wait_for_load_state()
        assert links.evaluate_all(addresses) == page
    expect(owner.link("Previous page")).to_have_count(0)


@pytest.fixture(scope="module")
def deepest(console: LiveServer) -> int:
    """The id of the last of a chain of people with unwieldy names."""
    return int(console.run(UNWIELDY))


@pytest.mark.parametrize(
    "path",
    [
        "/iam/apikeys",
        "/iam/users",
        "/iam/users?view=hierarchy",
        "/iam/users/{}",
        "/iam/users/{}?tab=manage",
        "/iam/users/{}/parent",
        "/iam/activity",
    ],
)
def test_no_name_is_too_long_or_of_the_wrong_direction(console, deepest, browse, path):
    owner = browse(console, is_mobile=False).sign_in("long@long.example", at=path.format(deepest))
    wrong = []
    for width in (SMALLEST, PHONE, 672, 673, 1024, 1057, DESKTOP):
        owner.page.set_viewport_size({"width": width, "height": 900})
        if scrolls_sideways(owner.page):
            wrong.append(f"the page at {width}")
        if owner.page.locator(".data").evaluate_all(f"boxes => boxes.some({IS_TOO_WIDE})"):
            wrong.append(f"the table at {width}")
    # Text of twice the size, as somebody sets it in their browser: the layout is that of half the width.
    sizes = {"standard": 32, "fixed": 26}
    session = owner.context.new_cdp_session(owner.page)
    session.send("Page.setFontSizes", {"fontSizes": sizes})
    for width in (640, 1280):
        owner.page.set_viewport_size({"width": width, "height": 900})
        if scrolls_sideways(owner.page) or owner.page.locator(".data").evaluate_all(f"b => b.some({IS_TOO_WIDE})"):
            wrong.append(f"text of twice the size at {width}")
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 16, "fixed": 13}})  # for who browses next
    assert wrong == []


def test_dialog_about_somebody_with_the_longest_name_fits_a_phone(console, deepest, browse):
    owner = browse(console, width=PHONE).sign_in("long@long.example", at=f"/iam/users/{deepest}")
    owner.page.locator(".menu-button").click()
    owner.link("Delete").click()
    dialog = owner.dialog("Delete API key")
    expect(dialog.get_by_role("button", name="Delete")).to_be_in_viewport()
    assert not scrolls_sideways(owner.page)
    assert not dialog.evaluate(IS_TOO_WIDE)


# --- A user's place in the account ----------------------------------------------------------------------------------


@phone_and_desk
def test_branch_is_looked_after_from_suspension_to_removal(fresh, browse, script, width):
    """Marcus suspends and moves Noor, removes Priya, whose branch he takes over, and invites; Olivia sets the rules."""
    marcus = browse(fresh, script=script, width=width).sign_in("marcus", at="/iam/users")
    marcus.link("Noor Haddad").click()
    marcus.page.locator("#id_status").select_option("Suspended")
    marcus.button("Apply").click()
    expect(marcus.notification("Noor Haddad is Suspended from now on.")).to_be_visible()
    marcus.button("Actions").click()
    marcus.link("Activate").click()
    marcus.dialog("Activate user").get_by_role("button", name="Activate").click()
    expect(marcus.notification("Noor Haddad is Active from now on.")).to_be_visible()

    marcus.link("Change parent").click()
    marcus.link("Marcus Lindqvist").click()
    lose = marcus.page.get_by_role("region", name="Lose sight of them")
    expect(lose).to_contain_text("Priya Raman")
    marcus.button("Change parent").click()
    expect(marcus.notification("Marcus Lindqvist is the parent of Noor Haddad from now on.")).to_be_visible()

    marcus.link("Change parent").click()
    marcus.link("Priya Raman").click()
    marcus.button("Change parent").click()
    marcus.page.get_by_role("switch", name="User-managed login").click()
    expect(marcus.page.get_by_role("switch", name="User-managed login")).to_have_attribute("aria-checked", "true")
    marcus.link("Access").click()
    marcus.page.get_by_label("Manage users (classic infrastructure)").check()
    marcus.button("Save").click()
    expect(marcus.page.get_by_label("Manage users (classic infrastructure)")).to_be_checked()

    _freeze_thaw_and_revoke(marcus)
    marcus.go("/iam/users")
    marcus.choose("Priya Raman", "Remove user")
    dialog = marcus.dialog("Remove user")
    expect(dialog).to_contain_text("Noor Haddad")
    dialog.get_by_role("button", name="Remove").click()
    expect(dialog.get_by_text("Decide about the users below first")).to_be_visible()
    dialog.get_by_label("Marcus Lindqvist takes over the users below").check()
    dialog.get_by_role("button", name="Remove").click()
    expect(marcus.notification("Priya Raman is no longer in the account")).to_be_visible()
    expect(marcus.row("Priya Raman")).to_have_count(0)
    marcus.go("/iam/users?view=hierarchy")
    expect(marcus.row("Noor Haddad")).to_contain_text("Level 2")

    guest = browse(fresh, script=script, width=width)
    _invite_and_join(fresh, marcus, guest)
    _end_sessions(marcus, guest)
    _change_settings(browse(fresh, script=script, width=width).sign_in("olivia"))


def _freeze_thaw_and_revoke(marcus: Visit) -> None:
    """Marcus freezes Priya's branch and thaws it, and revokes the keys of his own branch but his own."""
    marcus.go("/iam/users")
    marcus.choose("Priya Raman", "Freeze branch")
    dialog = marcus.dialog("Freeze branch")
    dialog.get_by_role("button", name="Freeze").click()
    expect(dialog.get_by_text("This field is required.")).to_be_visible()
    dialog.get_by_label("Reason").fill("Until we know who has the laptop")
    dialog.get_by_role("button", name="Freeze").click()
    expect(marcus.notification("Branch frozen")).to_be_visible()
    marcus.go("/iam/users")
    expect(marcus.row("Noor Haddad")).to_contain_text("frozen")
    marcus.choose("Priya Raman", "Thaw branch")
    marcus.dialog("Thaw branch").get_by_role("button", name="Thaw").click()
    expect(marcus.notification("Branch thawed")).to_be_visible()

    marcus.go("/iam/users")
    marcus.choose("Marcus Lindqvist", "Revoke keys in branch")
    marcus.expect_page("Revoke keys in branch")
    marcus.page.get_by_label("Revoke the key of Marcus Lindqvist").uncheck()
    marcus.page.get_by_label("Reason").fill("The laptop was stolen")
    marcus.button("Revoke keys").click()
    confirm = marcus.page.get_by_label("To confirm, type Marcus Lindqvist")
    expect(confirm).to_have_attribute("aria-invalid", "true")
    confirm.fill("Marcus Lindqvist")
    marcus.button("Revoke keys").click()
    expect(marcus.notification("2 keys were deleted.")).to_be_visible()
    marcus.go("/iam/apikeys")
    expect(marcus.page.get_by_role("row")).to_have_count(2)


def _invite_and_join(server: LiveServer, marcus: Visit, guest: Visit) -> None:
    """Marcus invites two, cancels one, and the other follows the link in the mail and is in."""
    marcus.go("/iam/users")
    marcus.link("Invite users").click()
    marcus.page.get_by_label("Email addresses").fill("Tove <tove@new.example>\nkim@new.example, nonsense")
    marcus.button("Invite").click()
    expect(marcus.notification("2 users invited")).to_be_visible()
    expect(marcus.page.get_by_role("row", name="nonsense")).to_contain_text("Not an address")
    expect(marcus.page.get_by_text(str(server.data_dir / "mail"))).to_be_visible()
    marcus.go("/iam/users")
    marcus.choose("kim@new.example", "Cancel invite")
    marcus.dialog("Cancel invite").get_by_role("button", name="Cancel invite").click()
    expect(marcus.notification("Invitation cancelled")).to_be_visible()

    guest.go(_link_in_mail(server.data_dir / "mail", "tove@new.example"))
    guest.expect_page("Join Acme Robotics")
    guest.page.get_by_label("Name").fill("Tove Nyström")
    guest.page.get_by_label("Password").fill("short")
    guest.button("Join").click()
    expect(guest.page.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    guest.page.get_by_label("Password").fill("several words in a row")
    guest.button("Join").click()
    guest.expect_page("API keys")
    expect(guest.button("Create a classic infrastructure key")).to_be_visible()
    marcus.go("/iam/users")
    expect(marcus.row("Tove Nyström")).to_contain_text("Active")
    marcus.link("Add VPN-only user").click()
    marcus.page.get_by_label("Name", exact=True).fill("Oslo office")
    marcus.page.get_by_label("Email").fill("oslo@acme.example")
    marcus.button("Add").click()
    expect(marcus.notification("VPN-only user added")).to_be_visible()


def _end_sessions(marcus: Visit, guest: Visit) -> None:
    """Tove looks at her session in the profile menu; Marcus ends it."""
    guest.button("Profile").click()
    guest.link("Login sessions").click()
    guest.expect_page("Login sessions")
    expect(guest.page.get_by_text("this session", exact=True)).to_be_visible()
    guest.choose("Chrome on Linux at 127.0.0.1", "End session")
    guest.dialog("End session").get_by_role("link", name="Cancel").click()
    guest.expect_page("Login sessions")

    marcus.go("/iam/users")
    marcus.link("Tove Nyström").click()
    marcus.link("End all sessions").click()
    marcus.dialog("End all sessions").get_by_role("button", name="End all sessions").click()
    expect(marcus.notification("Tove Nyström has to log in again")).to_be_visible()
    guest.go("/iam/apikeys")
    guest.expect_page("Log in to Keytree")


def _change_settings(olivia: Visit) -> None:
    """Olivia restricts user list and domains, and lets every domain in again, with the patterns kept."""
    olivia.go("/iam/settings")
    visibility, domains = "Restrict user list visibility", "Restrict user domains"
    olivia.page.get_by_role("switch", name=visibility).click()
    olivia.dialog(visibility).get_by_role("button", name="Yes").click()
    expect(olivia.page.get_by_role("switch", name=visibility)).to_have_attribute("aria-checked", "true")
    olivia.page.get_by_role("switch", name=domains).click()
    olivia.dialog(domains).get_by_label("Domain").fill("*@acme.example")
    olivia.dialog(domains).get_by_role("button", name="Yes").click()
    expect(olivia.page.get_by_role("switch", name=domains)).to_have_attribute("aria-checked", "true")
    olivia.page.get_by_label("Domain", exact=True).fill("other.example")
    olivia.page.get_by_role("button", name="Add", exact=True).click()
    expect(olivia.page.get_by_role("list", name="Allowed domains")).to_contain_text("other.example")
    olivia.page.get_by_role("button", name="Remove other.example").click()
    expect(olivia.page.get_by_role("list", name="Allowed domains")).not_to_contain_text("other.example")
    olivia.page.get_by_role("switch", name=domains).click()
    olivia.dialog(domains).get_by_role("button", name="Disable and save domains").click()
    expect(olivia.page.get_by_role("switch", name=domains)).to_have_attribute("aria-checked", "false")
    expect(olivia.page.get_by_text("*@acme.example")).to_be_visible()


def _link_in_mail(folder: Path, recipient: str) -> str:
    """The path of the link in the file that the server wrote for somebody, as soon as it is there."""
    give_up_at = time.monotonic() + 20
    while time.monotonic() < give_up_at:
        for text in [file.read_text() for file in folder.glob("*")]:
            found = re.search(rf"for {recipient}, until .*?http://[^/]+(/invitations/\S+)", text, re.DOTALL)
            if found:
                return found[1]
        time.sleep(0.1)
    raise AssertionError(f"no mail to {recipient}")


@phone_and_desk
def test_picture_of_the_hierarchy_is_walked_by_its_boxes_and_by_its_list(console, browse, script, width):
    olivia = browse(console, script=script, width=width).sign_in("olivia", at="/iam/users")
    olivia.choose_view("View", "Picture of the hierarchy")
    branch = olivia.page.get_by_role("region", name="Your branch")
    expect(branch.get_by_role("listitem").first).to_contain_text("Olivia Reyes")
    box = olivia.page.locator("svg.picture__tree a", has_text="Marcus Lindqvist")
    expect(box).to_be_visible(visible=width == DESKTOP)  # on a phone the list alone
    (box if width == DESKTOP else branch.get_by_role("link", name="Marcus Lindqvist")).click()
    branch = olivia.page.get_by_role("region", name="Branch of Marcus Lindqvist")
    expect(branch).to_contain_text("Priya Raman")
    expect(branch).not_to_contain_text("Sam Okafor")
    branch.get_by_role("listitem").get_by_role("link", name="Priya Raman").focus()
    olivia.page.keyboard.press("Enter")
    expect(olivia.page.get_by_role("region", name="Branch of Priya Raman")).to_contain_text("Noor Haddad")
    olivia.link("Up to Marcus Lindqvist").click()
    olivia.link("Up to Olivia Reyes").click()
    expect(olivia.page.get_by_role("region", name="Your branch")).to_be_visible()
    assert not scrolls_sideways(olivia.page)


def test_picture_of_four_levels_fits_a_desk_and_grows_with_the_letters(console, browse):
    olivia = browse(console, own=True).sign_in("olivia", at="/iam/users?view=picture")
    frame, box = olivia.page.locator(".picture__frame"), olivia.page.locator(".picture__box").first
    assert frame.evaluate("frame => frame.scrollWidth <= frame.clientWidth")
    before = box.bounding_box()
    letters = olivia.context.new_cdp_session(olivia.page)
    letters.send("Page.setFontSizes", {"fontSizes": {"standard": 32}})
    olivia.page.reload()
    assert box.bounding_box()["width"] == pytest.approx(2 * before["width"])
    assert box.bounding_box()["height"] == pytest.approx(2 * before["height"])


@phone_and_desk
def test_inactive_keys_are_reported_and_lead_to_their_deletion_and_back(fresh, browse, script, width):
    fresh.run(LONG_AGO)
    marcus = browse(fresh, script=script, width=width).sign_in("marcus", at="/iam/inactive")
    marcus.expect_page("Inactive identities")
    marcus.link("API keys").last.click()
    expect(marcus.row("Priya Raman")).to_be_visible()
    marcus.choose("Priya Raman", "Delete")
    marcus.dialog("Delete API key").get_by_role("button", name="Delete").click()
    expect(marcus.notification("API key deleted")).to_be_visible()
    marcus.expect_page("Inactive identities")
    expect(marcus.row("Priya Raman")).to_have_count(0)


# --- The shell -------------------------------------------------------------------------------------------------------


@phone_and_desk
def test_account_switcher_leads_to_the_other_account_and_back(console, browse, script, width):
    sam = browse(console, script=script, width=width).sign_in("sam")
    expect(sam.row("Dmitri Volkov")).to_be_visible()
    sam.button("1234567 - Acme Robotics").click()
    sam.button("7654321 - Borealis Labs").click()
    expect(sam.button("7654321 - Borealis Labs")).to_be_visible()
    expect(sam.page.get_by_text("No classic infrastructure API keys", exact=True)).to_be_visible()
    sam.button("7654321 - Borealis Labs").click()
    sam.button("1234567 - Acme Robotics").click()
    expect(sam.row("Dmitri Volkov")).to_be_visible()


@with_and_without_script
def test_theme_is_kept_and_sent_with_the_page(console, browse, script):
    priya = browse(console, script=script, theme="light").sign_in("priya", at="/iam/users?q=a")
    html = priya.page.locator("html")
    expect(html).not_to_have_attribute("data-theme", "dark")
    priya.button("Theme").click()
    priya.button("Dark").click()
    expect(html).to_have_attribute("data-theme", "dark")
    assert priya.page.url.endswith("/iam/users?q=a")
    # The server says so in the page itself: nothing has to run, so nothing flashes.
    assert '<html lang="en" data-theme="dark">' in priya.context.request.get("/iam/apikeys").text()
    priya.go("/iam/apikeys")
    expect(priya.page.locator("body")).to_have_css("background-color", "rgb(38, 38, 38)")
    priya.button("Profile").click()
    priya.button("Log out").click()
    priya.expect_page("Log in to Keytree")
    expect(html).to_have_attribute("data-theme", "dark")
    priya.button("Theme").click()
    priya.button("System").click()
    expect(html).not_to_have_attribute("data-theme", "dark")
    expect(priya.page.locator("body")).to_have_css("background-color", "rgb(244, 244, 244)")


def test_nothing_is_shown_again_after_logging_out(console, browse):
    priya = browse(console).sign_in("priya")
    priya.button("Profile").click()
    priya.button("Log out").click()
    expect(priya.notification("You have logged out.")).to_be_visible()
    priya.page.go_back()
    priya.expect_page("Log in to Keytree")


@with_and_without_script
def test_navigation_on_a_phone_is_behind_its_button(console, browse, script):
    priya = browse(console, width=PHONE, script=script).sign_in("priya")
    navigation = priya.page.get_by_role("navigation", name="IAM")
    expect(navigation).to_be_hidden()
    priya.button("Menu").click()
    expect(navigation.get_by_role("link", name="API keys")).to_have_attribute("aria-current", "page")
    priya.page.keyboard.press("Escape")
    expect(navigation).to_be_hidden()
    expect(priya.button("Menu")).to_be_focused()
    priya.button("Menu").click()
    navigation.get_by_role("link", name="Activity").click()
    priya.expect_page("Activity")


def test_suspended_user_is_told_so_on_every_page(console, browse):
    dmitri = browse(console).go("/login").log_in("dmitri")
    dmitri.expect_page("Suspended")
    for path in ("/iam/apikeys", "/iam/users", "/iam/activity"):
        dmitri.go(path)
        dmitri.expect_page("Suspended")
        expect(dmitri.page.get_by_role("navigation", name="IAM").get_by_role("link")).to_have_count(0)
