"""What lists are filtered and sorted by is what they answer: for every caller, list and property; and never more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from accounts import audit, events
from accounts.models import Account, Member
from keys.api.answers import SERVICES
from keys.api.calls import Call, Caller
from keys.api.faults import Fault
from keys.api.filter_conditions import Column
from keys.api.filters import Columns, Related
from keys.api.methods.method_kinds import Many
from tests.keys.api.calling import ORIGIN, ask, caller_of, op

pytestmark = pytest.mark.django_db

CALLERS = ["olivia", "marcus", "priya", "sam"]
LISTS = [
    (f"{service.removeprefix('SoftLayer_')}::{name}", method)
    for service, methods in SERVICES.items()
    for name, method in methods.items()
    if isinstance(method, Many)
]
LIST_IDS = [name for name, _ in LISTS]


@pytest.fixture
def world(cast: dict[str, Member]) -> dict[str, Member]:
    """The demo account with what not everybody may know: chosen usernames, names given here, logins."""
    Member.objects.filter(pk__in=[cast["noor"].pk, cast["dmitri"].pk]).update(name_here="Called Here")
    for name in ("noor", "sam", "berlin"):
        Member.objects.filter(pk=cast[name].pk).update(api_username=f"chosen-{name}")
    for name in CALLERS:
        audit.record(events.SIGNED_IN, actor=cast[name], origin=ORIGIN)
    return cast


def about(method: str, caller: Caller) -> list[int | None]:
    """Of whom a list may be asked: each user for a user's, of nobody for others."""
    if not method.startswith("User_Customer::"):
        return [None]
    return [user["id"] for user in ask(caller, "Account::getUsers")]


def columns_of(method: Many, name: str, caller: Caller, object_id: int | None) -> Columns:
    service, called = name.split("::")
    return method.rows(Call(f"SoftLayer_{service}", called, object_id=object_id), caller).columns


def properties(columns: Columns, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Column]]:
    """Each column with its names from the list down."""
    for name, column in columns.items():
        if isinstance(column, Column):
            yield (*path, name), column
        else:
            yield from properties(column.columns if isinstance(column, Related) else column, (*path, name))


def within(root: str, path: tuple[str, ...], leaf: Mapping[str, Any]) -> dict[str, Any]:
    """The filter that asks ``leaf`` of the property at ``path``."""
    asked: Any = leaf
    for name in reversed((root, *path) if root else path):
        asked = {name: asked}
    return dict(asked)


def shown(item: Mapping[str, Any], path: tuple[str, ...]) -> list[Any]:
    """What an item was answered with at ``path``; nothing where it has no value, several where it has a list."""
    found: list[Any] = [item]
    for name in path:
        found = [one[name] for one in found if name in one]
        found = [one for each in found for one in (each if isinstance(each, list) else [each])]
    return found


@dataclass(frozen=True)
class Listed:
    """A list as a caller asks for it, with everything that it can be filtered by."""

    caller: Caller
    name: str
    object_id: int | None
    root: str
    columns: Columns

    @property
    def answered(self) -> list[tuple[tuple[str, ...], Column]]:
        """What it is filtered by; without the ids of events and logins, which clients sort by and no answer has."""
        hidden = {"id"} if self.name.startswith("Event_Log::") else set()
        return [(path, column) for path, column in properties(self.columns) if path[0] not in hidden]

    def items(self, leaf: Mapping[str, Any] | None = None, path: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Its items with all these properties; those that a filter finds."""
        asked = {} if leaf is None else within(self.root, path, leaf)
        mask = ",".join(".".join(path) for path, _ in self.answered)
        return list(ask(self.caller, self.name, self.object_id, mask=mask, object_filter=asked))


def lists_of(caller: Caller, name: str, method: Many) -> Iterator[Listed]:
    """The list for some of those that it can be asked about."""
    for object_id in about(name, caller)[:4]:
        yield Listed(caller, name, object_id, method.root, columns_of(method, name, caller, object_id))


@pytest.mark.parametrize(("name", "method"), LISTS, ids=LIST_IDS)
@pytest.mark.parametrize(("who", "sees_all"), [("olivia", True), ("marcus", True), ("marcus", False), ("sam", True)])
def test_what_is_answered_is_what_is_filtered_by(
    world: dict[str, Member], who: str, sees_all: bool, name: str, method: Many
) -> None:
    Account.objects.update(restrict_user_list=not sees_all)
    for listed in lists_of(caller_of(world[who]), name, method):
        items = listed.items()
        for path, column in listed.answered:
            assert listed.items(op("is null"), path) == [item for item in items if not shown(item, path)]
            assert listed.items(op("not null"), path) == [item for item in items if shown(item, path)]
            for value in list({value: None for item in items for value in shown(item, path)})[:3]:
                asked = op("isDate", date=[value]) if column.kind is datetime else op("in", data=[value])
                assert listed.items(asked, path) == [item for item in items if value in shown(item, path)]


@pytest.mark.parametrize(("name", "method"), LISTS, ids=LIST_IDS)
def test_no_list_is_filtered_by_a_value(cast: dict[str, Member], name: str, method: Many) -> None:
    caller = caller_of(cast["olivia"])
    for listed in lists_of(caller, name, method):
        for leaf in (op("^= a"), op("orderBy"), op("is null"), op("in", data=["a"]), op(caller.value.text)):
            for hidden in ("authenticationKey", "sealedValue", "sealed_value", "digest", "holder"):
                for path in ((hidden,), ("apiAuthenticationKeys", hidden)):
                    with pytest.raises(Fault, match="no property"):
                        listed.items(leaf, path)
        for _, column in properties(listed.columns):
            assert column.field not in {"sealed_value", "digest", "vpn_password", "user__password"}
