"""Values of IBM Cloud API keys that calls were made with: they are in no answer, row, event or log."""

import io

import pytest
from django.core.management import call_command

from accounts.models import Event
from accounts.origin import COMMAND_LINE
from console.middleware import ALWAYS
from keys import usage
from keys.api.application import ApiApplication
from keys.api.calls import Answer
from keys.models import PlatformKey
from keys.platform.lifecycle import Description, create_platform_key
from tests.keys.api.calling import document, headed, send
from tests.keys.calls import basic, django
from tests.leaks.acts import call_interface, call_with
from tests.leaks.search import Seeker, everything_kept
from tests.rings import put_first

pytestmark = pytest.mark.django_db

_CURRENT_USER = "/rest/v3.1/SoftLayer_Account/getCurrentUser"


@pytest.fixture
def values(cast, collector) -> list[str]:
    """Those of one key each, of which Marcus's is disabled."""
    made = []
    for name in ("priya", "marcus", "noor"):
        _, value = create_platform_key(description=Description(name), by=cast[name], origin=COMMAND_LINE)
        made.append(value.text)
    PlatformKey.objects.filter(holder=cast["marcus"]).update(is_enabled=False)
    return made


@pytest.fixture
def seeker(values) -> Seeker:
    return Seeker(values)


def call_in_earnest(values: list[str]) -> None:
    """Call in every way, rightly and wrongly, and let all that is noted be written."""
    for value in values:
        for username in ("apikey", "1234567_priya@acme.example", value):
            call_with(username, value)
            call_interface(username, value)
        call_interface("apikey", value[:-1] + "-")
    usage.flush()


def test_values_of_calls_are_kept_nowhere_also_when_digests_move(values, seeker, log, settings):
    put_first(settings)
    call_in_earnest(values)
    assert set(PlatformKey.objects.values_list("is_enabled", "ring_key_id")) == {(True, "2"), (False, "1")}
    happened = {event.action for event in Event.objects.all()}
    assert {"platform_key.created", "platform_key.call_refused", "classic_key.call_refused"} <= happened
    for command in (["verify_audit"], ["rotate_keys"]):
        call_command(*command, stdout=io.StringIO(), stderr=io.StringIO())
    assert not [place for place, content in everything_kept() if seeker.finds(content)]
    assert any("keys_platformkey" in line for line in log.made)  # statements of the database are among them
    assert not [line for line in log.made if seeker.finds(line)]
    assert not seeker.finds(log.printed.getvalue())


def test_no_answer_to_a_call_has_its_value(values, seeker):
    for value in values:
        for reply in call_interface("apikey", value):
            assert not seeker.finds(reply.body)
            assert not seeker.finds(reply.headers)
        assert not seeker.finds(call_with("apikey", value))


def test_value_of_a_call_goes_no_further_than_its_verification(values):
    """What answers calls is not given it, as it is that of a classic key, and could tell nobody by mistake."""
    callers = []
    application = ApiApplication(
        django, headers=ALWAYS, answer=lambda _, caller: callers.append(caller) or Answer(True)
    )
    send(application, "GET", _CURRENT_USER, headers={"Authorization": basic("apikey", values[0])})
    send(application, "POST", "/xmlrpc/v3.1/SoftLayer_Account", document("getObject", headed("apikey", values[0])))
    assert [(caller.key_id, caller.value) for caller in callers] == [(None, None)] * 2


def test_an_error_while_verifying_does_not_print_the_value(values, seeker, log, monkeypatch):
    def fail(username, value, address):
        raise RuntimeError(f"{username} sent {value}")

    monkeypatch.setattr("keys.views.verify.verify", fail)
    monkeypatch.setattr("keys.verification.verify", fail)
    for value in values:
        assert call_with("apikey", value)[0].startswith("401")
        assert not any(seeker.finds(reply.body) for reply in call_interface("apikey", value))
    assert "verification failed" in log.printed.getvalue()
    assert "RuntimeError" in log.printed.getvalue()
    assert not seeker.finds(log.printed.getvalue())


def test_a_value_in_an_address_is_not_printed_even_in_part(values, log):
    application = ApiApplication(django, headers=ALWAYS)
    for value in values:
        for before in range(100, 260, 20):
            assert send(application, "GET", f"/rest/v3.1/{'x' * before}/{value}").status == 401
        assert value[:12] not in log.printed.getvalue()
    assert "x/[redacted]" in log.printed.getvalue()
