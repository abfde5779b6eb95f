"""The outbox: mails are rows, written with the change that they are about and sent afterwards.

Each serving process sends what is due, in a thread of its own, as soon as a change is committed; ``manage.py
send_mail`` sends whatever is left. A mail is claimed by one statement before it is sent, so that only one of several
senders has it. The claim says when the mail is tried again, so nothing is lost if a sender is killed or the mail
server is down. If a sender is killed after the server accepted a mail, and before its row is deleted, it is sent twice.

*Source:* docs/architecture.md, "Mail".
"""

import logging
import smtplib
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import mail as django_mail
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import audit, emails, events, hierarchy, resets
from accounts.enums import MemberStatus
from accounts.models import Event, Invitation, Mail, Member, PasswordReset
from accounts.origin import Origin
from accounts.transactions import one_transaction

_log = logging.getLogger(__name__)

#: The times between tries. Each is longer than a try can take, because it is also how long a claim holds.
_WAITS = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 60, 180, 360, 720))
#: A mail is given up after this: an invitation can be sent again, and what a notice says is in the activity log.
_GIVEN_UP_AFTER = timedelta(days=3)
#: How often a process with unsent mails looks again, in seconds.
_PATIENCE = 60.0
#: How many mails go into one statement.
_AT_ONCE = 5_000

_PERMANENT = 500  # SMTP replies from here on mean never. Source: RFC 5321, section 4.2.1


def is_open() -> bool:
    """Whether this installation sends mail at all."""
    return bool(settings.KEYTREE_SENDS_MAIL)


# --- Posting, in the transaction of the change ------------------------------------------------------------------------


def post_invitations(invitations: Sequence[Invitation]) -> None:
    """Post the mail of each invitation, loaded with its member's user, in place of an earlier one."""
    Mail.objects.filter(invitation__in=[invitation.pk for invitation in invitations]).delete()
    now = timezone.now()
    Mail.objects.bulk_create(
        Mail(recipient=invitation.member.user.email, invitation=invitation, created_at=now, next_try_at=now)
        for invitation in invitations
    )
    transaction.on_commit(postman.wake)


def post_notices(notices: Iterable[tuple[Event, str]]) -> None:
    """Post a mail about each event to the address beside it."""
    now = timezone.now()
    rows = [Mail(recipient=recipient, event=event, created_at=now, next_try_at=now) for event, recipient in notices]
    if rows:
        Mail.objects.bulk_create(rows, batch_size=_AT_ONCE)
        transaction.on_commit(postman.wake)


def post_reset(reset: PasswordReset) -> None:
    """Post the mail with the link for another password, to whatever address was typed."""
    now = timezone.now()
    Mail.objects.create(recipient=reset.email, reset=reset, created_at=now, next_try_at=now)
    transaction.on_commit(postman.wake)


# --- Sending ----------------------------------------------------------------------------------------------------------


@dataclass
class Round:
    """What a round of sending came to."""

    sent: int = 0
    failed: int = 0
    left: int = 0  # mails that will be tried again


class _ServerAway(Exception):
    """The mail server cannot be used now, whoever the mail is for."""


def send_due() -> Round:
    """Send every mail that is due, over one connection to the mail server, and return what came of it.

    Stops at the first sign that the server is away. Does nothing without a mail server in the settings. Raises the
    database's errors.
    """
    done = Round()
    if is_open():
        with closing(_Connection()) as server:
            while server.is_there and (mail := _claim()) is not None:
                if mail.reset is not None and not resets.bind(mail.reset):
                    mail.delete()  # the address is nobody's, or it is too late
                elif _send(mail, server):
                    done.sent += 1
                else:
                    done.failed += 1
    done.left = Mail.objects.filter(next_try_at__isnull=False).count()
    return done


class _Connection:
    """The connection to the mail server, opened with the first mail."""

    def __init__(self) -> None:
        self._backend: Any = django_mail.get_connection()
        self.is_there = True

    def send(self, message: django_mail.EmailMultiAlternatives) -> None:
        """Send one message. Raises SMTPRecipientsRefused or SMTPDataError if it is refused, or _ServerAway."""
        try:
            self._backend.open()
            self._backend.send_messages([message])
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError):
            raise
        except (smtplib.SMTPException, OSError) as error:
            self.is_there = False
            raise _ServerAway from error

    def close(self) -> None:
        """End the connection, if there is one."""
        try:
            self._backend.close()
        except (smtplib.SMTPException, OSError) as error:
            _log.warning("the connection to the mail server did not end well: %s", type(error).__name__)


def _claim() -> Mail | None:
    """Claim the next mail that is due and return it, or none.

    Mails that have been due for too long are given up on the way.
    """
    while True:
        now = timezone.now()
        mail = _next_due(now)
        if mail is None:
            return None
        is_too_old = mail.created_at < now - _GIVEN_UP_AFTER
        next_try = None if is_too_old else now + _WAITS[min(mail.tries, len(_WAITS) - 1)]
        taken = Mail.objects.filter(pk=mail.pk, next_try_at=mail.next_try_at).update(
            tries=F("tries") + 1, next_try_at=next_try
        )
        if taken and not is_too_old:
            return mail
        if taken:
            _give_up(mail, mail.problem)


def _next_due(now: datetime) -> Mail | None:
    """Return the mail that has waited longest, but one with a link to reset a password before all others.

    Such a link is good for an hour, and an account may post a hundred thousand invitations at once.
    """
    mails = Mail.objects.select_related(
        "event", "reset", "invitation__member__user", "invitation__member__account", "invitation__invited_by__user"
    )
    # By an expression, so that the index on time is not used, and the few mails with a link are found by theirs.
    resets = mails.filter(reset_id__gt=0).alias(due_at=Coalesce("next_try_at", "next_try_at"))
    reset = resets.filter(due_at__lte=now).order_by("due_at", "pk").first()
    return reset or mails.filter(next_try_at__lte=now).order_by("next_try_at", "pk").first()


def _send(mail: Mail, server: _Connection) -> bool:
    """Send a claimed mail and settle what becomes of it; return whether it went out."""
    try:
        server.send(emails.compose(mail))
    except _ServerAway as error:
        _note(mail, "The mail server could not be used.", why=type(error.__cause__).__name__)
    except smtplib.SMTPRecipientsRefused as error:
        _refused(mail, "The mail server refused the address", max(code for code, _ in error.recipients.values()))
    except smtplib.SMTPDataError as error:
        _refused(mail, "The mail server refused the mail", error.smtp_code)
    except Exception as error:  # noqa: BLE001 - one mail that cannot be written must not keep back the others
        _log.error("mail %s could not be written: %s", mail.pk, type(error).__name__)
        _give_up(mail, "The mail could not be written.")
    else:
        _settle(mail)
        return True
    return False


def _refused(mail: Mail, words: str, code: int) -> None:
    problem = f"{words} ({code})."
    if code >= _PERMANENT:
        _give_up(mail, problem)
    else:
        _note(mail, problem, why=str(code))


def _note(mail: Mail, problem: str, *, why: str) -> None:
    _log.warning("mail %s did not go out and will be tried again: %s", mail.pk, why)
    Mail.objects.filter(pk=mail.pk).update(problem=problem)


def _give_up(mail: Mail, problem: str) -> None:
    """Stop trying. The row of an invitation stays, to say why; nobody would look for that of a notice."""
    _log.warning("mail %s is given up: %s", mail.pk, problem or "it was never sent")
    if mail.invitation is None:
        mail.delete()
    else:
        Mail.objects.filter(pk=mail.pk).update(next_try_at=None, problem=problem)


@one_transaction
def _settle(mail: Mail) -> None:
    """Remove a mail that went out from the outbox; a member who waited for it is *Pending* from now on."""
    if mail.invitation is not None:
        _note_invitation_sent(mail.invitation, timezone.now())
    Mail.objects.filter(pk=mail.pk).delete()


def _note_invitation_sent(sent: Invitation, now: datetime) -> None:
    hierarchy.lock_account(sent.member.account_id)
    invitations = Invitation.objects.filter(pk=sent.pk, generation=sent.generation)
    if not invitations.update(sent_at=now):
        return  # accepted, cancelled or sent anew meanwhile
    waiting = Member.objects.filter(pk=sent.member_id, status=MemberStatus.PROCESSING)
    waiting.update(status=MemberStatus.PENDING)
    audit.record(
        events.INVITATION_SENT, actor=None, actor_label="The server", subject=sent.member, origin=Origin(address=None)
    )


# --- The postman: a thread, where a process serves --------------------------------------------------------------------


class Postman:
    """Sends what is due whenever something was posted. One thread per process, started with the first mail."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._posted = threading.Event()
        self._in_background = False
        self._thread: threading.Thread | None = None

    def run_in_background(self) -> None:
        """Let a thread of this process send; otherwise only ``send_due`` does."""
        self._in_background = True

    def wake(self) -> None:
        """Say that something was posted. Starts the thread only now, when a forking server has forked its workers."""
        if not self._in_background:
            return
        self._posted.set()
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._send_always, name="keytree-mail", daemon=True)
                self._thread.start()

    def _send_always(self) -> None:
        left = 1
        while True:
            self._posted.wait(_PATIENCE if left else None)
            self._posted.clear()
            left = self.send_and_log()
            connection.close()

    @staticmethod
    def send_and_log() -> int:
        """Send what is due and return how many mails will be tried again; errors are logged."""
        try:
            return send_due().left
        except Exception as error:  # noqa: BLE001 - whatever it is: the rows are there, and the next round may go better
            # The kind alone: a database's message may quote values.
            _log.error("mail could not be sent: %s", type(error).__name__)
            return 1


#: The postman of this process.
postman = Postman()


def run_in_background() -> None:
    """Let this process, which serves, send mail by a thread of its own."""
    postman.run_in_background()
