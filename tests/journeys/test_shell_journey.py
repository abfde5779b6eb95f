"""What stands around every page, in a real browser: accounts, the theme, logging out, the navigation."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.visit import DESKTOP, PHONE, phone_and_desk, with_and_without_script

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-shell-journey")]


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
    if script:
        expect(priya.button("Theme")).to_be_focused()
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


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_folded_group_of_the_navigation_stays_folded(console, browse, width):
    priya = browse(console, width=width).sign_in("priya", at="/iam/users")
    navigation = priya.page.get_by_role("navigation", name="IAM")

    def fold(count: int) -> None:
        if width == PHONE:
            priya.button("Menu").click()
        with priya.page.expect_response("**/navigation"):
            navigation.get_by_text("Gain insight").click()
        expect(navigation.get_by_role("link", name="Activity")).to_have_count(count)

    fold(0)
    # The server says so in the page itself: nothing has to run, so nothing flashes.
    assert '<details data-group="insight">' in priya.context.request.get("/iam/apikeys").text()
    priya.go("/iam/apikeys")
    expect(navigation.get_by_role("link", name="Activity")).to_have_count(0)
    fold(1)
    priya.go("/iam/activity")
    if width == PHONE:
        priya.button("Menu").click()
    expect(navigation.get_by_role("link", name="Activity")).to_be_visible()


def test_navigation_folds_without_script(console, browse):
    priya = browse(console, script=False).sign_in("priya", at="/iam/users")
    navigation = priya.page.get_by_role("navigation", name="IAM")
    navigation.get_by_text("Gain insight").click()
    expect(navigation.get_by_role("link", name="Activity")).to_have_count(0)
    expect(navigation.get_by_role("link", name="API keys")).to_be_visible()


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


@pytest.mark.parametrize(
    ("width", "entries"),
    [
        (DESKTOP, ["Your user details", "Login sessions", "Login security", "Log out"]),
        (PHONE, ["Your user details", "Login sessions", "Login security", "Notifications", "Help", "Log out"]),
    ],
)
def test_arrows_walk_the_entries_of_a_menu_that_are_shown_at_its_width(console, browse, width, entries):
    priya = browse(console, width=width).sign_in("priya")
    priya.button("Profile").focus()
    priya.page.keyboard.press("Enter")
    for entry in [*entries, entries[0]]:  # and round to the first
        expect(priya.page.locator("#profile-menu :focus")).to_have_text(re.compile(f"^{entry}( new)?\\s*$"))
        priya.page.keyboard.press("ArrowDown")
    priya.page.keyboard.press("End")
    expect(priya.page.locator("#profile-menu :focus")).to_have_text("Log out")


@phone_and_desk
def test_help_is_in_the_header_or_in_the_profile_menu(console, browse, script, width):
    priya = browse(console, script=script, width=width).sign_in("priya")
    if width == PHONE:
        priya.button("Profile").click()
    priya.page.get_by_role("banner").get_by_role("link", name="Help", exact=True).click()
    priya.expect_page("Help")
    expect(priya.page.get_by_text("curl --user 1234567_priya@acme.example")).to_be_visible()


@phone_and_desk
def test_what_another_did_is_told_by_the_bell_until_it_is_marked_as_read(console, browse, script, width):
    # Each of them once: the same person opening the same details is told once an hour.
    who, name_of_who = ("marcus", "Marcus Lindqvist") if script else ("olivia", "Olivia Reyes")
    priya, above = (browse(console, script=script, width=width).sign_in(name) for name in ("priya", who))
    banner = priya.page.get_by_role("banner")

    def to_notifications(name: str) -> None:
        priya.go("/iam/users")
        if width == PHONE:
            priya.button("Profile").click()
        banner.get_by_role("link", name=name, exact=True).click()
        priya.expect_page("Notifications")

    above.choose("Priya Raman", "View details")
    expect(above.dialog("API key details")).to_be_visible()
    to_notifications("Notifications new" if width == PHONE else "Notifications, new ones")
    newest = priya.page.get_by_role("table", name="Notifications").get_by_role("row").nth(1)
    expect(newest).to_contain_text("Details of a classic infrastructure API key opened")
    expect(newest).to_contain_text(name_of_who)
    expect(newest.get_by_text("new", exact=True)).to_be_visible()
    priya.button("Mark all as read").click()
    expect(priya.notification("Marked as read")).to_be_visible()
    expect(priya.page.get_by_text("new", exact=True)).to_have_count(0)
    expect(priya.button("Mark all as read")).to_have_count(0)
    to_notifications("Notifications")


def test_suspended_user_is_told_so_on_every_page(console, browse):
    dmitri = browse(console).go("/login").log_in("dmitri")
    dmitri.expect_page("Suspended")
    for path in ("/iam/apikeys", "/iam/users", "/iam/activity"):
        dmitri.go(path)
        dmitri.expect_page("Suspended")
        expect(dmitri.page.get_by_role("navigation", name="IAM").get_by_role("link")).to_have_count(0)
