"""The audit trail: one event in the transaction of each change, chained so that a gap or an edit is noticed.

It never holds a secret: callers pass facts, and the types of secrets cannot be written as JSON.
"""

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import hierarchy, sealing
from accounts.events import ACTIVITY_TRIMMED, PERMISSION_REFUSED
from accounts.models import AuditChain, Event, Member
from accounts.origin import Origin
from accounts.signals import event_recorded, events_recorded

SUCCESS, REFUSED = "success", "refused"
_PURPOSE = "audit"
#: Labels name people as "name <e-mail>"; both have their own bounds.
_LABEL_LENGTH = 700
#: With up to this many users below, their events are looked up by user; with more, by going through the events.
_FEW = 10_000
#: How many events go into one statement: no database takes any number of values at once.
_AT_ONCE = 5_000


def label(member: Member) -> str:
    """Return how the trail names a member: it must still read well when the member is gone."""
    return f"{member.name} <{member.user.email}>"[:_LABEL_LENGTH]


def record(
    action: str,
    *,
    actor: Member | None,
    origin: Origin,
    subject: Member | None = None,
    account_id: int | None = None,
    outcome: str = SUCCESS,
    details: Mapping[str, Any] | None = None,
    actor_label: str = "",
    once: str | None = None,
    is_told: bool = True,
) -> Event | None:
    """Add an event to its account's trail.

    To be called inside the transaction of the change, last: the account's chain stays locked until the end, and if
    the event cannot be written the change is undone with it. Costs three queries.

    Args:
        action: ``thing.happened``, one of the names in an app's ``events`` module.
        actor: who did it; none for a stranger or a command, then ``actor_label`` says who.
        subject: whom it was done to; the actor when not given.
        account_id: needed only when there is neither actor nor subject.
        details: facts for the page, as JSON; never a secret.
        once: a second event of the account with the same text is not written, and none is returned.
        is_told: whether the mail that the event calls for is posted; false if another event already tells it.
    """
    subject = subject or actor
    if account_id is None and subject is not None:
        account_id = subject.account_id
    if account_id is None:
        raise ValueError("An event needs an account.")
    event = Event(
        account_id=account_id,
        at=timezone.now(),
        action=action,
        outcome=outcome,
        actor_id=actor.pk if actor else None,
        actor_label=actor_label or (label(actor) if actor else ""),
        subject_id=subject.pk if subject else None,
        subject_label=label(subject) if subject else "",
        address=origin.address or "",
        request_id=origin.request_id,
        details=json.dumps(dict(details or {}), sort_keys=True),
        once=once,
    )
    written = _written(event, once)
    if written is not None:
        event_recorded.send(Event, event=written, actor=actor, subject=subject, is_told=is_told)
    return written


def record_all(
    action: str, *, actor: Member, subjects: Sequence[Member], origin: Origin, details: Mapping[str, Any]
) -> None:
    """Add one event for each of ``subjects``, members of the actor's account: like ``record``, in a few queries."""
    chain, ring_key, now = lock_chain(actor.account_id), sealing.configured_ring().current, timezone.now()
    by, text, added = label(actor), json.dumps(dict(details), sort_keys=True), []
    for subject in subjects:
        event = Event(
            account_id=actor.account_id,
            at=now,
            action=action,
            outcome=SUCCESS,
            actor_id=actor.pk,
            actor_label=by,
            subject_id=subject.pk,
            subject_label=label(subject),
            address=origin.address or "",
            request_id=origin.request_id,
            details=text,
        )
        _extend(chain, event, ring_key)
        added.append(event)
    Event.objects.bulk_create(added, batch_size=_AT_ONCE)
    AuditChain.objects.filter(pk=chain.pk).update(number=chain.number, link=chain.link)
    events_recorded.send(Event, events=added, actor=actor, subjects=subjects)


def _written(event: Event, once: str | None) -> Event | None:
    """Save the event and return it; none where ``once`` was written already."""
    account_id = event.account_id
    if once is not None and Event.objects.filter(account_id=account_id, once=once).exists():
        return None
    try:
        with transaction.atomic():
            return _append(event)
    except IntegrityError:
        if once is not None and Event.objects.filter(account_id=account_id, once=once).exists():
            return None
        raise


def record_refusal(
    action: str,
    *,
    actor: Member,
    subject: Member,
    origin: Origin,
    details: Mapping[str, Any],
    once: str | None = None,
) -> None:
    """Record that something was refused: an event of its own, with no change beside it."""
    with transaction.atomic():
        record(action, actor=actor, subject=subject, outcome=REFUSED, origin=origin, details=details, once=once)


def record_not_allowed(
    *, actor: Member, subject: Member, origin: Origin, what: str, why: object, once: str | None = None
) -> None:
    """Record that the policy does not let ``actor`` do something, ``what`` in its words, with what they see."""
    details = {"what": what, "why": str(why)}
    record_refusal(PERMISSION_REFUSED, actor=actor, subject=subject, origin=origin, details=details, once=once)


def refusals_since(actor: Member, since: datetime, most: int) -> int:
    """Return how many of the newest ``most`` events by ``actor`` are such refusals, later than ``since``; one query."""
    newest = Event.objects.filter(account_id=actor.account_id, actor_id=actor.pk).order_by("-number")
    acts = newest.values_list("action", "at")[:most]
    return sum(action == PERMISSION_REFUSED and at > since for action, at in acts)


def lock_chain(account_id: int) -> AuditChain:
    """Return the account's chain, locked until the end of the transaction.

    ``record`` does this itself, as the last step of a write. A write that removes what other writes are about, such as
    a member, does it first: writes under way then either end before it, or find out afterwards that it is gone.
    """
    AuditChain.objects.bulk_create([AuditChain(account_id=account_id)], ignore_conflicts=True)
    return AuditChain.objects.select_for_update().get(account_id=account_id)


def _append(event: Event) -> Event:
    """Save the event at the end of its account's chain."""
    chain = lock_chain(event.account_id)
    _extend(chain, event, sealing.configured_ring().current)
    event.save(force_insert=True)
    AuditChain.objects.filter(pk=chain.pk).update(number=chain.number, link=chain.link)
    return event


def _extend(chain: AuditChain, event: Event, ring_key: str) -> None:
    """Number the event, link it to the one before, and make it the chain's end; saves neither."""
    event.number = chain.number + 1
    event.link = _link(bytes(chain.link), event, ring_key)
    chain.number, chain.link = event.number, event.link


def _link(previous: bytes, event: Event, key_id: str) -> bytes:
    """Return the keyed digest over the link before and everything the event says, with the key's id in front."""
    said = [
        event.account_id, event.number, event.at.isoformat(), event.action, event.outcome, event.actor_id,
        event.actor_label, event.subject_id, event.subject_label, event.address, event.request_id, event.details,
        event.once,
    ]  # fmt: skip
    text = json.dumps(said, sort_keys=True, ensure_ascii=True).encode()
    return key_id.encode() + b":" + sealing.keyed_digest(previous + text, purpose=_PURPOSE, key_id=key_id)


def change(before: str, after: str) -> dict[str, str]:
    """Return an event's details for a changed text, shortened."""
    return {"before": shortened(before) or "none", "after": shortened(after) or "none"}


def told_facts(event: Event) -> dict[str, Any]:
    """Return the facts of an event that readers are told: without numbers of people, whom they may not see."""
    if event.action == ACTIVITY_TRIMMED:
        return {"until": event.facts["until"]}  # the link beside it is for whoever verifies the chain
    return {name: fact for name, fact in event.facts.items() if not name.endswith("_id")}


def shortened(text: str, longest: int = 200) -> str:
    """Return a text as an event's details hold it: a restriction may have 2,000 characters."""
    return text if len(text) <= longest else f"{text[:longest]} …"


def breaks(account_id: int) -> Iterator[tuple[int, str]]:
    """Yield (number, what is wrong) for the first break of the account's chain; what follows one proves nothing.

    Begins after old events that were cleared away; see ``trim_break``.
    """
    chain = AuditChain.objects.filter(pk=account_id).first()
    begun = chain or AuditChain(account_id=account_id)
    if (moved := trim_break(begun)) is not None:
        yield moved
        return
    previous, expected = bytes(begun.trimmed_link), begun.trimmed_until + 1
    for event in Event.objects.filter(account_id=account_id).order_by("number").iterator(chunk_size=2_000):
        if (wrong := break_at(event, previous=previous, expected=expected)) is not None:
            yield wrong
            return
        previous, expected = bytes(event.link), expected + 1
    if chain is None or (chain.number, bytes(chain.link)) != (expected - 1, previous):
        yield expected, "events are missing at the end"


def break_at(event: Event, *, previous: bytes, expected: int) -> tuple[int, str] | None:
    """Return (number, what is wrong) unless ``event`` has the expected number and follows the link ``previous``."""
    if event.number < expected:
        return event.number, f"it is there, although the events up to {expected - 1} were cleared away"
    if event.number > expected:
        return expected, f"events {expected} to {event.number - 1} are missing"
    link = bytes(event.link)
    key_id = link.split(b":", 1)[0].decode("ascii", "replace")
    try:
        is_genuine = hmac.compare_digest(link, _link(previous, event, key_id))
    except sealing.SealError:
        return event.number, f"its key, {key_id}, is not in the key ring"
    return None if is_genuine else (event.number, "it was changed after it was written")


def trim_break(chain: AuditChain) -> tuple[int, str] | None:
    """Return (number, what is wrong) unless the chain's mark is where the newest event of a trim says it is.

    The mark is in a row that can be written without the ring. The event cannot, because it is a link of the chain. It
    always outlives the events that it tells of: a later trim that deletes it writes a newer one.
    """
    mark, link = chain.trimmed_until, bytes(chain.trimmed_link)
    trims = Event.objects.filter(account_id=chain.account_id, action=ACTIVITY_TRIMMED)
    newest = trims.order_by("-number").first()
    if newest is None:
        return None if (mark, link) == (0, b"") else (mark, "no event tells that those up to it were cleared away")
    if newest.details != json.dumps(trim_details(mark, link), sort_keys=True):
        return newest.number, f"it tells of other events that were cleared away than those up to {mark}"
    before = Event.objects.filter(account_id=chain.account_id, number=newest.number - 1).first()
    previous = bytes(before.link) if before else link  # none is left but itself: it follows what was cleared away
    return break_at(newest, previous=previous, expected=newest.number)


def trim_details(until: int, link: bytes) -> dict[str, Any]:
    """Return the details of the event that tells that those up to ``until``, whose link that is, were cleared away."""
    return {"link": link.hex(), "until": until}


def visible_events(
    viewer: Member, *, since: datetime | None = None, until: datetime | None = None, of: Member | None = None
) -> QuerySet[Event]:
    """Return the events that the viewer may see, as a queryset without an order; one query, or two.

    These are the events about the viewer and everybody now below them, and what the viewer did. What the users below
    did to others is not included: somebody who was moved here from elsewhere in the tree would bring along news of
    people whom the viewer may not know of.

    Args:
        viewer: who looks.
        since: the time of the first events, included.
        until: the time of the last ones, included.
        of: a member; only events about or by them.

    The events of few users are found by an index on users, those of many by going through the events of the account,
    by the time where there are bounds. Who narrows them further by their time compares the alias ``time``, and does
    not change that.
    """
    # The account in each half, and not before them: a database would begin with the account's newest events.
    account = Q(account_id=viewer.account_id)
    branch = hierarchy.branch_members(viewer)
    is_visible = Q() if viewer.is_owner else Exists(branch.filter(pk=OuterRef("subject_id"))) | Q(actor_id=viewer.pk)
    if of is not None:
        of_member = account & Q(subject_id=of.pk) | account & Q(actor_id=of.pk)
        return _at_a_look(Event.objects.filter(of_member), since, until).filter(is_visible)
    if not viewer.is_owner:
        ids = list(branch.order_by("path").values_list("pk", flat=True)[: _FEW + 1])
        if len(ids) <= _FEW:
            of_few = account & Q(subject_id__in=ids) | account & Q(actor_id=viewer.pk)
            return _at_a_look(Event.objects.filter(of_few), since, until)
    return Event.objects.alias(time=F("at")).filter(account, _between("at", since, until), is_visible)


def events_about(member: Member) -> QuerySet[Event]:
    """Return the events about one member, as a queryset without an order: found by the member, whatever their time."""
    return found_by_users(Event.objects.filter(account_id=member.account_id, subject_id=member.pk))


def found_by_users(events: QuerySet[Event]) -> QuerySet[Event]:
    """Return ``events``, which are those of some users, with a ``time`` to compare that no index serves.

    SQLite would read all events of the account of that time.
    """
    return events.alias(time=Coalesce("at", "at"))


def _at_a_look(events: QuerySet[Event], since: datetime | None, until: datetime | None) -> QuerySet[Event]:
    """Return those of that time, by looking at each of ``events``, which are those of some users."""
    return found_by_users(events).filter(_between("time", since, until))


def _between(field: str, since: datetime | None, until: datetime | None) -> Q:
    bounds = {f"{field}__gte": since, f"{field}__lte": until}
    return Q(**{name: bound for name, bound in bounds.items() if bound is not None})
