"""The permission matrix: each cell of ``tests.matrix`` asked of the policies."""

import re
from collections import Counter
from functools import partial
from typing import Any

import pytest

from accounts import policy, queries
from accounts.policy import MemberAction, NotAllowed
from console import nav
from keys import policy as key_policy
from keys import queries as key_queries
from keys.models import ClassicKey
from keys.platform import policy as platform_policy
from keys.platform.policy import PlatformAction
from keys.policy import KeyAction
from tests import matrix
from tests.matrix import Act, Case, Freeze, Stand, may
from tests.permissions.world import PureWorld
from tests.surfaces import SURFACES

#: How each act is asked for. Several ways to ask must all give the one answer.
QUESTIONS = {
    Act.SEE_USER: [lambda w: policy.can(w.actor, MemberAction.VIEW, w.target)],
    Act.SEE_CARE: [
        lambda w: policy.can(w.actor, MemberAction.VIEW_CARE, w.target),
        lambda w: "Manage user" in [item.label for item in queries.row(w.target, w.actor).menu],
    ],
    Act.SEE_EVENTS: [lambda w: policy.can(w.actor, MemberAction.VIEW_EVENTS, w.target)],
    Act.RESTRICT_USER: [lambda w: policy.can(w.actor, MemberAction.EDIT_RESTRICTION, w.target)],
    Act.SET_VPN_PASSWORD: [lambda w: policy.can(w.actor, MemberAction.EDIT_VPN_PASSWORD, w.target)],
    Act.CHANGE_STATUS: [lambda w: policy.can(w.actor, MemberAction.CHANGE_STATUS, w.target)],
    Act.CHANGE_PARENT: [lambda w: policy.can(w.actor, MemberAction.CHANGE_PARENT, w.target)],
    Act.CHANGE_PERMISSIONS: [
        lambda w: policy.can(w.actor, MemberAction.CHANGE_PERMISSIONS, w.target),
        lambda w: bool(policy.grantable(w.actor, w.target)),
    ],
    Act.CHANGE_LOGIN: [lambda w: policy.can(w.actor, MemberAction.CHANGE_LOGIN, w.target)],
    Act.REMOVE: [
        lambda w: policy.can(w.actor, MemberAction.REMOVE, w.target),
        lambda w: "Remove user" in [item.label for item in queries.row(w.target, w.actor).menu],
    ],
    **{
        act: [
            lambda w, action=action: policy.can(w.actor, action, w.target),
            lambda w, label=label: label in [item.label for item in queries.row(w.target, w.actor).menu],
        ]
        for act, action, label in (
            (Act.RESEND_INVITE, MemberAction.RESEND_INVITE, "Resend invite"),
            (Act.CANCEL_INVITE, MemberAction.CANCEL_INVITE, "Cancel invite"),
        )
    },
    Act.INVITE: [
        lambda w: policy.can(w.actor, MemberAction.INVITE, w.actor),
        lambda w: bool(policy.grantable_with_invitation(w.actor)),
    ],
    Act.ADD_VPN_USER: [lambda w: policy.can(w.actor, MemberAction.ADD_VPN_USER, w.actor)],
    Act.END_SESSIONS: [lambda w: policy.can(w.actor, MemberAction.END_SESSIONS, w.target)],
    Act.CHANGE_SETTINGS: [
        lambda w: policy.can(w.actor, MemberAction.CHANGE_SETTINGS, w.actor),
        lambda w: nav.changes_settings(w.actor),
    ],
    Act.SEE_INACTIVE: [
        lambda w: policy.can(w.actor, MemberAction.VIEW_INACTIVE, w.actor),
        lambda w: nav.sees_inactive(w.actor),
    ],
    Act.GRANT_TO_ONESELF: [lambda w: policy.can(w.actor, MemberAction.GRANT_TO_ONESELF, w.actor)],
    Act.KNOW_OF_KEY: [lambda w: key_policy.can_see_keys_of(w.actor, w.target)],
    Act.SEE_KEY: [
        lambda w: key_policy.can(w.actor, KeyAction.VIEW, w.key),
        lambda w: "View details" in [item.label for item in key_queries.menu(w.actor, w.key, key_queries.Places())],
    ],
    Act.SHOW_VALUE: [lambda w: key_policy.can(w.actor, KeyAction.SHOW_VALUE, w.key)],
    Act.RESTRICT_KEY: [lambda w: key_policy.can(w.actor, KeyAction.EDIT_RESTRICTION, w.key)],
    Act.DELETE_KEY: [
        lambda w: key_policy.can(w.actor, KeyAction.DELETE, w.key),
        lambda w: "Delete" in [item.label for item in key_queries.menu(w.actor, w.key, key_queries.Places())],
    ],
    Act.FREEZE_BRANCH: [lambda w: policy.can(w.actor, MemberAction.FREEZE_BRANCH, w.target)],
    Act.REVOKE_BRANCH: [lambda w: key_policy.can_revoke_branch(w.actor, w.target)],
    Act.CREATE_KEY: [lambda w: key_policy.can_create(w.actor, w.target)],
    Act.SEE_PLATFORM_KEY: [
        lambda w: platform_policy.can_see_keys_of(w.actor, w.target),
        *(
            lambda w, action=action: platform_policy.can(w.actor, action, w.platform_key(action))
            for action in PlatformAction
        ),
    ],
    Act.SEE_ALL_PLATFORM_KEYS: [lambda w: platform_policy.can_see_all(w.actor)],
    Act.CREATE_PLATFORM_KEY: [lambda w: w.actor is w.target and not platform_policy.why_not_create(w.actor)],
}
#: Asked of the pages alone: which sessions are listed, and whether an address is one's own.
NOT_ASKED = {Act.SEE_SESSION, Act.BE_ONESELF}


def wrong_cells(stand: Stand) -> tuple[list[str], Counter[Act]]:
    """The cells of a stand that the policies answer otherwise than the table, and how many there are of each act."""
    wrong, asked, world = [], Counter(), PureWorld(stand)
    for case in matrix.every_case():
        if case.stand is not stand:
            continue
        world.become(case)
        for act, questions in QUESTIONS.items():
            expected = may(act, case)
            for question in questions:
                asked[act] += 1
                if question(world) is not expected:
                    wrong.append(f"{act.value}: {'not ' * (not expected)}expected of {tuple(case)}")
    return wrong, asked


@pytest.mark.sqlite_only
@pytest.mark.parametrize("stand", [stand for stand in Stand if stand is not Stand.NOBODY], ids=lambda stand: stand.name)
def test_policy_agrees_with_the_table_in_every_cell(stand):
    wrong, asked = wrong_cells(stand)
    assert set(asked) == set(Act) - NOT_ASKED
    assert min(asked.values()) >= (200 if stand in matrix.SELF else 1_300)
    assert not wrong, f"{len(wrong)} cells; first:\n" + "\n".join(wrong[:: max(1, len(wrong) // 10)])


def test_matrix_is_as_large_as_promised():
    cases = sum(1 for _ in matrix.every_case())
    assert cases > 15_000
    pages = sum(len(matrix.page_cases(stand)) for stand in Stand) * len(SURFACES)
    assert cases * len(QUESTIONS) > 160_000
    assert pages > 3_000


def test_every_action_of_the_policies_is_in_the_table():
    """A new action fails here until the table says who may."""
    assert {action.name for action in MemberAction} == {
        "VIEW", "VIEW_CARE", "EDIT_RESTRICTION", "EDIT_VPN_PASSWORD", "CHANGE_STATUS", "CHANGE_PARENT",
        "CHANGE_PERMISSIONS", "CHANGE_LOGIN", "REMOVE", "INVITE", "ADD_VPN_USER", "RESEND_INVITE", "CANCEL_INVITE",
        "END_SESSIONS", "CHANGE_SETTINGS", "VIEW_INACTIVE", "FREEZE_BRANCH", "VIEW_EVENTS",
        "GRANT_TO_ONESELF",
    }  # fmt: skip
    assert {action.name for action in KeyAction} == {"VIEW", "SHOW_VALUE", "EDIT_RESTRICTION", "DELETE"}
    assert {action.name for action in PlatformAction} == {
        "VIEW", "EDIT", "LOCK", "UNLOCK", "ENABLE", "DISABLE", "DELETE"
    }  # fmt: skip
    assert set(QUESTIONS) | NOT_ASKED == set(Act) == set(matrix.TABLE)


@pytest.mark.sqlite_only
def test_table_is_seen_to_be_broken():
    """The comparison is no formality: each act's questions put to another act's column disagree somewhere."""
    for act, other in ((Act.SEE_KEY, Act.SEE_USER), (Act.SHOW_VALUE, Act.DELETE_KEY), (Act.CREATE_KEY, Act.SHOW_VALUE)):
        world, stand, found = None, None, 0
        for case in matrix.every_case():
            if world is None or case.stand is not stand:
                stand, world = case.stand, PureWorld(case.stand)
            world.become(case)
            found += QUESTIONS[act][0](world) is not may(other, case)
        assert found > 100


@pytest.mark.sqlite_only
@pytest.mark.parametrize("stand", [stand for stand in Stand if stand is not Stand.NOBODY], ids=lambda stand: stand.name)
def test_every_refusal_has_its_reason(stand):
    """``require`` refuses exactly what ``can`` denies, in a sentence for the person who asked."""
    world = PureWorld(stand)
    for status in matrix.STATUSES:
        for granted in (matrix.NONE, matrix.MANAGE_USERS, matrix.EDITOR):
            freeze = Freeze.ACTOR if granted == matrix.EDITOR and stand not in matrix.OWNERS else Freeze.NOTHING
            world.become(Case(stand, status, status, granted, freeze=freeze))
            locked = world.platform_key(PlatformAction.UNLOCK)
            asked = [
                *((policy.can, policy.require, action, world.target) for action in MemberAction),
                *((key_policy.can, key_policy.require, action, world.key) for action in KeyAction),
                *((platform_policy.can, platform_policy.require, action, locked) for action in PlatformAction),
            ]
            for can, require, action, about in asked:
                refused = _refused(partial(require, world.actor, action, about))
                assert (refused is None) is can(world.actor, action, about)
                assert refused is None or re.fullmatch(r"[A-Z].{20,}\.", refused)
            for can, require in (
                (key_policy.can_create, key_policy.require_create),
                (key_policy.can_revoke_branch, key_policy.require_revoke_branch),
            ):
                refused = _refused(partial(require, world.actor, world.target))
                assert (refused is None) is can(world.actor, world.target)
                assert refused is None or re.fullmatch(r"[A-Z].{20,}\.", refused)


def _refused(call: Any) -> str | None:
    try:
        call()
    except NotAllowed as error:
        return str(error)
    return None


def test_navigation_is_for_those_who_may_work():
    member = PureWorld(Stand.PARENT).actor
    for status in matrix.STATUSES:
        member.status = status
        assert bool(nav.groups_for(member, "/")) is (status in matrix.WORKING)


@pytest.mark.django_db
def test_refusals_about_keys_name_what_is_in_the_way(cast):
    priya, marcus = cast["priya"], cast["marcus"]
    key = ClassicKey.objects.select_related("holder").get(holder=priya)
    priya.user_managed_login, marcus.permissions = False, 0
    edit = partial(key_policy.require, action=KeyAction.EDIT_RESTRICTION, key=key)
    assert _refused(partial(edit, priya)).startswith(
        "You can restrict your own key only while user-managed login is on"
    )
    assert _refused(partial(edit, marcus)) == "You need the permission Manage users to restrict this key."
    marcus.is_frozen = True
    for call in (
        partial(edit, marcus),
        partial(key_policy.require_create, marcus, marcus),
        partial(key_policy.require_revoke_branch, marcus, priya),
    ):
        assert "Until it is thawed" in _refused(call)
