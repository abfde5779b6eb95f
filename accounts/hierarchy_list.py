"""The view *User hierarchy*: a branch in tree order, and which branches in it are folded. No writes."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from accounts import hierarchy, queries
from accounts.list_request import ListRequest, number_in
from accounts.listing import Listing, Order, in_large_branch
from accounts.models import Member
from accounts.models.member import MAX_MEMBER_ID
from accounts.queries import MemberRow
from accounts.text_index import by_index

#: The deepest level that a row is indented for (static/css/table.css); below it the level is said in words.
LEVELS_INDENTED = 9
#: How many branches may be folded at once: the state travels in the address.
MOST_FOLDED = 50
#: In the address of a hierarchy, that nobody's branch is meant: it is not as it would be by itself.
_NOBODY = "0"


@dataclass(frozen=True)
class Folds:
    """Which branches of the hierarchy are folded.

    Attributes:
        viewer: whose hierarchy it is.
        opens: whether all but the viewer's own is folded by itself, and ``chosen`` are opened; else all is open, and
            ``chosen`` are folded.
        chosen: members of the viewer's branch that the address names.
    """

    viewer: Member
    opens: bool = False
    chosen: Sequence[Member] = ()

    def is_folded(self, member: Member) -> bool:
        """Whether those below ``member``, who is shown, are not."""
        return (member in self.chosen) is not self.opens and (member != self.viewer or not self.opens)

    def may_turn(self, member: Member) -> bool:
        """Whether ``member`` can be folded or opened: where all else is folded, the viewer's own branch stays open."""
        return member != self.viewer or not self.opens

    def turned(self, member: Member) -> dict[str, str | None]:
        """Return the parameters by which ``member`` is folded where they are open, and opened where folded."""
        ids = [other.pk for other in self.chosen if other != member]
        return self._parameters(ids if member in self.chosen else [*ids[1 - MOST_FOLDED :], member.pk])

    @property
    def all_turned(self) -> dict[str, str | None]:
        """The parameters by which all is opened where branches are folded by themselves, and else the reverse."""
        return Folds(self.viewer, opens=not self.opens)._parameters([])

    def _parameters(self, ids: Sequence[int]) -> dict[str, str | None]:
        said = ".".join(map(str, ids)) or _NOBODY
        return {"folded": None if self.opens else said, "open": said if self.opens else None, "at": None}

    def opened_paths(self) -> list[str]:
        """Return the paths of those whose children are shown: of the chosen, those whose parents are all open."""
        chosen = {member.path for member in self.chosen} | {self.viewer.path}
        above = set(hierarchy.ancestor_paths(self.viewer.path))
        return sorted(path for path in chosen if set(hierarchy.ancestor_paths(path)) <= chosen | above)


def folds(viewer: Member, asked: ListRequest, *, most: int | None = None) -> Folds:
    """Return which branches are folded, as the address says, else as many users there are; one query at most.

    By itself a hierarchy of more than ``most`` rows, if any, is folded below its first level, unless something is
    looked for in it.
    """
    if "folded" in asked.parameters:
        return Folds(viewer, chosen=_named_in_branch(viewer, asked.parameters["folded"]))
    if queries.is_filtered(asked) or most is None:
        return Folds(viewer)
    if "open" in asked.parameters:
        return Folds(viewer, opens=True, chosen=_named_in_branch(viewer, asked.parameters["open"]))
    return Folds(viewer, opens=hierarchy.branch_members(viewer).order_by("path")[: most + 1].count() > most)


def user_hierarchy(viewer: Member, asked: ListRequest, folds: Folds) -> Listing[Member]:
    """Return the branch of ``viewer`` in tree order, without what is folded."""
    if folds.opens:
        children = Q(account_id=viewer.account_id, parent_path__in=folds.opened_paths())
        return Listing(
            model=Member,
            rows=lambda: Member.objects.filter(Q(pk=viewer.pk) | children),
            order=Order("path"),
            branch_path=None,
            path_field="path",
            complete=queries.with_people_and_branches,
            is_filtered=True,
        )
    branch, anywhere = hierarchy.branch_members(viewer), Member.objects.all()
    if not viewer.is_owner:
        anywhere = in_large_branch(anywhere, viewer.path, "path")
    rows = _unfolded(queries.filtered(branch, asked), folds.chosen)
    anywhere = _unfolded(queries.of_status(anywhere, asked), folds.chosen)
    return Listing(
        model=Member,
        rows=lambda: rows,
        order=Order("path"),
        branch_path=None,
        path_field="path",
        complete=queries.with_parents if queries.is_filtered(asked) else queries.with_people_and_branches,
        is_filtered=queries.is_filtered(asked),
        among=lambda: branch,
        by_index=by_index(anywhere, asked.terms, viewer.account_id),
    )


def _unfolded(members: QuerySet[Member], folded: Sequence[Member]) -> QuerySet[Member]:
    for member in folded:
        members = members.exclude(hierarchy.branch(member, including_self=False))
    return members


def _named_in_branch(viewer: Member, text: str) -> list[Member]:
    """Return the members whose numbers an address gives, those of the viewer's branch; one query if there are any."""
    ids = [pk for part in text.split(".")[:MOST_FOLDED] if (pk := number_in(part, largest=MAX_MEMBER_ID)) is not None]
    # By the keys alone, and the branch looked at here: SQLite would go through all members of the branch.
    found = Member.objects.filter(pk__in=ids) if any(ids) else ()
    return [member for member in found if hierarchy.is_at_or_above(viewer, member)]


def hierarchy_row(member: Member, viewer: Member, asked: ListRequest, folds: Folds, *, way: str = "") -> MemberRow:
    """Return a row of ``user_hierarchy``: with the level below the viewer, the number of users below, and a fold link.

    In a filtered list the rows above may be missing, so rows are not indented and name the parent instead, who is the
    viewer or somebody below them.
    """
    made = queries.row(member, viewer, way=way)
    below: int = vars(member)["below"]  # annotated by ``user_hierarchy``
    made.level = member.level - viewer.level + 1
    made.is_beyond_indent = made.level > LEVELS_INDENTED
    if not queries.is_filtered(asked):
        made.indent = made.level
    elif not made.is_self and member.parent:
        made.parent_name = member.parent.name
    made.users_below = f"{below:,}"
    if below > queries.COUNTED_BELOW:  # in words it would make the row three lines high
        most = f"{queries.COUNTED_BELOW:,}"
        made.users_below, made.users_below_spoken = f"{most}+", f"more than {most}"
    if below and folds.may_turn(member):
        made.is_folded = folds.is_folded(member)
        made.fold_url = f"{asked.url(**folds.turned(member))}#fold-{member.pk}"
    return made
