"""Damages the tree past the database's constraints, as a copy of the data restored without them would be."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from accounts.models import Member

_CHECKS = {
    "accounts_member": ("member_path_follows_parent", "member_depth"),
    "keys_classickey": ("classic_key_path_is_holders",),
}


@contextmanager
def unguarded() -> Iterator[None]:
    """Take the constraints away inside the block, and undo everything that happened in it at its end.

    Foreign keys need no more than that: they are checked at the end of a transaction, which this one does not reach.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be altered
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")
                for table, names in _CHECKS.items():
                    for name in names:
                        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            else:
                cursor.execute("PRAGMA ignore_check_constraints = ON")
            cursor.execute("DROP INDEX member_one_owner")
        try:
            yield
        finally:
            if connection.vendor == "sqlite":
                with connection.cursor() as cursor:
                    cursor.execute("PRAGMA ignore_check_constraints = OFF")
            transaction.set_rollback(True)


def damage(member: Member, **values: object) -> None:
    """Write these values into the member's row, whatever the tree then is."""
    Member.objects.filter(pk=member.pk).update(**values)
