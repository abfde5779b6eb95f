"""Branches in a real browser: looked after from suspension to removal, walked as a picture, and rid of unused keys."""

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.journeys.live import LiveServer
from tests.journeys.visit import DESKTOP, Visit, phone_and_desk, scrolls_sideways

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-branch-journey")]

# Nobody of the demo has had a key for a month.
LONG_AGO = """
from datetime import timedelta
from django.utils import timezone
from keys.models import ClassicKey
ClassicKey.objects.update(created_at=timezone.now() - timedelta(days=60))
"""


@phone_and_desk
def test_branch_is_looked_after_from_suspension_to_removal(fresh, browse, script, width):
    """Marcus suspends and moves Noor, removes Priya, whose branch he takes over, and invites; Olivia sets the rules."""
    marcus = browse(fresh, script=script, width=width).sign_in("marcus", at="/iam/users")
    marcus.link("Noor Haddad").click()
    marcus.page.locator("#id_status").select_option("Suspended")
    marcus.button("Apply").click()
    asked = marcus.dialog("Suspend user")
    expect(asked).to_contain_text("They have no classic infrastructure API key.")
    asked.get_by_role("button", name="Suspend").click()
    expect(marcus.notification("Noor Haddad is Suspended from now on.")).to_be_visible()
    marcus.button("Actions").click()
    marcus.link("Activate").click()
    marcus.dialog("Activate user").get_by_role("button", name="Activate").click()
    expect(marcus.notification("Noor Haddad is Active from now on.")).to_be_visible()

    marcus.link("Change parent").click()
    marcus.link("Marcus Lindqvist").click()
    lose = marcus.page.get_by_role("region", name="Will no longer see them")
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
    if marcus.script:
        expect(marcus.page.get_by_text("Ticked now: 2.")).to_be_visible()
        # A browser that comes back to the page puts ticks as they were left, and says no more than that it is shown.
        for is_ticked, number in ((False, 1), (True, 2)):
            marcus.page.locator("[name=key]").last.evaluate("(box, is) => { box.checked = is }", is_ticked)
            marcus.page.evaluate("dispatchEvent(new Event('pageshow'))")
            expect(marcus.page.get_by_text(f"Ticked now: {number}.")).to_be_visible()
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
    expect(marcus.notification("Tove Nyström must log in again")).to_be_visible()
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
