"""What others did that concerns a member, and how far the member has read it: the *Notifications* of the header.

The rows are those of the audit trail, which the member may see anyway; only a number is kept besides. Refused sign-ins
are left out: most are one's own, and anybody who knows an e-mail address could keep its owner's bell lit.
"""

from django.db.models import Exists, Max, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from accounts.events import SIGN_IN_REFUSED
from accounts.models import Event, Member
from accounts.models.event import BY_OTHERS

_CONCERNING = BY_OTHERS & ~Q(action=SIGN_IN_REFUSED)


def events_for(member: Member) -> QuerySet[Event]:
    """Return the events that somebody else, known or not, caused about the member, as a queryset without an order."""
    return Event.objects.filter(_CONCERNING, account_id=member.account_id, subject_id=member.pk)


def with_notifications(members: QuerySet[Member]) -> QuerySet[Member]:
    """Return ``members`` with ``has_notifications`` filled in, in the same query."""
    unread = Event.objects.filter(
        _CONCERNING,
        account_id=OuterRef("account_id"),
        subject_id=OuterRef("pk"),
        number__gt=Coalesce(OuterRef("notifications_read"), Value(0)),
    )
    return members.annotate(has_notifications=Exists(unread))  # type: ignore[no-redef]  # the class says what it is


def mark_read(member: Member, *, until: int) -> None:
    """Mark the member's notifications as read up to the event with that number; later ones stay new.

    Two queries, or one if there is nothing to mark.
    """
    newest = events_for(member).filter(number__lte=until).aggregate(newest=Max("number"))["newest"]
    if newest is not None:
        is_later = Q(notifications_read=None) | Q(notifications_read__lt=newest)
        Member.objects.filter(is_later, pk=member.pk).update(notifications_read=newest)
