"""The interfaces cannot import what opens a sealed value, and in one place alone ask for one to be shown."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.sqlite_only

KEYS = Path(__file__).resolve().parents[3] / "keys"
TREES = {
    path.relative_to(KEYS).as_posix(): ast.parse(path.read_text())
    for package in ("api", "iam")
    for path in (KEYS / package).rglob("*.py")
}
#: What gives the value of a key that is stored, besides what only `keys.material` has.
OPENING = {"show_value", "sealed_value", "unseal"}
#: Where whoever gave their password a moment ago sees their own: tests/keys/api/test_logins.py says when.
SHOWING = {"api/methods/own_value.py": {"show_value"}}


def test_of_what_handles_values_their_type_alone_is_imported():
    imported = {
        (name, alias.name)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"keys.material", "accounts.sealing"}
        for alias in node.names
    }
    assert imported == {("api/calls.py", "PlainValue")}


@pytest.mark.parametrize("name", TREES)
def test_nothing_else_is_called_that_opens_one(name):
    used = {node.attr for node in ast.walk(TREES[name]) if isinstance(node, ast.Attribute)}
    used |= {node.id for node in ast.walk(TREES[name]) if isinstance(node, ast.Name)}
    assert used & OPENING == SHOWING.get(name, set())
