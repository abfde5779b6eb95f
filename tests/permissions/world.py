"""The people that the matrix is asked about, as objects alone and in a database, and one request to the program.

The tree, the same for both:

    owner ─┬─ grandparent ─┬─ parent ─┬─ target ─── child ─── grandchild
           │               │          └─ sibling
           │               └─ uncle ──── cousin
           └─ distant                                  another account: other owner ─── outsider
"""

import json
import zlib
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit, events, hierarchy, import_jobs
from accounts.models import Account, BranchFreeze, Event, ImportJob, ImportState, Member, Passkey, Session, User
from accounts.origin import Origin
from accounts.sessions import row_key
from keys import material
from keys.forms import packed
from keys.models import ClassicKey, PlatformKey
from keys.platform.policy import PlatformAction
from tests import matrix
from tests.matrix import Case, Freeze, Stand
from tests.surfaces import KEY, PASSKEY, PLATFORM, SESSION, TOKEN, Surface
from tests.trees import grow, make_key, make_platform_key
from tests.visitors import body_of, noting_writes, signed_in_session

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

    def platform_key(self, action: PlatformAction) -> PlatformKey:
        """An IBM Cloud API key of the target, in a state in which the action can be done."""
        is_locked, is_enabled = action is PlatformAction.UNLOCK, action is not PlatformAction.ENABLE
        return PlatformKey(pk=9, holder=self.target, is_locked=is_locked, is_enabled=is_enabled)

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


@dataclass
class Answer:
    """What came back, and what was written meanwhile."""

    status: int
    body: str
    headers: str
    written: set[str]
    location: str = ""


def _checked_file(member: Member) -> str:
    """Let a file of one line be there that was looked through, and return the id that its form carries.

    As it was sent by somebody who could: that one who may not has it looked through is refused, with an event.
    """
    row = import_jobs.Row(2, "new@matrix.example", "", "")
    checked = {
        "file_name": "new.csv", "created_at": timezone.now(), "content": zlib.compress(b"email\nnew@matrix.example"),
        "entries": 1, "people": 1, "state": ImportState.CHECKED, "report": zlib.compress(json.dumps([row]).encode()),
    }  # fmt: skip
    job, _ = ImportJob.objects.update_or_create(member=member, defaults=checked)
    return str(job.uid)


def events_there() -> int:
    """Return how many events there are: in plain SQL, since each cell asks twice and making the query takes longest."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM accounts_event")
        return cursor.fetchone()[0]


def events_since(before: int) -> list[Event]:
    """Return the events that came after the first so many."""
    return list(Event.objects.order_by("pk")[before:]) if events_there() > before else []


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
        self.platform_id = make_platform_key(self.target).pk
        # Nobody came back since, and no key was ever used: everybody is inactive.
        long_ago = timezone.now() - timedelta(days=40)
        Member.objects.update(joined_at=long_ago)
        ClassicKey.objects.update(created_at=long_ago)
        PlatformKey.objects.update(created_at=long_ago)
        Account.objects.update(user_domains="kept.example")
        # Whom the actor may choose if they may move the target: who is not above it lets it move up alone.
        self.new_parent = self.members[GRANDPARENT if stand in matrix.NOT_ABOVE else SIBLING]
        self.number_of = {member.pk: number for number, member in enumerate(self.members)}
        self.session_key = ""
        Passkey.objects.create(
            user=self.actor.user, credential_id=b"the actor's", public_key=b"", sign_count=0, name="Phone",
            created_at=timezone.now(),
        )  # fmt: skip
        self.others_key = signed_in_session(self.target)  # one that the client here does not have
        self.session_uid = Session.objects.get(pk=row_key(self.others_key)).uid

    def become(self, case: Case) -> None:
        """Make the database say what this case says."""
        self.target_status, self.other_list = case.target_status, "false" if case.list_is_restricted else "true"
        Session.objects.exclude(pk=row_key(self.others_key)).delete()
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
            PLATFORM: self.platform_id,
            TOKEN: "nobodys",
            SESSION: self.session_uid,
            PASSKEY: self.session_uid,
        }.get(surface.about, self.target.pk)
        foreign = self.foreign[0] if self.stand not in (Stand.OTHER_ACCOUNT, Stand.OTHER_OWNER) else self.members[0]
        other_status = "suspended" if self.target_status != "suspended" else "vpn_only"
        places = {
            "foreign_account": foreign.account_id, "other_status": other_status, "new_parent": self.new_parent.pk,
            "other_list": self.other_list,
            "keys_in_branch": packed([self.key_ids[pk] for pk in self.branch_of_target()]),
            "name": self.target.user.name,
            "file_id": _checked_file(self.actor) if surface.route.startswith("accounts:import") else "",
        }  # fmt: skip
        url = reverse(surface.route, args=[about] if surface.about else []) + surface.query.format(**places)
        data = {name: text.format(**places) for name, text in surface.data.items()}
        if surface.begins:
            PlatformKey.objects.filter(pk=self.platform_id).update(**surface.begins)
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
