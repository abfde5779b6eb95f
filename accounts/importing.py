"""Invites everybody in a file at once, each below the parent that the file names, or nobody.

A plan is made first, which names every mistake. The write makes it again, under the account's lock in its transaction,
and goes on only if there are no mistakes. Those invited are *Processing* and get the same mail as anybody invited.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from django.core.exceptions import ValidationError

from accounts import audit, events, hierarchy, outbox, text_index
from accounts.domains import Patterns
from accounts.enums import INVITED_STATUSES, MemberStatus, Permission, permission_names
from accounts.invitations import count_invitations, new_invitation, sent_too_many
from accounts.member_files import Content, Entry, Problem, shown
from accounts.memberships import present_member
from accounts.models import Invitation, Member
from accounts.models.member import MAX_DEPTH
from accounts.names import canonical_email, clean_email
from accounts.new_members import default_api_username, members_by_email, new_member, users_of
from accounts.origin import Origin
from accounts.policy import MemberAction, can_invite_below, require
from accounts.transactions import large_write, one_transaction

Item = TypeVar("Item")
#: Called now and then with how many are done, and of how many.
Progress = Callable[[int, int], None]

#: How many go into one statement.
_AT_ONCE = 2_000


@dataclass(frozen=True)
class Planned:
    """Somebody who can be invited; the parent is a member, or somebody earlier in the plan."""

    entry: Entry
    email: str
    parent: "Member | Planned"
    level: int


@dataclass
class Plan:
    """What importing a file would do: whom it invites, parents before those below, and every mistake by its line."""

    people: list[Planned] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class ImportRefused(Exception):
    """The file has mistakes, and nobody was invited."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(f"The file has {len(plan.problems):,} mistakes. No one was invited.")
        self.plan = plan


def ignored(_done: int, _total: int) -> None:
    """Ignore progress: the default for callers who do not report it."""


def make_plan(content: Content, by: Member, *, progress: Progress = ignored) -> Plan:
    """Return what importing the file would do if ``by`` did it now: the dry run, which changes nothing.

    A few queries for each two thousand entries. Raises NotAllowed when ``by`` may invite nobody.
    """
    require(by, MemberAction.INVITE, by)
    return _Planner(content, by, progress).plan()


class _Planner:
    """Looks for mistakes: in each address, then in each parent, then from the top of the tree down."""

    def __init__(self, content: Content, by: Member, progress: Progress) -> None:
        self._by, self._found = by, Plan(problems=list(content.problems))
        self._progress, self._total = progress, len(content.entries)
        self._entries: dict[str, Entry] = {}
        self._wrong: set[str] = set()  # addresses in the file whose entry has a mistake
        self._parents: dict[str, str] = {}
        self._read(content.entries)
        self._tell(0.4)
        self._members = self._members_by_email()
        self._tell(0.55)

    def plan(self) -> Plan:
        """Return the plan."""
        self._check_addresses()
        self._tell(0.9)
        self._check_parents()
        self._place()
        self._found.problems.sort(key=lambda problem: problem.line)
        return self._found

    def _tell(self, share: float) -> None:
        """Report that about this share of the work is done. No entry is finished before the end."""
        self._progress(round(share * self._total), self._total)

    def _refuse(self, entry: Entry, what: str) -> None:
        self._found.problems.append(Problem(entry.line, shown(entry.email or "(empty)"), what))

    def _read(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            try:
                email = clean_email(entry.email)
            except ValidationError as error:
                self._refuse(entry, " ".join(error.messages))
                self._wrong.add(canonical_email(entry.email))
                continue
            if email in self._entries:
                self._refuse(entry, f"This address is in line {self._entries[email].line} already.")
            else:
                self._entries[email] = entry
                self._parents[email] = canonical_email(entry.parent)

    def _members_by_email(self) -> dict[str, Member]:
        """Return those of the account who are named in the file, as themselves or as a parent."""
        named = sorted({*self._entries, *filter(None, self._parents.values())})
        return {
            member.user.email: member
            for some in _pieces(named)
            for member in hierarchy.with_freeze(members_by_email(self._by.account_id, some)).select_related("user")
        }

    def _check_addresses(self) -> None:
        patterns = Patterns(self._by.account.domains_in_force)
        taken = self._taken_usernames()
        tired = {email for some in _pieces(list(self._entries)) for email in sent_too_many(self._by.account_id, some)}
        for email, entry in self._entries.items():
            member = self._members.get(email)
            if member is not None and member.status in INVITED_STATUSES:
                problem = "This address is already invited."
            elif member is not None:
                problem = "This address already belongs to a user of the account."
            elif not patterns.allow(email):
                problem = "The account's allowed domains do not include this address."
            elif email in tired:
                problem = "Too many invitations were sent to this address today."
            elif default_api_username(self._by.account_id, email) in taken:
                problem = "Another user already has the API username that this address would get."
            else:
                continue
            self._refuse(entry, problem)
            self._wrong.add(email)

    def _taken_usernames(self) -> set[str]:
        names = [default_api_username(self._by.account_id, email) for email in self._entries]
        found = (
            Member.objects.filter(api_username__in=some).values_list("api_username", flat=True)
            for some in _pieces(names)
        )
        return {name for some in found for name in some}

    def _check_parents(self) -> None:
        for email, entry in self._entries.items():
            parent = self._parents[email]
            problem = self._problem_with_parent(email, parent) if parent else ""
            if problem:
                self._refuse(entry, problem)
                self._wrong.add(email)

    def _problem_with_parent(self, email: str, parent: str) -> str:
        if parent == email:
            return "A user cannot be their own parent."
        member = self._members.get(parent)
        if member is None and (parent in self._entries or parent in self._wrong):
            return ""
        if member is not None and can_invite_below(self._by, member):
            return ""
        if member is None or not hierarchy.is_at_or_above(self._by, member):
            # One sentence for both: the list of users may be hidden from whoever imports.
            return f"The parent is neither you, nor a user below you, nor in the file: {shown(parent)}"
        state = "frozen" if member.is_frozen else member.get_status_display()
        return f"No one can be invited below the parent, who is {state}: {shown(parent)}"

    def _place(self) -> None:
        """Go from the top down. Whoever is not reached is in a circle, or below a mistake that was named."""
        below: dict[str, list[str]] = {}
        ready: list[Planned] = []
        for email, entry in self._entries.items():
            parent = self._parents[email]
            member = self._members.get(parent) if parent else self._by
            if member is not None:
                ready.append(Planned(entry, email, member, member.level + 1))
            else:
                below.setdefault(parent, []).append(email)
        reached = set()
        for planned in ready:  # grows while it is gone through
            reached.add(planned.email)
            if planned.level > MAX_DEPTH:
                self._refuse(planned.entry, f"The hierarchy would have more than {MAX_DEPTH} levels here.")
            elif planned.email not in self._wrong:
                self._found.people.append(planned)
            ready += [
                Planned(self._entries[email], email, planned, planned.level + 1)
                for email in below.get(planned.email, ())
            ]
        for email in self._in_circles(self._entries.keys() - reached - self._wrong):
            self._refuse(self._entries[email], "The parents form a circle here.")

    def _in_circles(self, unreached: AbstractSet[str]) -> Iterator[str]:
        """Yield those of ``unreached`` who are above themselves, looking at each once."""
        seen: set[str] = set()
        for start in unreached:
            way: dict[str, None] = {}
            at = start
            while at in unreached and at not in seen:
                seen.add(at)
                way[at] = None
                at = self._parents[at]
            if at in way:
                steps = list(way)
                yield from steps[steps.index(at) :]


@one_transaction
@large_write()
def carry_out(
    content: Content,
    *,
    by: Member,
    origin: Origin,
    is_limited: bool = True,
    progress: Progress = ignored,
) -> int:
    """Invite everybody in the file, and return how many they are; one transaction for all.

    Args:
        content: the file.
        by: who imports it: the inviter of all, and the parent of those without one.
        origin: where the write comes from.
        is_limited: whether the account's limit of invitations counts; not for whoever runs the server.
        progress: called with how many are done, and of how many, now and then.

    Raises NotAllowed, TooManyInvitations, and ImportRefused with all mistakes when there is any: then nobody was
    invited.
    """
    hierarchy.lock_account(by.account_id)
    by = present_member(by)
    plan = make_plan(content, by)
    if plan.problems or not plan.people:
        raise ImportRefused(plan)
    if is_limited:
        count_invitations(by.account_id, len(plan.people))
    members: dict[str, Member] = {}
    for number, some in enumerate(_pieces(plan.people)):
        progress(number * _AT_ONCE, len(plan.people))
        _insert(some, members, by)
    text_index.catch_up()
    progress(len(plan.people), len(plan.people))
    # Last, because all other events of the account wait for these, even those of people who only log in.
    details = {"permissions": permission_names(Permission(0)), "from": "a file"}
    for subjects in _pieces(list(members.values())):
        audit.record_all(events.INVITED, actor=by, subjects=subjects, origin=origin, details=details)
    return len(plan.people)


def _insert(people: Sequence[Planned], members: dict[str, Member], by: Member) -> None:
    """Insert these, whose parents are members or inserted before them, with invitations and mails."""
    users = users_of([planned.email for planned in people])
    made = [
        new_member(by.account, users[planned.email], MemberStatus.PROCESSING, Permission(0), planned.email)
        for planned in people
    ]
    members |= zip((planned.email for planned in people), made, strict=True)
    hierarchy.place_each(made, _parents_of(people, members))
    Member.objects.bulk_create(made, batch_size=_AT_ONCE)
    invitations = [new_invitation(member, by) for member in made]
    Invitation.objects.bulk_create(invitations, batch_size=_AT_ONCE)
    outbox.post_invitations(invitations)


def _parents_of(people: Sequence[Planned], members: dict[str, Member]) -> Iterator[Member]:
    for planned in people:
        yield planned.parent if isinstance(planned.parent, Member) else members[planned.parent.email]


def _pieces(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield ``items`` in order, ``_AT_ONCE`` at a time."""
    rest = iter(items)
    while piece := list(islice(rest, _AT_ONCE)):
        yield piece
