"""How people log in, in a real browser: a passkey made and used, codes of an app, a recovery code."""

from types import SimpleNamespace

import pyotp
import pytest
from playwright.sync_api import Locator, expect

from tests.journeys.visit import Visit

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-security-journey")]


def give_authenticator(visit: Visit) -> None:
    """Let the browser have an authenticator that knows its person, as a phone or a laptop is."""
    session = visit.context.new_cdp_session(visit.page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def give_password(visit: Visit, who: str) -> None:
    visit.log_in(who)
    visit.expect_page("Confirm that it is you")


def log_out(visit: Visit) -> None:
    visit.button("Profile").click()
    visit.page.get_by_role("button", name="Log out").click()
    visit.expect_page("Log in to Keytree")


def keep_codes(visit: Visit, dialog: Locator) -> list[str]:
    """Save the recovery codes that a dialog shows, close it, and return them."""
    codes = dialog.locator("[data-value-text]").inner_text().split()
    assert len(codes) == 10
    # They are not shown again: whoever presses Enter once more still sees them.
    expect(dialog.get_by_role("group", name="Recovery codes")).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    with visit.page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "keytree-recovery-codes.txt"
    assert download.value.path().read_text().split() == codes
    dialog.get_by_role("link", name="I have saved them").click()
    return codes


def test_passkey_and_codes_from_setting_up_to_losing_them(start_shared, browse):
    """By keyboard names alone; at the site's name, as passkeys are bound to one."""
    server = start_shared()
    visit = browse(SimpleNamespace(url=server.url.replace("127.0.0.1", "localhost")))
    give_authenticator(visit)
    visit.go("/login").log_in("noor")
    visit.expect_page("API keys")
    visit.button("Profile").click()
    visit.link("Login security").click()
    visit.expect_page("Login security")

    # A passkey: made in the dialog, which then shows the recovery codes.
    visit.button("Add a passkey").click()
    dialog = visit.dialog("Add a passkey")
    dialog.get_by_label("Name").fill("Laptop")
    dialog.get_by_role("button", name="Add").click()
    codes = keep_codes(visit, visit.dialog("Passkey added"))
    expect(visit.page.get_by_role("table", name="Passkeys")).to_contain_text("Laptop")
    log_out(visit)
    give_password(visit, "noor")
    visit.button("Use a passkey").click()
    visit.expect_page("Use a passkey")
    visit.button("Use a passkey").click()
    visit.expect_page("API keys")
    log_out(visit)

    # A recovery code in its place.
    give_password(visit, "noor")
    visit.page.get_by_label("Code").fill(codes[0])
    visit.button("Continue").click()
    visit.expect_page("API keys")

    # An app, which is given the secret by hand here.
    visit.go("/user/security")
    visit.link("Set up one-time passcodes").click()
    visit.dialog("Set up one-time passcodes").get_by_role("button", name="Continue").click()
    dialog = visit.dialog("Set up one-time passcodes")
    expect(dialog.get_by_role("img", name="QR code of the secret")).to_be_visible()
    app = pyotp.TOTP(dialog.locator("[data-value-text]").inner_text().replace(" ", ""))
    dialog.get_by_label("Code from the app").fill("000000")
    dialog.get_by_role("button", name="Turn on").click()
    expect(dialog.get_by_label("Code from the app")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Code from the app").fill(app.now())
    dialog.get_by_role("button", name="Turn on").click()
    expect(visit.dialog("One-time passcodes are on")).to_be_visible()
    visit.page.keyboard.press("Escape")
    expect(visit.page.get_by_text("10 of 10 left")).to_be_visible()

    # The passkey goes.
    visit.choose("Laptop", "Remove")
    visit.dialog("Remove passkey").get_by_role("button", name="Remove").click()
    expect(visit.notification("Passkey removed")).to_be_visible()
    visit.expect_page("Login security")


def test_secret_of_an_app_leaves_the_page_in_every_form_after_five_minutes(fresh, browse):
    visit = browse(fresh, own=True)
    visit.page.clock.install()
    visit.sign_in("noor").go("/user/security")
    visit.link("Set up one-time passcodes").click()
    visit.dialog("Set up one-time passcodes").get_by_role("button", name="Continue").click()
    dialog = visit.dialog("Set up one-time passcodes")
    code = dialog.get_by_role("img", name="QR code of the secret")
    expect(code).to_be_visible()
    secret = dialog.locator("[data-value-text]").inner_text()
    visit.page.clock.run_for("05:00")
    expect(dialog.locator("[data-value-left]")).to_have_text("Gone from here: five minutes have passed.")
    expect(code).to_have_count(0)
    assert secret.replace(" ", "") not in visit.page.content().replace(" ", "")
