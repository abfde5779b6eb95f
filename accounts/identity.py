"""Events about a user's identity, which are recorded in each account that the user has joined."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import audit
from accounts.enums import INVITED_STATUSES
from accounts.models import Invitation, Member
from accounts.origin import Origin

#: Members who joined the account themselves, or own it; other members were added by somebody else.
JOINED = Q(name_here=None) | Q(parent=None)


def members_of(user_id: int) -> QuerySet[Member]:
    """Return the user's members, with their user, in the order in which their accounts are locked.

    Accounts where others added them, and which they have not joined themselves, are left out, whatever their status:
    whoever types an address must not learn whether it is in use.
    """
    return Member.objects.filter(JOINED, user_id=user_id).select_related("user").order_by("account_id")


def is_invited(user_id: int) -> bool:
    """Whether the user has an invitation whose link is still good; one query."""
    waiting = Invitation.objects.filter(member__user_id=user_id, member__status__in=INVITED_STATUSES)
    return waiting.filter(expires_at__gt=timezone.now()).exists()


def lock(user_id: int) -> None:
    """Lock the trails of the user's accounts, as every write that takes somebody out of an account does first."""
    accounts = Member.objects.filter(user_id=user_id).order_by("account_id")
    for account_id in accounts.values_list("account_id", flat=True):
        audit.lock_chain(account_id)


def record(
    action: str,
    *,
    user_id: int,
    origin: Origin,
    by: Member | None = None,
    actor_label: str = "",
    outcome: str = audit.SUCCESS,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add an event about the user to the trail of each of their accounts; the user is told by mail only once.

    To be called inside the transaction of the change, last.

    Args:
        by: the user's own member in the account that they did it in; none for a stranger or a command, then
            ``actor_label`` says who.
    """
    members = list(members_of(user_id))
    told = by if by in members else next(iter(members), None)
    for member in members:
        audit.record(
            action,
            actor=member if by is not None else None,
            actor_label=actor_label,
            subject=member,
            origin=origin,
            outcome=outcome,
            details=details,
            is_told=member == told,
        )
