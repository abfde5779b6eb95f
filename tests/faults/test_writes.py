"""A fault at every statement of every write: it leaves everything as it was, and then it works as if never tried.

The statements are counted by trying: the first is made to fail, then the second, until the write comes to its end.
Transactions are real ones here, on whichever database the suite runs.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import IntegrityError, OperationalError, connection

from accounts import audit, signin
from accounts.models import Event, Member
from accounts.sessions import SessionStore
from console import demo
from tests.conftest import ACME, BOREALIS
from tests.faults.failing import MOST_STATEMENTS, failing, stored
from tests.faults.writes import ORIGIN, Write, request_of
from tests.visitors import noting_writes

pytestmark = pytest.mark.django_db(transaction=True)


class Fault(Exception):
    """Of no kind that anything in the program expects."""


def assert_done(write: Write, before: Mapping[str, Any]) -> None:
    """What the write has changed since is what it says that it changes, and so are the events."""
    after = stored()
    changed = {table for table in after if after[table] != before[table]}
    trail = {"Event", "AuditChain"} if write.events else set()
    assert changed == write.changes | trail
    new = Event.objects.order_by("pk")[len(before["Event"]) :]
    assert [event.action for event in new] == write.events


@pytest.mark.parametrize("kind", [Fault, pytest.param(IntegrityError, marks=pytest.mark.sqlite_only)])
def test_fault_at_any_statement_changes_nothing_and_leaves_no_event(writes, kind, monkeypatch):
    monkeypatch.setattr(signin.throttle, "count_attempt", lambda *_: None)
    for write in writes:
        call, before = write.prepare(), stored()
        for number in range(1, MOST_STATEMENTS):
            is_done = False
            with failing(number, kind) as failed, suppress(kind):
                call()
                is_done = True
            if is_done:
                # Although something may have failed: a session whose id was taken gets another.
                assert_done(write, before)
                if not failed:
                    break
            assert is_done or stored() == before, f"{write.name}, statement {number}"
            with noting_writes() as written:
                call = write.prepare()
            if is_done or written:  # else it is all as it was, which was just looked at
                before = stored()
        assert number > 2, f"{write.name} asks the database for nothing"
        assert number < MOST_STATEMENTS - 1
    assert [list(audit.breaks(account)) for account in (ACME, BOREALIS, 7_777_777)] == [[], [], []]


def test_fault_at_the_end_of_the_transaction_changes_nothing_and_leaves_no_event(writes, monkeypatch):
    """The last moment at which a database can refuse: a disk that is full, a connection that is gone."""
    commit, refusals = connection._commit, []

    def refuse():
        if refusals:
            raise OperationalError(refusals.pop())
        return commit()

    monkeypatch.setattr(signin.throttle, "count_attempt", lambda *_: None)
    monkeypatch.setattr(signin.throttle, "forget_success", lambda *_: None)
    monkeypatch.setattr(connection, "_commit", refuse)
    for write in writes:
        call = write.prepare()
        before = stored()
        refusals.append("the fault")
        with pytest.raises(OperationalError, match="the fault"):
            call()
        assert stored() == before, write.name
        write.prepare()()
        assert_done(write, before)


@pytest.mark.parametrize("change", ["prove_identity", "switch_account"])
def test_what_an_event_says_of_a_session_is_stored_with_it(writes, change):
    """Not after the answer is made: whatever ended the process between the two would leave the event alone."""
    noor = Member.objects.select_related("user").get(account_id=ACME, user__email="noor@acme.example")
    request = request_of(noor)
    request.session["proved_at"] = 0
    if change == "prove_identity":
        signin.prove_identity(request, member=noor, password=demo.PASSWORD, origin=ORIGIN)
    else:
        signin.switch_account(request, account_id=BOREALIS, origin=ORIGIN)
    kept = SessionStore(request.session.session_key).load()
    assert kept == dict(request.session.items())
    assert (kept["account_id"], kept["proved_at"] > 0) in {(ACME, True), (BOREALIS, False)}


@pytest.mark.parametrize("change", ["prove_identity", "switch_account", "enter_account"])
def test_session_that_was_ended_meanwhile_is_neither_changed_nor_brought_back(writes, change):
    noor = Member.objects.select_related("user", "account").get(account_id=ACME, user__email="noor@acme.example")
    request, before = request_of(noor), stored()
    SessionStore.get_model_class().objects.all().delete()
    calls = {
        "prove_identity": lambda: signin.prove_identity(request, member=noor, password=demo.PASSWORD, origin=ORIGIN),
        "switch_account": lambda: signin.switch_account(request, account_id=BOREALIS, origin=ORIGIN),
        "enter_account": lambda: signin.enter_account(request, member=noor, origin=ORIGIN),
    }
    with pytest.raises(SessionInterrupted):
        calls[change]()
    assert stored() == {**before, "Session": []}
