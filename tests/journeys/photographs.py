"""Photographs of every page and state, for a person to look at: ``python -m tests.journeys.photographs FOLDER``.

``--only TEXT`` takes the states with that in their name; ``--readme`` makes the picture of README.md anew instead,
with the fonts that ``make fonts`` fetched.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.journeys.browser import launch
from tests.journeys.cast import Cast
from tests.journeys.live import ROOT, LiveServer, Template
from tests.journeys.states import ALL_STATES
from tests.journeys.visit import DESKTOP, PHONE

_THEMES = ("light", "dark")


def photograph_states(browser: Browser, folder: Path, only: str) -> None:
    """Photograph all states at both widths in both themes."""
    states = [state for state in ALL_STATES if only in state.name]
    with ExitStack() as stack:
        casts = {
            is_debug: stack.enter_context(_cast(browser, KEYTREE_DEBUG=str(is_debug)))
            for is_debug in {state.is_debug for state in states}
        }
        for state in states:
            cast = casts[state.is_debug]
            page = state.reach(cast).page
            for width in (DESKTOP, PHONE):
                if state.widths and width not in state.widths:
                    continue
                page.set_viewport_size({"width": width, "height": 900 if width == DESKTOP else 844})
                for theme in _THEMES:
                    page.emulate_media(color_scheme=theme)
                    name = re.sub(r"\W+", "-", state.name)
                    # A dialog or a menu belongs to the window, a page may be longer than it.
                    is_page = not page.locator("dialog[open], .menu:popover-open, nav:popover-open").count()
                    page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=is_page)
            cast.let_script(state.who, allowed=True)


def photograph_for_readme(browser: Browser) -> None:
    """Photograph what README.md shows: Marcus's keys once Noor has made hers, with a menu open."""
    with _cast(browser) as cast:
        noor = cast.visit("noor").go("/iam/apikeys")
        noor.button("Create a classic infrastructure key").click()
        expect(noor.dialog("API key successfully created")).to_be_visible()
        visit = cast.visit("marcus")
        visit.go("/iam/apikeys")
        visit.open_menu("Priya Raman")
        visit.page.screenshot(path=ROOT / "docs" / "screenshot.png")


@contextmanager
def _cast(browser: Browser, **settings: str) -> Iterator[Cast]:
    with tempfile.TemporaryDirectory() as folder:
        template = Template(Path(folder) / "template", "photographs")
        template.folder.mkdir()
        server = LiveServer(template.make(), Path(folder) / "server" / "data", (), settings).start()
        try:
            yield Cast(browser, server)
        finally:
            server.remove()
            template.remove()


def main() -> None:
    """Read the command line and photograph."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "test-artifacts" / "photographs")
    parser.add_argument("--only", default="")
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        if browser is None:
            sys.exit("There is no browser.")
        if options.readme:
            photograph_for_readme(browser)
        else:
            options.folder.mkdir(parents=True, exist_ok=True)
            photograph_states(browser, options.folder, options.only)


if __name__ == "__main__":
    main()
