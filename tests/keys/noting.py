"""Noting calls in tests, and what came of it."""

from accounts.models import Event, Member
from keys import events
from keys.usage import Collector

HERE = "17.5.7.8"


def refuse_key(collector: Collector, key_id: int, holder: Member, address: str = HERE) -> None:
    """Note a refusal of a key, of which the number is enough."""
    collector.refused(
        key_id=key_id, account_id=holder.account_id, holder_id=holder.pk, why="wrong value", address=address
    )


def told() -> list[tuple[str, dict]]:
    """The refusals in the activity log: address and facts, oldest first."""
    found = Event.objects.filter(action=events.CALL_REFUSED).order_by("number")
    return [(event.address, event.facts) for event in found]
