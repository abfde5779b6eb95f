"""The report of users who have not signed in for long, as of the moment that its address names. No writes.

*Source:* IBM Cloud documentation, "Identifying inactive identities".
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import formats
from accounts.actions_menu import MenuItem
from accounts.enums import SIGN_IN_STATUSES, MemberStatus
from accounts.links import link
from accounts.list_request import ListRequest, number_in
from accounts.listing import Listing
from accounts.models import Member
from accounts.policy import MemberAction, can, sees_whole_account_inactive
from accounts.text_index import by_index

#: Whoever and whatever was not used for so long is inactive.
UNUSED_AFTER = timedelta(days=30)
ORDERS = {"user": "sort_name"}
#: The parameter that says of which moment a report is, in seconds since 1970.
MOMENT = "as_of"


def pinned(asked: ListRequest) -> tuple[ListRequest, datetime]:
    """Return what the address asks for, completed by the moment of the report, and that moment; the present by default.

    So all pages of a report, its tabs and its file are about the same moment, however long somebody reads.
    """
    now, text = timezone.now(), asked.parameters.get(MOMENT, "")
    present = int(now.timestamp())
    seconds = present if (asked_for := number_in(text, largest=present)) is None else asked_for
    asked = replace(asked, parameters={**asked.parameters, MOMENT: str(seconds)})
    return asked, datetime.fromtimestamp(seconds, UTC)


def chosen_status(asked: ListRequest) -> str:
    """Return the statuses to filter by, of those with which people may log in; empty for all."""
    return asked.choice("status", [status.value for status in SIGN_IN_STATUSES], "")


def inactive_users(viewer: Member, asked: ListRequest, made_at: datetime) -> Listing[Member]:
    """Return the list of users who may sign in and have not for ``UNUSED_AFTER`` before ``made_at``, filtered as asked.

    They are those of the whole account, or those below ``viewer``, who may see inactive users; never the viewer.
    """
    in_account = Member.objects.filter(account_id=viewer.account_id)
    used, before = Coalesce("signed_in_at", "joined_at"), made_at - UNUSED_AFTER
    status, words = chosen_status(asked), asked.search_condition("search_text")
    statuses = [status] if status else SIGN_IN_STATUSES
    signing_in = Member.objects.filter(status__in=statuses).exclude(pk=viewer.pk)
    # An expression, so that no index is used: a small branch is read, or the list followed in its order.
    unused = signing_in.alias(walled_use=Coalesce(used, used)).filter(walled_use__lt=before)
    by_use = signing_in.alias(used_at=used).filter(words, account_id=viewer.account_id, used_at__lt=before)
    return Listing(
        model=Member,
        rows=lambda: unused.filter(words, account_id=viewer.account_id),
        order=asked.order(ORDERS, "user"),
        branch_path=None if sees_whole_account_inactive(viewer) else viewer.path,
        path_field="path",
        complete=_with_people,
        is_filtered=True,
        among=lambda: in_account,
        by_index=by_index(unused, asked.terms, viewer.account_id) or [by_use],
    )


def _with_people(members: QuerySet[Member]) -> QuerySet[Member]:
    return members.select_related("user", "parent__user")


@dataclass(slots=True)
class InactiveUser:
    """A row of the report, ready to print. ``key_state`` is filled in by the app that has the keys."""

    id: int
    member: Member
    name: str
    url: str
    email: str
    status: str
    last_used_at: datetime | None
    menu: list[MenuItem]
    key_state: str = ""


def row(member: Member, viewer: Member, *, way: str) -> InactiveUser:
    """Return a member as the report prints it; ``way`` is the query by which a removal leads back. Takes no query."""
    menu = []
    if can(viewer, MemberAction.REMOVE, member):
        menu.append(MenuItem("Remove", link("accounts:remove", member.pk) + way, is_dialog=True, is_danger=True))
    return InactiveUser(
        id=member.pk,
        member=member,
        name=member.name,
        url=link("accounts:user", member.pk),
        email=member.user.email,
        status=MemberStatus(member.status).label,
        last_used_at=member.signed_in_at,
        menu=menu,
    )


def csv_rows(listing: Listing[Member]) -> Iterator[list[object]]:
    """Yield heading and rows of the report as a file."""
    yield ["User", "Email", "Status", "Parent", "Joined", "Last login"]
    for member in listing.everything():
        parent = member.parent.user.email if member.parent else ""
        moments = [formats.iso(at) for at in (member.joined_at, member.signed_in_at)]
        yield [member.name, member.user.email, MemberStatus(member.status).label, parent, *moments]
