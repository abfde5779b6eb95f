"""The random histories once more: what anybody does with anybody's IBM Cloud API keys, against an oracle of dicts."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from accounts.list_request import ListRequest
from accounts.models import Account
from accounts.policy import NotAllowed
from keys.models import LeakedAction, PlatformKey
from keys.platform import lifecycle, policy, queries
from keys.platform.lifecycle import Description, KeyGone
from keys.platform.policy import NotNow, PlatformAction
from tests.histories import try_out
from tests.test_random_trees import MOST_MEMBERS, ORIGIN, Histories

#: What each switch makes of which column.
SWITCHES = {
    "LOCK": ("is_locked", True),
    "UNLOCK": ("is_locked", False),
    "DISABLE": ("is_enabled", False),
    "ENABLE": ("is_enabled", True),
}
MOST_KEYS = 12


@dataclass
class Fact:
    """What the oracle knows of a key."""

    holder: int
    value: str
    name: str
    leaked_action: str
    is_locked: bool = False
    is_enabled: bool = True
    is_expired: bool = False
    is_leaked: bool = False
    is_told_again: bool = False

    def allows(self, action: str) -> bool:
        """Whether somebody can do this with a key in this state."""
        if action in SWITCHES:
            column, value = SWITCHES[action]
            if getattr(self, column) is value:
                return False
        if action in ("VIEW", "UNLOCK"):
            return True
        return not self.is_locked and (not self.is_expired or action in ("LOCK", "DELETE"))


class PlatformHistories(Histories):
    """Everybody tries everything with every key: those that may not know of one learn nothing by it."""

    refusals = (*Histories.refusals, KeyGone)
    numbers = st.integers(0, MOST_MEMBERS - 1)
    keys = st.integers(0, MOST_KEYS - 1)

    def __init__(self) -> None:
        super().__init__()
        self.facts: dict[int, Fact] = {}  # by the number of the row
        self.gone: list[PlatformKey] = []
        self.is_restricted = False

    def knows(self, actor: int, holder: int) -> bool:
        sees_all = actor == 0 or bool(self.oracle.granted[actor] & 8)
        return self.oracle.works(actor) and (actor == holder or sees_all)

    def creates(self, actor: int) -> bool:
        has_permission = bool(self.oracle.granted[actor] & 16)
        is_active = self.oracle.works(actor) and self.oracle.status[actor] == "active"
        return is_active and (has_permission or not self.is_restricted)

    def row(self, number: int) -> PlatformKey:
        return PlatformKey.objects.get(pk=sorted(self.facts)[number % len(self.facts)])

    def lose(self, pk: int, key: PlatformKey) -> None:
        self.events += 1
        self.gone.append(key)
        del self.facts[pk]

    # --- What happens ---

    @rule(is_on=st.booleans())
    def restrict_creation(self, is_on):
        Account.objects.filter(pk=self.account_id).update(restrict_key_creation=is_on)
        self.is_restricted = is_on

    @precondition(lambda self: len(self.facts) < MOST_KEYS)
    @rule(actor=numbers, leaked_action=st.sampled_from(LeakedAction))
    def create_platform(self, actor, leaked_action):
        actor, name = self.pick(actor), f"Key {self.step}"
        expected = None if self.creates(actor) else NotAllowed
        done = self.attempt(
            expected, lifecycle.create_platform_key, description=Description(name, leaked_action=leaked_action),
            by=self.member(actor),
        )  # fmt: skip
        if done is not None:
            self.events += 1
            self.facts[done[0].pk] = Fact(actor, done[1].text, name, leaked_action)

    @precondition(lambda self: self.facts)
    @rule(actor=numbers, key=keys, action=st.sampled_from([*SWITCHES, "EDIT", "DELETE"]))
    def act(self, actor, key, action):
        actor, key = self.pick(actor), self.row(key)
        fact = self.facts[key.pk]
        expected = None if fact.allows(action) else NotNow
        if not self.knows(actor, fact.holder):
            expected = KeyGone
        about: dict[str, Any] = {"key": key, "by": self.member(actor)}
        if action == "EDIT":
            name = f"Edited {self.step}"
            said = Description(name, leaked_action=LeakedAction(fact.leaked_action))
            self.attempt(expected, lifecycle.edit_platform_key, description=said, **about)
        elif action == "DELETE":
            self.attempt(expected, lifecycle.delete_platform_key, **about)
        else:
            self.attempt(expected, lifecycle.switch_platform_key, action=PlatformAction[action], **about)
        if expected is not None:
            return
        if action == "DELETE":
            self.lose(key.pk, key)
            return
        self.events += 1
        if action == "EDIT":
            fact.name = name
        else:
            setattr(fact, *SWITCHES[action])

    @precondition(lambda self: self.facts)
    @rule(key=keys)
    def act_oneself(self, key):
        """Most of the pairs that chance picks may not: keys would hardly change."""
        key = self.row(key)
        fact = self.facts[key.pk]
        for action in ("EDIT", "DISABLE", "LOCK"):
            self.act(sorted(self.ids).index(fact.holder), sorted(self.facts).index(key.pk), action)

    @precondition(lambda self: self.facts)
    @rule(key=keys)
    def report(self, key):
        key = self.row(key)
        fact = self.facts[key.pk]
        lifecycle.report_leaked(value=fact.value, source="a scanner", origin=ORIGIN)
        if fact.leaked_action == "delete":
            self.lose(key.pk, key)
            return
        # A report that changes nothing is told once a day.
        is_change = not fact.is_leaked or (fact.leaked_action == "disable" and fact.is_enabled)
        self.events += is_change or not fact.is_told_again
        fact.is_leaked, fact.is_told_again = True, fact.is_told_again or not is_change
        fact.is_enabled = fact.is_enabled and fact.leaked_action != "disable"

    @precondition(lambda self: self.facts)
    @rule(key=keys)
    def expire(self, key):
        key = self.row(key)
        PlatformKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        self.facts[key.pk].is_expired = True

    @rule()
    def clear(self):
        """Ninety days later those that have expired are gone, locked ones too."""
        rows = {pk: PlatformKey.objects.get(pk=pk) for pk, fact in self.facts.items() if fact.is_expired}
        assert lifecycle.delete_expired(now=timezone.now() + lifecycle.KEPT_AFTER, origin=ORIGIN) == len(rows)
        for pk, key in rows.items():
            self.lose(pk, key)

    @precondition(lambda self: self.gone)
    @rule(actor=numbers)
    def act_on_what_has_gone(self, actor):
        about = {"key": self.gone[-1], "by": self.member(self.pick(actor))}
        self.attempt(KeyGone, lifecycle.delete_platform_key, **about)
        self.attempt(KeyGone, lifecycle.edit_platform_key, description=Description("Back"), **about)

    def _leave(self, member, expected, call, **arguments):
        held = {pk: PlatformKey.objects.get(pk=pk) for pk, fact in self.facts.items() if fact.holder == member}
        super()._leave(member, expected, call, **arguments)
        for pk, key in held.items() if expected is None else ():
            self.lose(pk, key)

    # --- What must hold after each ---

    @invariant()
    def everybody_sees_and_may_what_the_oracle_says(self) -> None:
        """With every such key there is, by the policy and by the lists."""
        rows = {key.pk: key for key in PlatformKey.objects.select_related("holder__account")}
        assert set(rows) == set(self.facts)
        self.step += 1
        asked = ListRequest("/", {})
        for number, viewer in self._members().items():
            assert (policy.why_not_create(viewer) == "") is self.creates(number)
            for pk, fact in self.facts.items():
                knows = self.knows(number, fact.holder)
                for action in PlatformAction:
                    expected = knows and fact.allows(action.name)
                    assert policy.can(viewer, action, rows[pk]) is expected, (number, action, fact)
            if not self.oracle.works(number) or (number + self.step) % 4:
                continue
            mine = {pk for pk, fact in self.facts.items() if fact.holder == number}
            assert {key.pk for key in queries.my_keys(viewer, asked).everything()} == mine
            sees_all = number == 0 or bool(self.oracle.granted[number] & 8)
            assert policy.can_see_all(viewer) is sees_all
            if sees_all:
                assert {key.pk for key in queries.all_keys(viewer, asked).everything()} == set(self.facts)

    @invariant()
    def each_row_says_what_the_oracle_knows(self) -> None:
        for key in PlatformKey.objects.select_related("holder"):
            fact = self.facts[key.pk]
            assert (key.holder_id, key.user_id) == (self.ids[fact.holder], key.holder.user_id)
            assert (key.name, key.is_locked, key.is_enabled) == (fact.name, fact.is_locked, fact.is_enabled)
            assert (key.is_expired, key.leaked_at is not None) == (fact.is_expired, fact.is_leaked)
            found = lifecycle.key_of_value(fact.value)
            assert found is not None
            assert found.pk == key.pk


@pytest.mark.django_db
def test_random_histories_of_ibm_cloud_keys_agree_with_the_oracle():
    try_out(PlatformHistories, on_sqlite=10, elsewhere=4)
