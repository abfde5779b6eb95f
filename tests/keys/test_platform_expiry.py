"""IBM Cloud API keys whose time comes: holders are told once, expired keys go, by housekeeping and by who serves."""

import sys
import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts import notifications
from accounts.models import Event, Mail, Member
from accounts.origin import COMMAND_LINE
from console import hourly
from console.hourly import HourlyApplication
from keys.models import PlatformKey
from keys.platform import lifecycle
from keys.platform.lifecycle import Description
from tests.console.programs import run
from tests.trees import make_platform_key

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def make(holder: Member, *, expires: timedelta | None, **fields: bool) -> PlatformKey:
    """A key that expires so long from now, or did."""
    return make_platform_key(holder, expires_at=timezone.now() + expires if expires is not None else None, **fields)


def tidy(capsys) -> str:
    call_command("housekeeping")
    return capsys.readouterr().out


def test_housekeeping_tells_of_keys_that_are_about_to_expire_each_once(cast, capsys, mailoutbox):
    priya = cast["priya"]
    soon = make(priya, expires=7 * DAY - timedelta(minutes=1), is_locked=True)
    make(priya, expires=7 * DAY + timedelta(hours=1))
    make(priya, expires=None)
    make(priya, expires=DAY, is_enabled=False)
    make(priya, expires=-DAY)
    Mail.objects.all().delete()
    assert "0 expired keys. Told of keys that are about to expire: 1." in tidy(capsys)
    assert "Told of keys that are about to expire: 0." in tidy(capsys)
    (event,) = Event.objects.filter(action="platform_key.expires_soon")
    assert (event.subject_id, event.actor_id, event.actor_label) == (priya.pk, None, "The server")
    assert event.facts["key"] == soon.record_id
    assert event in notifications.events_for(priya)
    assert [mail.recipient for mail in Mail.objects.all()] == ["priya@acme.example"]


def test_key_that_gets_another_day_is_told_of_anew(cast, capsys):
    key = make(cast["priya"], expires=3 * DAY)
    tidy(capsys)
    later = timezone.now() + 5 * DAY
    lifecycle.edit_platform_key(
        key=key, description=Description("Key", expires_at=later), by=cast["priya"], origin=COMMAND_LINE
    )
    assert "Told of keys that are about to expire: 1." in tidy(capsys)


def test_key_goes_ninety_days_after_it_expired_locked_or_not(cast, capsys):
    priya = cast["priya"]
    old = make(priya, expires=-90 * DAY, is_locked=True)
    younger = make(priya, expires=-90 * DAY + timedelta(minutes=1))
    assert "1 expired keys." in tidy(capsys)
    assert "0 expired keys." in tidy(capsys)
    assert list(PlatformKey.objects.filter(holder=priya)) == [younger]
    (event,) = Event.objects.filter(action="platform_key.expired_deleted")
    assert (event.subject_id, event.facts["key"]) == (priya.pk, old.record_id)


# --- Where a process serves -------------------------------------------------------------------------------------------


def test_thread_begins_with_the_first_request_and_is_the_only_one(monkeypatch):
    done, begun = threading.Event(), []

    def always() -> None:
        begun.append(threading.current_thread())
        done.wait()

    monkeypatch.setattr(hourly, "_always", always)
    application = HourlyApplication(lambda environ, _: [environ["said"]])
    assert not begun
    assert [application({"said": b"yes"}, None) for _ in range(3)] == [[b"yes"]] * 3
    done.set()
    (thread,) = begun
    assert thread.daemon
    thread.join()


@pytest.mark.sqlite_only
def test_serving_process_has_the_thread_once_it_answers_anything_but_verifications(tmp_path):
    asked = """
import threading
from wsgiref.util import setup_testing_defaults
from console.wsgi import application
for path in ("/verify", "/healthz"):
    environ = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    list(application(environ, lambda *_: None))
    print(path, "keytree-hourly" in {thread.name for thread in threading.enumerate()})
"""
    (tmp_path / "static").mkdir()  # is complained of
    done = run(sys.executable, "-c", asked, KEYTREE_ENV="demo", KEYTREE_DATA_DIR=str(tmp_path))
    assert (done.stdout, done.stderr) == ("/verify False\n/healthz True\n", "")


def test_it_tells_about_once_an_hour_whatever_goes_wrong(cast, monkeypatch, caplog):
    make(cast["priya"], expires=DAY)
    slept, works = [], [True, False, True]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if not works:
            raise SystemExit

    def tell(**about: object) -> int:
        if works.pop(0):
            return told_by(**about)
        raise ValueError("priya@acme.example")

    told_by = lifecycle.tell_expiring
    monkeypatch.setattr(hourly.time, "sleep", sleep)
    monkeypatch.setattr(hourly.connection, "close", lambda: None)
    monkeypatch.setattr(hourly.lifecycle, "tell_expiring", tell)
    with pytest.raises(SystemExit):
        hourly._always()
    assert slept == [60, 3600, 3600, 3600]
    assert Event.objects.filter(action="platform_key.expires_soon").count() == 1
    assert "could not be told: ValueError" in caplog.text
    assert "priya" not in caplog.text
