"""Whether a key works: API username, value and client's address in, a verdict out. No request, no answer to a caller.

It is the most frequent question, so it is one statement by a unique index, given straight to the database's driver. A
classic key is found by its holder's API username, an IBM Cloud API key, whose callers all send the same name, by the
digest of its value. Nothing is cached: what was deleted, suspended or restricted is refused from the next call on.
Callers are told only ``accepted``; the reason is for the activity log.

*Source:* docs/rules.md, "Whose key works" and "IBM Cloud API keys"; the figures are in docs/performance.md.
"""

import enum
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts import hierarchy, plans, sealing
from accounts.addresses import stored
from accounts.enums import CALLING_STATUSES
from accounts.names import EMAIL_BYTES, PLATFORM_USERNAME, canonical_email
from keys import material, usage
from keys.models import ClassicKey, KeptRestriction, PlatformKey
from keys.platform.events import CALL_REFUSED

_CALLING = frozenset(status.value for status in CALLING_STATUSES)
#: Characters of the longest API username there can be: ten digits, an underscore and an e-mail address.
_LONGEST_USERNAME = EMAIL_BYTES + 11
#: What is compared for an unknown name, so that it costs the same; the digest of no value.
_NO_DIGEST = bytes(32)


class Unavailable(Exception):
    """The database is away: there is no verdict, and so no yes."""


class Reason(enum.StrEnum):
    """Why a call was refused, in the words of the activity log. Never told to the caller."""

    UNKNOWN = "no such key"
    WRONG_VALUE = "wrong value"
    EXPIRED = "the key has expired"
    DISABLED = "the key is disabled"
    STATUS = "the user's status"
    FROZEN = "the user's branch is frozen"
    KEY_ADDRESS = "the key's address restriction"
    USER_ADDRESS = "the user's address restriction for classic infrastructure"
    ACCOUNT_ADDRESS = "the account's address restriction"
    NO_MASTER_KEY = "its master key is not in the key ring"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a call is refused (none if it is accepted), and whose key it is, if anybody's."""

    reason: Reason | None
    key_id: int = 0
    member_id: int = 0
    account_id: int = 0
    api_username: str = ""
    email: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the call may pass; callers are never told more."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class PlatformVerdict(Verdict):
    """The verdict on a known IBM Cloud API key; ``key_id`` is the number of a ``PlatformKey``.

    Attributes:
        uuid: of the key, in hexadecimal digits.
        name: of the key.
    """

    uuid: str = ""
    name: str = ""

    @property
    def facts(self) -> dict[str, str]:
        """Which key it is, as in all events about such keys."""
        return {"name": self.name, "key": PlatformKey(uuid=UUID(self.uuid)).record_id}


_UNKNOWN = Verdict(Reason.UNKNOWN)


def verify(username: str, secret: str, address: str | None) -> Verdict:
    """Decide whether a call with this API username and value, from this address, is accepted.

    One query; none for what cannot be the value of an IBM Cloud API key. An acceptance and a refusal of a known key are
    noted in memory for ``keys.usage`` to write later; nothing is written here. Raises Unavailable when the database
    does not answer, after one new connection.

    Args:
        username: as presented; case and Unicode form do not matter. ``apikey`` for an IBM Cloud API key.
        secret: the presented value, any text.
        address: the client's, as ``accounts.addresses.client_address`` gives it; None when unknown.
    """
    name = _canonical(username)
    if name == PLATFORM_USERNAME:
        return verify_platform(secret, address)
    row = _find(_classic(), (name,))
    if row is None:
        material.matches(secret, _NO_DIGEST, sealing.configured_ring().current)
        return _UNKNOWN
    (key_id, digest, ring_key_id, key_addresses, member_id, status, api_username,
     account_id, account_addresses, email, is_frozen) = row  # fmt: skip
    # All conditions are evaluated, so that the time of the answer does not tell which of them failed.
    try:
        is_genuine, has_master_key = material.matches(secret, digest, ring_key_id), True
    except sealing.SealError:
        is_genuine = has_master_key = False
    is_calling = status in _CALLING
    passes_key, passes_account = stored(key_addresses).allows(address), stored(account_addresses).allows(address)
    if is_genuine and is_calling and not is_frozen and passes_key and passes_account:
        usage.collector.accepted(key_id, address)
        return Verdict(None, key_id, member_id, account_id, api_username, email)
    if not has_master_key:
        reason = Reason.NO_MASTER_KEY
    elif not is_genuine:
        reason = Reason.WRONG_VALUE
    elif not is_calling:
        reason = Reason.STATUS
    elif is_frozen:
        reason = Reason.FROZEN
    else:
        reason = Reason.ACCOUNT_ADDRESS if passes_key else Reason.KEY_ADDRESS
    verdict = Verdict(reason, key_id, member_id, account_id, api_username, email)
    note_refused(verdict, reason.value, address)
    return verdict


def verify_platform(secret: str, address: str | None) -> Verdict:
    """Decide whether a call with this value of an IBM Cloud API key, from this address, is accepted.

    As ``verify`` does for the user name ``apikey``. A key expires by the time in its row and the clock of this machine.
    """
    if not material.is_platform_value(secret):
        return _UNKNOWN
    digests = dict(material.platform_digests(secret))
    row = _find(_platform(len(digests)), tuple(digests.values()))
    if row is None:
        return _UNKNOWN
    *_, digest, ring_key_id = row
    if not hmac.compare_digest(digests.get(ring_key_id, _NO_DIGEST), digest):
        return _UNKNOWN  # the row names another master key than its digest was made with
    return _judged(row, address, _moved(digests, ring_key_id))


def verify_key(token_id: UUID, address: str | None) -> Verdict:
    """Decide the same for an IBM Cloud API key whose value was presented before: for an access token."""
    row = _find(_platform_of_token(), (token_id.hex,))
    return _UNKNOWN if row is None else _judged(row, address)


def _judged(row: tuple[Any, ...], address: str | None, moved: usage.Moved | None = None) -> PlatformVerdict:
    """Return the verdict on the IBM Cloud API key of a row, and note it. All conditions are evaluated."""
    (key_id, uuid, name, is_enabled, expires_at, user_addresses, member_id, status, api_username,
     account_id, account_addresses, email, is_frozen, _, _) = row  # fmt: skip
    failing = {
        Reason.EXPIRED: expires_at is not None and expires_at <= _now(),
        Reason.DISABLED: not is_enabled,
        Reason.STATUS: status not in _CALLING,
        Reason.FROZEN: is_frozen,
        Reason.USER_ADDRESS: not stored(user_addresses or "").allows(address),
        Reason.ACCOUNT_ADDRESS: not stored(account_addresses).allows(address),
    }
    reason = next((reason for reason, fails in failing.items() if fails), None)
    verdict = PlatformVerdict(reason, key_id, member_id, account_id, api_username, email, uuid, name)
    if reason is None:
        usage.collector.accepted(uuid, address, moved)
    else:
        note_refused(verdict, reason.value, address)
    return verdict


def _now() -> datetime:
    """Return the time in UTC, as the rows have it."""
    return datetime.now(UTC).replace(tzinfo=None)


def _moved(digests: Mapping[str, bytes], found: str) -> usage.Moved | None:
    """Return the digest that takes the place of the one found; none if that is the current master key's."""
    current = next(iter(digests))
    return None if found == current else usage.Moved(digests[found], digests[current], current)


def note_refused(verdict: Verdict, why: str, address: str | None) -> None:
    """Note that a call with the known key of ``verdict`` was refused, for the activity log."""
    account_id, holder_id = verdict.account_id, verdict.member_id
    if isinstance(verdict, PlatformVerdict):
        usage.collector.refused(
            key_id=verdict.uuid, account_id=account_id, holder_id=holder_id, why=why, address=address,
            action=CALL_REFUSED, facts=verdict.facts,
        )  # fmt: skip
    else:
        usage.collector.refused(
            key_id=verdict.key_id, account_id=account_id, holder_id=holder_id, why=why, address=address
        )


def _canonical(username: str) -> str:
    """Return the form under which API usernames are stored; empty, which is nobody's, for what cannot be one."""
    # Most names are plain ASCII, where the two Unicode normalisations change nothing.
    name = username.strip().lower() if username.isascii() else canonical_email(username)
    # The drivers would raise errors for lone surrogates and NUL.
    if len(name) > _LONGEST_USERNAME or not name.isprintable():
        return ""
    return name


def _find(question: "_Question", values: tuple[str | bytes, ...]) -> tuple[Any, ...] | None:
    """Return the row of the key that is found by ``values``; tries again on a new connection if the first was lost."""
    wrapper = connections[DEFAULT_DB_ALIAS]
    try:
        return _ask(wrapper, question, values)
    except Error as error:
        if wrapper.in_atomic_block:
            raise Unavailable from error  # the caller's transaction cannot go on by another connection
    try:
        wrapper.close()
        return _ask(wrapper, question, values)
    except Error as error:
        raise Unavailable from error


def _ask(
    wrapper: BaseDatabaseWrapper, question: "_Question", values: tuple[str | bytes, ...]
) -> tuple[Any, ...] | None:
    """Run the statement by the driver beneath Django's connection; raises what Django makes of the driver's errors."""
    wrapper.ensure_connection()
    driver = wrapper.connection
    with wrapper.wrap_database_errors:
        if wrapper.vendor == "postgresql":
            return _ask_postgresql(driver, question, values)
        # All rows, though there is one at most: a result that is not read to its end keeps the database state that it
        # began with, and the next verification would see nothing newer.
        rows = driver.execute(question.marked, (*question.constants, *values)).fetchall()
    return rows[0] if rows else None


def _ask_postgresql(driver: Any, question: "_Question", values: tuple[str | bytes, ...]) -> tuple[Any, ...] | None:
    """Run the statement, prepared once on each connection, by libpq: a cursor takes four times as long around it.

    *Source:* PostgreSQL documentation, "Extended Query" and "Binary Format"; psycopg, "psycopg.pq".
    """
    import psycopg  # noqa: PLC0415 - where there is PostgreSQL alone

    name = plans.kept(driver, question.statement, about="keytree_verify")
    sent = [*question.sent, *map(question.send, values)]
    result = driver.pgconn.exec_prepared(name.encode(), sent, None, psycopg.pq.Format.BINARY)
    if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
        raise psycopg.errors.error_from_result(result)
    if not result.ntuples:
        return None
    return tuple(read(result.get_value(0, place)) for place, read in enumerate(question.readers))


class _Question:
    """The one statement that asks for a key, as the ORM writes it: tables and columns are named by the models alone.

    What PostgreSQL answers it sends in its binary form, and what it is asked it takes as texts.

    Attributes:
        constants: what goes into the statement before the values that keys are found by; numbers.
    """

    def __init__(
        self,
        keys: QuerySet[Any, Any],
        *,
        values: int,
        send: Callable[[Any], bytes],
        readers: Sequence[Callable[[Any], Any]],
    ) -> None:
        self.statement, constants = keys.query.sql_with_params()
        self.constants = tuple(constants[:-values])
        self.marked = self.statement.replace("%s", "?")
        self.send, self.readers = send, readers
        self.sent = tuple(str(int(constant)).encode() for constant in self.constants)


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _moment(value: bytes | None) -> datetime | None:
    """Return a time in UTC, as SQLite's driver gives it; PostgreSQL counts microseconds."""
    return None if value is None else datetime(2000, 1, 1) + timedelta(microseconds=_number(value))  # noqa: DTZ001


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()


@cache
def _classic() -> _Question:
    """Return the question for the classic key of an API username."""
    keys = ClassicKey.objects.filter(holder__api_username="any").values_list(
        "id", "digest", "ring_key_id", "allowed_addresses", "holder_id", "holder__status", "holder__api_username",
        "account_id", "account__allowed_addresses", "holder__user__email", hierarchy.frozen("holder_path"),
    )  # fmt: skip
    readers = (
        _number, bytes, bytes.decode, bytes.decode, _number, bytes.decode, bytes.decode,
        _number, bytes.decode, bytes.decode, any,
    )  # fmt: skip
    return _Question(keys, values=1, send=str.encode, readers=readers)


@cache
def _platform(digests: int) -> _Question:
    """Return the question for the IBM Cloud API key with one of so many digests: one for each master key."""
    keys = PlatformKey.objects.filter(digest__in=[bytes([number]) for number in range(digests)])
    return _of_platform(keys, values=digests, send=_bytea)


@cache
def _platform_of_token() -> _Question:
    """Return the question for the IBM Cloud API key that a token names."""
    keys = PlatformKey.objects.filter(token_id=UUID(int=0))
    return _of_platform(keys, values=1, send=str.encode)


def _of_platform(keys: QuerySet[PlatformKey], *, values: int, send: Callable[[Any], bytes]) -> _Question:
    kept = KeptRestriction.objects.filter(holder_id=OuterRef("holder_id")).values("allowed_addresses")
    rows = keys.values_list(
        "id", "uuid", "name", "is_enabled", "expires_at",
        Coalesce("holder__classic_key__allowed_addresses", Subquery(kept)), "holder_id", "holder__status",
        "holder__api_username", "account_id", "account__allowed_addresses", "holder__user__email",
        hierarchy.frozen("holder__path"), "digest", "ring_key_id",
    )  # fmt: skip
    readers = (
        _number, bytes.hex, bytes.decode, any, _moment, _text, _number, bytes.decode, bytes.decode,
        _number, bytes.decode, bytes.decode, any, bytes, bytes.decode,
    )  # fmt: skip
    return _Question(rows, values=values, send=send, readers=readers)


def _bytea(value: bytes) -> bytes:
    return rb"\x" + value.hex().encode()
