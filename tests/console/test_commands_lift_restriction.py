"""``lift_restriction``: the way back for whoever locked everybody out."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts import audit
from accounts.models import Account, Event
from tests.conftest import ACME
from tests.visitors import visitor

pytestmark = pytest.mark.django_db


def run(account_id: int) -> str:
    out = StringIO()
    call_command("lift_restriction", str(account_id), stdout=out)
    return out.getvalue()


def test_everybody_is_let_in_again_and_the_server_says_so(cast):
    Account.objects.filter(pk=ACME).update(allowed_addresses="192.0.2.0/24")
    client = visitor(cast["olivia"])
    assert client.get("/iam/settings").status_code == 403
    assert run(ACME) == "Every address is allowed again. It was restricted to: 192.0.2.0/24\n"
    assert client.get("/iam/settings").status_code == 200
    event = Event.objects.get(action="account.addresses_changed")
    assert (event.actor_id, event.account_id, event.request_id) == (None, ACME, "command")
    assert event.facts == {"before": "192.0.2.0/24", "after": "none"}
    assert "The server" in client.get("/iam/activity").content.decode()
    assert list(audit.breaks(ACME)) == []


def test_what_is_not_restricted_is_left_as_it_is(cast):
    before = Event.objects.count()
    assert run(ACME) == "The account does not restrict addresses: nothing was changed.\n"
    assert Event.objects.count() == before


def test_unknown_account_is_named(cast):
    with pytest.raises(CommandError, match="There is no account 1000009"):
        run(1_000_009)
