"""Long lists and long names in a real browser: pages follow each other, and nothing is wider than its place."""

import pytest
from playwright.sync_api import expect

from tests.journeys.live import LiveServer
from tests.journeys.visit import DESKTOP, PHONE, SMALLEST, scrolls_sideways

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-lists-journey")]

# An account whose people have the longest names and addresses there can be, from right to left and without a space.
UNWIELDY = """
from datetime import timedelta
from django.utils import timezone
from accounts.new_members import add_member, create_account
from accounts.models import User
from accounts.origin import COMMAND_LINE
from keys.lifecycle import create_classic_key
from keys.models import PlatformKey
from keys.platform.lifecycle import Description, create_platform_key
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
    create_platform_key(description=Description(name.strip(), name[:500]), by=parent, origin=COMMAND_LINE)
PlatformKey.objects.filter(account_id=3333333).update(created_at=timezone.now() - timedelta(days=60))
print(parent.pk)
"""
BOXES = ".data, .dialog__body"
IS_TOO_WIDE = "box => box.scrollWidth > box.clientWidth"
GENERATED = """
from console import generator
account = generator.generate(members=26, keys_share=0.9, seed=5, account_id=5555555)
print(account.members.get(parent=None).user.email)
"""


@pytest.fixture(scope="module")
def generated_owner(console: LiveServer) -> str:
    """The address of the owner of an account of three pages of ten."""
    return console.run(GENERATED).strip()


def test_keyboard_goes_on_at_the_list_after_turning_and_sorting(console, generated_owner, browse):
    """Without it every page would begin anew at the top, twenty stops before its first row."""
    owner = browse(console).sign_in(generated_owner, at="/iam/apikeys?per_page=10")
    for name in ("Next page", "Previous page"):
        owner.link(name).press("Enter")
        expect(owner.page.locator("caption")).to_be_focused()
        owner.page.keyboard.press("Tab")
        expect(owner.link("Created by")).to_be_focused()
    owner.link("Date created").press("Enter")
    expect(owner.page.locator("th[aria-sort=ascending]")).to_contain_text("Date created")
    expect(owner.link("Date created")).to_be_focused()


def test_keyboard_goes_on_at_the_list_after_filtering_and_at_the_field_where_nothing_is_left(
    console, generated_owner, browse
):
    owner = browse(console).sign_in(generated_owner, at="/iam/users")
    field, caption = owner.page.get_by_label("Filter by name or email"), owner.page.locator("caption")
    for text, focused in (("example", caption), ("zzz", field)):
        field.fill(text)
        field.press("Enter")
        owner.page.wait_for_url(f"**q={text}*")
        expect(focused).to_be_focused()
    owner.link("Clear filters").press("Enter")
    expect(caption).to_be_focused()
    owner.choose_view("Status", "Active")
    expect(owner.page.get_by_label("Status", exact=True)).to_be_focused()
    owner.link("Clear filters").press("Enter")
    expect(caption).to_be_focused()
    search = owner.go("/help").page.get_by_label("Search users")
    search.fill("example")
    search.press("Enter")
    owner.expect_page("Users")
    expect(caption).to_be_focused()
    owner.go("/iam/activity").page.get_by_label("From").fill("2020-01-01")
    owner.button("Apply").press("Enter")
    owner.page.wait_for_url("**from=2020-01-01*")
    expect(caption).to_be_focused()


def test_selects_say_what_the_page_shows_after_going_back(console, generated_owner, browse):
    """The browser would keep the choice that led away, and nobody could make it again."""
    owner = browse(console).sign_in(generated_owner, at="/iam/apikeys")
    for view in ("My IBM Cloud API keys", "All user IBM Cloud API keys"):
        owner.choose_view("View", view)
    for value in ("my", "classic"):
        owner.page.go_back()
        expect(owner.page.get_by_label("View", exact=True)).to_have_value(value)
    owner.page.go_forward()
    expect(owner.page.get_by_label("View", exact=True)).to_have_value("my")


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
    expect(owner.page.locator(".pagination__pages")).to_have_text(f"of {len(pages)}")
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
        "/iam/apikeys?view=my",
        "/iam/apikeys?view=all",
        "/iam/users",
        "/iam/users?view=hierarchy",
        "/iam/users/{}",
        "/iam/users/{}?tab=manage",
        "/iam/users/{}/parent",
        "/iam/users/{widest}/revoke_keys",
        "/iam/users/{widest}/remove",
        "/iam/inactive?tab=keys&view=all",
        "/iam/activity",
        "/user/notifications",
        "/user/sessions",
    ],
)
def test_no_name_is_too_long_or_of_the_wrong_direction(console, deepest, browse, path):
    # Whoever is called by the longest word, with users below and a parent of the longest name.
    at = path.format(deepest, widest=deepest - 5)
    owner = browse(console, is_mobile=False).sign_in("long@long.example", at=at)
    assert owner.page.url.endswith(at)
    expect(owner.page.locator("form").last).to_be_attached()
    wrong = []
    for width in (SMALLEST, PHONE, 672, 673, 737, 1024, 1057, 1313, DESKTOP):
        owner.page.set_viewport_size({"width": width, "height": 900})
        if scrolls_sideways(owner.page):
            wrong.append(f"the page at {width}")
        if owner.page.locator(BOXES).evaluate_all(f"boxes => boxes.some({IS_TOO_WIDE})"):
            wrong.append(f"a box at {width}")
    # Text of twice the size, as somebody sets it in their browser: the layout is that of half the width.
    sizes = {"standard": 32, "fixed": 26}
    session = owner.context.new_cdp_session(owner.page)
    session.send("Page.setFontSizes", {"fontSizes": sizes})
    for width in (640, 1280):
        owner.page.set_viewport_size({"width": width, "height": 900})
        if scrolls_sideways(owner.page) or owner.page.locator(BOXES).evaluate_all(f"b => b.some({IS_TOO_WIDE})"):
            wrong.append(f"text of twice the size at {width}")
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 16, "fixed": 13}})  # for who browses next
    assert wrong == []


def test_buttons_of_a_toolbar_share_a_line_on_a_phone_where_they_fit(console, browse):
    """One below the other they would leave a first screen without a user."""
    marcus = browse(console, width=PHONE).sign_in("marcus", at="/iam/users")
    names = ("Export CSV", "Import users", "Add VPN-only user", "Invite users")
    tops = [marcus.link(name).bounding_box()["y"] for name in names]
    assert len(set(tops)) < len(names)
    edges = [marcus.link(name).bounding_box() for name in names]
    assert max(box["x"] + box["width"] for box in edges) <= PHONE
    assert marcus.page.locator("tbody tr").first.bounding_box()["y"] < 650


def test_menu_says_whose_it_is_where_it_covers_the_row(console, browse):
    marcus = browse(console, width=PHONE).sign_in("marcus", at="/iam/users")
    menu = marcus.open_menu("Priya Raman")
    heading = "menu => (({ content, display }) => [content, display])(getComputedStyle(menu, '::before'))"
    # For the eye: whoever hears the menu has heard the name of its button.
    assert menu.evaluate(heading) == ['"Priya Raman" / ""', "inline-block"]
    marcus.page.set_viewport_size({"width": DESKTOP, "height": 900})
    assert menu.evaluate(heading)[1] == "none"


def test_dialog_about_somebody_with_the_longest_name_fits_a_phone(console, deepest, browse):
    owner = browse(console, width=PHONE).sign_in("long@long.example", at=f"/iam/users/{deepest}")
    owner.page.locator(".menu-button").first.click()  # that of the classic key
    owner.link("Delete").click()
    dialog = owner.dialog("Delete API key")
    expect(dialog.get_by_role("button", name="Delete")).to_be_in_viewport()
    assert not scrolls_sideways(owner.page)
    assert not dialog.evaluate(IS_TOO_WIDE)
