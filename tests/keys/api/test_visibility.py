"""Whatever is asked, and by whatever way: nobody is answered a user or a key that they may not know of.

Compared with the plainest model of a tree, in random trees, for every member of them.
"""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import Account, Event, Member
from keys.api.records import Context
from keys.api.schema import ACCOUNT, EVENT, KEY, LOGIN, SCHEMA, USER, Login, ToldEvent
from keys.models import ClassicKey
from tests.conftest import ACME, BOREALIS
from tests.keys.api.calling import ask, caller_of, everything_in, not_found, refused
from tests.trees import Model, grow, make_key

_KEY = "apiAuthenticationKeys[id,userId,authenticationKey,user[id]]"
_PERSON = f"id,parentId,username,ipAddressRestriction,permissions,apiAuthenticationKeyCount,childUserCount,{_KEY}"
#: Ways from one user to others.
WAYS = [
    f"mask[{_PERSON},parent[{_PERSON},parent[{_PERSON}]],childUsers[{_PERSON},childUsers[{_PERSON}]]]",
    f"mask[{_PERSON},account[id,userCount,users[{_PERSON},parent[{_PERSON}]],masterUser[{_PERSON},childUsers[{_PERSON}]]]]",
    f"mask[apiAuthenticationKeys[user[{_PERSON},parent[{_PERSON},childUsers[{_PERSON}]],account[masterUser[{_PERSON}]]]]]",
    f"mask[id,loginAttempts,parent[id,loginAttempts,parent[parent[parent[{_PERSON}]]]]]",
]


class Watched:
    """A random tree, in which some have keys, and what each of its members may know."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        parents = [chance.randrange(number) for number in range(1, 9)]
        self.members, self.model = grow(parents), Model(parents)
        self.is_restricted = bool(seed % 2)
        Account.objects.filter(pk=self.members[0].account_id).update(restrict_user_list=self.is_restricted)
        self.numbers = {member.pk: number for number, member in enumerate(self.members)}
        self.key_of = {number: make_key(self.members[number]).pk for number in chance.sample(range(9), 6)}
        for member in grow([0, 0, 1]):  # another account, with keys
            make_key(member)

    def branch(self, viewer: int) -> set[int]:
        return {viewer, *self.model.descendants(viewer)}

    def seen(self, viewer: int) -> set[int]:
        return self.branch(viewer) if self.is_restricted and viewer else set(range(9))

    def check(self, viewer: int, answer: Any) -> None:
        seen, branch = self.seen(viewer), self.branch(viewer)
        for record in everything_in(answer):
            if record["complexType"] == "SoftLayer_User_Customer":
                self._check_user(viewer, record, seen, branch)
            elif record["complexType"] == "SoftLayer_User_Customer_ApiAuthentication":
                assert self.numbers[record["userId"]] in branch
                assert record["id"] == self.key_of[self.numbers[record["userId"]]]
                assert record["user"]["id"] == record["userId"]
                is_named = "timestampKey" not in record
                assert ("authenticationKey" in record) is (is_named and record["userId"] == self.members[viewer].pk)
            elif record["complexType"] == "SoftLayer_Account" and "userCount" in record:
                assert record["userCount"] == len(record["users"]) == len(seen)

    def _check_user(self, viewer: int, record: dict[str, Any], seen: set[int], branch: set[int]) -> None:
        if "id" not in record:
            return
        number = self.numbers[record["id"]]
        assert number in seen
        parent = self.model.parents[number]
        if "apiAuthenticationKeyCount" in record:
            assert ("parentId" in record) is (parent in seen)
            has_key = number in branch and number in self.key_of
            assert record["apiAuthenticationKeyCount"] == len(record["apiAuthenticationKeys"]) == int(has_key)
            assert record["childUserCount"] == self.model.parents.count(number)
        if "parent" in record and "id" in record["parent"]:
            assert self.numbers[record["parent"]["id"]] == parent
        if "childUsers" in record:
            children = [other for other, above in enumerate(self.model.parents) if above == number]
            assert [self.numbers[child["id"]] for child in record["childUsers"]] == children


def each(seed: int) -> Iterator[tuple[Watched, int, Any]]:
    watched = Watched(seed)
    for viewer, member in enumerate(watched.members):
        yield watched, viewer, caller_of(member)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_hidden_is_reached_by_any_way(db: None, seed: int) -> None:
    for watched, viewer, caller in each(seed):
        for way in WAYS:
            found = ask(caller, "Account::getUsers", mask=way, includes_types=True)
            assert len(found) == len(watched.seen(viewer))
            watched.check(viewer, found)
        for number in watched.seen(viewer):
            for method in ("getObject", "getParent", "getChildUsers"):
                pk, mask = watched.members[number].pk, f"mask[{_PERSON},parent[{_PERSON}]]"
                watched.check(viewer, ask(caller, f"User_Customer::{method}", pk, mask=mask, includes_types=True))


@pytest.mark.parametrize("seed", range(4))
def test_filters_find_what_is_answered_and_nothing_else(db: None, seed: int) -> None:
    for watched, _, caller in each(seed):
        everybody = ask(caller, "Account::getUsers", mask="id,parentId,username,apiAuthenticationKeys[id]")

        def found(name: str, operation: Any, caller: Any = caller) -> set[int]:
            leaf: Any = {"operation": operation}
            for part in reversed(name.split(".")):
                leaf = {part: leaf}
            return {user["id"] for user in ask(caller, "Account::getUsers", mask="id", object_filter={"users": leaf})}

        for other, member in enumerate(watched.members):
            assert found("id", member.pk) == {user["id"] for user in everybody if user["id"] == member.pk}
            assert found("parentId", member.pk) == {
                user["id"] for user in everybody if user.get("parentId") == member.pk
            }
            assert found("username", member.api_username) == {
                user["id"] for user in everybody if user.get("username") == member.api_username
            }
            key = watched.key_of.get(other, 0)
            assert found("apiAuthenticationKeys.id", key) == {
                user["id"] for user in everybody if {"id": key} in user["apiAuthenticationKeys"]
            }
        assert found("apiAuthenticationKeys.id", "is null") == {
            user["id"] for user in everybody if not user["apiAuthenticationKeys"]
        }


@pytest.mark.parametrize("seed", range(2))
def test_objects_by_number(db: None, seed: int) -> None:
    for watched, viewer, caller in each(seed):
        for other in Member.objects.all():
            is_seen = watched.numbers.get(other.pk) in watched.seen(viewer)
            if is_seen:
                assert ask(caller, "User_Customer::getObject", other.pk, mask="id") == {"id": other.pk}
            else:
                assert refused(caller, "User_Customer::getObject", other.pk) == not_found(other.pk)
        for key in ClassicKey.objects.all():
            if watched.numbers.get(key.holder_id) in watched.branch(viewer):
                assert ask(caller, "User_Customer_ApiAuthentication::getObject", key.pk, mask="id") == {"id": key.pk}
            else:
                fault = refused(caller, "User_Customer_ApiAuthentication::getObject", key.pk)
                assert fault == not_found(key.pk)


def test_every_record_is_asked_about_wherever_it_came_from(cast, key_of) -> None:
    """The last layer: a method, or a relation, that found too much would not tell it."""
    Account.objects.filter(pk=ACME).update(restrict_user_list=True)
    marcus, sam = caller_of(cast["marcus"]), cast["sam"]
    stranger = Member.objects.select_related("user", "account").get(account_id=BOREALIS, parent=None)
    event = Event.objects.filter(account_id=BOREALIS).first()
    hidden = [
        (USER, [sam, cast["olivia"], stranger]), (KEY, [key_of("sam"), key_of("olivia")]),
        (ACCOUNT, [stranger.account]), (EVENT, [ToldEvent(event, None)]),
        (LOGIN, [Login(event, sam), Login(event, stranger)]),
    ]  # fmt: skip
    for type_, records in hidden:
        assert SCHEMA.written(records, type_, None, Context(marcus)) == []
    shown = [len(SCHEMA.written(found, type_, None, Context(caller_of(cast["olivia"])))) for type_, found in hidden]
    assert shown == [2, 2, 0, 0, 1]
