"""Imports that go on while others look and press: real threads, on whichever database the suite runs."""

import time
import uuid
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from django.utils import timezone

from accounts import import_jobs, member_files
from accounts.import_jobs import JobGone
from accounts.models import ImportJob, ImportState, Member
from tests.threads import at_once, errors
from tests.trail import without_triggers

pytestmark = pytest.mark.django_db(transaction=True)
FILE = b"email\na@new.example\nb@new.example\n"
PATIENCE = 20  # seconds


@pytest.fixture(scope="module", autouse=True)
def events_can_go(django_db_setup, django_db_blocker):
    """The tables are emptied after each test here, which the trail's triggers refuse."""
    with django_db_blocker.unblock(), without_triggers():
        yield


@pytest.fixture
def member(transactional_db, cast, settings, tmp_path, origin) -> Member:
    """Marcus, whose file was looked through."""
    settings.KEYTREE_DATA_DIR = tmp_path
    content = member_files.read(FILE)
    import_jobs.take(cast["marcus"], file_name="x.csv", data=FILE, content=content, origin=origin)
    return cast["marcus"]


def wait_for(happened) -> None:
    until = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_progress_is_told_from_inside_a_transaction_that_keeps_others_from_writing(member, monkeypatch, tmp_path):
    monkeypatch.setattr(import_jobs, "_EVERY", 0.02)
    silent = timezone.now() - timedelta(hours=1)
    ImportJob.objects.update(state=ImportState.INVITING, round=uuid.uuid4(), seen_at=silent)
    job = ImportJob.objects.get()
    steps: list[str] = []

    def work() -> None:
        with transaction.atomic(), import_jobs._telling_progress(job) as progress:
            Member.objects.filter(pk=member.pk).update(permissions=0)  # whoever writes now has to wait, on SQLite
            progress(1, 2)
            wait_for(lambda: "seen" in steps)

    def look() -> None:
        wait_for(lambda: (found := import_jobs.job_of(member)).done == 1 and import_jobs.is_at_work(found))
        assert Member.objects.get(pk=member.pk).permissions  # the write is not there yet
        steps.append("seen")

    (answers,) = at_once(work, look)
    assert errors(answers) == []
    assert list(tmp_path.rglob("*-*")) == []  # what told it is gone with the round


def test_of_many_who_say_yes_at_once_one_begins(member, monkeypatch, origin):
    started: list[object] = []
    monkeypatch.setattr(import_jobs, "work", lambda *round_: started.append(round_))
    job = ImportJob.objects.get()
    (answers,) = at_once(*[partial(import_jobs.begin, job, ImportState.INVITING, origin=origin)] * 4)
    assert [type(error) for error in errors(answers)] == [JobGone] * 3
    assert len(started) == 1


def test_of_many_files_sent_at_once_one_is_kept_and_begun(member, monkeypatch, origin):
    """Whoever is told that theirs was not taken has begun nothing; whoever is not, has begun, or was replaced since."""
    started: list[int] = []
    monkeypatch.setattr(import_jobs, "work", lambda pk, _round: started.append(pk))
    content = member_files.read(FILE)
    send = partial(import_jobs.take, member, file_name="y.csv", data=FILE, content=content, origin=origin)
    for is_first in (False, True) * 3:
        if is_first:
            ImportJob.objects.all().delete()
        (answers,) = at_once(*[send] * 4)
        assert {type(error) for error in errors(answers)} <= {JobGone}
        assert answers.count(None) >= 1
        assert ImportJob.objects.get().pk in started
