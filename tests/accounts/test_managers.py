"""Who is named as having a say about a member: those above and those who may manage anybody, each once."""

import pytest

from accounts import queries
from accounts.enums import Permission
from accounts.models import Member
from accounts.queries import managers_of
from tests.trees import grow

pytestmark = pytest.mark.django_db


def allow(*members: Member, power: Permission = Permission.USER_ADMINISTRATOR) -> None:
    Member.objects.filter(pk__in=[member.pk for member in members]).update(permissions=int(power))


def test_those_above_come_nearest_first_and_then_others_by_name():
    owner, above, parent, member, below, zoe, adam, plain = grow([0, 1, 2, 3, 0, 0, 0])
    Member.objects.filter(pk=zoe.pk).update(sort_name="zoe")
    Member.objects.filter(pk=adam.pk).update(sort_name="adam")
    allow(zoe, power=Permission.USER_EDITOR)
    allow(adam, below, power=Permission.IDENTITY_ADMINISTRATOR)
    allow(plain, power=Permission.MANAGE_USERS)
    assert managers_of(member) == [parent, above, owner, adam, below, zoe]


def test_nobody_is_named_twice_and_the_member_not_among_others():
    owner, parent, member, other = grow([0, 1, 0])
    allow(parent, member, other)
    assert managers_of(member) == [parent, owner, other]


def test_the_member_and_those_above_take_nobody_elses_place(monkeypatch):
    owner, parent, member, other = grow([0, 1, 0])
    Member.objects.filter(pk=other.pk).update(sort_name="zoe")
    allow(parent, member, other)
    monkeypatch.setattr(queries, "MOST_MANAGERS", 1)
    assert managers_of(member) == [parent, owner, other]
