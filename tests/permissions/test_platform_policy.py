"""Who may do what with an IBM Cloud API key, in every case of the matrix and every state of the key.

The table here is written from docs/rules.md, "IBM Cloud API keys", and not from the policy that it judges.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import pytest
from django.utils import timezone

from accounts.policy import NotAllowed
from keys.models import PlatformKey
from keys.platform import policy
from keys.platform.policy import PlatformAction
from tests import matrix
from tests.matrix import Case, Stand
from tests.permissions.world import PureWorld

STANDS = [stand for stand in Stand if stand is not Stand.NOBODY]
FOREIGN = {Stand.OTHER_ACCOUNT, Stand.OTHER_OWNER}


class State(NamedTuple):
    """What a key may be, in every combination."""

    is_locked: bool
    is_enabled: bool
    expires_in: timedelta | None
    is_leaked: bool

    @property
    def is_expired(self) -> bool:
        return self.expires_in is not None and self.expires_in <= timedelta(0)


STATES = [
    State(*each)
    for each in itertools.product(
        (False, True), (False, True), (None, timedelta(0), timedelta(-1), timedelta(1)), (False, True)
    )
]
#: What can be done, by the state of the key: the table of the page, line by line.
WHEN = {
    "VIEW": lambda _: True,
    "EDIT": lambda key: not key.is_locked and not key.is_expired,
    "LOCK": lambda key: not key.is_locked,
    "UNLOCK": lambda key: key.is_locked,
    "DISABLE": lambda key: key.is_enabled and not key.is_locked and not key.is_expired,
    "ENABLE": lambda key: not key.is_enabled and not key.is_locked and not key.is_expired,
    "DELETE": lambda key: not key.is_locked,
}


def works(case: Case) -> bool:
    return case.actor_status in matrix.WORKING and not case.actor_is_frozen


def sees_all(case: Case) -> bool:
    return works(case) and (case.stand in matrix.OWNERS or bool(case.granted & matrix.IDENTITY))


def sees(case: Case) -> bool:
    """The holder, and whoever sees all of their account; to stand above somebody gives no right."""
    return works(case) and case.stand not in FOREIGN and (case.stand in matrix.SELF or sees_all(case))


def creates(case: Case, *, is_restricted: bool) -> bool:
    """An active user, for themselves; while it is restricted, only with the permission, the owner too."""
    has_permission = bool(case.granted & matrix.CREATOR)
    return works(case) and case.actor_status == matrix.ACTIVE and (has_permission or not is_restricted)


def cases_of(stand: Stand) -> Iterator[Case]:
    """Those that can differ: what the account shows, and how one's own login is managed, does not matter here."""
    seen = set()
    for case in matrix.every_case():
        about = case._replace(manages_own_login=False, list_is_restricted=False)
        if case.stand is stand and about not in seen:
            seen.add(about)
            yield case
    for case in (Case(stand, matrix.ACTIVE, matrix.ACTIVE, granted, True, True) for granted in matrix.GRANTS):
        yield case


def keys_of(world: PureWorld) -> list[tuple[State, PlatformKey]]:
    now, holder = timezone.now(), world.target
    return [
        (
            state,
            PlatformKey(
                holder=holder,
                account_id=holder.account_id,
                is_locked=state.is_locked,
                is_enabled=state.is_enabled,
                expires_at=state.expires_in if state.expires_in is None else now + state.expires_in,
                leaked_at=now if state.is_leaked else None,
            ),
        )
        for state in STATES
    ]


@pytest.mark.sqlite_only
@pytest.mark.parametrize("stand", STANDS, ids=lambda stand: stand.name)
def test_policy_agrees_with_the_table_in_every_case_and_state(stand):
    world, wrong, asked = PureWorld(stand), [], Counter()
    keys = keys_of(world)
    for case in cases_of(stand):
        world.become(case)
        assert policy.can_see_all(world.actor) is sees_all(case), tuple(case)
        assert policy.can_see_keys_of(world.actor, world.target) is sees(case), tuple(case)
        for state, key in keys:
            for action in PlatformAction:
                expected = sees(case) and WHEN[action.name](state)
                asked[expected] += 1
                if policy.can(world.actor, action, key) is not expected:
                    wrong.append(f"{action.name}: {'not ' * (not expected)}expected of {tuple(case)}, {tuple(state)}")
    assert not wrong, f"{len(wrong)} cells; first:\n" + "\n".join(wrong[:: max(1, len(wrong) // 10)])
    assert sum(asked.values()) > 10_000
    assert (asked[True] > 0) is (stand not in FOREIGN)


def test_table_has_every_action():
    """A new action fails here until the table says when it can be done."""
    assert {action.name for action in PlatformAction} == set(WHEN)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("stand", STANDS, ids=lambda stand: stand.name)
@pytest.mark.parametrize("is_restricted", [False, True], ids=["free", "restricted"])
def test_creating_agrees_with_the_table_in_every_case(stand, is_restricted):
    """Whoever creates does so for themselves: there is nobody else to ask about."""
    world, asked = PureWorld(stand), Counter()
    world.actor.account.restrict_key_creation = is_restricted
    for case in matrix.every_case():
        if case.stand is stand:
            world.become(case)
            expected = creates(case, is_restricted=is_restricted)
            asked[expected] += 1
            assert (policy.why_not_create(world.actor) == "") is expected, tuple(case)
    assert asked[True]
    assert asked[False]


@pytest.mark.sqlite_only
@pytest.mark.parametrize("stand", STANDS, ids=lambda stand: stand.name)
def test_every_refusal_has_its_reason(stand):
    """``require`` refuses exactly what ``can`` denies, in a sentence for the person who asked."""
    world, told = PureWorld(stand), set()
    for status, granted in itertools.product(matrix.STATUSES, (matrix.NONE, matrix.IDENTITY)):
        freeze = matrix.Freeze.ACTOR if granted and stand not in matrix.OWNERS else matrix.Freeze.NOTHING
        world.become(Case(stand, status, status, granted, freeze=freeze))
        for (_, key), action in itertools.product(keys_of(world), PlatformAction):
            why = _refused(policy.require, world.actor, action, key)
            assert (why is None) is policy.can(world.actor, action, key)
            told.add(why)
        for world.actor.account.restrict_key_creation in (False, True):
            why = _refused(policy.require_create, world.actor)
            assert (why or "") == policy.why_not_create(world.actor)
            told.add(why)
    assert all(re.fullmatch(r"[A-Z].{20,}\.", why) for why in told - {None})


def _refused(call, *about) -> str | None:
    try:
        call(*about)
    except NotAllowed as error:
        return str(error)
    return None


def test_refusals_say_what_is_in_the_way():
    """Of several reasons the one that stands first: who one is, the lock, the time."""
    world = PureWorld(Stand.SELF_CREATOR)
    me, past = world.target, timezone.now() - timedelta(seconds=1)
    world.become(Case(Stand.SELF_CREATOR))
    edit = PlatformAction.EDIT
    assert _refused(policy.require, me, edit, PlatformKey(holder=me, is_locked=True, expires_at=past)) == (
        "This key is locked. Unlock it first."
    )
    assert _refused(policy.require, me, edit, PlatformKey(holder=me, expires_at=past)) == (
        "This key has expired. It can only be deleted."
    )
    assert _refused(policy.require, me, PlatformAction.ENABLE, PlatformKey(holder=me)) == "This key is enabled already."
    me.account.restrict_key_creation = True
    assert "User API key creator" in _refused(policy.require_create, me)
    me.status = matrix.DISABLED
    assert _refused(policy.require_create, me) == (
        "Your status in this account is Disabled classic infrastructure: your keys are refused. "
        "Only active users can create a key."
    )
    me.is_frozen = True
    assert "Until it is thawed" in _refused(policy.require_create, me)
    assert "Until it is thawed" in _refused(policy.require, me, edit, PlatformKey(holder=me, is_locked=True))
    above = PureWorld(Stand.PARENT)
    above.become(Case(Stand.PARENT, granted=matrix.MANAGE_USERS))
    assert _refused(policy.require, above.actor, edit, PlatformKey(holder=above.target)) == (
        "Only its user and an IAM identity Administrator may edit this key."
    )
