"""The lists that methods give: which rows they have, how these are loaded, and what they are filtered and sorted by.

For each name of the interface there is the column that stands for it. A filter compares only what the caller may be
answered: rows are given with conditions and columns of this caller.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, CharField, Exists, IntegerField, Model, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast, Coalesce, Concat

from accounts import hierarchy, queries
from accounts.models import Event, Member
from accounts.names import canonical_email, sort_name
from accounts.policy import MemberAction, can, sees_whole_account
from keys.api import filters
from keys.api.calls import Caller
from keys.api.calls import Value as Asked
from keys.api.filter_conditions import BY_KEY, Column, Seconds
from keys.api.filters import Columns, Related
from keys.api.records import Record
from keys.api.schema import STATUSES, ToldEvent
from keys.models import ClassicKey
from keys.queries import with_people


@dataclass(frozen=True)
class Rows:
    """A list in the database.

    Attributes:
        queryset: all that the caller may see of it, in any order.
        columns: what it is filtered and sorted by.
        load: gives the records of some primary keys, without those that have gone meanwhile, in this order.
    """

    queryset: QuerySet
    columns: Columns
    load: Callable[[Sequence[int]], list[Record]]

    def narrowed(self, asked: Mapping[str, Asked], root: str) -> QuerySet:
        """Return the rows that a filter asks for, in its order; ``root`` as in ``filters.narrowed``. Raises Fault."""
        return filters.narrowed(self.queryset, asked, self.columns, root=root)


def in_order(found: Iterable[Model], ids: Sequence[int]) -> list[Record]:
    """Return what was found in the order of ``ids``."""
    by_id = {record.pk: record for record in found}
    return [by_id[pk] for pk in ids if pk in by_id]


def _of_status(part: str, output: IntegerField | CharField) -> Case:
    """Return the expression for what a user's status is called in the interface."""
    names = [When(status=status, then=Value(getattr(name, part))) for status, name in STATUSES.items()]
    return Case(*names, output_field=output)


def username_is_known(caller: Caller) -> Q:
    """Return the condition for members whose API username the caller, who sees them, may know.

    The same as ``keys.api.schema.knows_username``.
    """
    usual = Concat(Cast("account_id", CharField()), Value("_"), "user__email", output_field=TextField())
    return queries.in_care(caller.member) | Q(api_username=usual)


#: Never the value: it would be found out digit by digit.
_KEY_COLUMNS: Columns = {
    "id": Column("id", int, order=BY_KEY),
    "userId": Column("holder_id", int),
    "timestampKey": Column("created_at", Seconds),
    "ipAddressRestriction": Column("allowed_addresses", str),
}


def users(caller: Caller, members: QuerySet[Member]) -> Rows:
    """Return those of ``members`` whom the caller sees, to be narrowed.

    Of their keys, what the caller may know; of their parents likewise.
    """
    parent_is_seen = None if sees_whole_account(caller.member) else ~Q(pk=caller.member.pk)
    columns: Columns = {
        "id": Column("id", int, order=BY_KEY),
        "username": Column("api_username", str, canonical=canonical_email, known=username_is_known(caller)),
        "email": Column("user__email", str, canonical=canonical_email),
        "openIdConnectUserName": Column("user__email", str, canonical=canonical_email),
        "displayName": Column(
            Coalesce("name_here", "user__name"),
            str,
            order="sort_name",
            found_by=lambda name: Q(sort_name=sort_name(name)),
        ),
        "createDate": Column("joined_at", datetime),
        "parentId": Column("parent_id", int, known=parent_is_seen),
        "userStatusId": Column(_of_status("id", IntegerField()), int),
        "userStatus": {
            "id": Column(_of_status("id", IntegerField()), int),
            "keyName": Column(_of_status("key_name", CharField()), str),
            "name": Column(_of_status("name", CharField()), str),
        },
        "isMasterUserFlag": Column(Q(parent=None), bool),
        "apiAuthenticationKeys": Related(
            ClassicKey.objects.filter(hierarchy.branch(caller.member, prefix="holder_")), "holder_id", _KEY_COLUMNS
        ),
    }
    return Rows(
        members,
        columns,
        lambda ids: in_order(Member.objects.filter(pk__in=ids).select_related("user"), ids),
    )


_EVENT_COLUMNS: Columns = {
    "id": Column("id", int, order=BY_KEY),
    "eventName": Column("action", str),
    "eventCreateDate": Column("time", datetime, order="at"),
    "objectName": Column(Value("User", output_field=CharField()), str),
    "objectId": Column("subject_id", int),
    "label": Column("subject_label", str),
    "username": Column("actor_label", str),
    "ipAddress": Column("address", str),
    # Random here. slcli sorts the log by it, of which only the order in time is of use.
    "traceId": Column("request_id", str, order="at"),
}
_LOGIN_COLUMNS: Columns = {
    "createDate": Column("time", datetime, order="at"),
    "ipAddress": Column("address", str),
}


def events(caller: Caller, visible: QuerySet[Event]) -> Rows:
    """Return events that the caller sees, to be narrowed. Of who did it, the number only where the caller sees them."""
    seen = queries.visible_members(caller.member)

    def load(ids: Sequence[int]) -> list[Record]:
        found = in_order(Event.objects.filter(pk__in=ids), ids)
        # By their keys alone: with the account beside them SQLite would go through all its members.
        actors = Member.objects.filter(pk__in={event.actor_id for event in found} - {None})
        numbers = {actor.pk for actor in actors if can(caller.member, MemberAction.VIEW, actor)}
        return [ToldEvent(event, event.actor_id if event.actor_id in numbers else None) for event in found]

    actor = Column("actor_id", int, known=Q(Exists(seen.filter(pk=OuterRef("actor_id")))))
    return Rows(visible, {**_EVENT_COLUMNS, "userId": actor}, load)


def logins(visible: QuerySet[Event], load: Callable[[Sequence[int]], list[Record]]) -> Rows:
    """Return logins that the caller may know of, to be narrowed."""
    return Rows(visible, _LOGIN_COLUMNS, load)


def keys(known: QuerySet[ClassicKey]) -> Rows:
    """Return keys that the caller may know of, to be narrowed."""
    return Rows(known, _KEY_COLUMNS, lambda ids: in_order(with_people(ClassicKey.objects.filter(pk__in=ids)), ids))
