"""The index of letter groups: finds the members whose texts may hold some terms, without reading all texts.

An index entry is a group of three letters. A text that holds a term holds all its groups, but not the other way round,
so the texts that the index finds are read as well: the result is exactly what reading every text would give.

* PostgreSQL: a GIN index over a function of account and text, on a table of texts that triggers keep up to date. On
  the members' own table, moving a branch would insert all its texts into the index again. It needs no extension:
  ``pg_trgm`` knows letters only by the database's locale, and would read other accounts' entries too.
* SQLite: an FTS5 table. Triggers cannot write to it, because the schema is not trusted; they note the members for whom
  it is out of date. Searches read those too, so they are right whichever program wrote. ``catch_up`` updates the index.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

Row = TypeVar("Row", bound=Model)

#: Letters of a group: shorter terms are in no index.
_GROUP = 3


def by_index(
    rows: QuerySet[Row], terms: Sequence[str], account_id: int, *, text: str = "search_text", key: str = "pk"
) -> list[QuerySet[Row]]:
    """Return querysets that together hold those of ``rows`` in the account whose members' texts hold every term.

    The list is empty if no term is long enough for the index.

    Args:
        rows: without any condition that another index serves, because a database might use that one.
        terms: folded, as the texts are.
        account_id: the account.
        text: the rows' column with the member's text.
        key: the rows' column with the member's primary key.
    """
    indexed_terms = [term for term in terms if len(term) >= _GROUP]
    if not indexed_terms:
        return []
    if connection.vendor == "postgresql":
        # The text is read from the table with the index, not from the members' own: one join less.
        text_there = RawSQL("accounts_member_text.search_text", [], output_field=TextField())
        in_index: QuerySet[Any] = rows.filter(account_id=account_id).alias(text_there=text_there)
        in_index = in_index.filter(**{key: RawSQL("accounts_member_text.member_id", [])})
        in_index = _holding(in_index, "text_there", terms).extra(tables=["accounts_member_text"])
        for term in indexed_terms:
            in_index = in_index.extra(
                where=[
                    (
                        "accounts_letter_groups(accounts_member_text.account_id, accounts_member_text.search_text) "
                        "@> accounts_letter_groups(%s, %s)"
                    )
                ],
                params=[account_id, term],
            )
        return [in_index]
    walled: QuerySet[Any] = rows.alias(walled_account=Coalesce("account_id", "account_id"))
    rows = _holding(walled.filter(walled_account=account_id), text, terms)
    # The plus keeps SQLite from asking the index about each row instead of following it.
    indexed = rows.filter(**{key: RawSQL("+accounts_member_index.rowid", [])}).extra(
        tables=["accounts_member_index"], where=["accounts_member_index MATCH %s"], params=[_match(indexed_terms)]
    )
    unindexed = RawSQL("SELECT member_id FROM accounts_member_unindexed", [])
    return [indexed, rows.filter(**{f"{key}__in": unindexed})]


def _holding(rows: QuerySet[Any], text: str, terms: Sequence[str]) -> QuerySet[Any]:
    """Return those of ``rows`` whose column ``text`` holds every term, and not only its groups."""
    for term in terms:
        rows = rows.filter(**{f"{text}__contains": term})
    return rows


def _match(terms: Sequence[str]) -> str:
    """Return FTS5's words for "holds all groups of all terms"."""
    groups = {term[at : at + _GROUP]: None for term in terms for at in range(len(term) - _GROUP + 1)}
    return " AND ".join('"{}"'.format(group.replace('"', '""')) for group in groups)


def catch_up() -> None:
    """Bring SQLite's index up to date; to be called last in a transaction that wrote members.

    PostgreSQL's index follows by itself.
    """
    if connection.vendor == "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_member_index (accounts_member_index, rowid, search_text) "
            "SELECT 'delete', member_id, indexed_text FROM accounts_member_unindexed WHERE indexed_text IS NOT NULL"
        )
        cursor.execute(
            "INSERT INTO accounts_member_index (rowid, search_text) SELECT id, search_text FROM accounts_member "
            "WHERE id IN (SELECT member_id FROM accounts_member_unindexed)"
        )
        cursor.execute("DELETE FROM accounts_member_unindexed")


def disagreements() -> Iterator[str]:
    """Yield a finding for each member whose text in PostgreSQL's table differs from the member's own.

    Triggers keep the two alike; if a database was restored without them, users might not be found. Yields nothing on
    SQLite, where searches read whatever the index is out of date for.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(own.id, copy.member_id) FROM accounts_member AS own "
            "FULL JOIN accounts_member_text AS copy ON copy.member_id = own.id "
            "WHERE (own.id, own.account_id, own.search_text) "
            "IS DISTINCT FROM (copy.member_id, copy.account_id, copy.search_text) ORDER BY 1"
        )
        for (member_id,) in cursor:
            yield f"member {member_id}: searches look through another text than the member's own"
