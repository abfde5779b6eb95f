"""The session engine: Django's database sessions, with the user kept beside the data."""

from typing import Any, cast

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.db import OperationalError
from django.utils import timezone

from accounts.models import Session


class SessionStore(DatabaseSessionStore):
    """Stores sessions in ``accounts.models.Session``."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return the table's model."""
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row for ``data``, naming the user who is signed in."""
        row = cast(Session, super().create_model_instance(data))
        row.user_id = data.get(SESSION_KEY)
        return row

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        """Write the session. Raises UpdateError only when it was ended meanwhile.

        Django's own says so of every fault of the database: the person would be told that the request was bad.
        """
        try:
            super().save(must_create)
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError):
                raise error.__context__ from None
            raise

    @classmethod
    def delete_expired(cls) -> int:
        """Delete the rows of sessions whose time is over, everybody's, and return how many."""
        return Session.objects.filter(expire_date__lt=timezone.now()).delete()[0]
