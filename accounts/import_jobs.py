"""Imports from a page: the file is stored, checked and carried out, and a page tells how far the work is.

A short file is worked on while its request waits. A long one gets a process of its own, so that it takes neither time
nor memory from a process that answers calls. A process that is killed leaves nothing half done, because the write and
the end of its round are one transaction; the page then offers to begin again.

*Source:* docs/architecture.md, "Imports".
"""

import json
import logging
import subprocess
import sys
import threading
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import audit, events, importing, member_files, outbox, throttle
from accounts.formats import moment
from accounts.importing import ImportRefused, Plan, Progress
from accounts.invitations import TooManyInvitations
from accounts.member_files import Content
from accounts.memberships import present_member
from accounts.models import ImportJob, ImportState, Member
from accounts.origin import Origin
from accounts.policy import MemberAction, NotAllowed
from accounts.transactions import one_transaction

_log = logging.getLogger(__name__)

#: Up to this many people are worked on while the request waits; more get a process.
AT_HAND = 1_000
#: How often a round gives a sign of life, in seconds, and after how long without one it counts as dead.
_EVERY = 1.0
_SILENT = timedelta(seconds=30)
#: How long a file and its report are kept.
_KEPT = timedelta(days=1)
#: Files up to this many bytes are quickly read and are not counted unless they take a process; of the others an account
#: may send so many. One of a hundred thousand people takes a second to read, and another process ten seconds to check.
LARGE = 128 * 1024
LARGE_FILES = throttle.Limit("large files", 30, timedelta(hours=1))

_FAULT = "Something went wrong on the server. Start it again, or ask whoever runs this installation."
_LONGEST_NAME = 255


class JobGone(Exception):
    """The import was replaced meanwhile, or is being worked on: what was asked for is not done."""


class TooManyFiles(throttle.TryLater):
    """The account sent as many large files as it may, or one is being worked on just now."""


class Row(NamedTuple):
    """A line of the report; ``what`` is the mistake in it, empty if there is none."""

    line: int
    text: str
    parent: str
    what: str


# --- What a page asks -------------------------------------------------------------------------------------------------


def job_of(member: Member) -> ImportJob | None:
    """Return the member's import, without its file and its report; none if there is none, or only an old one."""
    job = _stored(member)
    return job if job is not None and job.created_at > timezone.now() - _KEPT else None


def _stored(member: Member) -> ImportJob | None:
    """Return the member's row, however old."""
    job = ImportJob.objects.defer("content", "report").filter(member=member).first()
    if job is not None:
        _read_progress(job)
    return job


def is_at_work(job: ImportJob) -> bool:
    """Whether a round is working on it, judging by the last sign of life."""
    return bool(job.round and job.seen_at and job.seen_at > timezone.now() - _SILENT)


def is_another_carried_out(member: Member) -> bool:
    """Whether somebody else's import is being carried out in the member's account."""
    return _is_another_at_work(member, state=ImportState.INVITING)


def _is_another_at_work(member: Member, **of: object) -> bool:
    others = ImportJob.objects.filter(member__account_id=member.account_id, **of).exclude(member=member)
    jobs = list(others.exclude(round=None).defer("content", "report"))
    for job in jobs:
        _read_progress(job)
    return any(map(is_at_work, jobs))


def report_of(job: ImportJob) -> list[Row]:
    """Return what was found in each line, in order; nothing if the file was replaced meanwhile."""
    found = ImportJob.objects.filter(pk=job.pk, uid=job.uid).values_list("report", flat=True).first()
    return [Row(*cells) for cells in json.loads(zlib.decompress(found))] if found else []


# --- What a page does -------------------------------------------------------------------------------------------------


def count_large_file(member: Member, size: int) -> None:
    """Count a file of ``size`` bytes before it is read, unless it is small. Raises TooManyFiles."""
    if size <= LARGE:
        return
    own = job_of(member)
    if own is not None and own.entries > AT_HAND and is_at_work(own):
        raise TooManyFiles("Your earlier file is still being processed. Wait until that is finished, or cancel it.")
    if _is_another_at_work(member, entries__gt=AT_HAND):
        raise TooManyFiles("Another user is importing a large file at the moment. Send yours when that is finished.")
    _count(member)


def count_long_file(member: Member, size: int, content: Content) -> None:
    """Count a file of ``size`` bytes that was read, if it is a small one and takes a process. Raises TooManyFiles."""
    if size <= LARGE and content.lines > AT_HAND:
        _count(member)


def _count(member: Member) -> None:
    full = throttle.count(LARGE_FILES, str(member.account_id))
    if full is not None:
        raise TooManyFiles(
            f"An account may send {LARGE_FILES.attempts} large files in an hour. Send another one from "
            f"{moment(timezone.now() + full.wait)} on.",
            retry_after=full.wait,
        )


def take(member: Member, *, file_name: str, data: bytes, content: Content, origin: Origin) -> None:
    """Store a file in place of an earlier one, and begin to check it.

    Raises JobGone while the earlier one is being carried out, and if another one arrived at the same moment.
    """
    earlier = _stored(member)
    if earlier is not None and earlier.state == ImportState.INVITING and is_at_work(earlier):
        raise JobGone
    job = ImportJob(
        member=member, created_at=timezone.now(), file_name=file_name[-_LONGEST_NAME:], content=zlib.compress(data),
        entries=content.lines,
    )  # fmt: skip
    try:
        with transaction.atomic():
            if earlier is not None and not _as_it_was(earlier).delete()[0]:
                raise JobGone
            job.save()
    except IntegrityError:
        raise JobGone from None
    begin(job, ImportState.CHECKING, origin=origin)


def begin(job: ImportJob, state: ImportState, *, origin: Origin) -> None:
    """Begin a round that checks the file, or invites everybody in it; a short file is done on return.

    Raises JobGone.
    """
    if is_at_work(job):
        raise JobGone
    number = uuid.uuid4()
    values = {"state": state, "round": number, "seen_at": timezone.now(), "done": 0, "notice": ""}
    if not _as_it_was(job).update(origin=json.dumps(asdict(origin)), **values):
        raise JobGone
    if job.entries <= AT_HAND or not _starts_processes:
        work(job.pk, number)
    else:
        _start_process(job.pk, number)


def discard(job: ImportJob) -> None:
    """Forget the file and what was found in it. Raises JobGone while it is being carried out."""
    if job.state == ImportState.INVITING and is_at_work(job):
        raise JobGone
    _as_it_was(job).delete()


def _as_it_was(job: ImportJob) -> QuerySet[ImportJob]:
    """Return the row as a queryset, empty if its file, state or round changed since ``job`` was read."""
    return ImportJob.objects.filter(pk=job.pk, uid=job.uid, state=job.state, round=job.round)


def forget_old() -> int:
    """Delete the files and reports that nobody came back for, and return how many."""
    before = timezone.now() - _KEPT
    for path in _progress_folder().glob("*"):
        with suppress(FileNotFoundError):
            if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                path.unlink()
    return ImportJob.objects.filter(created_at__lt=before).delete()[0]


# --- The work ---------------------------------------------------------------------------------------------------------

#: Whether this process may start others. Where it may not, every file is worked on while its request waits.
_starts_processes = False


def run_in_background() -> None:
    """Let this process, which serves, start a process for each long file."""
    global _starts_processes  # noqa: PLW0603 - said once, by the application that serves
    _starts_processes = True


def _start_process(pk: int, number: uuid.UUID) -> None:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "work_on_import", str(pk), str(number)]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - nothing in it was typed
    except OSError as error:
        _log.error("no process could be started for import %s: %s", pk, type(error).__name__)
        ImportJob.objects.filter(pk=pk, round=number).update(round=None, notice=_FAULT)
        return

    def wait() -> None:
        """Collect the process when it ends; one that was killed could not say that nobody works any more."""
        process.wait()
        outbox.postman.wake()  # the mails were posted over there
        with suppress(DatabaseError):  # then its silence tells
            ImportJob.objects.filter(pk=pk, round=number).update(round=None)
        connection.close()

    threading.Thread(target=wait, name="keytree-import", daemon=True).start()


def work(pk: int, number: uuid.UUID, *, in_background: bool = False) -> None:
    """Do the work of a round, and store the result; nothing if the import is in another round by now.

    In the background it reports its progress, and gives up when its round is not the present one any more. If something
    goes wrong, the round ends and the row says why; faults are logged.
    """
    job = ImportJob.objects.select_related("member__user").filter(pk=pk, round=number).first()
    if job is None:
        return
    try:
        content = member_files.read(zlib.decompress(job.content))
        with _telling_progress(job) if in_background else nullcontext(importing.ignored) as progress:
            if job.state == ImportState.CHECKING:
                _set_report(job, content, importing.make_plan(content, present_member(job.member), progress=progress))
            else:
                _invite_all(job, content, progress)
    except ImportRefused as refused:
        _set_report(job, content, refused.plan)
    except (NotAllowed, TooManyInvitations) as error:
        _end_round(job, notice=str(error))
        _record_refusal(job, error)
    except JobGone:
        _log.info("a round of import %s was given up, as nobody waits for it", pk)
    except Exception as error:  # noqa: BLE001 - whatever it is: the round is over, and whoever waits is told
        # The kind alone: a database's message may quote values.
        _log.error("import %s could not be worked on: %s", pk, type(error).__name__)
        with suppress(DatabaseError):  # then its silence tells
            _end_round(job, notice=_FAULT)


def _record_refusal(job: ImportJob, why: Exception) -> None:
    """Record what was refused after the page had taken it."""
    by, details = job.member, {"what": MemberAction.INVITE.value, "why": str(why)}
    origin = Origin(**json.loads(job.origin))
    audit.record_refusal(events.PERMISSION_REFUSED, actor=by, subject=by, origin=origin, details=details)


@one_transaction
def _invite_all(job: ImportJob, content: Content, progress: Progress) -> None:
    """Invite everybody, and mark the import as done in the same transaction. Raises JobGone, and as ``carry_out``."""
    origin = Origin(**json.loads(job.origin))
    count = importing.carry_out(content, by=job.member, origin=origin, progress=progress)
    if not _end_round(job, state=ImportState.DONE, people=count, content=b"", report=b""):
        raise JobGone


def _set_report(job: ImportJob, content: Content, plan: Plan) -> None:
    wrong = {problem.line for problem in plan.problems}
    rows = [Row(problem.line, problem.text, "", problem.what) for problem in plan.problems]
    rows += [Row(entry.line, entry.email, entry.parent, "") for entry in content.entries if entry.line not in wrong]
    report = zlib.compress(json.dumps(sorted(rows)).encode())
    counts = {"people": len(plan.people), "problems": len(plan.problems)}
    _end_round(job, state=ImportState.CHECKED, report=report, **counts)


def _end_round(job: ImportJob, **values: object) -> bool:
    """End a round and store its result; return whether it was still the present one."""
    return bool(ImportJob.objects.filter(pk=job.pk, round=job.round).update(round=None, **values))


# --- How far it is ----------------------------------------------------------------------------------------------------
#
# On SQLite nothing else can be written to the database while everybody is being invited, so progress is kept in a file.
# All processes of an installation on SQLite are on one machine; on PostgreSQL they need not be.


@contextmanager
def _telling_progress(job: ImportJob) -> Iterator[Progress]:
    """Yield a function to be called with how many are done; a thread reports that every second, as a sign of life.

    The function raises JobGone once the round is not the present one any more.
    """
    done, over, gone = [0], threading.Event(), threading.Event()

    def note(number: int, _total: int) -> None:
        done[0] = number
        if gone.is_set():
            raise JobGone

    def tell() -> None:
        while not over.wait(_EVERY):
            try:
                _write_progress(job, done[0])
                if not ImportJob.objects.filter(pk=job.pk, round=job.round).exists():
                    gone.set()
            except (DatabaseError, OSError) as error:
                # As while the write ends, with the row in its hands.
                _log.info("the progress of import %s could not be told: %s", job.pk, type(error).__name__)
        connection.close()

    teller = threading.Thread(target=tell, name="keytree-import-progress", daemon=True)
    teller.start()
    try:
        yield note
    finally:
        over.set()
        teller.join()
        _progress_file(job).unlink(missing_ok=True)


def _write_progress(job: ImportJob, done: int) -> None:
    if connection.vendor != "sqlite":
        ImportJob.objects.filter(pk=job.pk, round=job.round).update(done=done, seen_at=timezone.now())
        return
    path = _progress_file(job)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(str(done))
    fresh.replace(path)


def _read_progress(job: ImportJob) -> None:
    """Fill in how far the present round is, if that is kept in a file."""
    with suppress(OSError, ValueError):  # it may be gone by now, or cut off
        path = _progress_file(job)
        job.done, job.seen_at = int(path.read_text()), datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _progress_file(job: ImportJob) -> Path:
    return _progress_folder() / str(job.round)


def _progress_folder() -> Path:
    return Path(settings.KEYTREE_DATA_DIR) / "imports"
