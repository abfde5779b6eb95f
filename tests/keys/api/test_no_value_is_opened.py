"""The interface has no way to open a sealed value: it never asks for one, and cannot import what could."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.sqlite_only

PACKAGE = Path(__file__).resolve().parents[3] / "keys" / "api"
TREES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
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
    assert imported == {("calls.py", "PlainValue")}


@pytest.mark.parametrize("name", TREES)
def test_nothing_is_called_that_opens_one(name):
    used = {node.attr for node in ast.walk(TREES[name]) if isinstance(node, ast.Attribute)}
    used |= {node.id for node in ast.walk(TREES[name]) if isinstance(node, ast.Name)}
    assert not used & OPENING
