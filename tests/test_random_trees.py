"""Random histories of a random tree, compared step by step with the plainest oracle there can be.

The oracle is a dict of parents and a few dicts beside it; it says what docs/rules.md says. After each step every member
is asked what they see, and what they may do with each key there is.
"""

import pytest
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from accounts import audit, hierarchy, hierarchy_list, invitations, memberships, new_members, outbox, queries, tokens
from accounts.enums import CHOSEN_STATUSES, MemberStatus, Permission
from accounts.hierarchy import TreeError
from accounts.invitations import InvitationGone
from accounts.invitees import read
from accounts.list_request import ListRequest
from accounts.memberships import NotEmpty
from accounts.models import Account, Event, Invitation, Mail, Member
from accounts.origin import Origin
from accounts.policy import MemberAction, NotAllowed, can
from keys import lifecycle, policy
from keys import queries as key_queries
from keys.models import ClassicKey
from keys.policy import KeyAction
from keys.verification import verify
from tests.histories import try_out
from tests.oracle import Oracle
from tests.trees import make_user

ORIGIN = Origin("17.5.7.8", "random")
INSIDE, OUTSIDE = "17.5.7.8", "203.0.113.9"
RESTRICTIONS = ("", "17.5.7.0/24", "203.0.113.9")
MOST_MEMBERS = 9


class Histories(RuleBasedStateMachine):
    """What people do with the tree and their keys, in any order."""

    #: How a write may refuse.
    refusals = (NotAllowed, NotEmpty, InvitationGone, lifecycle.KeyExists, lifecycle.KeyGone)

    def __init__(self) -> None:
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.oracle, self.values, self.allowed = Oracle(), {}, {}
        self.kept: dict[int, str] = {}  # from where the next key of those may be used whose last one is gone
        self.ids: dict[int, int] = {}  # primary keys of those who are there, by number
        self.numbers_given = self.step = 0
        self.stale: list[ClassicKey] = []  # keys as they were, when they are gone

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.block.__exit__(None, None, None)

    @initialize(parents=st.lists(st.integers(0, MOST_MEMBERS), min_size=4, max_size=MOST_MEMBERS - 3))
    def grow(self, parents: list[int]) -> None:
        owner = new_members.create_account(name="Random", owner=make_user(), origin=ORIGIN)
        self.ids[0], self.numbers_given = owner.pk, 1
        self.account_id = owner.account_id
        self.events = 1
        for parent in parents:
            self.add(parent, "active")

    # --- Finding people ---

    def pick(self, number: int) -> int:
        return sorted(self.ids)[number % len(self.ids)]

    def member(self, number: int) -> Member:
        people = hierarchy.with_freeze(Member.objects.select_related("user", "account", "parent__user"))
        return people.get(pk=self.ids[number])

    def key(self, holder: int) -> ClassicKey:
        found = (
            ClassicKey.objects.select_related("holder__user", "holder__account").filter(holder=self.ids[holder]).first()
        )
        return found or self.stale[0]

    def attempt(self, expected: type[Exception] | None, call, **arguments):
        """Call and compare how it ended; a success is an event, and a refusal is none."""
        try:
            with transaction.atomic():
                result = call(**arguments, origin=ORIGIN)
        except self.refusals as error:
            assert type(error) is expected, (error, expected)
            return None
        assert expected is None, f"expected {expected}"
        return result

    # --- What happens ---

    numbers = st.integers(0, MOST_MEMBERS - 1)

    @precondition(lambda self: len(self.ids) < MOST_MEMBERS)
    @rule(parent=numbers, status=st.sampled_from(["active", "active", "active", "vpn_only", "pending"]))
    def add(self, parent, status):
        parent = self.pick(parent)
        member = new_members.add_member(
            parent=self.member(parent), user=make_user(), status=MemberStatus(status), origin=ORIGIN
        )
        number, self.numbers_given = self.numbers_given, self.numbers_given + 1
        self.ids[number] = member.pk
        self.events += 1
        self.oracle.parent[number], self.oracle.status[number] = parent, status
        self.oracle.granted[number], self.oracle.own_login[number] = 0, False

    @precondition(lambda self: len(self.ids) < MOST_MEMBERS)
    @rule(actor=numbers, granted=st.integers(0, 31))
    def invite(self, actor, granted):
        actor = self.pick(actor)
        number, reach = self.numbers_given, 31 if actor == 0 else self.oracle.granted[actor]
        invitees = read(f"invited{number}@tree.example")
        done = self.attempt(
            None if self.oracle.brings_in(actor) and not granted & ~reach else NotAllowed, invitations.invite,
            invitees=invitees, granted=Permission(granted), by=self.member(actor),
        )  # fmt: skip
        if done is not None:
            self.numbers_given += 1
            self.ids[number] = done[0].member.pk
            self.events += 1
            self.oracle.parent[number], self.oracle.status[number] = actor, "processing"
            self.oracle.granted[number], self.oracle.own_login[number] = granted, False

    @rule()
    def send_mail(self):
        waiting = self._invited()
        # Who was made something else meanwhile stays that, and the link is worth nothing.
        self.events += Mail.objects.filter(invitation__isnull=False).count()
        outbox.send_due()
        assert not Mail.objects.exists()
        for number in waiting:
            if self.oracle.status[number] == "processing" and self.member(number).status == "pending":
                self.oracle.status[number] = "pending"
        assert all(self.member(number).status == self.oracle.status[number] for number in self.ids)

    @precondition(lambda self: self._invited())
    @rule(number=numbers)
    def accept(self, number):
        waiting = self._invited()
        number = waiting[number % len(waiting)]
        invitation = Invitation.objects.get(member=self.ids[number])
        done = self.attempt(
            None if self.oracle.is_invited(number) else InvitationGone, invitations.accept_as,
            token=tokens.token_of(invitation), user=self.member(number).user,
        )  # fmt: skip
        if done is not None:
            self.events += 1
            self.oracle.status[number] = "active"
            assert not Invitation.objects.filter(member=self.ids[number]).exists()

    @rule(actor=numbers, member=numbers)
    def resend_invite(self, actor, member):
        actor, member = self.pick(actor), self.pick(member)
        may = self.oracle.manages(actor, member) and self.oracle.is_invited(member)
        self.attempt(None if may else NotAllowed, invitations.resend, member=self.member(member), by=self.member(actor))
        if may:
            self.events += 1
            self.oracle.status[member] = "processing"

    @precondition(lambda self: len(self.ids) > 3)
    @rule(actor=numbers, member=numbers)
    def cancel_invite(self, actor, member):
        actor, member = self.pick(actor), self.pick(member)
        may = self.oracle.manages(actor, member) and self.oracle.is_invited(member)
        user = self.member(member).user
        self._leave(member, None if may else NotAllowed, invitations.cancel, by=self.member(actor))
        if may:
            assert not type(user).objects.filter(pk=user.pk).exists()

    def _invited(self) -> list[int]:
        with_one = set(Invitation.objects.values_list("member_id", flat=True))
        return [number for number, pk in sorted(self.ids.items()) if pk in with_one]

    @rule(member=numbers, parent=numbers)
    def move(self, member, parent):
        member, parent = self.pick(member), self.pick(parent)
        stale = self.member(member), self.member(parent)
        try:
            with transaction.atomic():
                hierarchy.move_branch(*stale)
        except TreeError:
            assert not self.oracle.may_move(member, parent)
        else:
            assert self.oracle.may_move(member, parent)
            self.oracle.parent[member] = parent

    @rule(member=numbers, status=st.sampled_from(["active", "active", *MemberStatus.values]))
    def change_status(self, member, status):
        member = self.pick(member)
        if member:  # "never the owner's"
            Member.objects.filter(pk=self.ids[member]).update(status=status)
            self.oracle.status[member] = status

    @rule(member=numbers, granted=st.integers(0, 31), own_login=st.booleans())
    def change_permission(self, member, granted, own_login):
        member = self.pick(member)
        Member.objects.filter(pk=self.ids[member]).update(permissions=granted, user_managed_login=own_login)
        self.oracle.granted[member], self.oracle.own_login[member] = granted, own_login

    @rule(actor=numbers, member=numbers, status=st.sampled_from(CHOSEN_STATUSES))
    def manage_status(self, actor, member, status):
        actor, member = self.pick(actor), self.pick(member)
        may = self.oracle.manages(actor, member) and self.oracle.status[member] not in ("pending", "processing")
        key = self.key(member) if member in self.values else None
        done = self.attempt(
            None if may else NotAllowed, memberships.change_status, member=self.member(member), status=status,
            by=self.member(actor),
        )  # fmt: skip
        if done is not None:
            goes = self.oracle.loses_key(member, status)
            self.events += (status != self.oracle.status[member]) + goes
            self.oracle.status[member] = status.value
            if goes:
                self._lose(member, key)

    @rule(actor=numbers, member=numbers, granted=st.integers(0, 31))
    def grant(self, actor, member, granted):
        actor, member = self.pick(actor), self.pick(member)
        held, reach = self.oracle.granted[member], 31 if actor == 0 else self.oracle.granted[actor]
        may = self.oracle.manages(actor, member) and not granted & ~(reach | held)
        done = self.attempt(
            None if may else NotAllowed, memberships.change_permissions, member=self.member(member),
            granted=Permission(granted), by=self.member(actor),
        )  # fmt: skip
        if done is not None:
            after = (held & ~reach) | (granted & reach)
            self.events += after != held
            self.oracle.granted[member] = after

    @rule(actor=numbers, member=numbers, parent=numbers)
    def change_parent(self, actor, member, parent):
        actor, member, parent = self.pick(actor), self.pick(member), self.pick(parent)
        may = self.oracle.manages(actor, member) and self.oracle.places(actor, member, parent)
        done = self.attempt(
            None if may else NotAllowed, memberships.change_parent, member=self.member(member),
            parent=self.member(parent), by=self.member(actor),
        )  # fmt: skip
        if done is not None:
            former, self.oracle.parent[member] = self.oracle.parent[member], parent
            # Who is above no longer finds an event of their own, unless they did it themselves.
            lost = former not in (actor, parent) and not self.oracle.is_above(former, member)
            self.events += (parent != former) + lost

    @precondition(lambda self: len(self.ids) > 3)
    @rule(actor=numbers, member=numbers, hand_over=st.booleans())
    def remove(self, actor, member, hand_over):
        actor, member = self.pick(actor), self.pick(member)
        working = [
            other for other, status in self.oracle.status.items()
            if self.oracle.is_above(member, other) and status not in ("disabled_classic", "suspended")
        ]  # fmt: skip
        expected = None if self.oracle.removes(actor, member) else NotAllowed
        if expected is None and working and not hand_over:
            expected = NotEmpty
        self._leave(member, expected, memberships.remove_member, by=self.member(actor), hand_over=hand_over)

    def _leave(self, member: int, expected: type[Exception] | None, call, **arguments) -> None:
        key = self.key(member) if member in self.values else None
        self.attempt(expected, call, member=self.member(member), **arguments)
        if expected is None:
            moved = sum(parent == member for parent in self.oracle.parent.values())
            self.events += 1 + moved + (key is not None)
            if key is not None:
                self.stale.insert(0, key)
                del self.values[member], self.allowed[member]
            self.kept.pop(member, None)
            self.oracle.forget(member)
            del self.ids[member]

    @rule(is_restricted=st.booleans())
    def restrict_user_list(self, is_restricted):
        Account.objects.filter(pk=self.account_id).update(restrict_user_list=is_restricted)
        self.oracle.list_is_restricted = is_restricted

    @rule(actor=numbers, holder=numbers)
    def create(self, actor, holder):
        actor, holder = self.pick(actor), self.pick(holder)
        expected = None
        if not self.oracle.creates(actor, holder):
            expected = NotAllowed
        elif holder in self.oracle.creator:
            expected = lifecycle.KeyExists
        result = self.attempt(expected, lifecycle.create_classic_key, holder=self.member(holder), by=self.member(actor))
        if result:
            self.events += 1
            self.oracle.creator[holder] = actor
            self.values[holder], self.allowed[holder] = result[1].text, self.kept.pop(holder, "")

    @rule(holder=numbers)
    def create_own(self, holder):
        """Most of the pairs that chance picks may not: keys would be rare."""
        self.create(holder, holder)

    def _expected(self, actor: int, holder: int, *, may: bool) -> type[Exception] | None:
        if holder not in self.oracle.creator or not self.oracle.knows_key(actor, holder):
            return lifecycle.KeyGone
        return None if may else NotAllowed

    @precondition(lambda self: self.values)
    @rule(actor=numbers, holder=numbers, download=st.booleans())
    def reveal(self, actor, holder, download):
        actor, holder = self.pick(actor), self._with_key(holder)
        expected = self._expected(actor, holder, may=self.oracle.creator.get(holder) == actor)
        value = self.attempt(
            expected, lifecycle.show_value, key=self.key(holder), by=self.member(actor), download=download
        )
        if value:
            self.events += 1
            assert value.text == self.values[holder]

    @precondition(lambda self: self.values)
    @rule(actor=numbers, holder=numbers, text=st.sampled_from(RESTRICTIONS))
    def restrict(self, actor, holder, text):
        actor, holder = self.pick(actor), self._with_key(holder)
        expected = self._expected(actor, holder, may=self.oracle.restricts(actor, holder))
        done = self.attempt(
            expected, lifecycle.restrict_classic_key, key=self.key(holder), addresses_text=text, by=self.member(actor)
        )
        if done is not None and text != self.allowed[holder]:
            self.events += 1  # and saving what was there already is no change, and no event
            self.allowed[holder] = text

    @rule(actor=numbers, member=numbers, text=st.sampled_from(RESTRICTIONS))
    def restrict_sign_in(self, actor, member, text):
        actor, target = self.pick(actor), self.pick(member)
        before = self.member(target).allowed_addresses
        expected = None if self.oracle.restricts(actor, target) else NotAllowed
        done = self.attempt(
            expected, memberships.restrict_platform, member=self.member(target), addresses_text=text,
            by=self.member(actor),
        )  # fmt: skip
        self.events += done is not None and text != before
        assert self.member(target).allowed_addresses == (before if done is None else text)

    @precondition(lambda self: self.values)
    @rule(actor=numbers, holder=numbers)
    def delete(self, actor, holder):
        actor, holder = self.pick(actor), self._with_key(holder)
        expected, key = self._expected(actor, holder, may=True), self.key(holder)
        self.attempt(expected, lifecycle.delete_classic_key, key=key, by=self.member(actor))
        if expected is None:
            self.events += 1
            self._lose(holder, key)

    def _lose(self, holder: int, key: ClassicKey) -> None:
        """The key goes, and its holder stays."""
        self.stale.insert(0, key)
        del self.oracle.creator[holder], self.values[holder]
        self.kept[holder] = self.allowed.pop(holder)

    @precondition(lambda self: self.values)
    @rule(actor=numbers, member=numbers, kept=st.sets(numbers), unseen=st.sets(numbers))
    def revoke_branch(self, actor, member, kept, unseen):
        actor, member = self.pick(actor), self.pick(member)
        kept, unseen = ({self.pick(number) for number in numbers} for numbers in (kept, unseen))
        keys = {holder: self.key(holder) for holder in self.values}
        seen = {holder for holder in keys if holder not in unseen}
        done = self.attempt(
            None if self.oracle.knows_key(actor, member) else NotAllowed, lifecycle.revoke_branch,
            member=self.member(member), chosen={keys[holder].pk for holder in seen - kept},
            seen={keys[holder].pk for holder in seen}, reason="Random", by=self.member(actor),
        )  # fmt: skip
        if done is not None:
            branch = {holder for holder in keys if holder == member or self.oracle.is_above(member, holder)}
            gone = branch & seen - kept
            assert (done.deleted, done.gone, done.new) == (len(gone), len(seen - kept - branch), len(branch - seen))
            self.events += len(gone)
            for holder in gone:
                self._lose(holder, keys[holder])

    @rule(actor=numbers, member=numbers, thaws=st.booleans())
    def freeze(self, actor, member, thaws):
        actor, member = self.pick(actor), self.pick(member)
        expected = None if self.oracle.freezes(actor, member) else NotAllowed
        about = {"member": self.member(member), "by": self.member(actor)}
        if thaws:
            self.attempt(expected, memberships.thaw_branch, **about)
        else:
            self.attempt(expected, memberships.freeze_branch, reason="Random", **about)
        if expected is None:
            self.events += thaws is (member in self.oracle.frozen)
            (self.oracle.frozen.discard if thaws else self.oracle.frozen.add)(member)

    @precondition(lambda self: self.stale)
    @rule(actor=numbers)
    def act_on_what_is_gone(self, actor):
        for call in (lifecycle.delete_classic_key, lifecycle.show_value):
            self.attempt(lifecycle.KeyGone, call, key=self.stale[-1], by=self.member(self.pick(actor)))

    def _with_key(self, number: int) -> int:
        holders = sorted(self.values)
        return holders[number % len(holders)]

    # --- What must hold after each ---

    @invariant()
    def everybody_sees_and_may_what_the_oracle_says(self):
        oracle, number_of = self.oracle, {pk: number for number, pk in self.ids.items()}
        members = self._members()
        keys = {number_of[key.holder_id]: key for key in self._keys()}
        assert {n: number_of.get(key.creator_id) for n, key in keys.items()} == oracle.creator
        asked = ListRequest("/", {})
        happened = list(Event.objects.filter(account_id=self.account_id).values_list("pk", "subject_id", "actor_id"))
        self.step += 1
        for viewer_number, viewer in members.items():
            for target_number, target in members.items():
                pair = viewer_number, target_number
                assert can(viewer, MemberAction.VIEW, target) is oracle.sees(*pair), pair
                assert policy.can_see_keys_of(viewer, target) is oracle.knows_key(*pair), pair
                assert policy.can_create(viewer, target) is oracle.creates(*pair), pair
                assert can(viewer, MemberAction.EDIT_RESTRICTION, target) is oracle.restricts(*pair), pair
                assert can(viewer, MemberAction.REMOVE, target) is oracle.removes(*pair), pair
                assert can(viewer, MemberAction.FREEZE_BRANCH, target) is oracle.freezes(*pair), pair
            for holder, key in keys.items():
                knows = oracle.knows_key(viewer_number, holder)
                shows = knows and oracle.creator[holder] == viewer_number
                edits = knows and oracle.restricts(viewer_number, holder)
                said = [policy.can(viewer, action, key) for action in KeyAction]
                assert said == [knows, shows, edits, knows], (viewer_number, holder)
            # No page is shown to who may not work: see the matrix. Of the others a sixth is asked after each step.
            if not oracle.works(viewer_number) or (viewer_number + self.step) % 6:
                continue
            own = key_queries.own_key(viewer)
            listed = [*([own] if own else []), *key_queries.keys_below(viewer, asked, own=own).everything()]
            assert sorted(number_of[key.holder_id] for key in listed) == sorted(
                holder for holder in keys if oracle.knows_key(viewer_number, holder)
            )
            users = queries.account_users(viewer, asked).everything()
            assert {number_of[user.pk] for user in users} == {n for n in members if oracle.sees(viewer_number, n)}
            below = [n for n in members if oracle.knows_key(viewer_number, n)]
            tree = hierarchy_list.user_hierarchy(viewer, asked, hierarchy_list.Folds(viewer)).everything()
            assert sorted(number_of[user.pk] for user in tree) == below
            about = {self.ids[n] for n in below}
            seen = set(audit.visible_events(viewer).values_list("pk", flat=True))
            # The owner's also holds what concerns people who have left.
            is_owner = viewer_number == 0
            assert seen == {pk for pk, subject, by in happened if is_owner or subject in about or by == viewer.pk}

    @invariant()
    def each_key_works_as_its_holder_may_call(self):
        members = self._members() if self.values else {}
        for holder, value in self.values.items():
            name = f"{self.account_id}_{members[holder].user.email}"
            calls = self.oracle.status[holder] in ("active", "invalid", "vpn_only")
            calls = calls and not self.oracle.is_frozen(holder)
            inside = calls and self.allowed[holder] in ("", "17.5.7.0/24")
            outside = calls and self.allowed[holder] in ("", "203.0.113.9")
            assert [verify(name, value, at).accepted for at in (INSIDE, OUTSIDE)] == [inside, outside]
            assert not verify(name, value[:-1] + "x", INSIDE).accepted
        for key in self.stale[:1]:
            assert not ClassicKey.objects.filter(uid=key.uid).exists()

    @invariant()
    def tree_is_whole(self):
        if not self.ids:
            return
        assert list(hierarchy.damaged_members(Account.objects.get(pk=self.account_id))) == []
        keys = ClassicKey.objects.filter(account_id=self.account_id)
        assert all(path == above for path, above in keys.values_list("holder_path", "holder__path"))
        connection.check_constraints()  # what the end of a transaction would check

    @invariant()
    def trail_has_one_event_for_each_change(self):
        if not self.ids:
            return
        assert Event.objects.filter(account_id=self.account_id).count() == self.events
        assert list(audit.breaks(self.account_id)) == []

    def _members(self) -> dict[int, Member]:
        """Everybody who is there, by number."""
        people = hierarchy.with_freeze(Member.objects.select_related("user", "account", "parent__user"))
        found = people.in_bulk(self.ids.values())
        return {number: found[pk] for number, pk in sorted(self.ids.items())}

    def _keys(self) -> list[ClassicKey]:
        if not self.ids:
            return []
        return list(key_queries.with_people(ClassicKey.objects.filter(account_id=self.account_id)))


@pytest.mark.django_db
def test_random_histories_agree_with_the_oracle():
    try_out(Histories, on_sqlite=10, elsewhere=6)
