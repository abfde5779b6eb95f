"""Files on their way: kept, worked on by a process of its own, taken over, interrupted, and whose they are."""

import io
import os
import time
import uuid
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.utils import timezone

from accounts import import_jobs, importing
from accounts.enums import Permission
from accounts.member_files import Content
from accounts.models import Account, Event, ImportJob, ImportState, Invitation, Mail, Member, User
from accounts.views.importing import import_members
from tests.conftest import BOREALIS
from tests.visitors import visitor

URL = "/iam/users/import"
FILE = b"email,parent\na@new.example,\nb@new.example,a@new.example\n"
MiB = 1024 * 1024


def send(client, data: bytes = FILE, name: str = "people.csv", **more):
    return client.post(URL, {"file": SimpleUploadedFile(name, data)}, **more)


def press(client, act: str, job: ImportJob, **more):
    return client.post(URL, {"act": act, "file_id": str(job.uid)}, **more)


def text(answer) -> str:
    return answer.content.decode()


def job_of(member: Member) -> ImportJob:
    return ImportJob.objects.get(member=member)


def rows() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (User, Member, Invitation, Mail, Event))


@pytest.fixture
def processes(monkeypatch) -> list[tuple[int, uuid.UUID]]:
    """As where the application serves, and every file is long: the processes that were started, which do nothing."""
    started: list[tuple[int, uuid.UUID]] = []
    monkeypatch.setattr(import_jobs, "_starts_processes", True)
    monkeypatch.setattr(import_jobs, "AT_HAND", 0)
    monkeypatch.setattr(import_jobs, "_EVERY", 60)  # another connection would not see the row of a test's transaction
    monkeypatch.setattr(import_jobs, "_start_process", lambda pk, number: started.append((pk, number)))
    return started


# --- From the file to its end -----------------------------------------------------------------------------------------


def test_page_follows_the_work_from_the_file_to_its_end(cast, processes):
    client, before = visitor(cast["marcus"]), rows()
    page = text(send(client, follow=True))
    assert "Looking through 2 lines" in page
    assert "See how far it is" in page
    assert '<progress class="progress" max="100" value="0"' in page
    ImportJob.objects.update(done=1)
    assert 'value="50"' in text(client.get(URL))
    import_jobs.work(*processes.pop())
    report = text(client.get(URL))
    assert "Nothing is wrong with the file" in report
    assert "Invite 2 users" in report
    assert "See how far it is" not in report
    assert rows() == before
    page = text(press(client, "invite", job_of(cast["marcus"]), follow=True))
    assert "Looking through the file once more" in page
    assert "1 of 2 users invited" not in page
    ImportJob.objects.update(done=1)
    assert "1 of 2 users invited" in text(client.get(URL))
    ImportJob.objects.update(done=2)
    assert "being written into the activity" in text(client.get(URL))
    assert rows() == before
    call_command("work_on_import", *map(str, processes.pop()))
    page = text(client.get(URL))
    assert "All users of the file invited" in page
    assert "2 users of" in page
    assert "are placed as the file says" in page
    assert rows() == tuple(count + 2 for count in before)
    done = job_of(cast["marcus"])
    assert (done.state, bytes(done.content), bytes(done.report), done.round) == (ImportState.DONE, b"", b"", None)
    origins = Event.objects.filter(action="invitation.created").order_by("-pk").values_list("address", "request_id")[:2]
    assert {address for address, _ in origins} == {"127.0.0.1"}
    assert all(request_id for _, request_id in origins)
    assert "File with users" in text(press(client, "discard", done, follow=True))
    assert not ImportJob.objects.exists()


def test_file_is_its_senders_alone(cast):
    """Others who may invite see a form of their own, and the id of another's file is worth nothing to them."""
    marcus, olivia, priya = (visitor(cast[name]) for name in ("marcus", "olivia", "priya"))
    send(marcus)
    job, before = job_of(cast["marcus"]), rows()
    for act in ("invite", "check", "discard"):
        page = text(press(olivia, act, job, follow=True))
        assert "This is not the file that you reviewed" in page
        assert "a@new.example" not in page
        assert press(priya, act, job).status_code == 403
        assert press(visitor(), act, job).status_code == 302
    assert "a@new.example" not in text(olivia.get(URL))
    assert olivia.get(f"{URL}.csv").status_code == 302
    assert (job_of(cast["marcus"]).state, rows()[:-1]) == (ImportState.CHECKED, before[:-1])


def test_yes_is_about_the_file_that_was_looked_at(cast):
    """Of two windows the one with the earlier file invites nobody of the later one."""
    client, before = visitor(cast["marcus"]), rows()
    send(client)
    first = job_of(cast["marcus"])
    send(client, b"email\nother@new.example")
    assert "This is not the file that you reviewed" in text(press(client, "invite", first, follow=True))
    assert "This is not the file that you reviewed" in text(press(client, "discard", first, follow=True))
    assert "Nothing was done" in text(press(client, "nonsense", job_of(cast["marcus"]), follow=True))
    assert rows() == before
    press(client, "invite", job_of(cast["marcus"]))
    assert User.objects.filter(email="other@new.example").exists()
    assert "The file is still being processed" in text(press(client, "invite", job_of(cast["marcus"]), follow=True))
    assert not User.objects.filter(email="a@new.example").exists()


@pytest.mark.sqlite_only
@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 5_000, "2.5", "\x00", ""])
def test_page_of_a_report_that_is_none_is_another_one(cast, page):
    client = visitor(cast["marcus"])
    send(client, b"email\n" + b"".join(b"n%d@new.example\n" % number for number in range(150)))
    answer = client.get(URL, {"page": page})
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or "of 150 lines" in text(answer)
    assert "101 to 150 of 150 lines" in text(client.get(f"{URL}?page=2"))


# --- What comes between -----------------------------------------------------------------------------------------------


def test_interrupted_work_says_so_and_is_begun_again(cast, processes):
    client, marcus = visitor(cast["marcus"]), cast["marcus"]
    send(client)
    long_ago = timezone.now() - timedelta(minutes=1)
    ImportJob.objects.update(seen_at=long_ago)
    assert "The file was not checked" in text(client.get(URL))
    press(client, "check", job_of(marcus))
    import_jobs.work(*processes.pop(0))  # the earlier round, which comes too late
    assert job_of(marcus).state == ImportState.CHECKING
    import_jobs.work(*processes.pop(0))
    assert job_of(marcus).state == ImportState.CHECKED
    press(client, "invite", job_of(marcus))
    assert "The file is still being processed" in text(press(client, "invite", job_of(marcus), follow=True))
    assert "Another file of yours is being imported" in text(send(client, follow=True))
    assert "The file is still being processed" in text(press(client, "discard", job_of(marcus), follow=True))
    ImportJob.objects.update(seen_at=long_ago)
    page = text(client.get(URL))
    assert "No one was invited" in page
    assert "The work was interrupted" in page
    before = rows()
    press(client, "invite", job_of(marcus))
    import_jobs.work(*processes.pop(0))
    assert rows() == before
    import_jobs.work(*processes.pop(0))
    assert rows() == tuple(count + 2 for count in before)
    assert job_of(marcus).state == ImportState.DONE


def test_round_that_was_taken_over_is_undone_to_its_last_row(cast, processes, monkeypatch):
    """A process that was taken for dead, and is not, ends after another one began: its people are not invited."""
    client, marcus, before = visitor(cast["marcus"]), cast["marcus"], rows()
    send(client)
    import_jobs.work(*processes.pop())
    press(client, "invite", job_of(marcus))
    another, record_all = uuid.uuid4(), importing.audit.record_all

    def take_over(*args, **kwargs) -> None:
        record_all(*args, **kwargs)
        assert rows() == tuple(count + 2 for count in before)
        ImportJob.objects.update(round=another)

    monkeypatch.setattr(importing.audit, "record_all", take_over)
    import_jobs.work(*processes.pop())
    assert rows() == before
    assert job_of(marcus).state == ImportState.INVITING


def test_rights_are_asked_for_again_when_everybody_is_invited(cast, processes):
    client, marcus, before = visitor(cast["marcus"]), cast["marcus"], rows()
    send(client)
    import_jobs.work(*processes.pop())
    press(client, "invite", job_of(marcus))
    Member.objects.filter(pk=marcus.pk).update(permissions=0)
    import_jobs.work(*processes.pop())
    refused = Event.objects.get(action="permission.refused")
    assert (refused.actor_id, refused.address, refused.facts["what"]) == (marcus.pk, "127.0.0.1", "invite users")
    assert client.get(URL).status_code == 403
    Member.objects.filter(pk=marcus.pk).update(permissions=int(Permission.MANAGE_USERS))
    page = text(client.get(URL))
    assert "No one was invited" in page
    assert "permission" in page
    assert rows()[:-1] == before[:-1]  # the refusals, of the work and of the page, are events


def test_file_is_looked_through_again_when_everybody_is_invited(cast, processes):
    client, before = visitor(cast["marcus"]), rows()
    send(client)
    import_jobs.work(*processes.pop())
    visitor(cast["olivia"]).post("/iam/users/invite_users", {"addresses": "b@new.example"})
    press(client, "invite", job_of(cast["marcus"]))
    import_jobs.work(*processes.pop())
    assert "This address is already invited." in text(client.get(URL))
    assert rows() == tuple(count + 1 for count in before)


@pytest.mark.sqlite_only
def test_faults_are_told_without_their_words(cast, processes, monkeypatch, caplog):
    client, before = visitor(cast["marcus"]), rows()
    send(client)
    import_jobs.work(*processes.pop())
    press(client, "invite", job_of(cast["marcus"]))

    def fail(*_args, **_kwargs) -> None:
        raise OSError("about a@new.example")

    with monkeypatch.context() as patch:
        patch.setattr(importing.audit, "record_all", fail)
        import_jobs.work(*processes.pop())
    page = text(client.get(URL))
    assert "Something went wrong on the server." in page
    assert "about a@" not in page + caplog.text
    assert "OSError" in caplog.text
    assert rows() == before
    press(client, "invite", job_of(cast["marcus"]))
    ImportJob.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    page = text(client.get(URL))
    assert ("The work was interrupted" in page, "Something went wrong" in page) == (True, False)


def test_two_of_an_account_do_not_go_on_at_once(cast, processes):
    marcus, olivia = visitor(cast["marcus"]), visitor(cast["olivia"])
    for client in (marcus, olivia):
        send(client)
        import_jobs.work(*processes.pop())
    press(marcus, "invite", job_of(cast["marcus"]))
    for is_told_in_the_row in (True, False):
        ImportJob.objects.filter(member=cast["marcus"]).update(
            seen_at=timezone.now() if is_told_in_the_row else timezone.now() - timedelta(minutes=1)
        )
        if not is_told_in_the_row:
            import_jobs._write_progress(job_of(cast["marcus"]), 1)  # where a page reads it, whatever the database
        page = text(press(olivia, "invite", job_of(cast["olivia"]), follow=True))
        assert "Another user is importing a file" in page
        assert job_of(cast["olivia"]).state == ImportState.CHECKED
    import_jobs.work(*processes.pop())
    press(olivia, "invite", job_of(cast["olivia"]))
    assert job_of(cast["olivia"]).state == ImportState.INVITING


def test_who_only_looks_through_a_file_or_is_in_another_account_keeps_nobody_waiting(cast, processes):
    sam = Member.objects.select_related("user").get(account_id=BOREALIS, user__email="sam@acme.example")
    noor = Member.objects.get(account_id=BOREALIS, user__email="noor@acme.example")
    marcus, olivia, elsewhere = visitor(cast["marcus"]), visitor(cast["olivia"]), visitor(sam)
    send(elsewhere)
    import_jobs.work(*processes.pop())
    press(elsewhere, "invite", job_of(sam))
    assert job_of(sam).state == ImportState.INVITING
    assert not import_jobs.is_another_carried_out(cast["marcus"])
    assert import_jobs.is_another_carried_out(noor)
    send(olivia)
    assert job_of(cast["olivia"]).state == ImportState.CHECKING
    assert not import_jobs.is_another_carried_out(cast["marcus"])
    send(marcus)
    import_jobs.work(*processes.pop())
    press(marcus, "invite", job_of(cast["marcus"]))
    assert job_of(cast["marcus"]).state == ImportState.INVITING


@pytest.mark.parametrize("meanwhile", [{"state": ImportState.INVITING}, {"round": uuid.uuid4()}, {"uid": uuid.uuid4()}])
def test_what_was_begun_meanwhile_is_neither_forgotten_nor_replaced(cast, processes, origin, monkeypatch, meanwhile):
    """Of two windows one goes on with the file while the other one, which knew it otherwise, is about to do more."""
    send(visitor(cast["marcus"]))
    import_jobs.work(*processes.pop())
    known = job_of(cast["marcus"])
    ImportJob.objects.update(**meanwhile)
    monkeypatch.setattr(import_jobs, "_stored", lambda _: known)
    import_jobs.discard(known)
    with pytest.raises(import_jobs.JobGone):
        import_jobs.begin(known, ImportState.INVITING, origin=origin)
    with pytest.raises(import_jobs.JobGone):
        import_jobs.take(cast["marcus"], file_name="x", data=FILE, content=Content(), origin=origin)
    assert ImportJob.objects.filter(pk=known.pk, **meanwhile).exists()
    assert processes == []


def test_of_two_files_that_came_at_once_one_is_kept(cast, processes, monkeypatch):
    client = visitor(cast["marcus"])
    send(client)
    first = job_of(cast["marcus"])
    with monkeypatch.context() as patch:
        patch.setattr(import_jobs, "_stored", lambda _: None)  # as it was a moment ago
        assert send(client).status_code == 302
    assert job_of(cast["marcus"]).uid == first.uid


def test_short_files_are_worked_on_at_once_and_longer_ones_by_a_process(cast, processes, monkeypatch):
    monkeypatch.setattr(import_jobs, "AT_HAND", 2)
    client = visitor(cast["marcus"])
    send(client)
    assert (job_of(cast["marcus"]).state, processes) == (ImportState.CHECKED, [])
    send(client, FILE + b"c@new.example,\n")
    assert (job_of(cast["marcus"]).state, len(processes)) == (ImportState.CHECKING, 1)


@pytest.mark.sqlite_only
def test_process_that_ended_without_a_word_is_at_work_no_more(cast, monkeypatch):
    class Thread:
        def __init__(self, target, **_) -> None:
            self.start = target

    woken, client = [], visitor(cast["marcus"])
    monkeypatch.setattr(import_jobs, "_starts_processes", True)
    monkeypatch.setattr(import_jobs, "AT_HAND", 0)
    monkeypatch.setattr(import_jobs.sys, "executable", "/bin/false")
    monkeypatch.setattr(import_jobs.threading, "Thread", Thread)
    monkeypatch.setattr(import_jobs.connection, "close", lambda: None)
    monkeypatch.setattr(import_jobs.outbox.postman, "wake", lambda: woken.append(1))
    assert "The file was not checked" in text(send(client, follow=True))
    job, another = job_of(cast["marcus"]), uuid.uuid4()
    assert (job.state, job.round, woken) == (ImportState.CHECKING, None, [1])
    ImportJob.objects.update(round=another)
    import_jobs._start_process(job.pk, uuid.uuid4())  # one that was taken for dead
    assert job_of(cast["marcus"]).round == another


def test_large_files_are_taken_one_at_a_time_and_not_without_end(cast, processes, monkeypatch):
    monkeypatch.setattr(import_jobs, "LARGE", 0)
    monkeypatch.setattr(import_jobs, "LARGE_FILES", import_jobs.throttle.Limit("large files", 2, timedelta(hours=1)))
    marcus, olivia = visitor(cast["marcus"]), visitor(cast["olivia"])
    send(marcus)
    assert "Another user is importing a large file at the moment." in text(send(olivia))
    assert "Your earlier file is still being processed." in text(send(marcus))
    assert not ImportJob.objects.filter(member=cast["olivia"]).exists()
    import_jobs.work(*processes.pop())
    send(olivia, b"not even read")  # which is what is counted
    assert processes == []
    answer = send(marcus)
    assert (answer.status_code, "may send 2 large files in an hour." in text(answer)) == (429, True)
    assert 3_500 < int(answer["Retry-After"]) <= 3_600
    assert processes == []
    monkeypatch.setattr(import_jobs, "LARGE", 1_000)
    monkeypatch.setattr(import_jobs, "AT_HAND", 1_000)
    send(marcus)
    assert job_of(cast["marcus"]).state == ImportState.CHECKED  # a small one, worked on at hand, is not counted


def test_small_files_that_take_a_process_are_not_taken_without_end(cast, processes, monkeypatch):
    """Else one after another, each in place of the last, would start as many processes as there are requests."""
    monkeypatch.setattr(import_jobs, "LARGE_FILES", import_jobs.throttle.Limit("large files", 2, timedelta(hours=1)))
    marcus = visitor(cast["marcus"])
    answers = [send(marcus) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [302, 302, 429, 429]
    assert "may send 2 large files in an hour." in text(answers[-1])
    assert len(processes) == 2


def test_check_is_begun_again_only_where_it_was_interrupted(cast, processes):
    client = visitor(cast["marcus"])
    send(client)
    import_jobs.work(*processes.pop())
    press(client, "check", job_of(cast["marcus"]))
    assert processes == []


@pytest.mark.sqlite_only
@pytest.mark.parametrize("told", ["", "nonsense"])
def test_progress_that_cannot_be_read_is_none(cast, processes, settings, tmp_path, told):
    settings.KEYTREE_DATA_DIR = tmp_path
    client = visitor(cast["marcus"])
    send(client)
    (tmp_path / "imports").mkdir()
    (tmp_path / "imports" / str(job_of(cast["marcus"]).round)).write_text(told)
    assert "Looking through 2 lines" in text(client.get(URL))


def test_work_that_nobody_waits_for_ends(cast, processes, monkeypatch):
    monkeypatch.setattr(import_jobs, "_EVERY", 0.01)
    send(visitor(cast["marcus"]))
    job = job_of(cast["marcus"])
    ImportJob.objects.filter(pk=job.pk).delete()
    until = time.monotonic() + 20

    def work() -> None:
        with import_jobs._telling_progress(job) as progress:
            while time.monotonic() < until:
                progress(1, 2)

    with pytest.raises(import_jobs.JobGone):
        work()


@pytest.mark.sqlite_only
def test_process_that_cannot_be_started_is_told(cast, monkeypatch):
    monkeypatch.setattr(import_jobs, "_starts_processes", True)
    monkeypatch.setattr(import_jobs, "AT_HAND", 0)
    monkeypatch.setattr(import_jobs.sys, "executable", "/nowhere/python")
    page = text(send(visitor(cast["marcus"]), follow=True))
    assert "The file was not checked" in page
    assert "Something went wrong on the server." in page


def test_files_are_kept_for_a_day(cast, settings, tmp_path):
    settings.KEYTREE_DATA_DIR = tmp_path
    client = visitor(cast["marcus"])
    send(client)
    (tmp_path / "imports").mkdir(exist_ok=True)
    (tmp_path / "imports" / "of-now").write_text("1")
    call_command("housekeeping", stdout=io.StringIO())
    assert ImportJob.objects.count() == 1
    assert (tmp_path / "imports" / "of-now").exists()
    ImportJob.objects.update(created_at=timezone.now() - timedelta(days=1, minutes=1))
    (tmp_path / "imports" / "of-then").write_text("1")  # whose process was killed
    os.utime(tmp_path / "imports" / "of-then", (0, time.time() - 86_460))
    assert "File with users" in text(client.get(URL))
    assert "This is not the file" in text(press(client, "invite", job_of(cast["marcus"]), follow=True))
    call_command("housekeeping", stdout=io.StringIO())
    assert not ImportJob.objects.exists()
    assert [path.name for path in (tmp_path / "imports").iterdir()] == ["of-now"]


# --- Large files ------------------------------------------------------------------------------------------------------


def large(size: int) -> bytes:
    """A file of one person, and of blank lines up to ``size`` bytes and more."""
    return b"email\na@new.example" + (b"\n" + b" " * 99) * (size // 100 + 1)


@pytest.mark.sqlite_only
def test_large_files_are_taken_from_those_who_may_import_and_by_this_page_alone(cast):
    data = large(3 * MiB)
    refused = send(visitor(cast["priya"]), data)
    assert refused.status_code == 413
    assert '<a href="/iam/users/import">Go back to the form</a>' in refused.content.decode()
    assert "up to 20 MiB" in refused.content.decode()
    assert send(visitor(), data).status_code == 413
    marcus = visitor(cast["marcus"], csrf_checks=True)
    assert send(marcus, data).status_code == 403  # without the form's token
    marcus = visitor(cast["marcus"])
    elsewhere = marcus.post("/iam/users/invite_users", {"file": SimpleUploadedFile("x", data)})
    assert elsewhere.status_code == 413
    assert marcus.post("/nowhere", {"file": SimpleUploadedFile("x", data)}).status_code == 413
    assert marcus.post(URL, {"act": "x" * (2 * MiB)}).status_code == 400  # a field is no file
    for kept_out in ({"status": "suspended"}, {"allowed_addresses": "192.0.2.1"}):
        Member.objects.filter(pk=cast["marcus"].pk).update(**kept_out)
        assert send(marcus, data).status_code == 413
        Member.objects.filter(pk=cast["marcus"].pk).update(status="active", allowed_addresses="")
    Account.objects.filter(pk=cast["marcus"].account_id).update(require_second_factor=True)
    assert send(marcus, data).status_code == 413
    Account.objects.filter(pk=cast["marcus"].account_id).update(require_second_factor=False)
    assert not ImportJob.objects.exists()
    assert "Invite 1 user" in text(send(marcus, data, follow=True))
    assert send(marcus, large(22 * MiB)).status_code == 413


@pytest.mark.sqlite_only
def test_file_may_be_as_large_as_is_said_whatever_surrounds_it_in_the_request(cast, monkeypatch):
    monkeypatch.setattr(import_members, "largest_file", 2 * MiB)
    marcus = visitor(cast["marcus"])
    assert send(marcus, large(2 * MiB)[: 2 * MiB]).status_code == 302
    assert send(marcus, large(3 * MiB)).status_code == 413
