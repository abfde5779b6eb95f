"""Draws the IBM Cloud API keys of a generated member, without the database."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from console.generator import names
from keys.models import DESCRIPTION_LENGTH, LeakedAction
from keys.platform.lifecycle import KEPT_AFTER, Description

#: How many keys those have who have any, with the weight of each number.
_HOW_MANY = {1: 60, 2: 24, 3: 10, 5: 5, 20: 1}
_USES = (
    "CI runner", "Terraform", "Nightly build", "Grafana", "Backup", "Image registry", "Billing export", "DNS updater",
    "Laptop", "Inventory sync", "Log shipper", "Cost report", "Status page", "Autoscaler", "Ansible", "Release bot",
    "Certificate renewal", "Smoke tests", "Data import", "Monitoring",
)  # fmt: skip
_WHERE = ("production", "staging", "test", "eu-de", "us-south", "jp-tok", "old", "2")
_SAID = (
    "Used by the pipeline", "Do not delete: asked for by the auditors", "Replaces the one of last year",
    "Read-only reports for finance", "Runs every night at 02:00 GMT", "Ask the platform team before changing this",
)  # fmt: skip
_LEAKED_ACTIONS = {LeakedAction.DISABLE: 80, LeakedAction.DELETE: 12, LeakedAction.NOTHING: 8}
# Shares of the keys.
_IN_A_PLACE, _WITH_A_PLACE, _DESCRIBED, _LONGEST = 0.5, 0.1, 0.4, 0.01
_EXPIRING, _LOCKED, _DISABLED, _LEAKED = 0.4, 0.08, 0.06, 0.02
_USED_OF_LATE, _NEVER_USED = 0.6, 0.15
_EXPIRES_WITHIN = 400  # days


@dataclass(frozen=True)
class PlatformKeyFacts:
    """The facts of a key."""

    said: Description
    created_at: datetime
    is_enabled: bool
    is_locked: bool
    leaked_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str


def draw(
    rng: Random, *, holder_since: datetime, until: datetime, address_of: Callable[[Random], str]
) -> list[PlatformKeyFacts]:
    """Draw the keys of one member: in use, forgotten, expired, about to expire, locked, disabled, leaked."""
    (how_many,) = rng.choices(list(_HOW_MANY), list(_HOW_MANY.values()))
    return [_key(rng, holder_since, until, address_of) for _ in range(how_many)]


def _key(rng: Random, holder_since: datetime, until: datetime, address_of: Callable[[Random], str]) -> PlatformKeyFacts:
    # More of them are new than of classic keys: whoever has several replaces them now and then.
    created_at = holder_since + (until - holder_since) * rng.random() ** 0.5
    expires_at = _expiry(rng, created_at, until) if rng.random() < _EXPIRING else None
    end = min(until, expires_at or until)
    (leaked_action,) = rng.choices(list(_LEAKED_ACTIONS), list(_LEAKED_ACTIONS.values()))
    # Those that were to be deleted then are gone.
    is_leaked = rng.random() < _LEAKED and leaked_action is not LeakedAction.DELETE
    was_disabled = rng.random() < _DISABLED or (is_leaked and leaked_action is LeakedAction.DISABLE)
    mean_days = 1 if rng.random() < _USED_OF_LATE else 150
    last_used_at = max(created_at, end - timedelta(days=rng.expovariate(1 / mean_days)))
    address, never_used = address_of(rng), rng.random() < _NEVER_USED
    return PlatformKeyFacts(
        said=Description(_name(rng), _text(rng), expires_at, leaked_action),
        created_at=created_at,
        is_enabled=not was_disabled,
        is_locked=rng.random() < _LOCKED,
        leaked_at=created_at + (end - created_at) * rng.random() if is_leaked else None,
        last_used_at=None if never_used else last_used_at,
        last_used_from="" if never_used else address,
    )


def _expiry(rng: Random, created_at: datetime, until: datetime) -> datetime | None:
    """Draw the end of a day after the creation: no key that expired is kept for longer than that."""
    expires_at = until + timedelta(days=rng.randrange(1 - KEPT_AFTER.days, _EXPIRES_WITHIN))
    return expires_at if expires_at > created_at else None


def _name(rng: Random) -> str:
    use = rng.choice(_USES)
    if rng.random() < _WITH_A_PLACE:
        return f"{use} {rng.choice(names.PLACES)}"
    return f"{use} {rng.choice(_WHERE)}" if rng.random() < _IN_A_PLACE else use


def _text(rng: Random) -> str:
    if rng.random() >= _DESCRIBED:
        return ""
    said = rng.choice(_SAID)
    is_longest = rng.random() < _LONGEST
    return ". ".join([said] * DESCRIPTION_LENGTH)[:DESCRIPTION_LENGTH].rstrip() if is_longest else said
