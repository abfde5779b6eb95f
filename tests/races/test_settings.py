"""Settings, permissions and statuses that two people change at the same moment: neither undoes the other's change."""

from collections import Counter
from functools import partial

import pytest

from accounts import account_settings, events, memberships
from accounts.account_settings import SessionSettings
from accounts.enums import Permission
from accounts.models import Account, Event, Member
from tests.races.racing import actions_about, assert_sound
from tests.threads import at_once
from tests.trees import grow

pytestmark = pytest.mark.django_db(transaction=True)


def test_patterns_that_two_add_at_once_are_both_kept(origin):
    owner, other = grow([0])
    Member.objects.filter(pk=other.pk).update(permissions=int(Permission.IDENTITY_ADMINISTRATOR))
    patterns = []
    for number in range(10):
        patterns += [f"one{number}.example", f"other{number}.example"]
        (answers,) = at_once(
            partial(account_settings.restrict_domains, patterns_text=patterns[-2], by=owner, origin=origin),
            partial(account_settings.restrict_domains, patterns_text=patterns[-1], by=other, origin=origin),
        )
        assert answers == [None, None]
        kept = Account.objects.get(pk=owner.account_id).user_domains.split("\n")
        assert Counter(kept) == Counter(patterns)
    assert_sound()


def test_setting_that_many_make_at_once_is_recorded_once(origin):
    (owner,) = grow([])
    about = {"by": owner, "origin": origin}
    changes = [
        partial(account_settings.restrict_user_list, is_on=True, **about),
        partial(account_settings.restrict_key_creation, is_on=True, **about),
        partial(memberships.grant_key_creation_to_oneself, is_on=True, **about),
        partial(account_settings.restrict_addresses, addresses_text="17.0.0.0/8", **about),
        partial(account_settings.limit_sessions, chosen=SessionSettings(4, 30, 2), **about),
        partial(account_settings.restrict_domains, patterns_text="tree.example", **about),
    ]
    for change in changes:
        (answers,) = at_once(*[change] * 10)
        assert answers == [None] * 10
    recorded = Counter(Event.objects.filter(account_id=owner.account_id).values_list("action", flat=True))
    assert len(recorded) == len(changes)
    assert set(recorded.values()) == {1}
    assert_sound()


def test_permissions_that_two_give_at_once_are_both_held(origin):
    """Each may give one alone, and leaves the other as it is."""
    _, above, beside, member = grow([0, 0, 1])
    manage, administer = Permission.MANAGE_USERS, Permission.USER_ADMINISTRATOR
    for one, power in ((above, manage), (beside, administer)):
        Member.objects.filter(pk=one.pk).update(permissions=int(power))
    change = partial(memberships.change_permissions, member=member, origin=origin)
    for _ in range(20):
        at_once(partial(change, by=above, granted=manage), partial(change, by=beside, granted=administer))
        assert Permission(Member.objects.get(pk=member.pk).permissions) == manage | administer
        Member.objects.filter(pk=member.pk).update(permissions=0)
    assert_sound()


@pytest.mark.parametrize(
    ("change", "action"),
    [
        (partial(memberships.change_status, status="suspended"), events.STATUS_CHANGED),
        (partial(memberships.change_user_managed_login, is_on=True), events.LOGIN_CHANGED),
        (partial(memberships.change_permissions, granted=Permission.MANAGE_USERS), events.PERMISSIONS_CHANGED),
    ],
    ids=["status", "login", "permissions"],
)
def test_change_of_a_user_that_many_make_at_once_is_recorded_once(origin, change, action):
    owner, member = grow([0])
    for _ in range(5):
        before = actions_about(member)[action]
        (answers,) = at_once(*[partial(change, member=member, by=owner, origin=origin)] * 6)
        assert not [answer for answer in answers if isinstance(answer, Exception)]
        assert actions_about(member)[action] == before + 1
        Member.objects.filter(pk=member.pk).update(status="active", user_managed_login=False, permissions=0)
    assert_sound()
