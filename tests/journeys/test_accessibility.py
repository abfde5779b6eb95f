"""Every page in every state can be used by everybody: axe finds nothing, nothing scrolls sideways, the focus is seen.

*Source:* WCAG 2.2 A and AA; docs/rules.md names no more, so the console's own promises stand in the tests.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.journeys.cast import Cast, State
from tests.journeys.states import ALL_STATES
from tests.journeys.visit import DESKTOP, PHONE, SMALLEST, Visit, scrolls_sideways

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-accessibility")]

WIDTHS = (DESKTOP, PHONE, SMALLEST)
THEMES = ("light", "dark")
NARROWEST = (673, 1057)  # of the wider layouts: what fits there fits in what is wider
SMALLEST_TARGET = 24  # CSS pixels
LOWEST_CONTROL = 40  # beside others in the toolbar of a table
BETWEEN = (673, 1101, 20)  # from the narrowest layout that is no phone's to where all fits in one row

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
# What these find of a text depends on how it and what it lies in look, and on nothing else.
RULES_OF_COLOUR = ["color-contrast", "link-in-text-block"]
# All of an element, and of what it lies in, that these judge by.
STYLES = [
    "color", "backgroundColor", "backgroundImage", "opacity", "filter", "mixBlendMode", "fontSize", "fontWeight",
    "fontStyle", "textDecorationLine", "textShadow", "borderBottomStyle", "outlineStyle", "position", "display",
]  # fmt: skip
# Those about the page as a whole, or that set elements of all its parts beside each other.
RULES_OF_PAGE = [
    "accesskeys", "aria-hidden-body", "bypass", "css-orientation-lock", "document-title", "duplicate-id-aria",
    "frame-title-unique", "heading-order", "html-has-lang", "html-lang-valid", "html-xml-lang-mismatch",
    "landmark-banner-is-top-level", "landmark-contentinfo-is-top-level", "landmark-main-is-top-level",
    "landmark-no-duplicate-banner", "landmark-no-duplicate-contentinfo", "landmark-no-duplicate-main",
    "landmark-one-main", "landmark-unique", "meta-refresh", "meta-viewport", "meta-viewport-large",
    "page-has-heading-one", "region", "skip-link", "table-duplicate-name",
]  # fmt: skip
# Asks axe whatever has not been asked: all rules of parts, of colour those of texts, and those of the page. Each of the
# faults returned names one element; then come the looks that axe has judged and found good. Targets are measured below,
# and more strictly.
RUN_AXE = """
async ([tags, ofColour, ofPage, parts, texts, page]) => {
  const without = Object.fromEntries([...ofColour, ...ofPage, "target-size"].map((id) => [id, { enabled: false }]));
  const ask = (about, options) => axe.run(about, { preload: false, selectors: false, ...options });
  const [violations, looks] = [[], new Set()];
  if (parts.length) {
    const options = { resultTypes: ["violations"], runOnly: { type: "tag", values: tags }, rules: without };
    violations.push(...(await ask({ include: parts }, options)).violations);
  }
  if (texts.length) {
    const include = texts.map((n) => window.texts[n][0]);
    const found = await ask({ include }, { elementRef: true, runOnly: { type: "rule", values: ofColour } });
    violations.push(...found.violations);
    const lookOf = new Map(window.texts);
    const elements = (results) => results.flatMap(({ nodes }) => nodes.map(({ element }) => element));
    for (const element of elements(found.passes)) looks.add(lookOf.get(element));
    const open = found.incomplete.filter(({ id }) => id !== "color-contrast");
    for (const element of elements(open)) looks.delete(lookOf.get(element));
  }
  if (page) {
    const options = { resultTypes: ["violations"], runOnly: { type: "rule", values: ofPage } };
    violations.push(...(await ask(page.length ? { include: page } : document, options)).violations);
  }
  return [
    violations.map(
      ({ id, nodes }) => `${id} (${nodes.length}): ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`,
    ),
    [...looks],
  ];
}
"""
# What axe does not look at, or only roughly: returns sentences. Then what the page is made of: each part with the
# selector that finds it, its text, and which of its elements are seen and scroll. An open modal dialog is the only
# part: the rest is inert.
LOOK = """
(smallest) => {
  scrollTo(0, 0);  // nothing is half under the header
  const found = [];
  const isReachable = (element) => !element.closest("[inert]") && element.checkVisibility({ visibilityProperty: true });
  const modal = document.querySelector("dialog:modal");
  const reachable = (selector) => [...(modal ?? document).querySelectorAll(selector)].filter(isReachable);
  const titles = reachable("h1").map((element) => element.textContent.trim());
  if (titles.length !== 1) found.push(`h1: ${titles.join(" | ")}`);
  else if (!modal && !document.title.startsWith(`${titles[0]} - `)) found.push(`title: ${document.title}`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, n) => ids.indexOf(id) !== n))) found.push(`id twice: ${id}`);
  if (document.querySelectorAll("main").length !== 1) found.push("not one main");
  if (document.querySelectorAll("body > header").length !== 1) found.push("not one banner");
  if (document.querySelectorAll("nav[aria-label=IAM]").length > 1) found.push("not one navigation IAM");
  for (const label of document.querySelectorAll("label[for]")) {
    if (label.control?.id !== label.htmlFor) found.push(`label without its field: ${label.textContent.trim()}`);
  }
  for (const field of reachable("input:not([type=hidden]), select, textarea")) {
    if (!field.labels.length) found.push(`field without a label: ${field.id}`);
    for (const id of (field.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean)) {
      if (!document.getElementById(id)) found.push(`${field.id} is described by nothing: ${id}`);
    }
  }
  if (!modal && document.scripts.length && !document.querySelector("[role=status]")) found.push("no status region");
  const targets = "a[href], button, input:not([type=hidden]), select, textarea, summary";
  for (const element of reachable(targets)) {
    if (element.matches(".skip-link:not(:focus)")) continue;
    // A link inside a sentence is as high as its line: WCAG 2.5.8, "Inline".
    const text = element.parentElement.textContent.trim();
    if (element.matches("p a, li a, dd a") && text !== element.textContent.trim()) continue;
    let { left, top, right, bottom } = element.getBoundingClientRect();
    for (const label of element.labels ?? []) {
      const box = label.getBoundingClientRect();
      [left, top] = [Math.min(left, box.left), Math.min(top, box.top)];
      [right, bottom] = [Math.max(right, box.right), Math.max(bottom, box.bottom)];
    }
    const [width, height] = [Math.round(right - left), Math.round(bottom - top)];
    if (Math.min(width, height) < smallest) {
      found.push(`target ${width}x${height}: ${element.outerHTML.slice(0, 120)}`);
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push("scrolls sideways");
  const isSeen = (element) => element.checkVisibility({ visibilityProperty: true });
  const scrolls = (element) =>
    (element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight) &&
    /auto|scroll/.test(getComputedStyle(element).overflow);
  const look = (element) => (isSeen(element) ? 1 + scrolls(element) : 0);
  const parts = [...document.querySelectorAll(modal ? "dialog:modal" : "body > *, .frame > *, main > *")].filter(
    (part) => modal || !part.querySelector("main, main > *"),
  );
  const told = parts.map((part, n) => {
    part.dataset.part = n;
    const looks = [part, ...part.querySelectorAll("*")].map(look).join("");
    const text = part.outerHTML.replace(/(csrfmiddlewaretoken" value|data-part)="[^"]*"/g, "");
    return [`[data-part="${n}"]`, `${looks} ${text}`];
  });
  return [found, told];
}
"""
# How each text in these parts looks: its style and that of all that it lies in. And whether axe is on the page.
LOOK_AT_TEXTS = """
(styles) => {
  const hash = (text) => {
    let [a, b] = [0xdeadbeef, 0x41c6ce57];
    for (let n = 0; n < text.length; n++) {
      a = Math.imul(a ^ text.charCodeAt(n), 2654435761);
      b = Math.imul(b ^ text.charCodeAt(n), 1597334677);
    }
    return `${a},${b}`;
  };
  const known = new Map();
  const lookOf = (element) => {
    if (!element) return "";
    if (!known.has(element)) {
      const style = getComputedStyle(element);
      const isOff = element.matches(":disabled, [aria-disabled=true]") || element.control?.matches(":disabled");
      const own = [element.localName, isOff, ...styles.map((name) => style[name])];
      known.set(element, hash([lookOf(element.parentElement), ...own].join("|")));
    }
    return known.get(element);
  };
  const hasText = (element) =>
    element.matches("input, select, textarea") ||
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  window.texts = [...document.querySelectorAll("[data-part]")]
    .flatMap((part) => [part, ...part.querySelectorAll("*")])
    .filter((element) => element.checkVisibility({ visibilityProperty: true }) && hasText(element))
    .map((element) => [element, lookOf(element)]);
  return [texts.map(([, look]) => look), "axe" in window];
}
"""
# After each press of Tab, of what has the focus: whether all of it that fits is in view and on top, and whether a ring
# is drawn around it.
WATCH_FOCUS = """
() => {
window.walk = [];
document.addEventListener("keyup", () => walk.push(look()), true);
const look = () => {
  const element = document.activeElement;
  if (element === document.body || element === document.documentElement) return null;
  const place = [...document.querySelectorAll("*")].indexOf(element);
  const words = [place, element.tagName, element.ariaLabel ?? element.innerText ?? "", element.id];
  const what = words.join(" ").replace(/\\s+/g, " ");
  const faults = [];
  const box = [...element.getClientRects()][0] ?? element.getBoundingClientRect();
  const inset = 3;
  for (const [x, y] of [
    [box.left + inset, box.top + inset], [box.right - inset, box.top + inset],
    [box.left + inset, box.bottom - inset], [box.right - inset, box.bottom - inset],
  ]) {
    const top = document.elementFromPoint(x, y);
    if (!top) faults.push(`out of view at ${Math.round(x)},${Math.round(y)}`);
    // What shares its place lies beside it: the button inside the search field, a heading in its cell.
    else if (!element.parentElement.contains(top) && !top.contains(element)) {
      faults.push(`under ${top.outerHTML.slice(0, 80)}`);
    }
  }
  const hasRing = [element, ...element.children].some((part) => {
    const style = getComputedStyle(part);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  });
  if (!hasRing) faults.push("no ring");
  return { what, faults: [...new Set(faults)] };
};
}
"""
# What in the toolbar of a table is lower than this, in words.
LOW_CONTROLS = """
(lowest) => [...document.querySelectorAll(".toolbar :is(input:not([type=hidden]), select, .button)")]
  .filter((control) => control.checkVisibility() && control.getBoundingClientRect().height < lowest)
  .map((control) => `${control.name || control.innerText} ${Math.round(control.getBoundingClientRect().height)}`)
"""
TRIES = 3  # questions for the colours of a text that axe leaves to people, as where something may lie in between
AT_ONCE = 10  # presses of Tab between two questions for what came of them


class Examiner:
    """Examines page after page, and asks axe of no part twice that is the same, and of no colours that it found good.

    The header and the navigation are on every page, and much of a page stays where it is when its window gets narrow.
    """

    def __init__(self) -> None:
        self._found: set[tuple[object, ...]] = set()
        self._ways: dict[Page, CDPSession] = {}
        self._asked: Counter[str] = Counter()  # for colours, by how a text looks

    def examine(self, visit: Visit, state: State) -> list[str]:
        """Return everything that is wrong with the page that is open, at each width."""
        page, wrong = visit.page, []
        for width in state.widths or WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            found, parts = page.evaluate(LOOK, SMALLEST_TARGET)
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)
                found += [f"{theme}: {fault}" for fault in self._violations(page, parts)]
            wrong += [f"{width}: {fault}" for fault in found]
        # What is done on a page adds to it, and does not move its columns.
        for width in () if state.widths or state.act else NARROWEST:
            page.set_viewport_size({"width": width, "height": 900})
            wrong += [f"{width}: scrolls sideways"] * scrolls_sideways(page)
        return wrong

    def _violations(self, page: Page, parts: Sequence[tuple[str, str]]) -> list[str]:
        """Return what axe finds in the theme of now, each with the first of its elements."""
        looks, has_axe = page.evaluate(LOOK_AT_TEXTS, STYLES)
        new = [selector for selector, text in parts if self._is_new(text)]
        texts = [place for place, look in enumerate(looks) if self._asked[look] < TRIES]
        whole = None
        if self._is_new("page", *(text for _, text in parts)):
            whole = [selector for selector, _ in parts] if len(parts) == 1 else []
        if not new and not texts and whole is None:
            return []
        if not has_axe:
            self._bring_axe(page)
        found, good = page.evaluate(RUN_AXE, [RULES, RULES_OF_COLOUR, RULES_OF_PAGE, new, texts, whole])
        self._asked.update({looks[place] for place in texts})
        self._asked.update(dict.fromkeys(good, TRIES))
        return found

    def _bring_axe(self, page: Page) -> None:
        """Run axe from the browser's own storage: sending it anew takes longer than all that it is asked."""
        if page not in self._ways:
            self._ways[page] = page.context.new_cdp_session(page)
            page.evaluate("source => localStorage.setItem('axe', source)", AXE)
        # Not as a script of the page, whose content policy would forbid it.
        self._ways[page].send("Runtime.evaluate", {"expression": "(0, eval)(localStorage.getItem('axe')), 0"})

    def _is_new(self, *what: object) -> bool:
        is_new = what not in self._found
        self._found.add(what)
        return is_new


@pytest.fixture(scope="module")
def cast(chromium: Browser, start_shared) -> Iterator[Cast]:
    """The people of one demo, for all tests here."""
    cast = Cast(chromium, start_shared())
    yield cast
    cast.close()


@pytest.fixture(scope="module")
def debug_cast(chromium: Browser, start_shared) -> Iterator[Cast]:
    """The same with the pages that only Django's debug mode has."""
    cast = Cast(chromium, start_shared(KEYTREE_DEBUG="true"))
    yield cast
    cast.close()


@pytest.fixture(scope="module")
def examiner() -> Examiner:
    """Who remembers what was examined, from page to page."""
    return Examiner()


@pytest.mark.parametrize("state", ALL_STATES, ids=lambda state: state.name)
def test_page_has_no_barriers(request: pytest.FixtureRequest, examiner: Examiner, state: State):
    cast = request.getfixturevalue("debug_cast" if state.is_debug else "cast")
    visit = state.reach(cast)
    cast.let_script(state.who, allowed=True)  # for what examines the page; its own scripts have not run
    assert examiner.examine(visit, state) + visit.complaints == []


def walk(page: Page) -> Iterator[dict | None]:
    """Press Tab many times, and yield what has the focus after each press; nothing for the page itself."""
    for _ in range(150 // AT_ONCE):
        for _ in range(AT_ONCE):
            page.keyboard.press("Tab")
        yield from page.evaluate("walk.splice(0)")


@pytest.mark.parametrize(
    ("width", "height"),
    [(DESKTOP, 900), (PHONE, 844), (SMALLEST, 256)],
    ids=["desk", "phone", "zoomed to 400 %"],
)
@pytest.mark.parametrize(
    ("who", "path"),
    [
        ("nobody", "/login"),
        ("olivia", "/iam/apikeys"),
        ("olivia", "/iam/users?view=hierarchy"),
        ("marcus", "/iam/users/{member[priya]}"),
        ("olivia", "/iam/activity"),
        ("marcus", "/iam/apikeys/classic/{key[marcus]}"),
        ("marcus", "/iam/apikeys/classic/{key[priya]}/restriction"),
    ],
    ids=["login", "keys", "hierarchy", "user", "activity", "dialog", "dialog with a form"],
)
def test_focus_is_always_seen(cast: Cast, who: str, path: str, width: int, height: int):
    visit = cast.visit(who)
    visit.page.set_viewport_size({"width": width, "height": height})
    visit.go(path.format(**cast.ids))
    visit.page.evaluate(WATCH_FOCUS)
    seen: dict[str, list[str]] = {}
    for focus in walk(visit.page):
        if focus is not None and focus["what"] in seen and len(seen) > 2:
            break  # once round
        if focus is not None:
            seen[focus["what"]] = focus["faults"]
    assert {what: faults for what, faults in seen.items() if faults} == {}
    assert len(seen) > 3


@pytest.mark.parametrize("path", ["/iam/apikeys", "/iam/users", "/iam/activity", "/iam/inactive"])
@pytest.mark.parametrize("search", ["", "?q=a"], ids=["all", "filtered"])
def test_toolbar_wraps_and_keeps_its_height(cast: Cast, path: str, search: str):
    visit = cast.visit("olivia")
    visit.go(path + search)
    low = set()
    for width in range(*BETWEEN):
        visit.page.set_viewport_size({"width": width, "height": 900})
        low |= {f"{width}: {what}" for what in visit.page.evaluate(LOW_CONTROLS, LOWEST_CONTROL)}
    assert sorted(low) == []
    assert visit.link("Clear filters").count() == bool(search)


@pytest.mark.parametrize("title", ["Delete API key", "API key details", "Edit IP address restrictions"])
def test_dialog_fits_a_window_at_400_percent_and_scrolls_to_its_end(cast: Cast, title: str):
    visit = cast.visit("marcus")
    visit.page.set_viewport_size({"width": SMALLEST, "height": 256})
    visit.go("/iam/apikeys")
    visit.choose("Priya Raman", "Delete" if title.startswith("Delete") else "View details")
    if title.startswith("Edit"):
        visit.dialog("API key details").get_by_role("link", name="Edit").click()
    dialog = visit.dialog(title)
    box = dialog.bounding_box()
    assert (box["x"], box["y"]) >= (0, 0)
    assert box["width"] <= SMALLEST
    assert box["y"] + box["height"] <= 256
    for control in dialog.get_by_role("link").or_(dialog.get_by_role("button")).all():
        control.scroll_into_view_if_needed()
        expect(control).to_be_in_viewport()
    assert not scrolls_sideways(visit.page)
    visit.page.keyboard.press("Escape")


def test_page_behind_a_dialog_does_not_scroll(cast: Cast):
    visit = cast.visit("marcus")
    visit.page.set_viewport_size({"width": DESKTOP, "height": 400})
    visit.go("/iam/apikeys")
    visit.choose("Priya Raman", "View details")
    expect(visit.dialog("API key details")).to_be_visible()
    place = visit.page.evaluate("scrollY")
    for x, y in ((DESKTOP // 2, 200), (20, 200)):
        visit.page.mouse.move(x, y)
        for way in (300, -300):
            visit.page.mouse.wheel(0, way)
            visit.page.wait_for_timeout(100)
            assert visit.page.evaluate("scrollY") == place
    visit.page.keyboard.press("Escape")
    expect(visit.page.get_by_role("dialog")).to_have_count(0)
    visit.page.mouse.wheel(0, -300 if place else 300)
    # Not by ``wait_for_function``, which takes the eval that pages forbid as soon as it has to ask a second time.
    for _ in range(100):
        if visit.page.evaluate("scrollY") != place:
            break
        visit.page.wait_for_timeout(50)
    else:
        pytest.fail("The page does not scroll again.")
