"""docs/clients.md and the interface keep up with each other: methods, records, filters and statuses."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.enums import MemberStatus
from accounts.models import Event
from keys import sent
from keys.api import answers, filter_conditions, filters, lists, masks, records, schema
from keys.api.calls import Caller, Credentials
from keys.models import ClassicKey

pytestmark = pytest.mark.sqlite_only

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "clients.md").read_text()
PREFIX = "SoftLayer_"


def section(heading: str) -> str:
    """Return the text of a section."""
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def rows(heading: str, first: str) -> Iterator[list[str]]:
    """Yield the cells of the table in a section whose heading begins with ``first``."""
    table = re.search(rf"^\| {first} \|.*?(?=^$)", section(heading) + "\n", re.MULTILINE | re.DOTALL)[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def names(cell: str) -> list[str]:
    """Return what a cell has in the letters of code."""
    return re.findall(r"`(\w+)`", cell)


def test_methods_are_those_that_there_are():
    documented: dict[str, set[str]] = {}
    services: list[str] = []
    for service, methods, *_ in rows("Services and methods", "service"):
        services = names(service) or services
        for name in services:
            documented.setdefault(PREFIX + name, set()).update(names(methods))
    assert documented == {service: set(methods) for service, methods in answers.SERVICES.items()}


def test_records_are_those_that_there_are():
    types = {type_.name: type_ for type_ in vars(schema).values() if isinstance(type_, records.Type)}
    documented = {names(record)[0]: (names(local), names(below)) for record, local, below in rows("Records", "record")
                  if names(record)}  # fmt: skip
    permissions = next(names(local) for record, local, _ in rows("Records", "record") if not names(record))
    for type_ in (schema.PERMISSION, schema.ACTION, schema.ROLE):
        assert set(permissions) == set(types.pop(type_.name).local)
    del types[schema.ANYTHING.name]
    assert documented.keys() == types.keys()
    for name, (local, below) in documented.items():
        type_ = types[name]
        without_value = {known for known, read in type_.local.items() if read is schema._nothing}
        assert set(local) == {*type_.local, *type_.on_request} - without_value, name
        assert set(below) == set(type_.relations), name


def test_filters_are_those_that_there_are(cast, origin):
    caller = Caller(cast["marcus"], 0, Credentials.of("", "").value, origin)
    users = lists.users(caller, type(cast["marcus"]).objects.none()).columns
    expected = {
        "users": users,
        "keys": lists.keys(ClassicKey.objects.none()).columns,
        "logins": lists.logins(Event.objects.none(), list).columns,
        "events": lists.events(caller, Event.objects.none()).columns,
    }
    documented = dict(rows("Object filters", "list"))
    assert documented.keys() == expected.keys()
    for name, cell in documented.items():
        flat = {part for known, below in expected[name].items() for part in
                [known, *(below if isinstance(below, dict) else ())]}  # fmt: skip
        assert set(names(cell)) == flat, name


def test_operations_of_filters_are_those_that_there_are():
    described = {
        sign for operation, _ in rows("Object filters", "operation") for sign in re.findall(r"`([^`]+)`", operation)
    }
    signs = {sign.removesuffix(" x") for sign in described} - {"x", "!"}
    known = {sign for sign in filter_conditions.SIGNS if not sign.startswith("!") or sign == "!="} - {"~"}
    words = {*filter_conditions.NULLS, *filters._OF_SEVERAL, *filters._OF_DATES, filters._ORDER}
    assert {sign.lower() for sign in signs} - {"data", "sort", "sortorder"} == known | words


def test_statuses_are_those_that_there_are():
    documented = {
        label: (int(number.strip("`")), key_name.strip("`"))
        for labels, number, key_name in rows("Records", "status in the console")
        for label in re.findall(r"\*([^*]+)\*", labels)
    }
    assert documented == {
        status.label: (schema.STATUSES[status].id, schema.STATUSES[status].key_name) for status in MemberStatus
    }


def test_limits_are_those_that_there_are():
    limits = section("Limits")
    assert (1024 * 1024, re.search(r"body of a request \| (1 MiB)", limits)[1]) == (sent.LONGEST_BODY, "1 MiB")
    assert f"{sent.MOST_LEVELS} levels and {sent.MOST_VALUES:,} elements" in limits
    assert (masks.MOST_LEVELS, masks.MOST_LEAVES) == (filters.MOST_LEVELS, filters.MOST_LEAVES)
    assert f"{masks.MOST_LEVELS} levels, {masks.MOST_LEAVES} names" in limits
    assert (
        f"{masks.MOST_CHARACTERS:,} characters of a mask, {filter_conditions.MOST_CHARACTERS:,} of one operation"
        in limits
    )
    assert f"| {filters.MOST_COMPARISONS}; `in`" in limits
    assert f"on SQLite a filter ends after {answers._SECONDS:.0f} seconds" in limits
    assert f"{records.MOST_BELOW:,} in one answer" in limits
    assert f"a list of more than {records.MOST_AT_ONCE:,} | {records.MOST_BELOW_EACH}," in limits
