"""What tests filter: a small account, its columns, and short ways to write filters."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

from accounts.models import Member
from accounts.names import canonical_email
from keys.api.filter_conditions import Column, Seconds
from keys.api.filters import Columns, Related, narrowed
from keys.models import ClassicKey

Leaf = Mapping[str, Any]


def op(operation: Any, **options: Any) -> Leaf:
    """An operation as clients write it."""
    if not options:
        return {"operation": operation}
    return {"operation": operation, "options": [{"name": name, "value": value} for name, value in options.items()]}


def own_columns(prefix: str = "") -> dict[str, Column | Related | Columns]:
    """Columns of each kind, none of which a member must have; ``prefix`` leads to them from elsewhere."""
    return {
        "id": Column(f"{prefix}pk", int),
        "username": Column(f"{prefix}api_username", str, canonical=canonical_email),
        "name": Column(f"{prefix}name_here", str),
        "number": Column(f"{prefix}notifications_read", int),
        "date": Column(f"{prefix}signed_in_at", datetime),
        "seconds": Column(f"{prefix}joined_at", Seconds),
        "flag": Column(f"{prefix}user_managed_login", bool),
        "shownName": Column(f"{prefix}name_here", str, known=Q(**{f"{prefix}user_managed_login": True})),
        "isMasterUserFlag": Column(Q(**{f"{prefix}parent": None}), bool),
    }


def columns() -> Columns:
    """All that is filtered by in these tests: a member's own, the parent's, and those of children and keys."""
    return {
        **own_columns(),
        "parent": own_columns("parent__"),
        "childUsers": Related(
            Member.objects.all(),
            "parent",
            {**own_columns(), "childUsers": Related(Member.objects.all(), "parent", own_columns())},
        ),
        "apiAuthenticationKeys": Related(ClassicKey.objects.all(), "holder", {"id": Column("pk", int)}),
    }


def found(members: Sequence[Member], asked: Any, *, root: str | None = None) -> list[int]:
    """The places in ``members`` of those that a filter finds, in its order."""
    places = {member.pk: place for place, member in enumerate(members)}
    rows = Member.objects.filter(account=members[0].account_id)
    return [places[pk] for pk in narrowed(rows, asked, columns(), root=root).values_list("pk", flat=True)]
