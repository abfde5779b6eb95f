"""A value of an IBM Cloud API key of which everything happens that can: it is in nothing that is kept or sent."""

import io
import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts import memberships, outbox
from accounts.models import Event
from accounts.origin import COMMAND_LINE
from keys import material, usage
from keys.material import PlainValue
from keys.models import LeakedAction, PlatformKey
from keys.platform import lifecycle
from tests.leaks.acts import call_interface, call_with
from tests.leaks.search import PLATFORM_VALUE, Seeker, database_cells, everything_kept
from tests.trees import make_platform_key
from tests.visitors import body_of, visitor

pytestmark = pytest.mark.django_db

TYPED = {"name": "Build server", "description": "A text", "expires": "", "leaked_action": "nothing"}


@pytest.fixture
def created(cast, people, collector, monkeypatch) -> PlatformKey:
    """Noor's key of a known value, created by the page."""
    with monkeypatch.context() as patch:
        patch.setattr(material, "new_platform_value", lambda: PlainValue(PLATFORM_VALUE))
        answer = people["noor"].post(f"/iam/users/{cast['noor'].pk}/platform_key", TYPED)
    assert PLATFORM_VALUE in body_of(answer).decode()
    return PlatformKey.objects.get()


def live_through_everything(key: PlatformKey, people, cast) -> None:
    """Calls, changes by others, which are told by mail, reports, expiry, and the removal of its user at last."""
    url = f"/iam/apikeys/platform/{key.pk}"
    for username in ("apikey", PLATFORM_VALUE, "1234567_noor@acme.example"):
        call_with(username, PLATFORM_VALUE)
        call_interface(username, PLATFORM_VALUE)
    for action in ("disable", "enable", "lock", "unlock"):
        assert people["olivia"].post(f"{url}/{action}", {}).status_code == 302, action
        call_with("apikey", PLATFORM_VALUE)
    edit = body_of(people["olivia"].get(f"{url}/edit")).decode()
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', edit))
    assert people["olivia"].post(f"{url}/edit", {**hidden, **TYPED, "name": "Another"}).status_code == 302
    usage.flush()
    assert lifecycle.report_leaked(value=PLATFORM_VALUE, source="a scanner", origin=COMMAND_LINE)
    assert lifecycle.report_leaked(value=PLATFORM_VALUE[:-1] + "x", source="a scanner", origin=COMMAND_LINE) is None
    now = timezone.now()
    PlatformKey.objects.update(expires_at=now + timedelta(days=1))
    assert lifecycle.tell_expiring(now=now, origin=COMMAND_LINE) == 1
    outbox.send_due()
    memberships.remove_member(member=cast["noor"], by=cast["olivia"], origin=COMMAND_LINE)
    outbox.send_due()


def test_value_is_in_nothing_that_is_kept_or_sent(created, people, cast, log, mailoutbox):
    """In no row, event, session, log or mail, in no way of writing it; those it could be in are all there."""
    live_through_everything(created, people, cast)
    happened = {event.action.partition(".")[2] for event in Event.objects.filter(action__startswith="platform_key.")}
    assert happened == {
        "created", "disabled", "enabled", "locked", "unlocked", "edited", "leaked", "expires_soon", "deleted",
        "call_refused",
    }  # fmt: skip
    subjects = [message.subject.partition(" (")[0] for message in mailoutbox if message.to == ["noor@acme.example"]]
    assert subjects == [
        "Your API key was disabled", "Your API key was enabled", "Your API key was changed", "Your API key was leaked",
        "Your API key expires soon", "You were removed from an account",
    ]  # fmt: skip
    seeker = Seeker([PLATFORM_VALUE])
    assert not [place for place, content in everything_kept() if seeker.finds(content)]
    assert not [line for line in log.made if seeker.finds(line)]
    assert not seeker.finds(log.printed.getvalue())
    assert any("keys_platformkey" in line for line in log.made)


def test_what_tokens_call_a_key_by_is_told_to_nobody(created, people, cast):
    """It is in the row of the key, and goes with it."""
    seeker = Seeker([created.token_id.hex, str(created.token_id)])
    assert [place for place, content in everything_kept() if seeker.finds(content)]
    addresses = (
        "/iam/apikeys?view=my", "/iam/apikeys?view=all", "/iam/apikeys/my.csv", "/iam/apikeys/all.csv", "/iam/activity",
        f"/iam/users/{cast['noor'].pk}", f"/iam/apikeys/platform/{created.pk}/edit", "/iam/inactive?tab=keys",
    )  # fmt: skip
    for client in (people["noor"], people["olivia"]):
        assert not [address for address in addresses if seeker.finds(body_of(client.get(address)))]
    live_through_everything(created, people, cast)
    assert not [place for place, content in everything_kept() if seeker.finds(content)]


def test_commands_do_not_print_it(created, people, cast, capfd):
    """Nor what it was digested to: who has that and the ring has no more than before, but nobody needs it."""
    digest = bytes(created.digest).hex()
    for command in (["verify_audit"], ["check_tree"], ["check_data"], ["rotate_keys"], ["housekeeping"]):
        out = io.StringIO()
        call_command(*command, stdout=out, stderr=out)
        said = out.getvalue() + "".join(capfd.readouterr())
        assert not Seeker([PLATFORM_VALUE, digest]).finds(said), command


@pytest.mark.parametrize("goes", ["deleted", "leaked", "expired", "removed"])
def test_a_key_that_is_gone_leaves_nothing_to_compare_a_value_with(goes, cast, origin):
    noor = cast["noor"]
    key = make_platform_key(noor, leaked_action=LeakedAction.DELETE)
    now = timezone.now()
    match goes:
        case "deleted":
            lifecycle.delete_platform_key(key=key, by=noor, origin=origin)
        case "leaked":
            lifecycle.report_leaked(value=key.value, source="a scanner", origin=origin)
        case "expired":
            PlatformKey.objects.update(expires_at=now - lifecycle.KEPT_AFTER)
            lifecycle.delete_expired(now=now, origin=origin)
        case "removed":
            memberships.remove_member(member=noor, by=cast["olivia"], origin=origin)
    assert not PlatformKey.objects.exists()
    cells = [bytes(cell) for name, cell in database_cells() if isinstance(cell, bytes | memoryview)]
    assert not [cell for cell in cells if key.digest in cell and len(cell) < 10_000]


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
def test_value_is_in_no_error_page_with_debug_on(accept, cast, settings, monkeypatch, log):
    """Neither as a variable nor in the words of the error, which head the page."""
    settings.DEBUG = True
    key, client = make_platform_key(cast["noor"]), visitor(cast["noor"], raises=False)
    seeker = Seeker([key.value])

    def fail(*_, **__):
        local_with_value = key.value
        raise RuntimeError(f"on purpose, with {local_with_value}")

    monkeypatch.setattr("keys.platform.lifecycle._facts", fail)
    answer = client.post(f"/iam/apikeys/platform/{key.pk}/lock", {}, headers={"accept": accept})
    assert answer.status_code == 500
    assert answer["Content-Type"].startswith(accept)
    assert b"on purpose, with [redacted]" in answer.content
    assert b"local_with_value" in answer.content
    assert not seeker.finds(answer.content)
    assert "on purpose" in log.printed.getvalue()
    assert not seeker.finds(log.printed.getvalue())
