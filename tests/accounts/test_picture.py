"""The picture of the tree: whom it draws, what it counts, where it leads, and that its boxes do not overlap."""

import re
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import hierarchy, picture
from accounts.picture import MOST_BELOW, MOST_BOXES, picture_of, root_of
from tests.trees import chain, grow, make_account, make_member
from tests.visitors import undone, visitor

pytestmark = pytest.mark.django_db


def drawn(root, viewer=None, after=""):
    """The numbers drawn in the picture of a branch, and how it says who is not."""
    viewer = viewer or root
    picture = picture_of(root_of(viewer, str(root.pk)), viewer, url="?root=", after=after)
    return [box.pk for box in picture.boxes if box.row], [box.more for box in picture.boxes if box.more], picture


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 100), max_size=60))
def test_any_branch_is_drawn_from_its_root_down_and_nobody_else(parents):
    with undone():
        members = grow([parent % (number + 1) for number, parent in enumerate(parents)])
        by_id, top = {member.pk: member for member in members}, members[min(1, len(members) - 1)]
        seen, _, picture = drawn(top, members[0])
        assert seen[0] == top.pk
        assert len(seen) == len(set(seen)) <= MOST_BOXES
        for pk in seen[1:]:
            assert by_id[pk].parent_id in seen  # who is drawn hangs on somebody who is
            assert by_id[pk].path.startswith(top.path)
        hidden = sum(member.path.startswith(top.path) for member in members) - len(seen)
        assert bool(hidden) is any(box.more or (box.count_below and not box.below) for box in picture.boxes)
        for x in {box.x for box in picture.boxes}:
            places = sorted(box.y for box in picture.boxes if box.x == x)
            assert all(below - above >= picture.box_height for above, below in pairwise(places))


def test_who_is_not_drawn_is_counted_and_reached():
    owner, *members = grow([0] * 15 + [1] * 2)
    seen, more, picture = drawn(owner)
    direct = members[:15]
    assert [pk for pk in seen if pk in {member.pk for member in direct}] == [member.pk for member in direct[:12]]
    assert more == ["3 more"]
    address = picture.boxes[-1].url
    assert address == f"?root={owner.pk}&after={direct[11].pk}"
    seen, more, _ = drawn(owner, after=str(direct[11].pk))
    assert seen == [owner.pk, *(member.pk for member in direct[12:])]
    assert more == []
    assert picture.boxes[1].url == f"?root={direct[0].pk}"
    assert picture.top.below[1].url == picture.top.below[1].row.url  # below whom nobody is
    # After somebody who is not directly below comes whoever comes first.
    stranger = make_member(make_account(), None)
    for other in (members[15], stranger):
        assert drawn(owner, after=str(other.pk))[0] == drawn(owner)[0]


def test_where_not_all_were_counted_no_number_says_how_many_more_there_are(monkeypatch):
    owner, *members = grow([0] * 30)
    assert drawn(owner)[1] == ["18 more"]
    assert drawn(owner, after=str(members[11].pk))[1] == ["More users"]
    for counted, said, below in ((30, "18 more", "30 below"), (29, "More users", "more than 29 below")):
        monkeypatch.setattr(picture, "COUNTED_BELOW", counted)
        _, more, drawing = drawn(owner)
        assert (more, drawing.top.row.users_below) == ([said], below)


@pytest.mark.parametrize(("on_the_second_level", "is_drawn"), [(67, True), (68, False)])
def test_level_is_drawn_whole_or_not_at_all(on_the_second_level, is_drawn):
    owner, *members = grow([0] * 12 + [number % 12 + 1 for number in range(on_the_second_level)])
    expected = [owner, *(members if is_drawn else members[:12])]
    assert sorted(drawn(owner)[0]) == [member.pk for member in expected]


def test_walking_on_leaves_out_nobody_further_down():
    """Those below are drawn whole, though one came to the account before whoever is walked on from."""
    owner, early, child, *members = grow([0, 1, *[0] * 14, *range(3, 16)])
    hierarchy.move_branch(early, members[13])
    seen, _, _ = drawn(owner, after=str(members[11].pk))
    assert seen == [member.pk for member in (owner, members[12], members[26], members[13], early, child)]


@pytest.mark.parametrize("with_somebody_below", [0, 1, 11, 12, 13, 40])
def test_those_with_users_below_come_first_and_walking_on_reaches_everybody_once(with_somebody_below):
    size = 40
    below = range(size, size - with_somebody_below, -1)  # the last who came
    owner, *members = grow([0] * size + list(below))
    direct = members[:size]
    expected = [*direct[size - with_somebody_below :], *direct[: size - with_somebody_below]]
    seen, after = [], ""
    for _ in range(size):
        _, more, picture = drawn(owner, after=after)
        shown = [box.pk for box in picture.top.below if box.row]
        seen += shown
        if not more:
            break
        assert picture.top.below[-1].url == f"?root={owner.pk}&after={shown[-1]}"
        after = str(shown[-1])
    assert seen == [member.pk for member in expected]


def test_deep_line_is_drawn_for_so_many_levels_and_walked_down():
    links = chain(make_account(), 256)
    seen, more, picture = drawn(links[0])
    assert seen == [link.pk for link in links[: len(MOST_BELOW) + 1]]
    assert more == []
    assert picture.boxes[-1].row.users_below == "252 below"
    assert picture.boxes[-1].url == f"?root={links[3].pk}"
    seen, _, _ = drawn(links[255], links[0])
    assert seen == [links[255].pk]


@pytest.mark.sqlite_only
@pytest.mark.parametrize("asked", ["", "x", "0", "-1", "\u0663", "9" * 30, "olivia", "sam"])
def test_whoever_is_not_below_is_not_drawn(cast, asked):
    """A number of somebody above, beside, of nobody, or no number: the viewer's own branch."""
    root = str(cast[asked].pk) if asked in cast else asked
    page = visitor(cast["marcus"]).get("/iam/users", {"view": "picture", "root": root, "after": root}).content.decode()
    assert "Your branch" in page
    assert "Olivia" not in re.sub(r"<header.*?</header>", "", page, flags=re.DOTALL)
    assert "Sam Okafor" not in page


def test_picture_and_list_lead_to_the_same_and_say_the_same(cast):
    page = visitor(cast["olivia"]).get("/iam/users?view=picture").content.decode()
    tree, _, listed = page.partition('<svg class="picture__tree"')[2].partition("The same as a list")
    links = re.compile(r'<a[^>]* href="([^"]*)"')
    assert 'aria-hidden="true"' in tree[:80]
    assert tree.count('tabindex="-1"') == len(links.findall(tree)) == len(cast)
    assert links.findall(tree) == links.findall(listed.partition("</section>")[0])
    for facts in ("VPN-only · key", "Suspended · key", "Pending · no key", "Active · key", "4 below"):
        assert facts in tree
        assert facts in listed


def test_how_many_are_below_has_a_line_of_its_own(cast):
    page = visitor(cast["olivia"]).get("/iam/users?view=picture").content.decode()
    assert '<span class="picture__facts">4 below</span>' in page


def test_questions_asked_do_not_grow_with_the_branch(client):
    counts = set()
    for size in (5, 40):
        owner, *_ = grow([0, 1, 2, *([1, 0, 2] * size)])
        asking = visitor(owner)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert asking.get("/iam/users?view=picture").status_code == 200
        counts.add(len(asked))
    assert len(counts) == 1
    assert counts.pop() <= 8
