"""The interfaces have no way to open a sealed value: they never ask for one, and cannot import what could."""

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
def test_nothing_is_called_that_opens_one(name):
    used = {node.attr for node in ast.walk(TREES[name]) if isinstance(node, ast.Attribute)}
    used |= {node.id for node in ast.walk(TREES[name]) if isinstance(node, ast.Name)}
    assert not used & OPENING
