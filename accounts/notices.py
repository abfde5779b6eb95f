"""Tells people by mail what others changed about them, what was changed about their login, and when a value was seen.

Mails are posted in the transaction of the event: no mail without the change, and no change without the mail. Which
events are told, and in which words, is declared beside their names (``accounts.events.NOTICES``).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.dispatch import receiver

from accounts import audit, outbox, throttle
from accounts.enums import INVITED_STATUSES
from accounts.events import NOTICES
from accounts.models import Event, Member
from accounts.signals import event_recorded, events_recorded

#: Mails to somebody who did not join the account themselves.
_UNCONFIRMED = throttle.Limit("told unconfirmed", 5, timedelta(days=1))


@receiver(event_recorded)
def tell(*, event: Event, actor: Member | None, subject: Member | None, is_told: bool, **_: Any) -> None:
    """Post what there is to tell about an event, once to each person."""
    notice = NOTICES.get(event.action)
    if notice is None or not is_told or event.outcome != audit.SUCCESS or subject is None or not outbox.is_open():
        return
    if notice.is_about_identity:
        people = [subject]
    elif notice.is_about_oneself:
        people = [] if _was_seen_from_there(event) else [subject, actor or subject]
    else:
        people = [subject] if _is_concerned(subject, actor) else []
    addresses = dict.fromkeys(person.user.email for person in people if not _is_flooded(person))
    outbox.post_notices([(event, email) for email in addresses])


@receiver(events_recorded)
def tell_each(*, events: Sequence[Event], actor: Member, subjects: Sequence[Member], **_: Any) -> None:
    """Post what there is to tell about events that others caused together: like ``tell``, in a few statements."""
    notice = NOTICES.get(events[0].action) if events else None
    if notice is None or not outbox.is_open():
        return
    told = [(event, each) for event, each in zip(events, subjects, strict=True) if _is_concerned(each, actor)]
    unconfirmed = {subject.user.email for _, subject in told if _is_unconfirmed(subject)}
    not_flooded = throttle.count_each(_UNCONFIRMED, sorted(unconfirmed))
    outbox.post_notices(
        [
            (event, subject.user.email)
            for event, subject in told
            if not _is_unconfirmed(subject) or subject.user.email in not_flooded
        ]
    )


def _is_concerned(subject: Member, actor: Member | None) -> bool:
    """Whether a member is told what was done to them: not by themselves, and not before they joined."""
    return (actor is None or actor.pk != subject.pk) and subject.status not in INVITED_STATUSES


def _is_unconfirmed(member: Member) -> bool:
    """Whether nobody has confirmed the member's address in the account.

    Somebody typed it for a VPN-only user: it may be a stranger's, who could be sent mail after mail.
    """
    return member.name_here is not None


def _is_flooded(member: Member) -> bool:
    """Whether an unconfirmed address was sent enough mail for a day; otherwise counts one more."""
    return _is_unconfirmed(member) and throttle.count(_UNCONFIRMED, member.user.email) is not None


def _was_seen_from_there(event: Event) -> bool:
    """Whether the same person saw the holder's value from the same address before; one query."""
    alike = [action for action, notice in NOTICES.items() if notice.is_about_oneself]
    return (
        Event.objects.filter(
            account_id=event.account_id,
            subject_id=event.subject_id,
            actor_id=event.actor_id,
            action__in=alike,
            address=event.address,
            outcome=audit.SUCCESS,
        )
        .exclude(pk=event.pk)
        .exists()
    )
