"""The pages in docs/ and the code keep up with each other: what one names of the other is there."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.sqlite_only

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
CODE = sorted(
    path
    for folder in ("accounts", "keys", "console", "tests", "static/js", "static/css", "templates")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".js", ".css", ".html"} and path != Path(__file__)
)


def headings(page: Path) -> set[str]:
    """The headings of a page, those in its examples left out."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^#+ (.+)$", text, re.MULTILINE))


def references(path: Path) -> Iterator[tuple[str, str]]:
    """(page, heading) of what a file says of the documents: ``docs/x.md, "Heading"``, or ``section "Heading" of …``."""
    text = re.sub(r"\s+(#:? )?", " ", path.read_text())
    page = r"\b((?:docs/)?[\w-]+\.md)"
    yield from ((name, heading.rstrip(".")) for name, heading in re.findall(rf'{page}, "([^"]+)"', text))
    yield from ((name, heading) for heading, name in re.findall(rf'section "([^"]+)" of {page}', text))
    yield from ((name, "") for name in re.findall(r"\bdocs/[\w-]+\.md", text))


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_code_says_of_a_document_is_there(path: Path) -> None:
    for name, heading in references(path):
        page = ROOT / name
        assert page.is_file(), f"{path.name} names {name}"
        assert not heading or heading in headings(page), f"{path.name} names {name}, {heading!r}"


def test_references_are_found_where_they_are() -> None:
    found = {reference for path in CODE for reference in references(path)}
    for heading in ("Whose key works", "Classic infrastructure API keys"):
        assert ("docs/rules.md", heading) in found
    assert ("docs/architecture.md", "The tree") in found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    roots = "accounts|keys|console|templates|static|tests|docs|bench"
    for name in re.findall(rf"`((?:{roots})/[\w./-]*)(?:::\w+)?`", page.read_text()):
        assert (ROOT / name).exists(), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_modules_that_a_page_names_are_there(page: Path) -> None:
    for name in re.findall(r"`((?:accounts|keys|console)(?:\.\w+)+)`", page.read_text()):
        module, _, member = name.rpartition(".")
        if (ROOT / name.replace(".", "/")).with_suffix(".py").is_file():
            continue
        assert hasattr(importlib.import_module(module), member), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_contents_of_a_page_name_its_sections_in_order(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    listed = re.findall(r"^- \[(.+)\]\(#[\w-]+\)$", text, re.MULTILINE)
    assert listed in ([], re.findall(r"^## (.+)$", text, re.MULTILINE))
