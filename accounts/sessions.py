"""The session engine: Django's database sessions, with user, account, times and address in columns of their own.

A row is found by a digest of the session's key, which is only in the browser's cookie: a copy of the database lets
nobody continue a session.
"""

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.db import OperationalError, transaction
from django.utils import timezone

from accounts.models import Session
from accounts.prepared import Prepared
from accounts.transactions import waiting_at_most

#: What a session of somebody signed in holds; the times in seconds since 1970. ``PROVED`` alone has no column.
UID, ACCOUNT, STARTED, SEEN, PROVED = "uid", "account_id", "started_at", "seen_at", "proved_at"
ADDRESS, AGENT = "address", "agent"

#: How long a page waits to note that its session was used, in milliseconds.
_PATIENCE = 250

_LETTERS = frozenset(VALID_KEY_CHARS)
_ROW_KEY_BYTES = 30  # of the digest: in base64 they are the 40 characters that Django's column holds
_under_key = Prepared(lambda key: Session.objects.filter(session_key=key), of=str)


def row_key(session_key: str | None) -> str:
    """Return what the row of a session is found by; without a session empty, which is nobody's.

    The key has 165 random bits, which need no slow digest.
    """
    if not session_key:
        return ""
    return base64.urlsafe_b64encode(hashlib.sha256(session_key.encode()).digest()[:_ROW_KEY_BYTES]).decode()


class SessionStore(DatabaseSessionStore):
    """Stores sessions in ``accounts.models.Session``."""

    _read: str | None = None  # the data of the row as this request read or wrote it last
    _with_use_noted: dict[str, Any] | None = None  # what it holds if nothing but its use has changed

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return the table's model."""
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row for ``data``, with what its columns copy of it."""
        row = cast(Session, super().create_model_instance(data))
        row.session_key = row_key(self.session_key)
        row.user_id = data.get(SESSION_KEY)
        row.uid, row.account_id = data.get(UID), data.get(ACCOUNT)
        row.started_at, row.seen_at = _moment(data.get(STARTED)), _moment(data.get(SEEN))
        row.address, row.agent = data.get(ADDRESS, ""), data.get(AGENT, "")
        return row

    def exists(self, session_key: str) -> bool:
        """Whether there is a session with that key."""
        return super().exists(row_key(session_key))

    def delete(self, session_key: str | None = None) -> None:
        """Delete the row of the session, or of another one."""
        key = session_key or self.session_key
        if key is not None:
            super().delete(row_key(key))

    def _validate_session_key(self, key: str | None) -> bool:
        """Whether a cookie can name a session; other characters than those of keys may be no text to a database."""
        is_long_enough = super()._validate_session_key(key)  # type: ignore[misc]  # the stubs leave it out
        return bool(is_long_enough) and set(cast(str, key)) <= _LETTERS

    def _get_session_from_db(self) -> Session | None:
        """Return the row of the session, or none if it has ended; one query of every request."""
        row = _under_key.first(row_key(self.session_key)) if self.session_key else None
        if row is None or row.expire_date <= timezone.now():
            self._session_key = None
            return None
        self._read = row.session_data
        return row

    def note_use(self, values: Mapping[str, Any]) -> None:
        """Put ``values``, which say when and from where the session was used last, into it.

        If nothing else changes, the session is saved only if that does not have to wait long: during a long write pages
        are still answered, and the use is noted with a later request.
        """
        self.update(dict(values))
        self._with_use_noted = dict(self.items())

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        """Write the session. Raises UpdateError only if it was ended meanwhile.

        Django raises it for every fault of the database, and the user would be told that the request was bad.
        """
        if must_create or dict(self.items()) != self._with_use_noted:
            self._write(must_create)
            return
        with waiting_at_most(_PATIENCE), suppress(OperationalError):
            self._write(must_create)

    def _write(self, must_create: bool) -> None:  # noqa: FBT001 - as Django's
        if not must_create and self._replaces_what_was_read():
            return
        try:
            if must_create or self._read is None:
                super().save(must_create)
            else:
                with transaction.atomic():
                    self._take_over_what_others_wrote(since=self._read)
                    super().save()
            self._read = self.encode(dict(self.items()))
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError):
                raise error.__context__ from None
            raise

    def _replaces_what_was_read(self) -> bool:
        """Write the row if it is still as this request read it, and return whether it was; one query."""
        if self._read is None or self.session_key is None:  # a new one, or what is left after logging out
            return False
        row = self.create_model_instance(dict(self.items()))
        values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
        if not Session.objects.filter(pk=values.pop("session_key"), session_data=self._read).update(**values):
            return False
        self._read = row.session_data
        return True

    def _take_over_what_others_wrote(self, *, since: str) -> None:
        """Apply what this request changed to what the row holds now, which is no longer ``since``.

        A session is written as a whole, so two tabs that are answered at once would otherwise undo each other's
        changes, such as switching accounts.
        """
        rows = Session.objects.select_for_update(no_key=True).filter(pk=row_key(self.session_key))
        present = rows.values_list("session_data", flat=True).first()
        if present is None:
            return  # it was ended meanwhile, as saving finds out
        before, after, theirs = self.decode(since), dict(self.items()), self.decode(present)
        changed = {name: value for name, value in after.items() if name not in before or before[name] != value}
        removed = before.keys() - after.keys()
        self._session_cache = {name: value for name, value in theirs.items() if name not in removed} | changed

    @classmethod
    def delete_expired(cls) -> int:
        """Delete all sessions whose time is over, and return how many."""
        return Session.objects.filter(expire_date__lt=timezone.now()).delete()[0]


def end_sessions_of(user_id: int, *, but: str | None = None, account_id: int | None = None) -> int:
    """End the user's sessions, except the one under the key ``but``, and return how many.

    Those in one account, if ``account_id`` says which.
    """
    sessions = Session.objects.filter(user_id=user_id).exclude(pk=row_key(but))
    return (sessions if account_id is None else sessions.filter(account_id=account_id)).delete()[0]


def _moment(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
