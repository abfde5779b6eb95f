"""Statements that PostgreSQL keeps on a connection, with their plans.

To plan the joins of a page takes it several times as long as to run them. SQLite's driver keeps statements by itself.

*Source:* PostgreSQL documentation, "PREPARE" and "Extended Query"; psycopg, "psycopg.pq".
"""

import math
import re
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

#: Unknown statement, and a plan with other types of columns. Source: PostgreSQL documentation, "Error Codes".
_LOST = frozenset({"26000", "0A000"})

#: By connection of the driver and text, the name under which PostgreSQL keeps it.
_names: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()
_numbers = count()  # for names that no connection has had before


def kept(driver: Any, text: str, *, about: str, at_most: float = math.inf) -> str:
    """Return the name under which PostgreSQL keeps a statement on this connection, having it kept if it is new.

    It stays kept whatever becomes of the transaction. Empty if it is new, and ``at_most`` as many are kept already.

    Args:
        driver: psycopg's connection.
        text: the statement, with ``%s`` for each value, as Django writes it.
        about: begins the name, for whoever watches the database.

    Raises psycopg's errors.
    """
    names = _names.get(driver)
    if names is None:
        names = _names[driver] = {}
    name = names.get(text, "")
    if not name and len(names) < at_most:
        name = f"{about}_{next(_numbers)}"
        _prepare(driver, name, text)
        names[text] = name
    return name


def forget_lost(driver: Any, error: Exception) -> bool:
    """Whether a kept statement failed only for being kept; then all of this connection are forgotten.

    They are gone where a pooler gave the connection to somebody else meanwhile, and useless where the type of a column
    was changed while the program went on running.
    """
    is_lost = getattr(error.__cause__, "sqlstate", None) in _LOST
    if is_lost:
        _names.pop(driver, None)
    return is_lost


def _prepare(driver: Any, name: str, text: str) -> None:
    import psycopg  # noqa: PLC0415 - where there is PostgreSQL alone

    numbers = count(1)
    numbered = re.sub("%[s%]", lambda found: "%" if found[0] == "%%" else f"${next(numbers)}", text)
    # By the driver beneath: it is no statement that a page asks for, and none that the driver would keep in turn.
    result = driver.pgconn.prepare(name.encode(), numbered.encode())
    if driver.closed:
        raise psycopg.OperationalError("The connection was lost.")  # of which the result says nothing
    if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result)
