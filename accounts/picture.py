"""The tree as a picture: the top of a branch, no larger than one can look at, and the position of each box.

Everybody drawn is the viewer or below them. Those who are not drawn are counted, and each box leads to the picture of
its own branch, so that any place in a tree of any size can be reached.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db.models import Q, Window
from django.db.models.functions import RowNumber

from accounts import hierarchy, queries
from accounts.list_request import number_in
from accounts.models import Member
from accounts.models.member import MAX_MEMBER_ID
from accounts.queries import COUNTED_BELOW, MemberRow

#: How many of the users directly below somebody are drawn, level by level.
MOST_BELOW = (12, 6, 4)
#: A level is drawn, as a whole or not at all, while the picture has at most this many boxes.
MOST_BOXES = 80

# Pixels, where a letter is 16 high: a box, which has room for four lines, and how far its neighbours to the right and
# below begin. Four levels fit on a page of 1440.
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 240, 72, 276, 82
_EM = 16
_TURN = (_ACROSS - _WIDTH) // 2


@dataclass(slots=True)
class Box:
    """A user in the picture; a box without a ``row`` says how many more users are below its parent box."""

    pk: int
    row: MemberRow | None
    url: str
    below: list["Box"] = field(default_factory=list)
    more: str = ""
    count_below: int = 0
    x: int = 0
    y: int = 0

    @property
    def lines(self) -> str:
        """The path of the lines from this box to those below, as SVG writes it: empty where there are none."""
        if not self.below:
            return ""
        middle, right = self.y + _HEIGHT // 2, self.x + _WIDTH
        ends = [box.y + _HEIGHT // 2 for box in self.below]
        branches = "".join(f"M{right + _TURN},{end}h{_TURN}" for end in ends)
        return f"M{right},{middle}h{_TURN}M{right + _TURN},{ends[0]}V{ends[-1]}{branches}"


@dataclass(frozen=True)
class Picture:
    """A branch, ready to draw: its topmost box with those below it, all boxes in the order of the tree, its size."""

    top: Box
    boxes: list[Box]
    width: int
    height: int
    box_width: int = _WIDTH
    box_height: int = _HEIGHT

    @property
    def size_in_em(self) -> tuple[float, float]:
        """Width and height in em, so that the picture grows with the reader's text size."""
        return self.width / _EM, self.height / _EM

    @property
    def rows(self) -> list[MemberRow]:
        """The users who are drawn, in the order of the tree."""
        return [box.row for box in self.boxes if box.row]


def root_of(viewer: Member, asked: str) -> Member:
    """Return the member whose picture the address asks for if it is in the branch of ``viewer``, else ``viewer``.

    With the number of users below, bounded; one query.
    """
    wanted = number_in(asked, largest=MAX_MEMBER_ID) or viewer.pk
    found = queries.with_people_and_branches(hierarchy.branch_members(viewer).filter(pk__in={wanted, viewer.pk}))
    by_id = {member.pk: member for member in found.select_related("account", "parent__user")}
    return by_id.get(wanted) or by_id[viewer.pk]


def picture_of(root: Member, viewer: Member, *, url: str, after: str = "") -> Picture:
    """Return the picture of the branch of ``root``, which is in that of ``viewer``; a query for each level below.

    Args:
        root: from ``root_of``.
        viewer: who looks.
        url: the address of the pictures of branches, but for the number at its end.
        after: from the address: the number of the user directly below ``root`` after whom the picture goes on.
    """
    top = _box(root, viewer, url)
    top.url = top.row.url if top.row else ""
    first = number_in(after, largest=MAX_MEMBER_ID) or 0
    level, count = {root.pk: top}, 1
    for most in MOST_BELOW:
        # One more than is drawn tells whether there are others.
        children = _children(list(level), most + 1, beyond=_beyond(root, first) if count == 1 else Q())
        count += len(children)
        if count > MOST_BOXES:
            break
        drawn = {}
        for child in children:
            parent = level[child.parent_id or 0]
            if len(parent.below) < most:
                drawn[child.pk] = _box(child, viewer, url)
                parent.below.append(drawn[child.pk])
            else:
                last = parent.below[-1].pk
                parent.below.append(Box(0, None, f"{url}{parent.pk}&after={last}", more=_others(parent, first)))
        level = drawn
    boxes = list(_placed(top))
    return Picture(
        top,
        boxes,
        width=max(box.x for box in boxes) + _WIDTH,
        height=max(box.y for box in boxes) + _HEIGHT,
    )


def _beyond(root: Member, after: int) -> Q:
    """Return the condition "comes after that user directly below ``root``"; no condition if there is no such user."""
    last = hierarchy.with_users_below(Member.objects.filter(parent=root, pk=after)).first() if after else None
    if last is None:
        return Q()
    alike = Q(has_users_below=last.has_users_below, pk__gt=last.pk)
    return alike | Q(has_users_below=False) if last.has_users_below else alike


def _children(parents: Sequence[int], most: int, *, beyond: Q) -> list[Member]:
    """Return the first ``most`` members directly below each of ``parents`` that fit ``beyond``.

    Those with nobody below come last, because they lead nowhere.
    """
    place = Window(RowNumber(), partition_by="parent_id", order_by=["-has_users_below", "pk"])
    all_of_them = hierarchy.with_users_below(Member.objects.filter(parent_id__in=parents)).filter(beyond)
    first = all_of_them.annotate(place=place).filter(place__lte=most)
    found = queries.with_people_and_branches(Member.objects.filter(pk__in=first.values("pk")))
    return sorted(found, key=lambda member: (not vars(member)["below"], member.pk))


def _box(member: Member, viewer: Member, url: str) -> Box:
    row = queries.row(member, viewer)
    below: int = vars(member)["below"]  # annotated by ``with_people_and_branches``
    row.users_below = f"{below:,} below" if below <= COUNTED_BELOW else f"more than {COUNTED_BELOW:,} below"
    return Box(member.pk, row, f"{url}{member.pk}" if below else row.url, count_below=below)


def _others(box: Box, first: int) -> str:
    """Return how many are below ``box`` and not in the branches drawn there, in words."""
    if first or box.count_below > COUNTED_BELOW:
        return "More users"
    return f"{box.count_below - sum(1 + child.count_below for child in box.below):,} more"


def _placed(box: Box, x: int = 0, y: int = 0) -> Iterator[Box]:
    """Give ``box`` and all below it their places, and yield them in the order of the tree.

    Somebody with nobody below takes a line; everybody else is on the line of the first of those below.
    """
    box.x, box.y = x, y
    yield box
    for child in box.below:
        placed = list(_placed(child, x + _ACROSS, y))
        y = max(each.y for each in placed) + _DOWN
        yield from placed
