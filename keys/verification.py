"""Whether a key works: API username, value and client's address in, a verdict out. No request, no answer to a caller.

It is the most frequent question, so it is one statement by a unique index, given straight to the database's driver.
Nothing is cached: what was deleted, suspended or restricted is refused from the next call on. Callers are told only
``accepted``; the reason is for the activity log.

*Source:* docs/rules.md, "Whose key works"; the figures are in docs/performance.md.
"""

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any
from weakref import WeakSet

from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts import hierarchy, sealing
from accounts.addresses import stored
from accounts.enums import CALLING_STATUSES
from accounts.names import EMAIL_BYTES, canonical_email
from keys import material, usage
from keys.models import ClassicKey

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
    STATUS = "the user's status"
    FROZEN = "the user's branch is frozen"
    KEY_ADDRESS = "the key's address restriction"
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


_UNKNOWN = Verdict(Reason.UNKNOWN)


def verify(username: str, secret: str, address: str | None) -> Verdict:
    """Decide whether a call with this API username and value, from this address, is accepted.

    One query. An acceptance and a refusal of a known key are noted in memory for ``keys.usage`` to write later; nothing
    is written here. Raises Unavailable when the database does not answer, after one new connection.

    Args:
        username: as presented; case and Unicode form do not matter.
        secret: the presented value, any text.
        address: the client's, as ``accounts.addresses.client_address`` gives it; None when unknown.
    """
    row = _find(_canonical(username))
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
    usage.collector.refused(
        key_id=key_id, account_id=account_id, holder_id=member_id, why=reason.value, address=address
    )
    return Verdict(reason, key_id, member_id, account_id, api_username, email)


def _canonical(username: str) -> str:
    """Return the form under which API usernames are stored; empty, which is nobody's, for what cannot be one."""
    # Most names are plain ASCII, where the two Unicode normalisations change nothing.
    name = username.strip().lower() if username.isascii() else canonical_email(username)
    # The drivers would raise errors for lone surrogates and NUL.
    if len(name) > _LONGEST_USERNAME or not name.isprintable():
        return ""
    return name


def _find(username: str) -> tuple[Any, ...] | None:
    """Return the row of the key with this API username; tries again on a new connection if the first was lost."""
    wrapper = connections[DEFAULT_DB_ALIAS]
    try:
        return _ask(wrapper, username)
    except Error as error:
        if wrapper.in_atomic_block:
            raise Unavailable from error  # the caller's transaction cannot go on by another connection
    try:
        wrapper.close()
        return _ask(wrapper, username)
    except Error as error:
        raise Unavailable from error


def _ask(wrapper: BaseDatabaseWrapper, username: str) -> tuple[Any, ...] | None:
    """Run the statement by the driver beneath Django's connection; raises what Django makes of the driver's errors."""
    wrapper.ensure_connection()
    driver = wrapper.connection
    with wrapper.wrap_database_errors:
        if wrapper.vendor == "postgresql":
            return _ask_postgresql(driver, username)
        statement, constants = _statement("?")
        # All rows, though there is one at most: a result that is not read to its end keeps the database state that it
        # began with, and the next verification would see nothing newer.
        rows = driver.execute(statement, (*constants, username)).fetchall()
    return rows[0] if rows else None


def _ask_postgresql(driver: Any, username: str) -> tuple[Any, ...] | None:
    """Run the statement, prepared once on each connection, by libpq: a cursor takes four times as long around it.

    *Source:* PostgreSQL documentation, "Extended Query" and "Binary Format"; psycopg, "psycopg.pq".
    """
    import psycopg  # noqa: PLC0415 - where there is PostgreSQL alone

    session = driver.pgconn
    statement, constants = _postgresql_statement()
    if driver not in _prepared:
        result = session.prepare(_NAME, statement)
        if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
        _prepared.add(driver)
    result = session.exec_prepared(_NAME, [*constants, username.encode()], None, psycopg.pq.Format.BINARY)
    if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
        raise psycopg.errors.error_from_result(result)
    if not result.ntuples:
        return None
    return tuple(read(result.get_value(0, place)) for place, read in enumerate(_READERS))


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


_NAME = b"keytree_verify"
#: The connections on which the statement is prepared.
_prepared: WeakSet[Any] = WeakSet()
#: How the columns of the statement are read that PostgreSQL sends in its binary form, in their order.
_READERS: tuple[Callable[[bytes], Any], ...] = (
    _number, bytes, bytes.decode, bytes.decode, _number, bytes.decode, bytes.decode,
    _number, bytes.decode, bytes.decode, any,
)  # fmt: skip


@cache
def _statement(mark: str) -> tuple[str, tuple[Any, ...]]:
    """Return the one statement, as the ORM writes it, and the numbers that go into it before the API username.

    ``mark`` stands in it where a value goes.

    Tables and columns are named by the models alone, and what a frozen branch is by the tree.
    """
    keys = ClassicKey.objects.filter(holder__api_username="any").values_list(
        "id", "digest", "ring_key_id", "allowed_addresses", "holder_id", "holder__status", "holder__api_username",
        "account_id", "account__allowed_addresses", "holder__user__email", hierarchy.frozen("holder_path"),
    )  # fmt: skip
    statement, (*constants, _) = keys.query.sql_with_params()
    return statement.replace("%s", mark), tuple(constants)


@cache
def _postgresql_statement() -> tuple[bytes, tuple[bytes, ...]]:
    """Return the same as libpq takes it: its marks are numbered, and values are texts."""
    statement, constants = _statement("%s")
    numbers = count(1)
    numbered = re.sub("%s", lambda _: f"${next(numbers)}", statement)
    return numbered.encode(), tuple(str(int(constant)).encode() for constant in constants)
