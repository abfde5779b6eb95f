"""A real Chromium for the journeys, one for each module of tests.

A module that needs it says ``pytest_plugins = ["tests.journeys.browser"]`` and is a group of its own for pytest-xdist:
no other test may run in the same process while the browser is open, because Playwright keeps an event loop going there
that Django's database access would complain about.
"""

import os
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import chain

import pytest
from playwright.sync_api import Browser, Error, Playwright, sync_playwright

from tests.journeys.live import ROOT, LiveServer
from tests.journeys.visit import VISITS, Visit

StartLive = Callable[..., LiveServer]

ARTIFACTS = ROOT / "test-artifacts"
# The first is the same engine without windows, and takes half the time.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# No page here lives long enough for its scripts to become quicker by more than improving them takes: an eighth of all.
_FOR_SHORT_LIVES = "--always-sparkplug --no-maglev --no-opt"
# A frame for each document is work for three processes and changes nothing of what is seen: a sixth of what opening a
# page takes. The others are Playwright's own choice, which naming one replaces.
_WITHOUT = "RenderDocument,PaintHolding,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable"
_HOW_TO_GET_ONE = (
    "no browser: install chromium (apt-get install chromium), or name one in KEYTREE_CHROMIUM, or let Playwright fetch "
    "its own (python -m playwright install chromium)"
)


def launch(playwright: Playwright) -> Browser | None:
    """Start Chromium: the one in KEYTREE_CHROMIUM, else the system's, else Playwright's own; None if there is none."""
    executable = os.environ.get("KEYTREE_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    try:
        # Root cannot use the sandbox; all that is opened here are the console's own pages.
        return playwright.chromium.launch(
            executable_path=executable,
            chromium_sandbox=os.geteuid() != 0,
            args=[f"--js-flags={_FOR_SHORT_LIVES}", f"--disable-features={_WITHOUT}"],
        )
    except Error as error:
        if executable is None and "Executable doesn't exist" in error.message:
            return None
        raise


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of a module's tests."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        if browser is None:
            pytest.skip(_HOW_TO_GET_ONE)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shared(start_shared: StartLive) -> LiveServer:
    """The server of a module's tests that change things; they ask for ``fresh``."""
    return start_shared()


@pytest.fixture
def fresh(shared: LiveServer) -> LiveServer:
    """A running server with the demo as it is at the start: one for the module, put back before each test."""
    shared.reset()
    return shared


@pytest.fixture(scope="module")
def rested(chromium: Browser) -> Iterator[dict[str, list[Visit]]]:
    """The browsers that nobody uses just now, by what they are like.

    They keep what any page loads, style sheets above all, which a new one would load and read again.
    """
    visits: dict[str, list[Visit]] = defaultdict(list)
    yield visits
    for visit in chain.from_iterable(visits.values()):
        visit.context.close()


@pytest.fixture
def browse(chromium: Browser, rested: dict[str, list[Visit]]) -> Iterator[Callable[..., Visit]]:
    """A function that gives somebody a browser at a server; see ``Visit`` for what it may be like.

    It remembers nobody. One that a test changes in its nature is to be its ``own``, and is thrown away.
    """
    with ExitStack() as stack:

        def put_back(visit: Visit, alike: list[Visit]) -> None:
            if visit.rest():
                alike.append(visit)

        def browse(server: LiveServer, *, own: bool = False, **likes: object) -> Visit:
            alike = rested[f"{server.url} {sorted(likes.items())}"]
            if own or not alike:
                visit = Visit(chromium, server, **likes)
            else:
                visit = alike.pop()
                visit.used_at = time.time()
            if own:
                stack.callback(visit.close)
            else:
                stack.callback(put_back, visit, alike)
            return visit

        yield browse


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Photograph what a test that has failed had in front of it."""
    report = yield
    pages = [page for visit in VISITS if visit.used_at >= call.start for page in visit.context.pages]
    if report.when == "call" and report.failed and pages:
        ARTIFACTS.mkdir(exist_ok=True)
        name = re.sub(r"[^\w.-]+", "-", item.name)
        for number, page in enumerate(pages, start=1):
            with suppress(Error):
                page.screenshot(path=ARTIFACTS / f"{name}-{number}.png")
    return report
