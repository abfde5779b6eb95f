"""Who is offered as another parent: as many as are shown, whoever else there is, and whichever way they are found."""

import re

import pytest

from accounts import listing, memberships
from accounts.enums import MemberStatus, Permission
from accounts.list_request import ListRequest
from accounts.models import Account, Member
from accounts.origin import Origin
from accounts.policy import NotAllowed, can_place_below
from accounts.queries import MOST_PARENTS, member_of, possible_parents
from tests.trees import grow, make_account, make_member
from tests.visitors import visitor

pytestmark = pytest.mark.django_db

#: A word that all texts hold, one that those of a name hold, and none.
SEARCHES = ("", "tree", "zoe")


def asked(search: str) -> ListRequest:
    return ListRequest("/", {"q": search})


def present(member: Member) -> Member:
    return Member.objects.select_related("user", "account").get(pk=member.pk)


@pytest.fixture(params=["sorted", "walked"])
def _either_way(request, monkeypatch):
    if request.param == "walked":
        monkeypatch.setattr(listing, "_SORTED", 0)
        monkeypatch.setattr(listing, "_READ", 0)


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize(
    ("power", "is_restricted"), [(Permission.MANAGE_USERS, False), (Permission.USER_EDITOR, True)], ids=str
)
def test_those_who_cannot_be_it_leave_room_for_those_who_can(power, is_restricted):
    """Each kind of them would fill the whole choice, as their names come first."""
    account = make_account()
    owner, actor, member, last = grow([0, 1, 1], account)
    for _ in range(MOST_PARENTS + 1):
        make_member(account, owner)  # elsewhere in the tree
        make_member(account, member)  # below the one who moves
        suspended = make_member(account, actor)
        Member.objects.filter(pk=suspended.pk).update(status=MemberStatus.SUSPENDED)
    Member.objects.filter(pk=last.pk).update(sort_name="zoe", search_text="zoe last@tree.example")
    Member.objects.filter(pk=actor.pk).update(permissions=int(power))
    Account.objects.filter(pk=account.pk).update(restrict_user_list=is_restricted)
    for search in SEARCHES:
        assert possible_parents(present(actor), present(member), asked(search)) == [last], search


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("why", ["not above the member", "frozen"])
def test_neither_those_who_would_gain_sight_nor_the_frozen_take_the_room(why):
    account = make_account()
    owner, actor, last, _, member = grow([0, 0, 2, 3], account)
    Member.objects.filter(pk=actor.pk).update(permissions=int(Permission.USER_EDITOR), sort_name="aaron")
    Member.objects.filter(pk=last.pk).update(sort_name="zoe", search_text="zoe last@tree.example")
    Member.objects.filter(pk=owner.pk).update(status=MemberStatus.SUSPENDED)
    for _ in range(MOST_PARENTS + 1):
        make_member(account, actor)
    if why == "frozen":
        Member.objects.filter(pk=owner.pk).update(status=MemberStatus.ACTIVE)
        memberships.freeze_branch(member=actor, by=present(owner), reason="Looked into", origin=Origin("17.5.7.8"))
        assert possible_parents(present(owner), present(member), asked("zoe")) == [last]
        assert len(possible_parents(present(owner), present(member), asked(""))) == len([owner, last])
        return
    assert possible_parents(present(actor), present(member), asked("")) == [last]


@pytest.mark.usefixtures("_either_way")
def test_whoever_manages_all_is_offered_all_by_name(cast):
    found = possible_parents(present(cast["olivia"]), cast["noor"], asked(""))
    assert [one.name for one in found] == ["Marcus Lindqvist", "Olivia Reyes", "Sam Okafor"]
    assert [one.name for one in possible_parents(present(cast["olivia"]), cast["noor"], asked("acme lin"))] == [
        "Marcus Lindqvist"
    ]


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("is_restricted", [False, True])
@pytest.mark.parametrize("power", [Permission.USER_EDITOR, Permission.USER_ADMINISTRATOR])
def test_no_permission_gives_sight_of_a_key_to_anybody(cast, power, is_restricted):
    """Neither to its holder nor to another whom they move people under: a second mailbox would be enough."""
    Account.objects.filter(pk=cast["priya"].account_id).update(restrict_user_list=is_restricted)
    Member.objects.filter(pk=cast["priya"].pk).update(permissions=int(power))
    olivia, marcus, priya, sam, noor = (present(cast[n]) for n in ("olivia", "marcus", "priya", "sam", "noor"))
    member = present(make_member(sam.account, sam))
    assert possible_parents(priya, member, asked("")) == ([] if is_restricted else [olivia])
    for parent in (marcus, priya, noor):
        assert not can_place_below(priya, member, parent)
        about = {"member": member, "parent": parent, "by": priya, "origin": Origin("17.5.7.8")}
        with pytest.raises(NotAllowed):
            memberships.change_parent(**about)
    assert can_place_below(priya, member, olivia) is not is_restricted


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("power", [Permission.MANAGE_USERS, Permission.USER_EDITOR, Permission.USER_ADMINISTRATOR])
def test_whoever_is_above_chooses_in_their_branch_whatever_their_permission(cast, power):
    Member.objects.filter(pk=cast["priya"].pk).update(permissions=int(power))
    marcus, priya, noor = (present(cast[name]) for name in ("marcus", "priya", "noor"))
    below = present(make_member(priya.account, noor))
    assert possible_parents(priya, below, asked("")) == [priya]
    assert can_place_below(priya, below, priya)
    assert not can_place_below(priya, below, marcus)


@pytest.mark.usefixtures("_either_way")
def test_nobody_is_placed_below_somebody_frozen(cast):
    """They would be frozen with the others, without the reason and the proof that a freeze takes."""
    olivia, sam = present(cast["olivia"]), present(cast["sam"])
    memberships.freeze_branch(member=cast["marcus"], by=olivia, reason="Looked into", origin=Origin("17.5.7.8"))
    assert possible_parents(olivia, sam, asked("")) == []
    with pytest.raises(NotAllowed):
        memberships.change_parent(member=sam, parent=cast["priya"], by=olivia, origin=Origin("17.5.7.8"))
    # Those who are in it already may move there.
    noor = member_of(cast["noor"].account_id, cast["noor"].pk)
    assert cast["marcus"] in possible_parents(olivia, noor, asked(""))
    memberships.change_parent(member=noor, parent=cast["marcus"], by=olivia, origin=Origin("17.5.7.8"))


def test_preview_marks_those_who_would_be_above_but_can_do_nothing_as_long_as_they_are_suspended(cast):
    Member.objects.filter(pk=cast["marcus"].pk).update(status=MemberStatus.SUSPENDED)
    question = f"/iam/users/{cast['dmitri'].pk}/parent?parent={cast['priya'].pk}"
    gains = visitor(cast["olivia"]).get(question).content.decode().partition('id="gain-heading"')[2]
    marks = re.findall(r'<bdi>([^<]+)</bdi> <span[^>]*>[^<]+</span>(?: <span class="tag">(\w+)</span>)?</li>', gains)
    assert marks[:2] == [("Marcus Lindqvist", "Suspended"), ("Priya Raman", "")]
