"""The permission matrix: each cell of ``tests.matrix`` asked of the policies and, through pages, of the whole program.

The tree, the same for both:

    owner ─┬─ grandparent ─┬─ parent ─┬─ target ─── child ─── grandchild
           │               │          └─ sibling
           │               └─ uncle ──── cousin
           └─ distant                                  another account: other owner ─── outsider
"""

import csv
import html
import inspect
import io
import re
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit, events, hierarchy, import_jobs, member_files, policy, queries
from accounts.enums import Permission
from accounts.models import Account, BranchFreeze, Event, ImportJob, Member, Passkey, Session, User
from accounts.origin import COMMAND_LINE, Origin
from accounts.policy import MemberAction, NotAllowed
from console import nav
from keys import material
from keys import policy as key_policy
from keys import queries as key_queries
from keys.forms import packed
from keys.models import ClassicKey, KeptRestriction
from keys.policy import KeyAction
from keys.verification import verify
from tests import matrix
from tests.matrix import (
    KEY,
    MEMBER,
    PASSKEY,
    SESSION,
    SURFACES,
    TOKEN,
    Act,
    Case,
    Freeze,
    Stand,
    Surface,
    expected_status,
    may,
    works,
)
from tests.trees import grow, make_key
from tests.visitors import METHODS, body_of, noting_writes, routes, signed_in_session, undone, visitor

#: The tree above: of each member but the owner, the number of their parent.
PARENTS = [0, 1, 2, 3, 4, 2, 1, 7, 0]
OWNER, GRANDPARENT, PARENT, TARGET, CHILD, GRANDCHILD, SIBLING, UNCLE, COUSIN, DISTANT = range(10)
ACTORS = {
    Stand.SELF_CREATOR: TARGET, Stand.SELF_NOT_CREATOR: TARGET, Stand.OWNER_SELF: OWNER, Stand.PARENT: PARENT,
    Stand.PARENT_CREATOR: PARENT, Stand.GRANDPARENT: GRANDPARENT, Stand.OWNER: OWNER, Stand.CHILD: CHILD,
    Stand.GRANDCHILD: GRANDCHILD, Stand.SIBLING: SIBLING, Stand.COUSIN: COUSIN, Stand.COUSIN_CREATOR: COUSIN,
    Stand.BELOW_OWNER: COUSIN,
}  # fmt: skip


def below(number: int) -> set[int]:
    """The numbers of the members below one, by walking the parents."""
    found = {number}
    for child, parent in enumerate(PARENTS, start=1):  # parents stand before their children
        found |= {child} if parent in found else set()
    return found - {number}


# --- Asked of the policies --------------------------------------------------------------------------------------------


class PureWorld:
    """The tree without a database: one actor, one target, the target's key."""

    def __init__(self, stand: Stand) -> None:
        account, other = Account(pk=1_000_001), Account(pk=1_000_002)
        self.members = members = []
        for number, parent in enumerate([None, *PARENTS]):
            above = members[parent] if parent is not None else None
            members.append(self._member(account, number + 1, above))
        foreign = [self._member(other, 101, None)]
        foreign.append(self._member(other, 102, foreign[0]))
        target = OWNER if stand in matrix.TARGET_IS_OWNER else TARGET
        self.target = members[target]
        self.everybody = [*members, *foreign]
        self.actor = {Stand.OTHER_ACCOUNT: foreign[1], Stand.OTHER_OWNER: foreign[0]}.get(
            stand, members[ACTORS.get(stand, TARGET)]
        )
        creator = members[PARENT] if stand is Stand.SELF_NOT_CREATOR else self.target
        if stand in matrix.CREATED_THE_KEY:
            creator = self.actor
        self.key = ClassicKey(pk=9, account=account, holder=self.target, creator=creator)

    @staticmethod
    def _member(account: Account, pk: int, parent: Member | None) -> Member:
        path = (parent.path if parent else "") + hierarchy.code(pk)
        if parent is not None:
            parent.has_users_below = True  # as when it was asked
        member = Member(pk=pk, account=account, user=User(name=f"Member {pk}"), parent=parent, path=path)
        # As when they were asked for, and there are none.
        member._state.fields_cache |= {"invitation": None, "freeze": None}
        return member

    def become(self, case: Case) -> None:
        """Make the world that of this case."""
        self.target.status, self.actor.status = case.target_status, case.actor_status
        self.actor.permissions, self.actor.user_managed_login = case.granted, case.manages_own_login
        for member in (self.actor, self.target):
            member.account.restrict_user_list = case.list_is_restricted
        root = root_of(case.freeze, self.members, self.target, self.actor)
        for member in self.everybody:
            member.is_frozen = _is_below_or(member, root)


def root_of(freeze: Freeze, members: list[Member], target: Member, actor: Member) -> Member | None:
    """The member whose branch is frozen."""
    return {
        Freeze.NOTHING: None, Freeze.TARGET: target, Freeze.PARENT: members[PARENT], Freeze.ACTOR: actor,
        Freeze.ELSEWHERE: members[DISTANT],
    }[freeze]  # fmt: skip


def _is_below_or(member: Member | None, root: Member | None) -> bool:
    """Whether the way up from a member comes by ``root``."""
    return root is not None and member is not None and (member is root or _is_below_or(member.parent, root))


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
    Act.KNOW_OF_KEY: [lambda w: key_policy.can_see_keys_of(w.actor, w.target)],
    Act.SEE_KEY: [
        lambda w: key_policy.can(w.actor, KeyAction.VIEW, w.key),
        lambda w: "View details" in [item.label for item in key_queries.menu(w.actor, w.key)],
    ],
    Act.SHOW_VALUE: [lambda w: key_policy.can(w.actor, KeyAction.SHOW_VALUE, w.key)],
    Act.RESTRICT_KEY: [lambda w: key_policy.can(w.actor, KeyAction.EDIT_RESTRICTION, w.key)],
    Act.DELETE_KEY: [
        lambda w: key_policy.can(w.actor, KeyAction.DELETE, w.key),
        lambda w: "Delete" in [item.label for item in key_queries.menu(w.actor, w.key)],
    ],
    Act.FREEZE_BRANCH: [lambda w: policy.can(w.actor, MemberAction.FREEZE_BRANCH, w.target)],
    Act.REVOKE_BRANCH: [lambda w: key_policy.can_revoke_branch(w.actor, w.target)],
    Act.CREATE_KEY: [lambda w: key_policy.can_create(w.actor, w.target)],
}
#: Asked of the database alone: which sessions are listed is in the answers of the pages.
NOT_ASKED = {Act.SEE_SESSION}


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
    }  # fmt: skip
    assert {action.name for action in KeyAction} == {"VIEW", "SHOW_VALUE", "EDIT_RESTRICTION", "DELETE"}
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
            asked = [(policy.can, policy.require, action, world.target) for action in MemberAction] + [
                (key_policy.can, key_policy.require, action, world.key) for action in KeyAction
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


# --- Asked through pages ----------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """What came back, and what was written meanwhile."""

    status: int
    body: str
    headers: str
    written: set[str]
    location: str = ""


def _checked_file(member: Member) -> str:
    """Let a file of one line be sent and looked through, and return the id that its form carries."""
    data = b"email\nnew@matrix.example"
    import_jobs.take(member, file_name="new.csv", data=data, content=member_files.read(data), origin=COMMAND_LINE)
    return str(ImportJob.objects.get(member=member).uid)


class World:
    """The tree in the database, everybody with a key of known value and an event, and one client."""

    def __init__(self, stand: Stand) -> None:
        self.stand, self.client = stand, Client()  # one for all: making its middleware takes as long as a page
        self.members = grow(PARENTS)
        self.foreign = grow([0])
        self.target = self.members[OWNER if stand in matrix.TARGET_IS_OWNER else TARGET]
        self.actor = {Stand.OTHER_ACCOUNT: self.foreign[1], Stand.OTHER_OWNER: self.foreign[0]}.get(
            stand, self.members[ACTORS.get(stand, TARGET)]
        )
        self.creator = self.members[PARENT] if stand is Stand.SELF_NOT_CREATOR else self.target
        if stand in matrix.CREATED_THE_KEY:
            self.creator = self.actor
        everybody = [*self.members, *self.foreign]
        self.key_ids, self.values = {}, {}
        for member in everybody:
            key = make_key(member, self.creator if member.pk == self.target.pk else None)
            self.key_ids[member.pk], self.values[member.pk] = key.pk, material.take(key).text
            audit.record(events.MEMBER_ADDED, actor=None, subject=member, origin=Origin(None))
        # Nobody came back since, and no key was ever used: everybody is inactive.
        long_ago = timezone.now() - timedelta(days=40)
        Member.objects.update(joined_at=long_ago)
        ClassicKey.objects.update(created_at=long_ago)
        Account.objects.update(user_domains="kept.example")
        self.number_of = {member.pk: number for number, member in enumerate(self.members)}
        self.session_key = ""
        Passkey.objects.create(
            user=self.actor.user, credential_id=b"the actor's", public_key=b"", sign_count=0, name="Phone",
            created_at=timezone.now(),
        )  # fmt: skip
        self.others_key = signed_in_session(self.target)  # one that the client here does not have
        self.session_uid = Session.objects.get(pk=self.others_key).uid

    def become(self, case: Case) -> None:
        """Make the database say what this case says."""
        self.target_status, self.other_list = case.target_status, "false" if case.list_is_restricted else "true"
        Session.objects.exclude(pk=self.others_key).delete()
        # A new one each time: on a slow machine an older one would be due to note that it is in use, or to prove again.
        self.session_key = "" if self.stand is Stand.NOBODY else signed_in_session(self.actor)
        Member.objects.filter(pk=self.target.pk).update(status=case.target_status)
        if case.stand is not Stand.NOBODY:
            Member.objects.filter(pk=self.actor.pk).update(
                status=case.actor_status, permissions=case.granted, user_managed_login=case.manages_own_login
            )
        ids = {self.target.account_id, self.actor.account_id}
        Account.objects.filter(pk__in=ids).update(restrict_user_list=case.list_is_restricted)
        BranchFreeze.objects.all().delete()
        root = root_of(case.freeze, self.members, self.target, self.actor)
        if root is not None:
            BranchFreeze.objects.create(account_id=root.account_id, member=root, reason="An audit", at=timezone.now())

    def ask(self, surface: Surface) -> Answer:
        """Send one request and note which tables it writes to."""
        about = {
            KEY: self.key_ids[self.target.pk],
            TOKEN: "nobodys",
            SESSION: self.session_uid,
            PASSKEY: self.session_uid,
        }.get(surface.about, self.target.pk)
        foreign = self.foreign[0] if self.stand not in (Stand.OTHER_ACCOUNT, Stand.OTHER_OWNER) else self.members[0]
        other_status = "suspended" if self.target_status != "suspended" else "vpn_only"
        places = {
            "foreign_account": foreign.account_id, "other_status": other_status, "sibling": self.members[SIBLING].pk,
            "other_list": self.other_list,
            "keys_in_branch": packed([self.key_ids[pk] for pk in self.branch_of_target()]),
            "name": self.target.user.name,
            "file_id": _checked_file(self.actor) if surface.route.startswith("accounts:import") else "",
        }  # fmt: skip
        url = reverse(surface.route, args=[about] if surface.about else []) + surface.query.format(**places)
        data = {name: text.format(**places) for name, text in surface.data.items()}
        client = self.client
        client.cookies.clear()
        if self.session_key:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.session_key
        with noting_writes() as written:
            response = client.generic(surface.method, url) if surface.method == "GET" else client.post(url, data)
            content = body_of(response)
        headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items()) + str(response.cookies)
        return Answer(response.status_code, content.decode(), headers, written, response.headers.get("Location", ""))

    def seen_by_actor(self) -> set[int]:
        """The primary keys of the actor and of those below: worked out from the numbers of the tree."""
        if self.actor in self.foreign:
            mine = self.foreign if self.actor is self.foreign[0] else [self.actor]
            return {member.pk for member in mine}
        number = self.number_of[self.actor.pk]
        return {self.members[n].pk for n in {number} | below(number)}

    def branch_of_target(self) -> set[int]:
        """The primary keys of the target and of those below."""
        number = self.number_of[self.target.pk]
        return {self.members[n].pk for n in {number} | below(number)}

    def everybody_here(self) -> set[int]:
        """The primary keys of the actor's account."""
        return {member.pk for member in (self.foreign if self.actor in self.foreign else self.members)}


#: What a refused request may write: its event, and the chain that holds it.
TRAIL = {"accounts_event", "accounts_auditchain"}
#: What a change writes beside what it is about: its event, the sentence for the next page, mail to those concerned.
BESIDES = TRAIL | {"accounts_session", "accounts_mail"}
#: What SQLite's index of names writes when a member comes or goes.
INDEX = {"accounts_member_index", "accounts_member_unindexed"}
#: What goes with a user who is nowhere any more.
IDENTITY = {
    "accounts_passcode", "accounts_passkey", "accounts_passkeychallenge", "accounts_passwordreset",
    "accounts_recoverycode", "accounts_user",
}  # fmt: skip
#: What goes with a member.
PLACE = {"accounts_invitation", "accounts_branchfreeze", "accounts_importjob", "keys_keptrestriction"}
#: Further tables that a route may write to when it does what was asked.
FURTHER = {
    "accounts:remove": INDEX | IDENTITY | PLACE,
    "accounts:cancel-invite": INDEX | IDENTITY | PLACE | {"accounts_attemptcount"},
    "accounts:invite": INDEX | {"accounts_attemptcount", "accounts_member", "accounts_user"},
    "accounts:import": INDEX | {"accounts_attemptcount", "accounts_importjob", "accounts_member", "accounts_user"},
    "accounts:add-vpn-user": INDEX | {"accounts_user"},
    "accounts:resend-invite": {"accounts_attemptcount", "accounts_member"},
}


class Checker:
    """Compares answers with what the table expects."""

    def __init__(self, world: World, case: Case) -> None:
        self.world, self.case, self.cells = world, case, 0

    def check(self, surface: Surface) -> None:
        """Ask one surface, in a world that is afterwards as it was before."""
        with undone():
            if surface.needs_no_key:
                self._check_without_key(surface)
            expected = expected_status(surface, self.case)
            if surface.needs_no_key and expected == surface.answer:
                expected = 302  # there is a key already: a clear refusal, and nothing changes
                surface = Surface(surface.route, surface.method, 302, about=surface.about)
            self._compare(surface, expected, has_key=True)

    def _check_without_key(self, surface: Surface) -> None:
        with undone():
            ClassicKey.objects.filter(holder=self.world.target).delete()
            self._compare(surface, expected_status(surface, self.case), has_key=False)

    def _compare(self, surface: Surface, expected: int, *, has_key: bool) -> None:
        self.cells += 1
        world, case = self.world, self.case
        events_before = Event.objects.count()
        answer = world.ask(surface)
        where = f"{surface.name}, {'with' if has_key else 'without'} a key, in {tuple(case)}"
        assert answer.status == expected, where
        if answer.status == 302 and not case.is_signed_in and not surface.for_strangers:
            leads_back = surface.route not in {"accounts:logout", "accounts:switch-account"}  # which are no pages
            assert answer.location.startswith("/login?next=" if leads_back else "/login"), where
        self._check_values(surface, answer, where, has_key=has_key)
        new = list(Event.objects.order_by("pk")[events_before:])
        done = answer.status == surface.answer and surface.changes and answer.status < 400
        if done and (case.is_signed_in or surface.for_strangers):
            assert surface.changes in answer.written, where
            also = {"keys_classickey"} | FURTHER.get(surface.route, set())
            assert answer.written <= BESIDES | {surface.changes} | also, where
            assert {event.outcome for event in new} == ({"success"} if surface.is_event else set()), where
            if surface.route in ("accounts:remove", "accounts:cancel-invite"):
                self._check_removal(where)
            elif surface.route in ("accounts:invite", "accounts:import", "accounts:add-vpn-user"):
                self._check_newcomer(surface, where)
            else:
                self._check_change(surface, where)
                self._check_place(surface, where)
                self._check_sessions_and_settings(surface, where)
        elif answer.status == 403:
            is_suspended = case.actor_status == matrix.SUSPENDED or case.actor_is_frozen
            refused = "console.refused" if is_suspended else "permission.refused"
            assert answer.written == TRAIL, where
            assert [(e.action, e.outcome, e.actor_id) for e in new] == [(refused, "refused", world.actor.pk)], where
            told = "You are in a branch of users of" if case.actor_is_frozen else "You are suspended in"
            assert (told if is_suspended else "Not allowed") in answer.body, where
            reason = r'<p class="lead">(?!You may see this, but not)[A-Z][^<]{20,}\.</p>'
            assert is_suspended or re.search(reason, answer.body), where
        elif surface.notes and answer.status == 200 and world.actor.pk != world.target.pk:
            assert answer.written == TRAIL, where
            assert [(e.action, e.outcome, e.actor_id) for e in new] == [(surface.notes, "success", world.actor.pk)], (
                where
            )
        else:
            allowed = {"accounts_session"} if answer.status == 302 else set()
            assert answer.written <= allowed, where
            assert not new, where
        if answer.status in (403, 404) and world.actor.pk != world.target.pk:
            for secret in (world.target.user.email, world.target.user.name + "<", world.target.api_username):
                assert secret not in answer.body, where
        look = LOOKS.get((surface.route, surface.query))
        if look and surface.method == "GET" and answer.status == 200:
            look(world, case, answer.body, where)

    def _check_values(self, surface: Surface, answer: Answer, where: str, *, has_key: bool) -> None:
        """No answer holds a value but the target's key's, where the table says so, and that in the body alone.

        And none the key of a session, which its cookie alone has.
        """
        assert self.world.others_key not in answer.body + answer.headers, where
        assert not self.world.session_key or self.world.session_key not in answer.body, where
        told = surface.gives_value and answer.status == 200 and surface.answer == 200
        for pk, value in self.world.values.items():
            assert value not in answer.headers, where
            is_the_one = told and has_key and pk == self.world.target.pk
            assert (value in answer.body) is is_the_one, where
        hexadecimal = re.findall(r"\b[0-9a-f]{64}\b", answer.body)
        assert len(set(hexadecimal)) == (1 if told else 0), where

    def _check_change(self, surface: Surface, where: str) -> None:
        """The change happened, to the target and to nobody else."""
        target = Member.objects.get(pk=self.world.target.pk)
        keys = {key.holder_id: key for key in ClassicKey.objects.all()}
        is_revoked = surface.route == "keys:revoke-branch"
        others = set(self.world.values) - (self.world.branch_of_target() if is_revoked else {target.pk})
        assert others <= set(keys), where
        match surface.route:
            case "keys:revoke-branch":
                assert others == set(keys), where
            case "keys:classic-delete":
                assert target.pk not in keys, where
            case "keys:classic-create":
                assert keys[target.pk].creator_id == self.world.actor.pk, where
            case "keys:classic-restrict":
                assert keys[target.pk].allowed_addresses == "10.0.0.0/8", where
            case "accounts:vpn-password":
                assert target.vpn_password, where
            case "keys:restrictions":
                assert target.allowed_addresses == "0.0.0.0/0", where
                restricted = keys[target.pk].allowed_addresses == "10.0.0.0/8"
                assert restricted is may(Act.RESTRICT_KEY, self.case), where
        touched = [key for key in keys.values() if key.allowed_addresses and key.holder_id != target.pk]
        assert not touched, where

    def _check_place(self, surface: Surface, where: str) -> None:
        """The user's place in the account is the one that was asked for."""
        target = Member.objects.get(pk=self.world.target.pk)
        match surface.route:
            case "accounts:status":
                assert target.status != self.case.target_status, where
            case "accounts:parent":
                assert target.parent_id == self.world.members[SIBLING].pk, where
            case "accounts:permissions":
                asked = Permission.MANAGE_USERS | Permission.USER_EDITOR | Permission.USER_ADMINISTRATOR
                given = ~Permission(0) if self.world.actor.is_owner else Permission(self.case.granted)
                assert Permission(target.permissions) == asked & given, where
            case "accounts:user-managed-login":
                assert target.user_managed_login, where

    def _check_sessions_and_settings(self, surface: Surface, where: str) -> None:
        """Of the target's sessions and the account's settings those are changed that were asked for."""
        actor, kept = self.world.actor, set(Session.objects.values_list("pk", flat=True))
        account = Account.objects.get(pk=actor.account_id)
        match surface.route:
            case "accounts:end-session" | "accounts:end-user-sessions":
                assert self.world.others_key not in kept, where
                assert self.world.session_key in kept, where
            case "accounts:end-all-sessions":
                assert self.world.session_key not in kept, where
                assert (self.world.others_key in kept) is (actor.pk != self.world.target.pk), where
            case "accounts:settings-user-list":
                assert account.restrict_user_list is not self.case.list_is_restricted, where
            case "accounts:settings-second-factor":
                assert account.require_second_factor, where
            case "accounts:settings-addresses":
                assert account.allowed_addresses == "0.0.0.0/0", where
            case "accounts:settings-domains":
                assert account.domains_in_force == "kept.example\nmatrix.example", where
            case "accounts:settings-remove-domain":
                assert account.user_domains == "", where
            case "accounts:settings-login-session":
                assert account.most_sessions == 3, where

    def _check_newcomer(self, surface: Surface, where: str) -> None:
        """One more, below the one who asked, with nothing but what was asked for."""
        known = [member.pk for member in [*self.world.members, *self.world.foreign]]
        newcomer = Member.objects.select_related("user").get(
            parent=self.world.actor, user__email__endswith="@matrix.example"
        )
        assert Member.objects.exclude(pk__in=known).get() == newcomer, where
        status = "vpn_only" if surface.route == "accounts:add-vpn-user" else "processing"
        assert (newcomer.status, newcomer.permissions) == (status, 0), where
        assert not newcomer.user.has_usable_password(), where

    def _check_removal(self, where: str) -> None:
        """The target and their key are gone, and nobody else: those below moved up with all that is theirs."""
        world = self.world
        left = {pk: (parent, path) for pk, parent, path in Member.objects.values_list("pk", "parent_id", "path")}
        assert set(left) == {member.pk for member in [*world.members, *world.foreign]} - {world.target.pk}, where
        assert left[world.members[CHILD].pk][0] == world.target.parent_id, where
        assert left[world.members[GRANDCHILD].pk][0] == world.members[CHILD].pk, where
        assert set(ClassicKey.objects.values_list("holder_id", flat=True)) == set(left), where


# --- What is in a page that is shown ----------------------------------------------------------------------------------


def table_rows(body: str) -> list[str]:
    return re.findall(r"<tr>(.*?)</tr>", body.partition("<tbody>")[2].partition("</tbody>")[0], re.DOTALL)


def menu_of(row: str) -> list[str]:
    return re.findall(r'class="menu__entry[^>]*>([^<]+)</a>', row)


def user_of(row: str) -> int:
    return int(re.search(r'href="/iam/users/(\d+)"', row)[1])


def look_at_key_list(world: World, case: Case, body: str, where: str) -> None:
    rows = {user_of(row): menu_of(row) for row in table_rows(body)}
    assert set(rows) == world.seen_by_actor(), where
    assert all(menu == ["View details", "Delete"] for menu in rows.values()), where
    assert (world.target.pk in rows) is may(Act.SEE_KEY, case), where
    shown_keys = set(re.findall(r'/iam/apikeys/classic/(\d+)["/]', body))
    assert shown_keys == {str(world.key_ids[pk]) for pk in rows}, where
    assert "Create a classic infrastructure key" not in body, where


def look_at_key_csv(world: World, case: Case, body: str, where: str) -> None:
    emails = emails_of(world)
    listed = [emails[row["Email"]] for row in csv.DictReader(io.StringIO(body))]
    assert sorted(listed) == sorted(world.seen_by_actor()), where


def look_at_details(world: World, case: Case, body: str, where: str) -> None:
    url = f"/iam/apikeys/classic/{world.key_ids[world.target.pk]}"
    for act, entry in (
        (Act.SHOW_VALUE, f'action="{url}/show"'),
        (Act.SHOW_VALUE, f'action="{url}/download"'),
        (Act.RESTRICT_KEY, f'href="{url}/restriction"'),
        (Act.DELETE_KEY, f'href="{url}/delete"'),
    ):
        assert (entry in body) is may(act, case), f"{entry}: {where}"


def look_at_users(world: World, case: Case, body: str, where: str) -> None:
    rows = {user_of(row): row for row in table_rows(body)}
    is_owner = world.actor.is_owner
    all_of_them = is_owner or not case.list_is_restricted
    assert ('href="/iam/users/invite_users"' in body) is may(Act.INVITE, case), where
    assert ('href="/iam/settings"' in body) is may(Act.CHANGE_SETTINGS, case), where
    assert ('href="/iam/users/add_vpn_user"' in body) is may(Act.ADD_VPN_USER, case), where
    assert set(rows) == (world.everybody_here() if all_of_them else world.seen_by_actor()), where
    look_at_member_rows(world, case, rows, where)


def look_at_users_csv(world: World, case: Case, body: str, where: str) -> None:
    emails, rows = emails_of(world), list(csv.DictReader(io.StringIO(body)))
    is_everybody = world.actor.is_owner or not case.list_is_restricted
    listed = world.everybody_here() if is_everybody else world.seen_by_actor()
    assert sorted(emails[row["Email"]] for row in rows) == sorted(listed), where
    # A parent whom the actor may not see is not told either.
    assert {emails[row["Parent"]] for row in rows if row["Parent"]} <= listed, where


def look_at_hierarchy(world: World, case: Case, body: str, where: str) -> None:
    rows = {user_of(row): row for row in table_rows(body)}
    assert set(rows) == world.seen_by_actor(), where
    look_at_member_rows(world, case, rows, where)


def look_at_picture(world: World, case: Case, body: str, where: str) -> None:
    """Three levels from the actor down: nobody who is not below them, and those right below."""
    drawn = {int(pk) for pk in re.findall(r'href="/iam/users(?:/|\?view=picture&amp;root=)(\d+)" tabindex', body)}
    right_below = {member.pk for member in [*world.members, *world.foreign] if member.parent_id == world.actor.pk}
    assert {world.actor.pk} | right_below <= drawn <= world.seen_by_actor(), where


def look_at_member_rows(world: World, case: Case, rows: dict[int, str], where: str) -> None:
    below_or_self = world.seen_by_actor()
    for pk, row in rows.items():
        state = re.search(r'data-label="Classic key">(.*?)</td>', row)[1]
        assert bool(state) is (pk in below_or_self), where
    target = rows.get(world.target.pk)
    if target is not None:
        entries = (
            ("Manage user", Act.SEE_CARE), ("Resend invite", Act.RESEND_INVITE), ("Cancel invite", Act.CANCEL_INVITE),
            ("Remove user", Act.REMOVE), ("Freeze branch", Act.FREEZE_BRANCH),
            ("Revoke keys in branch", Act.REVOKE_BRANCH),
        )  # fmt: skip
        assert menu_of(target) == [label for label, act in entries if may(act, case)], where


def look_at_user(world: World, case: Case, body: str, where: str) -> None:
    pk, key = world.target.pk, world.key_ids[world.target.pk]
    for act, entry in (
        (Act.SEE_CARE, 'id="restrictions-heading"'),
        (Act.SEE_CARE, "<dt>Last sign-in</dt>"),
        (Act.SEE_CARE, 'id="vpn-heading"'),
        (Act.SEE_CARE, f'href="/iam/users/{pk}?tab=manage"'),
        (Act.SEE_CARE, world.target.api_username),
        (Act.RESTRICT_USER, f'action="/iam/users/{pk}/restrictions"'),
        (Act.CHANGE_STATUS, f'action="/iam/users/{pk}/status"'),
        (Act.CHANGE_STATUS, f'href="/iam/users/{pk}/status"'),
        (Act.CHANGE_PARENT, f'href="/iam/users/{pk}/parent"'),
        (Act.CHANGE_LOGIN, f'action="/iam/users/{pk}/login"'),
        (Act.REMOVE, f'href="/iam/users/{pk}/remove"'),
        (Act.FREEZE_BRANCH, f'href="/iam/users/{pk}/freeze"'),
        (Act.REVOKE_BRANCH, f'href="/iam/users/{pk}/revoke_keys"'),
        (Act.RESEND_INVITE, f'href="/iam/users/{pk}/resend_invite"'),
        (Act.CANCEL_INVITE, f'href="/iam/users/{pk}/cancel_invite"'),
        (Act.SET_VPN_PASSWORD, f'href="/iam/users/{pk}/vpn_password"'),
        (Act.END_SESSIONS, f'href="/iam/users/{pk}/end_sessions"'),
        (Act.KNOW_OF_KEY, 'id="keys-heading"'),
        (Act.SEE_KEY, f'href="/iam/apikeys/classic/{key}?next=%2Fiam%2Fusers%2F{pk}"'),
        (Act.DELETE_KEY, f'href="/iam/apikeys/classic/{key}/delete?next=%2Fiam%2Fusers%2F{pk}"'),
    ):
        assert (entry in body) is may(act, case), f"{entry}: {where}"
    has_key_field = 'name="classic"' in body
    assert has_key_field is (may(Act.RESTRICT_USER, case) and may(Act.RESTRICT_KEY, case)), where
    assert "classic_key" not in body, where  # no create form while there is a key
    assert f"classic/{key}" in body or "classic/" not in body, where


def said_in(row: str) -> list[str]:
    """The powers of a row: a sentence about the key and one about the user, separated by commas."""
    sentences = re.findall(r"<p>(.*?)</p>", re.search(r'data-label="May">(.*?)</td>', row)[1])
    assert sentences
    if sentences == ["Nothing now"]:
        return []
    return [right for said in sentences for right in (said[0].lower() + said[1:]).split(", ")]


#: Which right is told in which words, where these are always the same; ``look_at_managers`` knows the two others.
RIGHTS = {
    "view this key": Act.SEE_KEY,
    "see the value of this key": Act.SHOW_VALUE,
    "restrict the addresses this key is used from": Act.RESTRICT_KEY,
    "delete this key": Act.DELETE_KEY,
    "know whether this user has a key": Act.KNOW_OF_KEY,
    "revoke the keys in this user&#x27;s branch": Act.REVOKE_BRANCH,
    "create this user&#x27;s key while there is none": Act.CREATE_KEY,
    "see this user": Act.SEE_USER,
    "see how this user is looked after": Act.SEE_CARE,
    "see the events about this user in Activity": Act.SEE_EVENTS,
    "restrict the addresses this user signs in from": Act.RESTRICT_USER,
    "set this user&#x27;s VPN password": Act.SET_VPN_PASSWORD,
    "change this user&#x27;s status": Act.CHANGE_STATUS,
    "change this user&#x27;s parent": Act.CHANGE_PARENT,
    "change this user&#x27;s permissions": Act.CHANGE_PERMISSIONS,
    "turn user-managed login on or off for this user": Act.CHANGE_LOGIN,
    "send this user&#x27;s invitation anew": Act.RESEND_INVITE,
    "freeze or thaw this user&#x27;s branch": Act.FREEZE_BRANCH,
    "cancel this user&#x27;s invitation": Act.CANCEL_INVITE,
    "end this user&#x27;s login sessions": Act.END_SESSIONS,
    "change the account&#x27;s settings": Act.CHANGE_SETTINGS,
}
OF_A_KEY = {Act.SEE_KEY, Act.SHOW_VALUE, Act.RESTRICT_KEY, Act.DELETE_KEY}
#: What concerns nobody who is in the account, and what a user alone may do.
NOT_TOLD = {Act.INVITE, Act.ADD_VPN_USER, Act.SEE_SESSION}


def test_every_right_is_told_to_whom_it_is_over():
    """What is new in a policy fails here until *Who can manage* tells it, and the table says who may."""
    assert set(RIGHTS.values()) | {Act.REMOVE, Act.SEE_INACTIVE} | NOT_TOLD == set(Act)
    words = {action.value for action in [*MemberAction, *KeyAction]} - {
        MemberAction.INVITE.value, MemberAction.ADD_VPN_USER.value, MemberAction.REMOVE.value,
        MemberAction.VIEW_INACTIVE.value,
    }  # fmt: skip
    assert words <= {html.unescape(told) for told in RIGHTS}
    rules = {rule for name, rule in vars(key_policy).items() if name.startswith("can_") and name != "can"}
    told = {rule for rule in rules if len(inspect.signature(rule).parameters) == 2}
    assert told == set(key_policy._ABOUT_HOLDER.values())


def look_at_managers(world: World, case: Case, body: str, where: str) -> None:
    if not may(Act.SEE_CARE, case):
        return look_at_user(world, case, body, where)
    names = {member.user.name: member for member in [*world.members, *world.foreign]}
    powers = {names[re.search(r"<bdi>(.*?)</bdi>", row)[1]].pk: said_in(row) for row in table_rows(body)}
    knows = may(Act.KNOW_OF_KEY, case)
    for pk, listed in powers.items():
        stand = stand_of(world, pk)
        actor_is_meant = pk == world.actor.pk
        assert ("see the value of this key" in listed) <= (knows and pk == world.creator.pk), where
        assert ("view this key" in listed) <= (knows and stand in matrix.SELF | matrix.ABOVE), where
        if actor_is_meant:
            said = {words: may(act, case) and (knows or act not in OF_A_KEY) for words, act in RIGHTS.items()}
            said["leave the account" if stand in matrix.SELF else "remove this user from the account"] = may(
                Act.REMOVE, case
            )
            is_administrator = bool(case.granted & matrix.IDENTITY) and not case.list_is_restricted
            said["see which users and keys are not used"] = may(Act.SEE_INACTIVE, case) and (
                stand in matrix.ABOVE or (stand not in matrix.SELF and is_administrator)
            )
            assert set(listed) == {words for words, holds in said.items() if holds}, where
    must_be_there = {world.members[n].pk for n in range(10) if world.number_of[world.target.pk] in below(n)}
    assert must_be_there <= set(powers), where
    return None


def look_at_preview(world: World, case: Case, body: str, where: str) -> None:
    """Who would gain and lose sight of keys, to whoever may move somebody; which keys, to those above alone."""
    section = re.search(r'id="keys-heading">Keys that move</h2>(.*?)</section>', body, re.DOTALL)[1]
    holders = set(re.findall(r"<bdi>(.*?)</bdi>", section))
    knows = may(Act.KNOW_OF_KEY, case)
    names = {member.user.name for member in world.members if member.pk in world.branch_of_target()}
    assert holders == (names if knows else set()), where
    assert ("3 keys:" in section) is knows, where


def stand_of(world: World, pk: int) -> Stand:
    """How another member stands to the target."""
    number, target = world.number_of[pk], world.number_of[world.target.pk]
    if number == target:
        return Stand.SELF_CREATOR
    return Stand.GRANDPARENT if target in below(number) else Stand.SIBLING


def look_at_inactive_users(world: World, case: Case, body: str, where: str) -> None:
    rows = {user_of(row): row for row in table_rows(body)}
    assert set(rows) == inactive_users_of(world, case), where
    for pk, row in rows.items():
        # Whether there is a key is for its holder and those above alone.
        state = re.search(r'data-label="Classic key">(.*?)</td>', row)[1]
        assert bool(state) is (pk in world.seen_by_actor()), where
    if world.target.pk in rows:
        assert menu_of(rows[world.target.pk]) == ["Remove"] * may(Act.REMOVE, case), where


def inactive_users_of(world: World, case: Case) -> set[int]:
    """Who is in the actor's report: the account's users or those below, if they sign in at all; never the actor."""
    is_administrator = bool(case.granted & matrix.IDENTITY) and not case.list_is_restricted
    listed = world.everybody_here() if world.actor.is_owner or is_administrator else world.seen_by_actor()
    return listed - {world.actor.pk} - (set() if case.target_status in matrix.SIGNED_IN else {world.target.pk})


def look_at_inactive_users_csv(world: World, case: Case, body: str, where: str) -> None:
    emails = emails_of(world)
    listed = [emails[row["Email"]] for row in csv.DictReader(io.StringIO(body))]
    assert sorted(listed) == sorted(inactive_users_of(world, case)), where


def look_at_inactive_keys(world: World, case: Case, body: str, where: str) -> None:
    rows = {user_of(row): menu_of(row) for row in table_rows(body)}
    assert set(rows) == world.seen_by_actor(), where
    assert all(menu == ["Delete"] for menu in rows.values()), where


def emails_of(world: World) -> dict[str, int]:
    return {member.user.email: member.pk for member in [*world.members, *world.foreign]}


def look_at_activity(world: World, case: Case, body: str, where: str) -> None:
    listed = {user for email, user in emails_of(world).items() if f">{email}</span>" in body}
    assert listed == world.seen_by_actor(), where
    assert (world.target.pk in listed) is may(Act.SEE_EVENTS, case), where


def look_at_activity_csv(world: World, case: Case, body: str, where: str) -> None:
    emails = emails_of(world)
    on = {emails[re.search(r"<(.*)>", row["On"])[1]] for row in csv.DictReader(io.StringIO(body))}
    assert on == world.seen_by_actor(), where


def look_at_sessions(world: World, case: Case, body: str, where: str) -> None:
    rows = table_rows(body)
    assert len(rows) == 1 + may(Act.SEE_SESSION, case), where
    assert (f"/user/sessions/{world.session_uid}/end" in body) is may(Act.SEE_SESSION, case), where
    assert ["this session" in row for row in rows] == [True, False][: len(rows)], where


LOOKS = {
    ("keys:classic-list", ""): look_at_key_list,
    ("keys:classic-csv", ""): look_at_key_csv,
    ("keys:classic-details", ""): look_at_details,
    ("accounts:users", ""): look_at_users,
    ("accounts:users", "?view=hierarchy"): look_at_hierarchy,
    ("accounts:users-csv", ""): look_at_users_csv,
    ("accounts:users", "?view=picture"): look_at_picture,
    ("accounts:user", ""): look_at_user,
    ("accounts:user", "?tab=manage"): look_at_managers,
    ("accounts:parent", "?parent={sibling}"): look_at_preview,
    ("accounts:login-sessions", ""): look_at_sessions,
    ("keys:inactive", ""): look_at_inactive_users,
    ("keys:inactive", "?tab=keys"): look_at_inactive_keys,
    ("keys:inactive-csv", ""): look_at_inactive_users_csv,
    ("keys:inactive-csv", "?tab=keys"): look_at_key_csv,
    ("accounts:activity", ""): look_at_activity,
    ("accounts:activity-csv", ""): look_at_activity_csv,
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "stand",
    [
        pytest.param(stand, marks=() if stand in matrix.ON_EVERY_DATABASE else pytest.mark.sqlite_only, id=stand.name)
        for stand in Stand
    ],
)
def test_pages_agree_with_the_table_in_every_cell(stand):
    world, cells, settings_asked = World(stand), 0, set()
    for number, case in enumerate(matrix.page_cases(stand)):
        world.become(case)
        checker = Checker(world, case)
        for surface in SURFACES:
            # What depends on the actor's status alone is asked once for each status.
            is_kept_out = case.actor_status != matrix.ACTIVE or case.actor_is_frozen
            # And the account's settings, which are about no target, with the one permission for them and without.
            if surface.allowed_by is Act.CHANGE_SETTINGS and not is_kept_out:
                asked = surface.name, bool(case.granted & matrix.IDENTITY)
                if asked in settings_asked:
                    continue
                settings_asked.add(asked)
            if number == 0 or is_kept_out or not is_for_everybody(surface):
                checker.check(surface)
        verdict = verify(world.target.api_username, world.values[world.target.pk], "10.1.2.3")
        assert verdict.accepted is works(case), case
        cells += checker.cells + 1
    assert cells > (30 if stand is Stand.NOBODY else 150)
    assert list(audit.breaks(world.target.account_id)) == []


def is_for_everybody(surface: Surface) -> bool:
    """Whether what it answers depends on nothing but who asks, and that they may work: one's own page, a way out."""
    return surface.for_any_status or surface.route in ONES_OWN


#: Pages and forms that are about whoever is signed in: no target, no permission, no list of others.
ONES_OWN = {
    "console:landing", "accounts:login-sessions", "accounts:end-all-sessions", "accounts:security",
    "accounts:change-password", "accounts:passcode", "accounts:remove-passcode", "accounts:add-passkey",
    "accounts:remove-passkey", "accounts:recovery-codes",
}  # fmt: skip


# --- Nothing is left out ----------------------------------------------------------------------------------------------


@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_every_route_and_method_is_in_the_matrix():
    """A new route, or a new method of an old one, fails here until the table says who may and what it answers."""
    world = World(Stand.SELF_CREATOR)
    signed_in = signed_in_session(world.actor)
    in_table = {(surface.route, surface.method) for surface in SURFACES} | set(matrix.OUTSIDE_THE_TABLE)
    found, client = set(), visitor()
    for name, pattern in routes().items():
        about = world.key_ids[world.target.pk] if "key_id" in str(pattern.pattern) else world.target.pk
        about = world.session_uid if {"uid", "passkey"} & set(pattern.pattern.converters) else about
        arguments = dict.fromkeys(pattern.pattern.converters, about)
        for method in METHODS:
            # As a member and as a stranger: a method that either may send is a method of the route.
            for session_key in (signed_in, ""):
                client.cookies.clear()
                if session_key:
                    client.cookies[settings.SESSION_COOKIE_NAME] = session_key
                with undone():
                    status = client.generic(method, reverse(name, kwargs=arguments)).status_code
                is_sent_to_login = status == 302 and not session_key
                if status != 405 and not is_sent_to_login:
                    found.add((name, method))
    heads = {(name, "HEAD") for name, method in found if method == "GET"}
    assert heads <= found
    assert found - heads == in_table


@pytest.mark.django_db
@pytest.mark.parametrize(
    "stand",
    [
        Stand.SIBLING,
        *(
            pytest.param(stand, marks=pytest.mark.sqlite_only)
            for stand in (Stand.CHILD, Stand.COUSIN_CREATOR, Stand.OTHER_OWNER, Stand.PARENT)
        ),
    ],
)
def test_what_one_may_not_know_of_answers_like_what_does_not_exist(stand):
    """Status, headers and page: nothing tells a key or a user that is hidden from one that never was."""
    world = World(stand)
    case = Case(stand, list_is_restricted=True)
    world.become(case)
    compared = 0
    for surface in SURFACES:
        if surface.about not in (KEY, MEMBER, SESSION):
            continue
        hidden, missing = (_answer_about(world, surface, is_missing) for is_missing in (False, True))
        assert missing[0] == 404, surface.name
        if not may(surface.known_by, case):
            compared += 1
            assert hidden == missing, surface.name
    hidden_from_all = sum(1 for surface in SURFACES if surface.about == SESSION)  # whoever is above too
    everything = sum(1 for surface in SURFACES if surface.known_by)
    assert compared == (hidden_from_all if stand is Stand.PARENT else everything)


#: Who looks after the target, as their role says, without being above them: elsewhere in the tree, and below.
LOOKING_AFTER = [
    (Stand.COUSIN, matrix.EDITOR),
    (Stand.COUSIN, matrix.ADMINISTRATOR),
    (Stand.CHILD, matrix.EDITOR | matrix.ADMINISTRATOR),
]


def _leave_restrictions(keys: Any) -> None:
    KeptRestriction.objects.bulk_create(
        KeptRestriction(holder_id=pk, allowed_addresses="10.0.0.0/8") for pk in keys.values_list("holder_id", flat=True)
    )
    keys.delete()


#: Which keys there are of those whose keys the actor may not know of.
KEYS_THERE = {
    "keys": lambda keys: keys.update(allowed_addresses="10.0.0.0/8", last_used_at=timezone.now()),
    "no keys": lambda keys: keys.delete(),
    "no keys, but restrictions of the next": _leave_restrictions,
}


@pytest.mark.sqlite_only
@pytest.mark.django_db
@pytest.mark.parametrize(("stand", "granted"), LOOKING_AFTER)
def test_who_looks_after_a_user_and_is_not_above_is_told_the_same_with_keys_and_without(stand, granted, monkeypatch):
    """Each page and dialog about the user, the lists and files, what is said after a change, and Activity then."""
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)  # pages say what time it is
    world, compared = World(stand), Counter()
    for surface in SURFACES:
        is_list = (surface.route, surface.query) in LOOKS and not surface.about
        if surface.about != MEMBER and not is_list:
            continue
        is_of_invited = surface.allowed_by in (Act.RESEND_INVITE, Act.CANCEL_INVITE)
        status = matrix.PENDING if is_of_invited else matrix.ACTIVE
        world.become(Case(stand, target_status=status, granted=granted | matrix.IDENTITY))
        told = {name: _told_with(world, surface, keys) for name, keys in KEYS_THERE.items()}
        for name, texts in told.items():
            assert texts == told["no keys"], f"{surface.name}: {name}"
        compared[told["no keys"][0]] += 1
    # Most of it was answered and not refused; what is about keys is not found.
    assert compared["404"] == sum(surface.known_by is Act.KNOW_OF_KEY for surface in SURFACES)
    assert compared["403"] <= 4
    assert compared["200"] + compared["302"] > 35


def _told_with(world: World, surface: Surface, change: Callable[[Any], None]) -> list[str]:
    """All that the actor is told by one request and by what follows it, where there are such keys; then undone."""
    with undone():
        change(ClassicKey.objects.exclude(holder_id__in=world.seen_by_actor()))
        answer = world.ask(surface)
        told = [str(answer.status), answer.location, answer.body]
        if surface.method == "POST":
            told += [body_of(world.client.get(answer.location or "/iam/users")).decode()]
            told += [body_of(world.client.get("/iam/activity")).decode()]
    # What is another each time: the token of forms, and the time at the foot of the page.
    each_time = r'name="csrfmiddlewaretoken" value="[^"]+"|as of [^<]+'
    return [re.sub(each_time, "", text) for text in told]


def _answer_about(world: World, surface: Surface, is_missing: bool) -> tuple[int, str, list[tuple[str, str]]]:
    about = {KEY: world.key_ids[world.target.pk], MEMBER: world.target.pk, SESSION: world.session_uid}[surface.about]
    missing = uuid.uuid4() if surface.about == SESSION else 4_004_004
    number = missing if is_missing else about
    url = reverse(surface.route, args=[number]) + surface.query.format(sibling=world.members[SIBLING].pk)
    client = world.client
    client.cookies[settings.SESSION_COOKIE_NAME] = world.session_key
    with undone():
        response = client.generic(surface.method, url) if surface.method == "GET" else client.post(url, surface.data)
    body = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", body_of(response).decode())
    headers = [
        (name, text) for name, text in response.headers.items() if name not in ("X-Request-ID", "Content-Length")
    ]
    return response.status_code, body.replace(url.replace("&", "&amp;"), "(here)"), headers
