"""The life of a key as its people see it, in a real browser: with and without script, on a desk and on a phone."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.journeys.live import LiveServer
from tests.journeys.nginx import BINARY, running_nginx
from tests.journeys.visit import Visit, phone_and_desk, verify
from tests.keys.calls import basic

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-key-journeys")]

NOOR = "Noor Haddad"
USERNAME = "1234567_noor@acme.example"
CREATE = "Create a classic infrastructure key"
COPY_USERNAME = "Put API username on the clipboard"
CREATED = "API key successfully created"
CLIENT = "127.0.0.9"  # who calls nginx
FAR_AWAY = "192.0.2.7"  # nobody calls from there

# Phones lying down and upright, and a small window: a dialog with a value is longer than they are high.
LOW_WINDOWS = [(844, 390), (720, 450), (320, 640), (390, 664)]
# Whether an element is in the window from its top to its bottom, and nothing lies over either.
IS_WHOLLY_SEEN = """seen => {
    const box = seen.getBoundingClientRect();
    return [box.top + 2, box.bottom - 2].every(
        y => seen.contains(document.elementFromPoint(box.left + box.width / 2, y))
    );
}"""

# The proof of identity of everybody who is signed in, made older than it may be.
AGE_PROOFS = """
from accounts.models import Session
from accounts.sessions import SessionStore
for row in Session.objects.exclude(user=None):
    held = row.get_decoded()
    row.session_data = SessionStore().encode({**held, "proved_at": held["proved_at"] - 301})
    row.save()
"""
COUNT_NOORS_KEYS = """
from keys.models import ClassicKey
print(ClassicKey.objects.filter(holder__user__email="noor@acme.example").count())
"""


def create_key(visit: Visit) -> str:
    """Press the button, look at the value if need be, and return it; the dialog stays open."""
    visit.button(CREATE).click()
    dialog = visit.dialog(CREATED)
    expect(dialog).to_be_visible()
    return read_value(visit, dialog)


def read_value(visit: Visit, dialog: Locator) -> str:
    value = dialog.locator("[data-value-text]")
    if visit.script and not value.is_visible():
        dialog.get_by_role("button", name="Show").click()
    expect(value).to_be_visible()
    assert re.fullmatch("[0-9a-f]{64}", value.inner_text())
    return value.inner_text()


def close(dialog: Locator) -> None:
    dialog.get_by_role("link", name="Close").click()
    expect(dialog).to_have_count(0)


@pytest.fixture(scope="module")
def shared(start_shared) -> LiveServer:
    """A Keytree that believes an nginx on this machine, for all tests here."""
    return start_shared(KEYTREE_TRUSTED_PROXIES="127.0.0.1")


@pytest.fixture
def passes(fresh: LiveServer, tmp_path: Path) -> Iterator[Callable[[str, str], bool]]:
    """Whether a call with a key passes: what Keytree answers and, where nginx is installed, what nginx makes of it."""
    with ExitStack() as stack:
        nginx = stack.enter_context(running_nginx(tmp_path, fresh.port)) if BINARY else None

        def passes(username: str, value: str) -> bool:
            status = verify(fresh, username, value, client=CLIENT)
            if nginx:
                answer = nginx.call("/orders", ("Authorization", basic(username, value)), source=CLIENT)
                assert answer.status == {204: 200, 401: 401}[status]
            return {204: True, 401: False}[status]

        yield passes


@phone_and_desk
def test_key_from_creation_by_its_user_to_deletion_by_their_inviter(  # noqa: PLR0915 - one story, told in order
    fresh, passes, browse, script, width
):
    likes = {"script": script, "width": width}
    # A member without a key creates one.
    noor = browse(fresh, **likes, permissions=["clipboard-read", "clipboard-write"]).sign_in("noor")
    expect(noor.page.get_by_text("No classic infrastructure API keys", exact=True)).to_be_visible()
    noor.button(CREATE).click()
    created = noor.dialog(CREATED)
    expect(created.get_by_text(USERNAME)).to_be_visible()
    expect(created.locator("[data-value-text]")).to_be_visible(visible=not script)
    value = read_value(noor, created)
    if script:
        created.get_by_role("button", name="Copy").click()
        expect(created.get_by_role("status")).to_have_text("Copied to clipboard")
        assert noor.clipboard() == value
        created.get_by_role("button", name=COPY_USERNAME).click()
        noor.expect_copied(USERNAME)
        created.get_by_role("button", name="Hide").click()
        expect(created.locator("[data-value-text]")).to_be_hidden()
    else:
        expect(created.get_by_role("button", name="Copy")).to_be_hidden()
        expect(created.get_by_role("button", name=COPY_USERNAME)).to_be_hidden()
    with noor.page.expect_download() as downloading:
        created.get_by_role("button", name="Download").click()
    assert downloading.value.suggested_filename == "apikey.json"
    file = json.loads(downloading.value.path().read_text())
    assert file.pop("created").endswith("Z")
    assert file == {"name": "Classic infrastructure API key", "username": USERNAME, "key": value}

    # They find it again.
    created.get_by_role("link", name="Done").click()
    expect(created).to_have_count(0)
    noor.expect_page("API keys")
    if script:
        expect(noor.heading).to_be_focused()
    expect(noor.row(NOOR)).to_contain_text("self")
    expect(noor.button(CREATE)).to_have_count(0)
    assert value not in noor.page.content()
    noor.choose(NOOR, "View details")
    details = noor.dialog("API key details")
    expect(details).to_contain_text(USERNAME)
    assert value not in noor.page.content()
    if script:
        noor.page.evaluate("navigator.clipboard.writeText('')")
        details.get_by_role("button", name="Copy").click()
        expect(details.get_by_role("status")).to_have_text("Copied to clipboard")
        assert noor.clipboard() == value
    assert value not in noor.page.content()
    details.get_by_role("button", name="Show").click()
    expect(details.locator("[data-value-text]")).to_have_text(value)
    assert passes(USERNAME, value)

    # Their inviter sees the key, and cannot read it.
    priya = browse(fresh, **likes).sign_in("priya")
    expect(priya.row(NOOR)).to_contain_text("Child of Priya Raman")
    priya.choose(NOOR, "View details")
    seen = priya.dialog("API key details")
    expect(seen).to_contain_text("Only the user who created the key can see its value.")
    for name in ("Show", "Copy", "Download"):
        expect(seen.get_by_role("button", name=name)).to_have_count(0)
    expect(seen.get_by_role("link", name="Edit")).to_have_count(0)  # she lacks Manage users
    assert value not in priya.page.content()
    address = priya.page.evaluate("document.querySelector('dialog').dataset.address ?? location.pathname")
    lists = ["/iam/apikeys", "/iam/apikeys/classic.csv", "/iam/activity", "/iam/activity.csv", "/iam/users"]
    for path in [*lists, address, f"{address}/delete"]:
        answer = priya.context.request.get(path)
        assert answer.ok
        assert value not in f"{answer.headers} {answer.text()}"
    close(seen)

    # Who cares for them restricts it by address: from the details, and back on their page.
    marcus = browse(fresh, **likes).sign_in("marcus")
    marcus.choose(NOOR, "View details")
    marcus.dialog("API key details").get_by_role("link", name="Edit").click()
    restriction = marcus.dialog("Edit IP address restrictions")
    expect(restriction.get_by_label("Classic infrastructure")).to_be_focused()
    restriction.get_by_label("Classic infrastructure").fill(FAR_AWAY)
    restriction.get_by_role("button", name="Save").click()
    expect(marcus.notification("IP address restrictions saved")).to_be_visible()
    assert not passes(USERNAME, value)
    marcus.link(NOOR).click()
    marcus.expect_page(f"Manage {NOOR}")
    field = marcus.page.get_by_label("Classic infrastructure")
    expect(field).to_have_value(FAR_AWAY)
    field.fill("127.0.0.0/8, 192.0.2.0/24")
    marcus.button("Save").click()
    expect(marcus.notification("IP address restrictions saved")).to_be_visible()
    assert passes(USERNAME, value)

    # The inviter deletes it, on second thoughts.
    priya.choose(NOOR, "Delete")
    question = priya.dialog("Delete API key")
    expect(question).to_contain_text(f"Delete the key of {NOOR}?")
    expect(question.get_by_role("link", name="Cancel")).to_be_focused()
    question.get_by_role("link", name="Cancel").click()
    expect(question).to_have_count(0)
    expect(priya.row(NOOR)).to_be_visible()
    assert passes(USERNAME, value)
    priya.choose(NOOR, "Delete")
    question.get_by_role("button", name="Delete").click()
    expect(priya.notification("API key deleted")).to_contain_text(f"The key of {NOOR} has stopped working.")
    expect(priya.heading).to_be_focused()
    expect(priya.row(NOOR)).to_have_count(0)
    assert not passes(USERNAME, value)

    # And they may create another.
    noor.go("/iam/apikeys")
    assert create_key(noor) != value


def test_keyboard_alone_does_it_all(fresh, browse):  # noqa: PLR0915 - one story, told in order
    noor = browse(fresh)
    press, page = noor.page.keyboard.press, noor.page
    noor.go("/login")
    expect(page.get_by_label("Email")).to_be_focused()
    page.keyboard.type("noor@acme.example")
    press("Tab")
    page.keyboard.type("keytree-demo")
    press("Enter")
    noor.expect_page("API keys")
    press("Tab")
    expect(noor.link("Skip to main content")).to_be_focused()
    expect(noor.link("Skip to main content")).to_be_in_viewport()
    press("Enter")
    expect(page.locator("main")).to_be_focused()

    # A dialog takes the focus, keeps it, and gives it back.
    noor.tab_to(noor.button(CREATE))
    press("Enter")
    created = noor.dialog(CREATED)
    expect(created).to_be_visible()
    noor.tab_to(created.get_by_role("button", name="Show"))
    press("Enter")
    expect(created.get_by_role("button", name="Hide")).to_be_focused()
    for key in ["Tab"] * 12 + ["Shift+Tab"] * 12:
        press(key)
        assert page.evaluate("!document.activeElement.closest('body > :not(dialog)')"), noor.focused()
    press("Escape")
    expect(created).to_have_count(0)

    # The menu: the first entry has the focus, arrows go round, Escape gives it back.
    opener = noor.button(f"Actions for {NOOR}")
    noor.tab_to(opener)
    expect(opener).to_have_attribute("aria-expanded", "false")
    press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "true")
    details, delete = noor.link("View details"), noor.link("Delete")
    expect(details).to_be_focused()
    for key, focused in [
        ("ArrowDown", delete), ("ArrowDown", details), ("ArrowUp", delete), ("Home", details), ("End", delete),
    ]:  # fmt: skip
        press(key)
        expect(focused).to_be_focused()
    press("Escape")
    expect(delete).to_be_hidden()
    expect(opener).to_be_focused()
    expect(opener).to_have_attribute("aria-expanded", "false")
    press("Enter")
    expect(details).to_be_focused()
    press("End")
    press("Tab")  # who leaves the menu does not leave it open
    expect(delete).to_be_hidden()
    expect(opener).to_have_attribute("aria-expanded", "false")
    press("Shift+Tab")
    expect(opener).to_be_focused()

    # Its dialogs: the focus is on what harms least, Escape closes and gives it back to the menu's button.
    press("Enter")
    expect(details).to_be_focused()
    press("Enter")
    dialog = noor.dialog("API key details")
    expect(dialog.get_by_role("link", name="Close")).to_be_focused()
    noor.tab_to(dialog.get_by_role("link", name="Done"))
    press("Enter")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    press("Enter")
    expect(details).to_be_focused()
    press("Enter")
    expect(dialog).to_be_visible()
    press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    press("Enter")
    expect(details).to_be_focused()
    press("End")
    press("Enter")
    question = noor.dialog("Delete API key")
    expect(question.get_by_role("link", name="Cancel")).to_be_focused()
    noor.tab_to(question.get_by_role("button", name="Delete"), most=2)
    press("Enter")
    expect(noor.notification("API key deleted")).to_be_visible()
    expect(noor.heading).to_be_focused()


def test_escape_leaves_a_dialog_that_is_a_page_of_its_own(fresh, browse):
    marcus = browse(fresh).sign_in("marcus")
    marcus.go(marcus.open_menu("Priya Raman").get_by_role("link", name="Delete").get_attribute("href"))
    expect(marcus.dialog("Delete API key").get_by_role("link", name="Cancel")).to_be_focused()
    marcus.page.keyboard.press("Escape")
    marcus.expect_page("API keys")
    expect(marcus.row("Priya Raman")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_value_is_in_view_once_it_is_shown_in_low_windows_too(fresh, browse, script):
    noor = browse(fresh, script=script).sign_in("noor")
    create_key(noor)
    for width, height in LOW_WINDOWS:
        noor.page.set_viewport_size({"width": width, "height": height})
        noor.go("/iam/apikeys")
        noor.choose(NOOR, "View details")
        details = noor.dialog("API key details")
        details.get_by_role("button", name="Show").click()
        download = details.get_by_role("button", name="Download")
        expect(details.get_by_role("group", name="API key")).to_be_focused()
        value = details.locator("[data-value-text]")
        for seen in (value, download, *([details.get_by_role("button", name="Copy")] if script else [])):
            for _ in range(50):  # the browser scrolls when it has laid the page out
                if seen.evaluate(IS_WHOLLY_SEEN):
                    break
                noor.page.wait_for_timeout(100)
            else:
                pytest.fail(f"{seen} is not in view at {width} x {height}")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_double_click_creates_one_key(fresh, browse, script):
    noor = browse(fresh, script=script).sign_in("noor")
    noor.button(CREATE).dblclick()
    if script:
        expect(noor.dialog(CREATED)).to_be_visible()
    else:  # the second click takes the place of the first one's answer
        expect(noor.notification("Nothing was changed").or_(noor.dialog(CREATED))).to_be_visible()
    assert fresh.run(COUNT_NOORS_KEYS) == "1\n"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_second_tab_that_is_out_of_date_creates_nothing(fresh, browse, script):
    noor = browse(fresh, script=script).sign_in("noor")
    first = noor.page
    noor.page = noor.context.new_page()
    noor.go("/iam/apikeys")
    value = create_key(noor)
    noor.page = first
    noor.button(CREATE).click()
    refusal = noor.notification("Nothing was changed")
    expect(refusal).to_contain_text("You already have a classic infrastructure key. Delete it to create another.")
    expect(noor.row(NOOR)).to_be_visible()
    expect(noor.button(CREATE)).to_have_count(0)
    assert verify(fresh, USERNAME, value) == 204


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_value_asks_for_the_password_when_signing_in_was_long_ago(fresh, browse, script):
    noor = browse(fresh, script=script).sign_in("noor")
    value = create_key(noor)
    close(noor.dialog(CREATED))
    fresh.run(AGE_PROOFS)
    noor.choose(NOOR, "View details")
    noor.dialog("API key details").get_by_role("button", name="Show").click()
    proof = noor.dialog("Confirm that it is you")
    expect(proof.get_by_label("Password")).to_be_focused()
    assert value not in noor.page.content()
    proof.get_by_label("Password").fill("not my password")
    proof.get_by_role("button", name="Continue").click()
    expect(proof.get_by_text("This password is wrong. Try again.")).to_be_visible()
    assert value not in noor.page.content()
    proof.get_by_label("Password").fill("keytree-demo")
    proof.get_by_role("button", name="Continue").click()
    details = noor.dialog("API key details")
    expect(details.locator("[data-value-text]")).to_have_text(value)
    expect(details).to_contain_text("Date created")

    # The same for the file: the question does not stay behind when the file has come.
    fresh.run(AGE_PROOFS)
    details.get_by_role("button", name="Download").click()
    proof.get_by_label("Password").fill("keytree-demo")
    proof.get_by_role("button", name="Continue").click()
    expect(noor.notification("Download the key now.")).to_be_visible()
    expect(details.get_by_role("button", name="Download")).to_be_focused()
    with noor.page.expect_download() as downloading:
        noor.page.keyboard.press("Enter")
    assert json.loads(downloading.value.path().read_text())["key"] == value


def test_copying_asks_for_the_password_when_signing_in_was_long_ago(fresh, browse):
    noor = browse(fresh, own=True, permissions=["clipboard-read", "clipboard-write"]).sign_in("noor")
    value = create_key(noor)
    close(noor.dialog(CREATED))
    fresh.run(AGE_PROOFS)
    noor.page.evaluate("navigator.clipboard.writeText('')")
    noor.choose(NOOR, "View details")
    details = noor.dialog("API key details")
    details.get_by_role("button", name="Copy").click()
    proof = noor.dialog("Confirm that it is you")
    assert noor.clipboard() == ""
    proof.get_by_label("Password").fill("keytree-demo")
    proof.get_by_role("button", name="Continue").click()
    details.get_by_role("button", name="Copy").click()
    expect(details.get_by_role("status")).to_have_text("Copied to clipboard")
    assert noor.clipboard() == value

    # Where the browser does not allow it, that is said, and the value stays where it is.
    close(details)
    noor.context.clear_permissions()
    noor.choose(NOOR, "View details")
    details.get_by_role("button", name="Copy").click()
    expect(details.get_by_role("status")).to_have_text(
        "The browser did not allow copying. Show the value and select it."
    )
    details.get_by_role("button", name=COPY_USERNAME).click()
    expect(details.get_by_role("status")).to_have_text("The browser did not allow copying. Select the text.")
    assert value not in noor.page.content()
    details.get_by_role("button", name="Show").click()
    details.get_by_role("button", name="Copy", exact=True).click()
    expect(details.get_by_role("status")).to_have_text("The browser did not allow copying. Select the text.")


def test_creating_asks_for_the_password_when_signing_in_was_long_ago(fresh, browse):
    noor = browse(fresh).sign_in("noor")
    fresh.run(AGE_PROOFS)
    noor.button(CREATE).click()
    proof = noor.dialog("Confirm that it is you")
    proof.get_by_label("Password").fill("keytree-demo")
    proof.get_by_role("button", name="Continue").click()
    assert verify(fresh, USERNAME, read_value(noor, noor.dialog(CREATED))) == 204


def let_five_minutes_pass(visit: Visit, dialog: Locator, value: str) -> None:
    """Watch a value that has just been given leave its dialog; the browser's clock is the test's."""
    left = dialog.locator("[data-value-left]")
    expect(left).to_have_text("Gone from here in 5 minutes.")
    visit.page.clock.run_for("04:00")
    expect(left).to_have_text("Gone from here in 1 minute.")
    assert value in visit.page.content()
    visit.page.clock.run_for("01:00")
    expect(left).to_have_text("Gone from here: five minutes have passed.")
    assert value not in visit.page.content()


def test_value_leaves_the_page_after_five_minutes(fresh, browse):
    noor = browse(fresh, own=True)
    noor.page.clock.install()
    noor.sign_in("noor")
    value = create_key(noor)
    let_five_minutes_pass(noor, noor.dialog(CREATED), value)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_key_that_somebody_else_deleted_meanwhile_is_not_found(fresh, browse, script):
    marcus, priya = browse(fresh, script=script).sign_in("marcus"), browse(fresh, script=script).sign_in("priya")
    priya.choose("Priya Raman", "View details")
    marcus.choose("Priya Raman", "Delete")
    marcus.dialog("Delete API key").get_by_role("button", name="Delete").click()
    expect(marcus.notification("API key deleted")).to_be_visible()
    priya.dialog("API key details").get_by_role("button", name="Show").click()
    priya.expect_page("Page not found")
    expect(priya.page.get_by_text("This key was deleted, or you are not allowed to see it.")).to_be_visible()
    priya.link("Go to API keys").click()
    priya.expect_page("API keys")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_session_that_has_ended_leads_to_logging_in_and_back(fresh, browse, script):
    noor = browse(fresh, script=script).sign_in("noor")
    fresh.run("from accounts.models import Session; Session.objects.all().delete()")
    noor.button(CREATE).click()
    noor.expect_page("Log in to Keytree")
    noor.log_in("noor")
    noor.expect_page("API keys")
    assert verify(fresh, USERNAME, create_key(noor)) == 204


def test_back_after_a_deletion_shows_no_page_of_before(fresh, browse):
    marcus = browse(fresh).sign_in("marcus")
    marcus.link("Priya Raman").click()
    marcus.expect_page("Manage Priya Raman")
    marcus.button("Actions for Priya Raman").click()
    marcus.link("Delete").click()
    marcus.dialog("Delete API key").get_by_role("button", name="Delete").click()
    expect(marcus.notification("API key deleted")).to_be_visible()
    marcus.expect_page("API keys")
    marcus.page.go_back()
    marcus.expect_page("Manage Priya Raman")
    expect(marcus.page.get_by_text("There is no classic infrastructure API key.")).to_be_visible()
