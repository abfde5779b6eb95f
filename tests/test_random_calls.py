"""The random histories once more, made and looked at by calls of SoftLayer clients, against the same oracle."""

from collections import Counter
from typing import Any

import pytest
from hypothesis.stateful import invariant

from accounts import invitations, memberships
from accounts.invitations import Outcome, Result
from accounts.memberships import NotEmpty
from accounts.models import Event, Member
from accounts.policy import NotAllowed
from keys import lifecycle
from keys.api.faults import Denied, Fault, NotFound
from keys.api.schema import STATUSES
from keys.material import PlainValue
from tests.histories import try_out
from tests.keys.api.calling import ask, caller_of
from tests.test_random_trees import Histories

USER, KEY = "User_Customer", "User_Customer_ApiAuthentication"
MASK = (
    "mask[id,parentId,userStatusId,isMasterUserFlag,childUserCount,apiAuthenticationKeyCount,permissions[id],"
    "apiAuthenticationKeys[id,userId,authenticationKey,user[id]],parent[id],childUsers[id]]"
)
#: Refusals of a caller, fewer than are put together.
FEW = 20


class Calls(Histories):
    """Whoever works does by calls what can be done by them."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: Counter[object] = Counter()

    def attempt(self, expected: type[Exception] | None, call: Any, **arguments: Any) -> Any:
        """Make the call that does the same, and compare how it ended."""
        by = self._number(arguments.get("by"))
        about = arguments.get("member") or arguments.get("holder") or getattr(arguments.get("key"), "holder", None)
        target = self._number(about)
        if call is invitations.invite and by is not None and self.oracle.works(by) and not arguments["granted"]:
            return self._invite(expected, arguments)
        if by is None or target is None or not self.oracle.works(by) or not self._is_called(call, arguments):
            return super().attempt(expected, call, **arguments)
        is_seen = (self.oracle.sees if "member" in arguments else self.oracle.knows_key)(by, target)
        caller, names_nothing_new = caller_of(arguments["by"]), False
        if call is lifecycle.create_classic_key:
            method, number, sent = f"{USER}::addApiAuthenticationKey", about.pk, []
        elif call is lifecycle.delete_classic_key:
            method, number, sent = f"{USER}::removeApiAuthenticationKey", None, [arguments["key"].pk]
        elif call is lifecycle.restrict_classic_key:
            template = {"ipAddressRestriction": arguments["addresses_text"]}
            method, number, sent = f"{KEY}::editObject", arguments["key"].pk, [template]
        else:
            status = STATUSES[arguments["status"]].id if call is memberships.change_status else 1021
            method, number, sent = f"{USER}::editObject", about.pk, [{"userStatusId": status}]
            names_nothing_new = is_seen and status == STATUSES[self.oracle.status[target]].id
        events = Event.objects.count()
        try:
            result = ask(caller, method, number, *sent)
        except Fault as fault:
            assert not names_nothing_new
            self._compare(fault, expected, is_seen=is_seen)
            self._count_refusal(fault, events, by, target, method)
            return None
        assert expected is None or names_nothing_new
        if expected is not None:
            return None
        return (None, PlainValue(result)) if isinstance(result, str) else result

    def _invite(self, expected: type[Exception] | None, arguments: dict[str, Any]) -> list[Result] | None:
        """Invite somebody without permissions: others cannot be given by a call."""
        (invitee,) = arguments["invitees"]
        events = Event.objects.count()
        try:
            made = ask(caller_of(arguments["by"]), f"{USER}::createObject", None, {"email": invitee.email})
        except Fault as fault:
            self._compare(fault, expected, is_seen=True)
            self._count_refusal(fault, events, self._number(arguments["by"]))
            return None
        assert expected is None
        return [Result(invitee, Outcome.INVITED, Member.objects.get(pk=made["id"]))]

    def _number(self, member: Any) -> int | None:
        return next((number for number, pk in self.ids.items() if member is not None and pk == member.pk), None)

    @staticmethod
    def _is_called(call: Any, arguments: dict[str, Any]) -> bool:
        if call is memberships.remove_member:
            return not arguments["hand_over"]
        return call in (
            lifecycle.create_classic_key, lifecycle.delete_classic_key, lifecycle.restrict_classic_key,
            memberships.change_status,
        )  # fmt: skip

    def _compare(self, fault: Fault, expected: type[Exception] | None, *, is_seen: bool) -> None:
        if expected is lifecycle.KeyGone or not is_seen:
            assert type(fault) is NotFound
        elif expected is NotAllowed:
            assert type(fault) is Denied
        else:
            said = {lifecycle.KeyExists: "only have a single API key", NotEmpty: "neither disabled nor removed"}
            assert said[expected] in str(fault)

    def _count_refusal(self, fault: Fault, before: int, by: int | None, *about: object) -> None:
        """Count the event of a refusal: the first is one, the same again only in another minute."""
        if type(fault) is not Denied:
            return
        came = Event.objects.count() - before
        self.refused[by] += 1
        self.refused[by, *about, str(fault)] += 1
        is_first = self.refused[by, *about, str(fault)] == 1 and self.refused[by] < FEW
        assert came == 1 if is_first else came in (0, 1)
        self.events += came

    @invariant()
    def everybody_sees_and_may_what_the_oracle_says(self) -> None:
        """Some of those who work, after each step: by a list, by numbers, and by filters."""
        oracle, numbers = self.oracle, {pk: number for number, pk in self.ids.items()}
        keys, self.step = self._keys(), self.step + 1
        of = {numbers[key.holder_id]: key.pk for key in keys}
        for viewer, member in self._members().items():
            if not oracle.works(viewer) or (viewer + self.step) % 4:
                continue
            caller = caller_of(member)
            seen = {number for number in numbers.values() if oracle.sees(viewer, number)}
            listed = ask(caller, "Account::getUsers", mask=MASK)
            assert [user["id"] for user in listed] == sorted(self.ids[number] for number in seen)
            for user in listed:
                self._look_at(viewer, numbers[user["id"]], user, of)
            for number, pk in self.ids.items():
                assert self._is_found(caller, f"{USER}::getObject", pk) is (number in seen)
            for key in keys:
                known = oracle.knows_key(viewer, numbers[key.holder_id])
                assert self._is_found(caller, f"{KEY}::getObject", key.pk) is known
                by_key = {"users": {"apiAuthenticationKeys": {"id": {"operation": key.pk}}}}
                assert len(ask(caller, "Account::getUsers", object_filter=by_key)) == int(known)

    def _look_at(self, viewer: int, number: int, user: dict[str, Any], keys: dict[int, int]) -> None:
        oracle = self.oracle
        parent = oracle.parent[number]
        if parent is None or not oracle.sees(viewer, parent):
            assert not {"parentId", "parent"} & set(user)
        else:
            assert user["parentId"] == user["parent"]["id"] == self.ids[parent]
        below = sorted(self.ids[other] for other, above in oracle.parent.items() if above == number)
        assert ([child["id"] for child in user["childUsers"]], user["childUserCount"]) == (below, len(below))
        assert user["userStatusId"] == STATUSES[oracle.status[number]].id
        assert user["isMasterUserFlag"] is (number == 0)
        cares = oracle.restricts(viewer, number) or oracle.knows_key(viewer, number)
        held = 31 if number == 0 else oracle.granted[number]
        assert sum(permission["id"] for permission in user["permissions"]) == held * cares
        has = number in keys and oracle.knows_key(viewer, number)
        assert len(user["apiAuthenticationKeys"]) == user["apiAuthenticationKeyCount"] == int(has)
        for key in user["apiAuthenticationKeys"]:
            assert (key["id"], key["userId"], key["user"]["id"]) == (keys[number], user["id"], user["id"])
            is_told = number == viewer and oracle.creator[number] == viewer
            assert key.get("authenticationKey") == (self.values[number] if is_told else None)

    @staticmethod
    def _is_found(caller: Any, method: str, number: int) -> bool:
        try:
            found = ask(caller, method, number, mask="id")
        except NotFound as fault:
            assert str(fault) == f"Unable to find object with id of '{number}'."
            return False
        assert found == {"id": number}
        return True


@pytest.mark.django_db
def test_random_calls_agree_with_the_oracle():
    try_out(Calls, on_sqlite=8, elsewhere=4)
