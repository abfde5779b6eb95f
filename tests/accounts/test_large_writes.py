"""Writes of very many rows have more of SQLite's database in memory, and only while they last."""

import pytest
from django.db import IntegrityError, connection, transaction

from accounts import hierarchy, importing, member_files
from accounts.models import User
from accounts.origin import Origin
from accounts.transactions import large_write
from keys.lifecycle import revoke_branch

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

ORIGIN = Origin("17.5.7.8", "large")
USUAL, LARGE = -384, -32 * 1024  # KiB


def kept() -> int:
    return connection.connection.execute("PRAGMA cache_size").fetchone()[0]


def move(cast):
    hierarchy.move_branch(cast["priya"], cast["olivia"])


def revoke(cast):
    revoke_branch(member=cast["marcus"], chosen=[], seen=[], reason="Large", by=cast["olivia"], origin=ORIGIN)


def carry_out(cast):
    importing.carry_out(member_files.read(b"email\na@x.example"), by=cast["marcus"], origin=ORIGIN)


@pytest.mark.parametrize("write", [move, revoke, carry_out])
def test_write_of_many_rows_has_more_memory(cast, write):
    sizes = []

    def note(execute, *statement):
        sizes.append(kept())
        return execute(*statement)

    with connection.execute_wrapper(note):
        write(cast)
    assert {*sizes} == {USUAL, LARGE}
    assert kept() == USUAL


def test_memory_is_given_back_after_a_write_that_failed(cast):
    with pytest.raises(IntegrityError), transaction.atomic(), large_write(), transaction.atomic(savepoint=False):
        User.objects.create(email=cast["olivia"].user.email)
    assert kept() == USUAL
