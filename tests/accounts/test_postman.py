"""The thread that sends mail where a process serves."""

import threading

import pytest

from accounts import outbox
from accounts.outbox import Postman, Round
from tests.visitors import visitor


@pytest.fixture
def postman(monkeypatch):
    """A postman whose thread ends after what it is given to do."""
    made = Postman()
    made.rounds = []
    monkeypatch.setattr(outbox.connection, "close", lambda: None)
    return made


def test_without_background_nothing_starts(postman):
    postman.wake()
    assert postman._thread is None


def test_thread_begins_with_the_first_mail_and_is_the_only_one(postman, monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(postman, "_send_always", done.wait)
    postman.run_in_background()
    assert postman._thread is None
    postman.wake()
    thread = postman._thread
    postman.wake()
    assert postman._thread is thread
    assert thread.daemon
    assert postman._posted.is_set()
    done.set()
    thread.join()
    postman.wake()  # as in a worker forked from a process whose thread ran
    assert postman._thread is not thread
    postman._thread.join()


def test_it_sends_when_woken_and_looks_again_while_something_is_left(postman, monkeypatch):
    left, waits = [2, 0, 0], []

    def send() -> Round:
        if not left:
            raise SystemExit
        return Round(left=left.pop(0))

    monkeypatch.setattr(outbox, "send_due", send)
    monkeypatch.setattr(postman._posted, "wait", waits.append)
    with pytest.raises(SystemExit):
        postman._send_always()
    assert waits == [60, 60, None, None]


def test_faults_are_logged_by_their_kind_and_end_nothing(postman, monkeypatch, caplog):
    def fail() -> Round:
        raise OSError("with an address in it: eve@evil.example")

    monkeypatch.setattr(outbox, "send_due", fail)
    assert postman.send_and_log() == 1
    assert "OSError" in caplog.text
    assert "evil" not in caplog.text


def test_this_processs_postman_can_be_set_to_work(monkeypatch):
    monkeypatch.setattr(outbox, "postman", Postman())
    outbox.run_in_background()
    assert outbox.postman._in_background


@pytest.mark.django_db
@pytest.mark.parametrize(
    "asked",
    [
        ("marcus", "/iam/users/invite_users", {"addresses": "tove@new.example"}),
        ("marcus", "/iam/users/{priya}/status", {"status": "suspended"}),
        ("", "/reset", {"email": "noor@acme.example"}),
    ],
)
def test_it_is_woken_when_what_was_posted_is_committed(cast, monkeypatch, django_capture_on_commit_callbacks, asked):
    (who, path, form), woken = asked, []
    monkeypatch.setattr(outbox.postman, "wake", lambda: woken.append(who))
    with django_capture_on_commit_callbacks(execute=True):
        visitor(cast.get(who)).post(path.format(priya=cast["priya"].pk), form)
        assert woken == []
    assert woken == [who]
