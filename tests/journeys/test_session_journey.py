"""The end of a session in a real browser: told beforehand, put off by who says so, and nothing left to see."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.journeys.live import LiveServer
from tests.journeys.visit import DESKTOP, PHONE, SMALLEST, Visit, scrolls_sideways

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-session-journey")]

#: What is noted of a person's sessions, so many seconds ago.
AGO = """
from datetime import UTC, datetime
from time import time
from accounts.models import Session
from accounts.sessions import SessionStore
for row in Session.objects.filter(user__email="{0}@acme.example"):
    then = time() - {2}
    row.session_data = SessionStore().encode({{**row.get_decoded(), "{1}": then}})
    row.{1} = datetime.fromtimestamp(then, UTC)
    row.save()
"""
IDLE, LONGEST = 30 * 60, 12 * 3600  # seconds


def idle_for(visit: Visit, who: str, seconds: int) -> None:
    """Let so much time pass on the server and then, at once as after a sleep, in the browser."""
    visit.server.run(AGO.format(who, "seen_at", seconds))
    visit.page.clock.fast_forward(seconds * 1000)
    visit.page.clock.run_for(1500)


def warning(visit: Visit) -> Locator:
    return visit.page.get_by_role("alertdialog", name="Stay logged in?")


def asks(visit: Visit) -> None:
    """Wait until the browser has asked the server again."""
    with visit.page.expect_response("**/user/session_end"):
        visit.page.clock.run_for(11_000)


def started(browse, server: LiveServer, who: str, at: str, **likes: object) -> Visit:
    visit = browse(server, own=True, **likes)
    visit.page.clock.install()
    return visit.sign_in(who, at=at)


@pytest.mark.parametrize(
    ("width", "theme"), [(DESKTOP, "light"), (PHONE, "dark"), (SMALLEST, "light")], ids=["desk", "phone", "smallest"]
)
def test_whoever_is_told_stays_by_a_key_and_keeps_what_was_typed(console, browse, width, theme):
    marcus = started(browse, console, "marcus", "/iam/users/invite_users", width=width, theme=theme)
    field = marcus.page.get_by_label("Email addresses")
    field.fill("new@acme.example")
    idle_for(marcus, "marcus", IDLE - 100)
    dialog = warning(marcus)
    expect(dialog).to_have_accessible_description(re.compile("You will be logged out in 1 minute 3[0-9] seconds"))
    expect(marcus.button("Stay logged in")).to_be_focused()
    assert not scrolls_sideways(marcus.page)
    marcus.page.clock.run_for(5000)
    expect(dialog.get_by_text(re.compile("1 minute 3[0-5] seconds"))).to_be_visible()
    marcus.page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(marcus.page.get_by_role("status").filter(has_text="You stay logged in.")).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_value("new@acme.example")
    idle_for(marcus, "marcus", IDLE - 200)  # not told before it is time
    expect(dialog).to_have_count(0)
    idle_for(marcus, "marcus", IDLE - 100)
    expect(dialog).to_be_visible()


def test_the_end_comes_though_the_browser_asks_and_leaves_no_value_to_see(fresh, browse):
    fresh.run("from accounts.models import Account\nAccount.objects.update(session_idle_minutes=5)")
    priya = started(browse, fresh, "priya", "/iam/apikeys")
    priya.choose("Priya Raman", "View details")
    details = priya.dialog("API key details")
    details.get_by_role("button", name="Show").click()
    value = details.locator("[data-value-text]")
    expect(value).to_be_visible()
    idle_for(priya, "priya", 300 - 25)
    expect(warning(priya)).to_be_visible()  # over the other dialog
    expect(warning(priya).get_by_role("status")).to_have_text("30 seconds left")
    assert value.is_visible()
    asks(priya)
    fresh.run(AGO.format("priya", "seen_at", 301))
    with priya.page.expect_navigation():
        priya.page.clock.run_for(11_000)
    priya.expect_page("Log in to Keytree")
    expect(priya.notification("Your session has ended. Log in again to continue.")).to_be_visible()
    expect(value).to_have_count(0)
    priya.log_in("priya")
    priya.expect_page("API keys")


def test_what_was_typed_is_said_to_be_lost(console, browse):
    marcus = started(browse, console, "marcus", "/iam/users/invite_users")
    marcus.page.get_by_label("Email addresses").fill("new@acme.example")
    idle_for(marcus, "marcus", IDLE + 1)  # as after a sleep: there was nobody to be told
    expect(marcus.notification("Your session has ended. What you entered was not saved.")).to_be_visible()
    marcus.log_in("marcus")
    marcus.expect_page("Invite users")


def test_tabs_agree(console, browse):
    """What one puts off is put off for the others, and where one logs out the others show nothing any more."""
    priya = started(browse, console, "priya", "/iam/users")
    other = priya.context.new_page()
    other.goto("/iam/activity")
    idle_for(priya, "priya", IDLE - 100)
    expect(warning(priya)).to_be_visible()
    other.reload()
    asks(priya)
    expect(warning(priya)).to_have_count(0)
    idle_for(priya, "priya", IDLE - 100)
    expect(warning(priya)).to_be_visible()
    other.bring_to_front()
    other.get_by_role("alertdialog", name="Stay logged in?").get_by_role("button", name="Log out").click()
    expect(other.get_by_text("You have logged out.")).to_be_visible()
    asks(priya)
    priya.expect_page("Log in to Keytree")
    priya.log_in("priya")
    priya.expect_page("Users")


def test_whoever_waves_it_away_is_asked_once_more(console, browse):
    priya = started(browse, console, "priya", "/iam/users")
    idle_for(priya, "priya", IDLE - 100)
    expect(warning(priya)).to_be_visible()
    priya.page.keyboard.press("Escape")
    expect(warning(priya)).to_have_count(0)
    priya.page.clock.run_for(40_000)
    expect(warning(priya)).to_have_count(0)
    priya.server.run(AGO.format("priya", "seen_at", IDLE - 30))
    with priya.page.expect_response("**/user/session_end"):
        priya.page.clock.run_for(35_000)
    expect(warning(priya)).to_be_visible()
    priya.button("Log out").click()
    expect(priya.notification("You have logged out.")).to_be_visible()


def test_the_age_of_a_session_is_told_once_and_cannot_be_put_off(console, browse):
    priya = started(browse, console, "priya", "/iam/users")
    priya.server.run(AGO.format("priya", "started_at", LONGEST - 100))
    priya.go("/iam/activity")
    told = priya.page.get_by_role("alertdialog", name="Your session ends soon")
    priya.page.clock.run_for(1500)
    expect(told).to_have_accessible_description(re.compile("a session lasts 12 hours at most, and cannot be extended"))
    expect(priya.button("Stay logged in")).to_have_count(0)
    priya.link("Continue").press("Enter")
    expect(told).to_have_count(0)
    priya.expect_page("Activity")
    priya.go("/iam/users")
    with priya.page.expect_response("**/user/session_end"):
        priya.page.clock.run_for(1500)
    priya.page.clock.run_for(1500)
    expect(told).to_have_count(0)
    priya.server.run(AGO.format("priya", "started_at", LONGEST + 1))
    priya.page.clock.fast_forward(100_000)
    priya.page.clock.run_for(1500)
    expect(priya.notification("Your session has ended.")).to_be_visible()


def test_server_that_is_away_for_a_moment_is_asked_again_and_after_the_end_nothing_is_shown(console, browse):
    marcus = started(browse, console, "marcus", "/iam/users")
    marcus.context.route("**/user/session_end", lambda route: route.fulfill(status=503, body="Busy"))
    idle_for(marcus, "marcus", IDLE - 100)
    expect(warning(marcus)).to_have_count(0)
    marcus.context.unroute("**/user/session_end")
    asks(marcus)
    expect(warning(marcus)).to_be_visible()
    marcus.context.route("**/user/session_end", lambda route: route.fulfill(status=503, body="Busy"))
    marcus.button("Stay logged in").click()
    expect(marcus.page.get_by_role("status").filter(has_text="That did not work.")).to_be_visible()
    marcus.server.run(AGO.format("marcus", "seen_at", IDLE + 1))
    marcus.page.clock.fast_forward(100_000)
    marcus.page.clock.run_for(1500)
    marcus.expect_page("Log in to Keytree")
    marcus.complaints.clear()  # the 503 that was asked for


def test_without_script_the_page_of_the_end_says_the_same(console, browse):
    priya = browse(console, script=False).sign_in("priya", at="/user/session_end")
    priya.expect_page("Stay logged in?")
    expect(priya.page.get_by_text("You will be logged out in 29 minutes")).to_be_visible()
    priya.button("Stay logged in").click()
    priya.expect_page("Stay logged in?")
