"""``lift_restriction``: the way back for whoever locked everybody out."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts import audit
from accounts.models import Account, Event, Member
from tests.conftest import ACME
from tests.visitors import visitor

pytestmark = pytest.mark.django_db


def run(account_id: int, *options: str) -> str:
    out = StringIO()
    call_command("lift_restriction", str(account_id), *options, stdout=out)
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


def test_one_user_is_let_in_again_whom_nobody_covers(cast):
    Member.objects.update(allowed_addresses="192.0.2.0/24")
    client = visitor(cast["olivia"])
    assert client.get("/iam/users").status_code == 403
    said = run(ACME, "--user", "Olivia@ACME.example")
    assert said == "Every address is allowed again. It was restricted to: 192.0.2.0/24\n"
    assert visitor(cast["olivia"]).get("/iam/users").status_code == 200
    assert set(Member.objects.exclude(pk=cast["olivia"].pk).values_list("allowed_addresses", flat=True)) == {
        "192.0.2.0/24"
    }
    event = Event.objects.get(action="member.restriction_changed")
    assert (event.actor_id, event.subject_id, event.account_id) == (None, cast["olivia"].pk, ACME)
    assert run(ACME, "--user", "olivia@acme.example").startswith("Nothing restricts the user's addresses")
    with pytest.raises(CommandError, match="Account 1234567 has no user nobody@acme.example"):
        run(ACME, "--user", "nobody@acme.example")


def test_what_is_not_restricted_is_left_as_it_is(cast):
    before = Event.objects.count()
    assert run(ACME) == "The account does not restrict addresses: nothing was changed.\n"
    assert Event.objects.count() == before


def test_unknown_account_is_named(cast):
    with pytest.raises(CommandError, match="There is no account 1000009"):
        run(1_000_009)
