"""A database that is away at any statement of a request: the answer is 503, and what was done was done whole."""

import pytest
from django.db import OperationalError

from accounts import signin
from accounts.models import Member
from console import demo
from tests.conftest import ACME, BOREALIS
from tests.faults.failing import MOST_STATEMENTS, failing, stored
from tests.visitors import visitor

pytestmark = pytest.mark.django_db(transaction=True)


def test_database_away_at_any_statement_of_a_request_is_answered_with_503(writes, monkeypatch):
    """Whatever of it was done by then, it was done whole: what an answer could not say, the events do."""
    monkeypatch.setattr(signin.throttle, "count_attempt", lambda *_: None)
    monkeypatch.setattr(signin.throttle, "forget_success", lambda *_: None)
    noor = Member.objects.select_related("user").get(account_id=ACME, user__email="noor@acme.example")
    password = {"username": noor.user.email, "password": demo.PASSWORD}
    for who, path, fields in [
        (None, "/login", password),
        (noor, "/iam/apikeys", None),
        (noor, "/iam/apikeys?view=my", None),
        (noor, "/iam/users", None),
        (noor, "/iam/activity", None),
        (noor, f"/iam/users/{noor.pk}/classic_key", {}),
        (noor, "/account/switch", {"account": BOREALIS}),
        (noor, "/logout", {}),
    ]:
        for number in range(1, MOST_STATEMENTS):
            client, before = visitor(who, raises=False), stored()
            with failing(number, OperationalError) as has_failed:
                answer = client.get(path) if fields is None else client.post(path, fields)
            if not has_failed:
                break
            assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5"), (path, number)
            after = stored()
            changed = {table for table in after if after[table] != before[table]}
            assert changed == set() or changed >= {"Event", "AuditChain"}, (path, number)
        assert number > 2
        assert answer.status_code in {200, 302}, path
