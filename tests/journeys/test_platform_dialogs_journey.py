"""The life of an IBM Cloud API key in a real browser, from its one answer with the value to its deletion."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.journeys.platform_dialogs import CREATE, CREATE_BUTTON, CREATED, EDIT
from tests.journeys.test_key_journey import AGE_PROOFS, close, let_five_minutes_pass
from tests.journeys.visit import Visit, phone_and_desk, verify, with_and_without_script

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-platform-dialogs")]

MY_KEYS, KEY = "/iam/apikeys?view=my", "Build server"
COUNT_NOORS_KEYS = """
from keys.models import PlatformKey
print(PlatformKey.objects.filter(holder__user__email="noor@acme.example").count())
"""


def create_key(visit: Visit, name: str = KEY) -> str:
    """Fill in the form, look at the value if need be, and return it; the dialog stays open."""
    visit.link(CREATE_BUTTON).click()
    visit.dialog(CREATE).get_by_label("Name").fill(name)
    visit.dialog(CREATE).get_by_role("button", name="Create").click()
    created = visit.dialog(CREATED)
    value = created.locator("[data-value-text]")
    expect(value).to_be_visible(visible=not visit.script)
    if visit.script:
        created.get_by_role("button", name="Show").click()
    expect(value).to_be_visible()
    assert re.fullmatch("ktp_[0-9A-Za-z]{49}", value.inner_text())
    return value.inner_text()


def answer(visit: Visit, title: str, button: str) -> None:
    visit.dialog(title).get_by_role("button", name=button, exact=True).click()


def works(visit: Visit, value: str) -> bool:
    return {204: True, 401: False}[verify(visit.server, "apikey", value)]


@phone_and_desk
def test_key_from_creation_to_deletion(fresh, browse, script, width):  # noqa: PLR0915 - one story, told in order
    likes = {"script": script, "width": width, "permissions": ["clipboard-read", "clipboard-write"]}
    noor = browse(fresh, **likes).sign_in("noor", at=MY_KEYS)
    value = create_key(noor)
    created = noor.dialog(CREATED)
    expect(created).to_contain_text("You cannot see it again.")
    if script:
        created.get_by_role("button", name="Copy", exact=True).click()
        expect(created.get_by_role("status")).to_have_text("Copied to clipboard")
        assert noor.clipboard() == value
        created.get_by_role("button", name="Put API username on the clipboard").click()
        noor.expect_copied("apikey")
        with noor.page.expect_download() as downloading:
            created.get_by_role("button", name="Download").click()
        assert downloading.value.suggested_filename == "apikey.json"
        file = json.loads(downloading.value.path().read_text())
        assert file.pop("created").endswith("Z")
        assert file == {"name": KEY, "username": "apikey", "key": value}
        created.get_by_role("button", name="Hide").click()
        expect(created.locator("[data-value-text]")).to_be_hidden()
    else:
        for name in ("Copy", "Download", "Show", "Hide", "Put API username on the clipboard"):
            expect(created.get_by_role("button", name=name, exact=True)).to_be_hidden()
    assert works(noor, value)

    # It is in the list, and its value nowhere any more.
    created.get_by_role("link", name="Done").click()
    expect(created).to_have_count(0)
    expect(noor.page).to_have_url(re.compile(r"/iam/apikeys\?view=my$"))
    expect(noor.button(f"Actions for {KEY}")).to_be_visible()
    assert value not in noor.page.content()

    # A locked key can be unlocked, and nothing else; who comes from an older page is told so.
    noor.choose(KEY, "Lock")
    expect(noor.dialog("Lock API key")).to_be_visible()
    older = noor.page.evaluate("document.querySelector('dialog').dataset.address ?? location.href")
    answer(noor, "Lock API key", "Lock")
    expect(noor.notification("API key locked")).to_contain_text(f"{KEY} can be neither edited nor deleted")
    menu = noor.open_menu(KEY)
    expect(menu.get_by_role("link")).to_have_text(["Unlock"])
    noor.go(older.replace("/lock", "/edit"))
    refusal = noor.dialog(EDIT)
    expect(refusal).to_contain_text("This key is locked. Unlock it first.")
    expect(refusal.get_by_role("button", name="Save")).to_have_count(0)
    refusal.get_by_role("link", name="Done").click()
    expect(noor.page).to_have_url(re.compile(r"/iam/apikeys\?view=my$"))
    assert works(noor, value)
    noor.choose(KEY, "Unlock")
    answer(noor, "Unlock API key", "Unlock")
    expect(noor.notification("API key unlocked")).to_be_visible()

    # Edited, with a mistake first.
    noor.choose(KEY, "Edit")
    edit = noor.dialog(EDIT)
    edit.get_by_label("Name").fill("https://robots.example")
    edit.get_by_label("Description").fill("Builds the robots")
    answer(noor, EDIT, "Save")
    expect(edit.get_by_text("Enter a name without a web address.").first).to_be_visible()
    expect(edit.get_by_label("Name")).to_be_focused()
    expect(edit.get_by_label("Description")).to_have_value("Builds the robots")
    edit.get_by_label("Name").fill("Robots")
    edit.get_by_label("Delete the leaked key").check()
    answer(noor, EDIT, "Save")
    expect(noor.notification("API key saved")).to_contain_text("The changes to Robots apply at once.")
    assert works(noor, value)

    # The owner, who sees all keys, disables it after a proof of identity.
    olivia = browse(fresh, script=script, width=width).sign_in("olivia", at="/iam/apikeys?view=all")
    path = olivia.open_menu("Robots").get_by_role("link", name="Delete").get_attribute("href")
    fresh.run(AGE_PROOFS)
    olivia.go(path.replace("/delete", "/disable"))
    expect(olivia.dialog("Disable API key")).to_contain_text("Disable the key Robots of Noor Haddad?")
    answer(olivia, "Disable API key", "Disable")
    proof = olivia.dialog("Confirm that it is you")
    assert works(noor, value)
    proof.get_by_label("Password").fill("keytree-demo")
    answer(olivia, "Confirm that it is you", "Continue")
    expect(olivia.notification("API key disabled")).to_contain_text("Robots of Noor Haddad has stopped working.")
    expect(olivia.page).to_have_url(re.compile(r"/iam/apikeys\?view=all$"))
    assert not works(noor, value)

    # Its user deletes it, on second thoughts.
    noor.choose("Robots", "Delete")
    question = noor.dialog("Delete API key")
    expect(question.get_by_role("link", name="Cancel")).to_be_focused()
    question.get_by_role("link", name="Cancel").click()
    expect(question).to_have_count(0)
    noor.choose("Robots", "Delete")
    answer(noor, "Delete API key", "Delete")
    expect(noor.notification("API key deleted")).to_contain_text("Robots has stopped working.")
    expect(noor.button("Actions for Robots")).to_have_count(0)
    if script:
        expect(noor.heading).to_be_focused()
    assert fresh.run(COUNT_NOORS_KEYS) == "0\n"


def test_keyboard_alone_does_it_all(fresh, browse):
    noor = browse(fresh, permissions=["clipboard-read", "clipboard-write"]).sign_in("noor", at=MY_KEYS)
    press, page = noor.page.keyboard.press, noor.page
    opener = noor.link(CREATE_BUTTON)
    noor.tab_to(opener)
    press("Enter")
    form = noor.dialog(CREATE)
    expect(form.get_by_label("Name")).to_be_focused()
    press("Escape")
    expect(form).to_have_count(0)
    expect(opener).to_be_focused()
    press("Enter")
    expect(form.get_by_label("Name")).to_be_focused()
    page.keyboard.type(KEY)
    noor.tab_to(form.get_by_label("Disable the leaked key"))
    press("ArrowDown")
    press("ArrowDown")
    expect(form.get_by_label("Nothing")).to_be_checked()
    press("Enter")

    # Pressing Enter once more does not close the one answer with the value.
    created = noor.dialog(CREATED)
    expect(created.get_by_role("heading", name=CREATED)).to_be_focused()
    press("Enter")
    expect(created).to_be_visible()
    noor.tab_to(created.get_by_role("button", name="Show"))
    press("Enter")
    expect(created.get_by_role("button", name="Hide")).to_be_focused()
    noor.tab_to(created.get_by_role("button", name="Download"))
    with page.expect_download() as downloading:
        press("Enter")
    value = json.loads(downloading.value.path().read_text())["key"]
    assert works(noor, value)
    noor.tab_to(created.get_by_role("link", name="Done"))
    press("Enter")
    expect(created).to_have_count(0)

    # Its menu, and the questions.
    for first, moves, entry, done in (
        ("Edit", ["ArrowDown"], "Lock", "locked"),
        ("Unlock", [], "Unlock", "unlocked"),
        ("Edit", ["End"], "Delete", "deleted"),
    ):
        noor.tab_to(noor.button(f"Actions for {KEY}"))
        press("Enter")
        expect(noor.link(first)).to_be_focused()
        for key in moves:
            press(key)
        expect(noor.link(entry)).to_be_focused()
        press("Enter")
        question = noor.dialog(f"{entry} API key")
        expect(question.get_by_role("link", name="Cancel")).to_be_focused()
        press("Tab")
        expect(question.get_by_role("button", name=entry, exact=True)).to_be_focused()
        press("Enter")
        expect(noor.notification(f"API key {done}")).to_be_visible()
        expect(noor.heading).to_be_focused()


def test_value_leaves_the_page_after_five_minutes(fresh, browse):
    noor = browse(fresh, own=True)
    noor.page.clock.install()
    noor.sign_in("noor", at=MY_KEYS)
    value = create_key(noor)
    created = noor.dialog(CREATED)
    let_five_minutes_pass(noor, created, value)
    for name in ("Show", "Copy", "Download"):
        expect(created.get_by_role("button", name=name, exact=True)).to_have_count(0)


def test_value_is_gone_when_a_computer_wakes_up(fresh, browse):
    """No timer goes on while it sleeps: the five minutes are those of the clock."""
    noor = browse(fresh, own=True)
    noor.page.clock.install()
    noor.sign_in("noor", at=MY_KEYS)
    value = create_key(noor)
    noor.page.clock.fast_forward("06:00")
    noor.page.clock.run_for(2000)
    assert value not in noor.page.content()


@with_and_without_script
def test_double_click_creates_one_key(fresh, browse, script):
    noor = browse(fresh, script=script).sign_in("noor", at=MY_KEYS)
    noor.link(CREATE_BUTTON).click()
    noor.dialog(CREATE).get_by_label("Name").fill(KEY)
    noor.dialog(CREATE).get_by_role("button", name="Create").dblclick()
    if script:
        expect(noor.dialog(CREATED)).to_be_visible()
    else:  # the second click takes the place of the first one's answer
        expect(noor.notification("Nothing was changed").or_(noor.dialog(CREATED))).to_be_visible()
    assert fresh.run(COUNT_NOORS_KEYS) == "1\n"


def test_loading_the_answer_again_creates_no_second_key(fresh, browse):
    noor = browse(fresh, script=False).sign_in("noor", at=MY_KEYS)
    value = create_key(noor)
    noor.page.reload()
    refusal = noor.notification("Nothing was changed")
    expect(refusal).to_contain_text("You sent this form before, and it has created the key.")
    expect(noor.button(f"Actions for {KEY}")).to_be_visible()
    assert fresh.run(COUNT_NOORS_KEYS) == "1\n"
    assert works(noor, value)


@with_and_without_script
def test_creating_asks_for_the_password_when_signing_in_was_long_ago(fresh, browse, script):
    noor = browse(fresh, script=script).sign_in("noor", at=MY_KEYS)
    fresh.run(AGE_PROOFS)
    noor.link(CREATE_BUTTON).click()
    noor.dialog(CREATE).get_by_label("Name").fill("Ampersand & <tag>")
    answer(noor, CREATE, "Create")
    proof = noor.dialog("Confirm that it is you")
    proof.get_by_label("Password").fill("keytree-demo")
    answer(noor, "Confirm that it is you", "Continue")
    created = noor.dialog(CREATED)
    expect(created).to_contain_text("Ampersand & <tag>")
    value = created.locator("[data-value-text]")
    expect(value).to_have_text(re.compile("ktp_"))
    assert works(noor, value.text_content())
    close(created)
    expect(noor.button("Actions for Ampersand & <tag>")).to_be_visible()
