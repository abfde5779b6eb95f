"""IBM Cloud API keys in a real browser: found by the View select, turned off and on by their switch."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.platform_keys import GIVE
from tests.journeys.visit import DESKTOP, phone_and_desk

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-platform-keys-journey")]


@phone_and_desk
def test_key_is_found_by_its_view_and_switched_off_and_on(fresh, browse, script, width):
    fresh.run(GIVE)
    marcus = browse(fresh, script=script, width=width).sign_in("marcus")
    view = marcus.page.get_by_label("View", exact=True)
    expect(view).to_have_value("classic")
    expect(view.get_by_role("option")).to_have_text(["My IBM Cloud API keys", "Classic infrastructure API keys"])
    marcus.choose_view("View", "My IBM Cloud API keys")
    expect(marcus.page).to_have_url(re.compile(r"/iam/apikeys\?view=my$"))
    expect(marcus.page.get_by_role("table", name="IBM Cloud API keys")).to_be_visible()
    switch = marcus.page.get_by_role("switch", name="Enabled: build server", exact=True)
    for asked, before, after in (("Disable API key", "true", "false"), ("Enable API key", "false", "true")):
        expect(switch).to_have_attribute("aria-checked", before)
        switch.click()
        dialog = marcus.dialog(asked)
        dialog.get_by_role("link", name="Cancel").click()
        expect(dialog).to_have_count(0)
        expect(marcus.page).to_have_url(re.compile(r"/iam/apikeys\?view=my$"))
        expect(switch).to_have_attribute("aria-checked", before)
        if script:
            expect(switch).to_be_focused()
        switch.press("Space")
        dialog.get_by_role("button", name=asked.partition(" ")[0], exact=True).click()
        expect(marcus.notification(f"API key {asked.partition(' ')[0].lower()}d")).to_be_visible()
        expect(switch).to_have_attribute("aria-checked", after)
        expect(marcus.page).to_have_url(re.compile(r"/iam/apikeys\?view=my$"))
    expect(marcus.page.get_by_role("switch")).to_have_count(2)  # neither of the locked nor of the expired


def test_dialogs_of_a_list_open_in_place_and_go_back_to_it_as_it_was(fresh, browse):
    fresh.run(GIVE)
    olivia = browse(fresh, width=DESKTOP).sign_in("olivia", at="/iam/apikeys?view=all&sort=-created&q=e")
    address = olivia.page.url
    olivia.choose("Notebook", "Lock")
    expect(olivia.dialog("Lock API key")).to_be_visible()
    assert olivia.page.url == address
    olivia.dialog("Lock API key").get_by_role("button", name="Lock", exact=True).click()
    expect(olivia.notification("API key locked")).to_be_visible()
    assert olivia.page.url == address
    assert olivia.open_menu("Notebook").get_by_role("link").all_inner_texts() == ["Unlock"]
