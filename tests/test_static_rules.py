"""Rules that hold for every line of the program, checked by reading it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from console import assets

pytestmark = pytest.mark.sqlite_only

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = [path for app in ("accounts", "keys", "console") for path in sorted((ROOT / app).rglob("*.py"))]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

#: Where SQL is written by hand, and why the ORM does not do it.
RAW_SQL = {
    "accounts/hierarchy.py": "keys that are reserved before the rows they are for",
    "accounts/listing.py": "a selection from a subquery with a limit",
    "accounts/prepared.py": "a place in a statement for another one",
    "accounts/transactions.py": "how long SQLite waits for its lock, and PostgreSQL for a large branch",
    "accounts/text_index.py": "a table of SQLite's that is none of the models'",
    "accounts/migrations/0002_audit_insert_only.py": "triggers",
    "keys/verification.py": "the one statement that every call waits for",
    "keys/usage.py": "one UPDATE of many keys, each with its own time",
    "console/generator/rows.py": "the planner's statistics, renewed during a large import",
    "console/maintenance.py": "limits of the connection, lifted for a long command",
}
#: Who may hold a value in plain: whoever makes, opens, compares or hands it out.
VALUES = {
    "keys/lifecycle.py", "keys/material.py", "keys/rotation.py", "keys/value_check.py", "keys/verification.py",
    "keys/platform/leaks.py", "keys/platform/lifecycle.py", "keys/views/classic.py", "keys/api/calls.py",
    "console/generator/rows.py",
}  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Each call with the last part of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            yield (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")), node


def imports(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", PROGRAM, ids=name_of)
def test_program_keeps_to_the_rules(path: Path) -> None:
    text, name = path.read_text(), name_of(path)
    tree = ast.parse(text)
    called = {what for what, _ in calls(tree)}
    assert not called & {"mark_safe", "eval", "exec", "csrf_exempt", "system", "popen"}
    imported = imports(tree)
    assert not imported & {"pickle", "marshal", "django.utils.safestring.mark_safe"}
    if name not in RAW_SQL:
        assert not called & {"raw", "RawSQL", "extra", "executescript"}
        assert "cursor" not in called
    if "random" in imported:
        assert name.startswith("console/generator/"), "made-up people may be drawn by chance, secrets may not"
    assert "__all__" not in re.findall(r"fields\s*=\s*[\"'](\w+)", text)
    assert not re.search(r"request\.(POST|GET)\[", text)
    assert not ("keys.material" in imported and name not in VALUES), "values in plain have their room"
    assert "@transaction.atomic" not in text, "a write runs as accounts.transactions.one_transaction has it run"


def test_exceptions_from_the_rules_are_still_needed() -> None:
    for name in RAW_SQL:
        called = {what for what, _ in calls(ast.parse((ROOT / name).read_text()))}
        assert called & {"RawSQL", "cursor", "execute"}, name
    for name in VALUES - {"keys/material.py"}:
        assert "keys.material" in imports(ast.parse((ROOT / name).read_text())), name


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_templates_hold_no_script_no_style_and_escape_everything(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\|\s*safe\b|{%\s*autoescape", text)
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"\son\w+\s*=", text)
    assert not re.search(r"<style|javascript:|<script(?![^>]*\ssrc=)", text)
    assert "http://" not in text.replace("http://www.w3.org/", "")
    assert "https://" not in text


def test_style_sheets_and_scripts_load_nothing_from_elsewhere() -> None:
    files = [path for kind in ("css", "js") for path in (ROOT / "static" / kind).rglob(f"*.{kind}")]
    assert files
    for path in files:
        text = path.read_text()
        assert not re.search(r"https?://|url\(\s*[\"']?(?:data:|//)|@import|innerHTML|eval\(", text), name_of(path)


def test_every_icon_that_is_named_is_drawn_and_every_one_that_is_drawn_is_named() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static" / "icons.svg").read_text()))
    text = "".join(path.read_text() for path in [*TEMPLATES, *PROGRAM])
    named = set(re.findall(r"icon[ (][\"']([\w-]+)[\"']|#(picture-[\w-]+)\"", text))
    of_messages = {"success", "warning", "error", "info"}
    chevrons = {"chevron-right", "chevron-down"}  # put together where a branch is folded
    assert drawn == {one or other for one, other in named} | of_messages | chevrons


def test_every_style_sheet_and_script_is_on_every_page_in_one_file_of_its_kind() -> None:
    for kind, files in (("css", assets.style_sheets()), ("js", assets.scripts())):
        assert len(files) == 1
        text = (Path(settings.STATIC_ROOT) / kind / f"keytree.{kind}").read_text()
        parts = sorted((ROOT / "static" / kind).glob(f"*.{kind}"))
        assert parts
        assert [path.name for path in parts if path.read_text() not in text] == []


def test_pages_name_the_parts_in_debug_mode(settings) -> None:
    settings.DEBUG = True
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    names = [*assets.style_sheets.__wrapped__(), *assets.scripts.__wrapped__()]
    assert {name.rpartition("/")[2] for name in names} == {
        path.name for kind in ("css", "js") for path in (ROOT / "static" / kind).glob(f"*.{kind}")
    }


def test_no_test_is_skipped_without_saying_why() -> None:
    for path in TESTS:
        for what, call in calls(ast.parse(path.read_text())):
            if what in {"skip", "skipif", "xfail", "importorskip"}:
                said = call.args or [keyword for keyword in call.keywords if keyword.arg == "reason"]
                assert said, f"{name_of(path)}:{call.lineno}"
                assert what != "xfail", f"{name_of(path)}:{call.lineno}: a known fault is mended, not expected"
