"""The random histories once more, with IBM Cloud API keys: after each step every value is presented from two places."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from accounts.policy import NotAllowed
from keys.models import PlatformKey
from keys.platform.lifecycle import (
    Description,
    KeyGone,
    create_platform_key,
    delete_platform_key,
    switch_platform_key,
)
from keys.platform.policy import NotNow, PlatformAction
from keys.verification import verify
from tests.histories import try_out
from tests.test_random_trees import INSIDE, MOST_MEMBERS, OUTSIDE, Histories


@dataclass
class Held:
    """What there is to know of a key to say whether it works."""

    holder: int
    value: str
    is_enabled: bool = True
    is_over: bool = False


class PlatformCalls(Histories):
    """Whoever works has a few such keys, and disables, enables and deletes them; some expire."""

    refusals = (*Histories.refusals, KeyGone)
    numbers = st.integers(0, MOST_MEMBERS - 1)

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, Held] = {}  # by the number of the row
        self.gone: list[str] = []  # values that were

    @initialize(parents=st.lists(st.integers(0, MOST_MEMBERS), min_size=4, max_size=MOST_MEMBERS - 3))
    def grow(self, parents):
        super().grow(parents)
        for number in self.ids:
            self.create_platform(number)

    def _row(self, number: int) -> PlatformKey:
        return PlatformKey.objects.select_related("holder__account").get(pk=sorted(self.held)[number % len(self.held)])

    @precondition(lambda self: len(self.held) < MOST_MEMBERS)
    @rule(holder=numbers)
    def create_platform(self, holder):
        holder = self.pick(holder)
        may = self.oracle.works(holder) and self.oracle.status[holder] == "active"
        done = self.attempt(
            None if may else NotAllowed, create_platform_key, description=Description("A key"), by=self.member(holder)
        )
        if done is not None:
            self.events += 1
            self.held[done[0].pk] = Held(holder, done[1].text)

    @precondition(lambda self: self.held)
    @rule(number=numbers)
    def switch_platform(self, number):
        key = self._row(number)
        held = self.held[key.pk]
        action = PlatformAction.DISABLE if held.is_enabled else PlatformAction.ENABLE
        expected = None
        if not self.oracle.works(held.holder):
            expected = KeyGone
        elif held.is_over:
            expected = NotNow
        self.attempt(expected, switch_platform_key, key=key, action=action, by=self.member(held.holder))
        if expected is None:
            self.events += 1
            held.is_enabled = not held.is_enabled

    @precondition(lambda self: self.held)
    @rule(number=numbers)
    def delete_platform(self, number):
        key = self._row(number)
        may = self.oracle.works(self.held[key.pk].holder)
        by = self.member(self.held[key.pk].holder)
        self.attempt(None if may else KeyGone, delete_platform_key, key=key, by=by)
        if may:
            self.events += 1
            self.gone.append(self.held.pop(key.pk).value)

    @precondition(lambda self: self.held)
    @rule(number=numbers)
    def expire_platform(self, number):
        key = self._row(number)
        PlatformKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        self.held[key.pk].is_over = True

    def _leave(self, member, expected, call, **arguments):
        super()._leave(member, expected, call, **arguments)
        for pk in [pk for pk, held in self.held.items() if held.holder == member and expected is None]:
            self.events += 1
            self.gone.append(self.held.pop(pk).value)

    @invariant()
    def everybody_sees_and_may_what_the_oracle_says(self) -> None:
        """That is asked by the histories without such keys."""

    @invariant()
    def each_platform_key_works_as_its_user_may_call(self) -> None:
        assert set(PlatformKey.objects.values_list("pk", flat=True)) == set(self.held)
        for held in self.held.values():
            calls = self.oracle.status[held.holder] in ("active", "invalid", "vpn_only")
            calls = calls and not self.oracle.is_frozen(held.holder) and held.is_enabled and not held.is_over
            allowed = self.allowed.get(held.holder, self.kept.get(held.holder, ""))
            inside, outside = calls and allowed in ("", "17.5.7.0/24"), calls and allowed in ("", "203.0.113.9")
            assert [verify("apikey", held.value, at).accepted for at in (INSIDE, OUTSIDE)] == [inside, outside]
        for value in self.gone:
            assert not verify("apikey", value, INSIDE).accepted


@pytest.mark.django_db
def test_random_calls_with_platform_keys_agree_with_the_oracle():
    try_out(PlatformCalls, on_sqlite=20, elsewhere=8)
