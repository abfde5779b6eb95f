"""Who is offered as another parent: as many as are shown, whoever else there is, and whichever way they are found."""

import pytest

from accounts import listing
from accounts.enums import MemberStatus, Permission
from accounts.list_request import ListRequest
from accounts.models import Account, Member
from accounts.queries import MOST_PARENTS, possible_parents
from tests.trees import grow, make_account, make_member

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
def test_whoever_manages_all_is_offered_all_by_name(cast):
    found = possible_parents(present(cast["olivia"]), cast["noor"], asked(""))
    assert [one.name for one in found] == ["Marcus Lindqvist", "Olivia Reyes", "Sam Okafor"]
    assert [one.name for one in possible_parents(present(cast["olivia"]), cast["noor"], asked("acme lin"))] == [
        "Marcus Lindqvist"
    ]
