"""The console as a person in front of a browser meets it: what they see, press and are told."""

import base64
import http.client
import re
import time
from urllib.parse import urlsplit
from weakref import WeakSet

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, Request, expect

from tests.journeys.live import LiveServer

PASSWORD = "keytree-demo"  # everybody's in the demo, as README.md says
DESKTOP, PHONE, SMALLEST = 1440, 390, 320  # CSS pixels
_HEIGHTS = {DESKTOP: 900, PHONE: 844, SMALLEST: 568}
_PHONES = 672  # widths up to here are phones
_WAIT = 15_000  # milliseconds: the machine may be busy with other tests

#: Both sizes and both ways of browsing, in two runs instead of four.
phone_and_desk = pytest.mark.parametrize(
    ("script", "width"), [(True, PHONE), (False, DESKTOP)], ids=["phone, script", "desk, no script"]
)

with_and_without_script = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])

#: All that are open, for photographs of what went wrong.
VISITS: WeakSet["Visit"] = WeakSet()

expect.set_options(timeout=_WAIT)


class Visit:
    """One person's browser at a server: a context of its own, with one page.

    Whatever goes wrong unseen is kept in ``complaints``: errors in the console, which is where the content policy
    complains too, exceptions of scripts, and anything asked of another host.
    """

    def __init__(
        self,
        browser: Browser,
        server: LiveServer,
        *,
        width: int = DESKTOP,
        theme: str = "light",
        script: bool = True,
        **more: object,
    ) -> None:
        self.server = server
        self.script = script
        self.complaints: list[str] = []
        self.used_at = time.time()
        VISITS.add(self)
        is_phone = width <= _PHONES
        self._size = {"width": width, "height": _HEIGHTS.get(width, 900)}
        self.context: BrowserContext = browser.new_context(
            **{
                "base_url": server.url,
                "viewport": self._size,
                "color_scheme": theme,
                "java_script_enabled": script,
                "reduced_motion": "reduce",
                "is_mobile": is_phone,
                "has_touch": is_phone,
                **more,
            }
        )
        self.context.set_default_timeout(_WAIT)
        self.context.on("console", self._listen)
        self.context.on("weberror", lambda error: self.complaints.append(f"script: {error.error}"))
        self.context.on("request", self._look)
        self.page: Page = self.context.new_page()

    def _listen(self, message: ConsoleMessage) -> None:
        # Chromium reports each page that is an error by its status; those are asked for on purpose.
        is_refused_page = "the server responded with a status of 4" in message.text
        is_ours = "/static/" not in message.location["url"]
        if message.type in {"error", "warning"} and not (is_refused_page and is_ours):
            self.complaints.append(f"console: {message.text}")

    def _look(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.netloc != urlsplit(self.server.url).netloc and address.scheme not in {"blob", "data"}:
            self.complaints.append(f"asked another host: {request.url}")

    def close(self) -> None:
        """Close the browser, and fail if there was anything to complain about."""
        self.context.close()
        assert self.complaints == []

    def rest(self) -> bool:
        """Forget the person, for somebody else to browse, and fail as ``close`` does; return whether that went well.

        It does not where a page is just being loaded, or is none of the console's: then it is closed.
        """
        self.page, *others = self.context.pages
        try:
            for other in others:
                other.close()
            self.page.unroute_all()
            self.page.evaluate("sessionStorage.clear()")
            self.page.set_viewport_size(self._size)
            self.context.clear_cookies()
        except Error:
            self.close()
            return False
        assert self.complaints == []
        return True

    # --- Going places ------------------------------------------------------------------------------------------------

    def go(self, path: str) -> "Visit":
        """Open a page by its address."""
        self.used_at = time.time()
        self.page.goto(path)
        return self

    def let_go(self) -> None:
        """Leave a page that looks for news by itself: it would load anew in the midst of what comes next."""
        if self.page.locator("[data-progress]").count():
            self.go("about:blank")

    def sign_in(self, who: str, at: str = "/iam/apikeys") -> "Visit":
        """Open a page as a person of the demo by first name, or as anybody by e-mail address.

        They log in as the page would, but without showing it: where logging in is what is tried, ``log_in`` presses.
        """
        form = self.context.request.get("/login").text()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
        fields = {"csrfmiddlewaretoken": token, "username": _address(who), "password": PASSWORD}
        answer = self.context.request.post("/login", form=fields, max_redirects=0)
        assert answer.status == 302, answer.text()
        return self.go(at)

    def log_in(self, who: str, password: str = PASSWORD) -> "Visit":
        """Log in on the page that asks for it."""
        self.page.get_by_label("Email").fill(_address(who))
        self.page.get_by_label("Password").fill(password)
        self.button("Log in").click()
        return self

    def expect_page(self, title: str) -> None:
        """Wait for the page with this title."""
        expect(self.heading).to_have_text(title)
        expect(self.page).to_have_title(f"{title} - Keytree")

    # --- What is on the page -----------------------------------------------------------------------------------------

    @property
    def heading(self) -> Locator:
        """The page's title; a modal dialog has another and makes this one inert, one just closed is about to go."""
        return self.page.locator("h1:not(dialog:modal h1, dialog:not([open]) h1)")

    def dialog(self, title: str) -> Locator:
        """The open dialog with this title."""
        return self.page.get_by_role("dialog", name=title)

    def button(self, name: str) -> Locator:
        """The button with exactly this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        """The link with exactly this name."""
        return self.page.get_by_role("link", name=name, exact=True)

    def row(self, name: str) -> Locator:
        """The table row of a person."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("link", name=name, exact=True))

    def notification(self, title: str) -> Locator:
        """What the console says about the last change."""
        return self.page.locator(".notification").filter(has_text=title)

    def open_menu(self, name: str) -> Locator:
        """Open the Actions menu of a person's row and return the menu."""
        opener = self.button(f"Actions for {name}")
        opener.click()
        menu = self.page.locator(f"[id='{opener.get_attribute('popovertarget')}']")
        expect(menu).to_be_visible()
        return menu

    def choose(self, name: str, entry: str) -> None:
        """Choose an entry of the Actions menu of a person's row."""
        self.open_menu(name).get_by_role("link", name=entry, exact=True).click()

    def choose_view(self, label: str, option: str) -> None:
        """Choose of a select that goes there at once with script, and by its *Apply* button without."""
        select = self.page.get_by_label(label, exact=True)
        with self.page.expect_navigation():
            select.select_option(option)
            if not self.script:
                self.page.locator("form").filter(has=select).get_by_role("button", name="Apply").click()

    def clipboard(self) -> str:
        """What was copied last; read on a page without a policy, since the console's own pages may not read it."""
        page = self.context.new_page()
        page.route("**/clipboard", lambda route: route.fulfill(body="<title>-</title>", content_type="text/html"))
        page.goto("/clipboard")
        text = page.evaluate("navigator.clipboard.readText()")
        page.close()
        return text

    def expect_copied(self, text: str) -> None:
        """Wait until ``text`` is what was copied last."""
        for _ in range(20):
            if (copied := self.clipboard()) == text:
                return
            self.page.wait_for_timeout(100)
        pytest.fail(f"copied: {copied}")

    def focused(self) -> str:
        """What has the focus, in words: its name, text or tag."""
        return self.page.evaluate(
            "(document.activeElement.ariaLabel || document.activeElement.innerText || document.activeElement.name ||"
            " document.activeElement.tagName).trim()"
        )

    def tab_to(self, target: Locator, most: int = 60) -> None:
        """Press Tab until ``target`` has the focus."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if target.evaluate("element => element === document.activeElement"):
                return
        pytest.fail(f"{most} times Tab did not lead to {target}; the focus is on {self.focused()}")


def _address(who: str) -> str:
    return who if "@" in who else f"{who}@acme.example"


def scrolls_sideways(page: Page) -> bool:
    """Whether the page is wider than its window."""
    width = page.viewport_size["width"]
    return page.evaluate("document.documentElement.scrollWidth") > width


def verify(server: LiveServer, username: str, value: str, client: str = "") -> int:
    """Return the status that a proxy gets when it asks whether a call with this key, from ``client``, may pass."""
    credentials = base64.b64encode(f"{username}:{value}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"} | ({"X-Forwarded-For": client} if client else {})
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/verify", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
