"""Users and one of them as people meet them in a real browser: found, filtered, folded, changed; and their activity."""

import csv

import pytest
from playwright.sync_api import Route, expect

from tests.journeys import acts
from tests.journeys.visit import PHONE, Visit, phone_and_desk, with_and_without_script

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-users-journeys")]


def names(visit: Visit) -> list[str]:
    """The people of the table's rows, in order."""
    return visit.page.locator("tbody td:first-child a:not(.fold)").all_inner_texts()


# --- Users ------------------------------------------------------------------------------------------------------------


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
    expect(told).to_contain_text("You are now in 7654321 - Borealis Labs")
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


# --- One user ---------------------------------------------------------------------------------------------------------

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


def test_keyboard_goes_on_at_the_tab_that_was_chosen(console, console_with_ids, browse):
    marcus = browse(console).sign_in("marcus", at=f"/iam/users/{console_with_ids['priya']}")
    for name in ("Access", "Who can manage", "User details"):
        marcus.link(name).press("Enter")
        expect(marcus.link(name)).to_have_attribute("aria-current", "page")
        expect(marcus.link(name)).to_be_focused()


@with_and_without_script
def test_keyboard_goes_on_at_the_day_that_was_asked_about(console, console_with_ids, browse, script):
    """Its answer stands far down on the page, and so does what is wrong with the day."""
    at = f"/iam/users/{console_with_ids['priya']}?tab=manage"
    marcus = browse(console, script=script).sign_in("marcus", at=at)
    region, day = marcus.page.locator("section#day"), marcus.page.locator("#id_on")
    for asked, answer in (("2999-01-01", "This day is in the future."), ("2020-01-01", "was not in the account yet.")):
        day.fill(asked)
        region.get_by_role("button", name="Show").press("Enter")
        marcus.page.wait_for_url(f"**on={asked}*")
        expect(region).to_contain_text(answer)
        expect(region).to_be_focused()
        expect(day).to_be_in_viewport()
        marcus.page.keyboard.press("Tab")
        expect(day).to_be_focused()


@with_and_without_script
def test_bad_addresses_are_named_one_by_one_and_nothing_is_saved(console, console_with_ids, browse, script):
    olivia = browse(console, script=script).sign_in("olivia", at=f"/iam/users/{console_with_ids['sam']}")
    platform = olivia.page.get_by_label("Cloud platform")
    classic = olivia.page.get_by_label("Classic infrastructure")
    platform.fill("17.5.7.8.0/16, 127.0.0.1, next door")
    classic.fill("192.0.2.9 - 192.0.2.1")
    olivia.button("Save").click()
    summary = olivia.page.get_by_role("alert")
    expect(summary).to_contain_text("IP address restrictions not saved")
    expect(platform).to_be_focused()
    expect(platform).to_be_in_viewport()
    for bad in ("“17.5.7.8.0/16”", "“next door”", "“192.0.2.9 - 192.0.2.1”"):
        expect(summary).to_contain_text(bad)
        expect(olivia.page.get_by_text(bad)).to_have_count(2)  # there, and beside its field
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
    confirmation = olivia.page.get_by_label("Save it even though it locks me out from here")
    expect(confirmation).to_have_count(0)
    olivia.page.get_by_label("Cloud platform").fill("192.0.2.0/24")
    olivia.button("Save").click()
    expect(confirmation).not_to_be_checked()
    expect(olivia.page.locator("#id_confirm_lockout_error")).to_contain_text("You are connecting from 127.0.0.1")
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


def test_dialog_whose_answer_takes_long_is_seen_to_be_on_its_way(console, browse):
    """Below the header until it is there, then at its own edge: nothing else would tell that anything goes on."""
    marcus, held = browse(console).sign_in("marcus"), list[Route]()

    def hold(route: Route) -> None:
        held.append(route)

    bar = "(selector) => getComputedStyle(document.querySelector(selector), '::after').content"
    marcus.page.route("**/apikeys/classic/**", hold)
    with marcus.page.expect_request("**/apikeys/classic/**"):
        marcus.choose("Priya Raman", "View details")
    html = marcus.page.locator("html")
    expect(html).to_have_attribute("data-waiting", "")
    assert marcus.page.evaluate(bar, ".header") == '""'
    held.pop().continue_()
    details = marcus.dialog("API key details")
    expect(details).to_be_visible()
    expect(html).not_to_have_attribute("data-waiting", "")
    assert [marcus.page.evaluate(bar, place) for place in (".header", ".dialog__head")] == ["none", "none"]
    with marcus.page.expect_request("**/delete*"):
        details.get_by_role("link", name="Delete").click()
    expect(html).to_have_attribute("data-waiting", "")
    assert marcus.page.evaluate(bar, ".dialog__head") == '""'
    held.pop().continue_()
    expect(marcus.dialog("Delete API key")).to_be_visible()


def test_failure_of_what_was_sent_in_place_is_told(console, browse):
    """Not the same dialog once more, without a word, as if nothing had been pressed."""
    marcus = browse(console).sign_in("marcus")
    busy = console.run(acts.RENDER.format(template="503.html"))

    def is_busy(route: Route) -> None:
        if route.request.method == "GET":
            return route.continue_()
        return route.fulfill(status=503, body=busy, content_type="text/html; charset=utf-8")

    marcus.page.route("**/delete*", is_busy)
    marcus.choose("Priya Raman", "Delete")
    marcus.dialog("Delete API key").get_by_role("button", name="Delete").click()
    marcus.expect_page("Busy at the moment")
    expect(marcus.page.get_by_text("Your change was not saved.")).to_be_visible()
    expect(marcus.heading).to_be_focused()
    marcus.page.unroute_all()
    marcus.complaints.clear()  # the browser's own, about the status
    marcus.page.go_back()
    marcus.expect_page("API keys")
    marcus.choose("Priya Raman", "Delete")
    expect(marcus.dialog("Delete API key")).to_be_visible()
    marcus.context.clear_cookies(name="keytree_csrf")  # as a login in another tab makes it another one
    marcus.dialog("Delete API key").get_by_role("button", name="Delete").click()
    marcus.expect_page("Page out of date")
    marcus.link("Reload the page").click()
    expect(marcus.dialog("Delete API key")).to_be_visible()
    marcus.go("/iam/apikeys")
    expect(marcus.row("Priya Raman")).to_be_visible()


def test_double_click_sends_a_form_once_and_a_later_press_again(console, browse):
    """Else the second press takes the place of the first one's answer, and says that the user is there already."""
    marcus = browse(console, own=True)
    marcus.page.clock.install()
    marcus.sign_in("marcus", at="/iam/users/add_vpn_user")
    sent: list[str] = []

    def keep(route: Route) -> None:
        sent.append(route.request.url)
        route.abort("aborted")  # the page stays as it is: no answer has come yet

    marcus.page.route("**/add_vpn_user", keep)
    for count, pause in ((1, "00:00"), (1, "00:04"), (2, "00:02")):
        marcus.page.clock.run_for(pause)
        for _ in range(2):
            marcus.button("Add").click()
            marcus.page.wait_for_timeout(50)
        assert len(sent) == count


def test_who_joins_by_a_double_click_is_in(fresh, browse):
    link = fresh.run(acts.INVITE.format(account=1234567, email="wu@new.example", is_expired=False)).strip()
    stranger = browse(fresh).go(link)
    stranger.page.get_by_label("Name").fill("Wu Min")
    stranger.page.get_by_label("Password").fill("many small steps")
    place = stranger.button("Join").bounding_box()
    for _ in range(2):
        stranger.page.mouse.click(place["x"] + 10, place["y"] + 10)
    stranger.expect_page("API keys")
    expect(stranger.notification("You have joined 1234567 - Acme Robotics")).to_be_visible()
    expect(stranger.heading).to_be_focused()


# --- Activity ---------------------------------------------------------------------------------------------------------


@with_and_without_script
def test_activity_is_filtered_and_exported_as_filtered(console, browse, script):
    olivia = browse(console, script=script).go("/login").log_in("olivia", password="wrong")
    expect(olivia.page.get_by_role("alert")).to_contain_text("is wrong")
    olivia.sign_in("olivia", at="/iam/activity")
    olivia.choose_view("Outcome", "Refused")
    olivia.choose_view("Event", "Login refused")
    rows = olivia.page.get_by_role("table", name="Activity").locator("tbody tr")
    expect(rows.first).to_contain_text("why: wrong password")
    count = rows.count()
    with olivia.page.expect_download() as downloading:
        olivia.link("Export CSV").click()
    with downloading.value.path().open(newline="") as file:
        exported = list(csv.DictReader(file))
    assert downloading.value.suggested_filename == "activity.csv"
    assert len(exported) == count
    assert {(row["Event"], row["Outcome"]) for row in exported} == {("Login refused", "Refused")}
    assert exported[0]["Address"] == "127.0.0.1"


@with_and_without_script
def test_days_of_somebodys_activity_are_chosen_from_their_page(console, browse, script):
    olivia = browse(console, script=script).sign_in("olivia", at="/iam/users")
    olivia.link("Priya Raman").click()
    olivia.link("View activity").click()
    rows = olivia.page.get_by_role("table", name="Activity").locator("tbody tr")
    expect(olivia.page.get_by_text("Only events by or about Priya Raman are listed.")).to_be_visible()
    count = rows.count()
    olivia.page.get_by_label("From", exact=True).fill("2026-01-01")
    olivia.button("Apply").first.click()
    expect(olivia.page.get_by_label("From", exact=True)).to_have_value("2026-01-01")
    expect(rows).to_have_count(count)
    olivia.page.get_by_label("To", exact=True).fill("2026-01-02")
    olivia.page.get_by_label("To", exact=True).press("Enter")
    expect(olivia.page.get_by_text("No events match")).to_be_visible()
    olivia.link("Clear filters").click()
    olivia.page.wait_for_url("**/iam/activity")  # loaded whole: before that there are no rows to count
    expect(olivia.page.get_by_text("Only events by or about")).to_have_count(0)
    assert rows.count() > count
