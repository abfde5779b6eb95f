"""Login sessions, in the database, each with its user: so that they can be listed and ended."""

from typing import TYPE_CHECKING

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from accounts.models.account import Account
from accounts.models.user import User

if TYPE_CHECKING:
    from accounts.sessions import SessionStore


class Session(AbstractBaseSession):
    """A session of the console. ``user`` is none until somebody signed in.

    The columns beside the session's data are copied from it whenever it is saved; nothing else writes them. A session
    from before these columns existed fills them with its next request.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions")
    # Not unique: while a session changes its key, the old row and the new one are there at the same time.
    uid = models.UUIDField(null=True, help_text="Names the session in addresses, as its key is a secret.")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True, help_text="Noted at most once a minute.")
    address = models.CharField(max_length=45, blank=True, db_default="", help_text="Where it was seen last.")
    agent = models.CharField(
        max_length=60, blank=True, db_default="", help_text="What it was seen in last: browser and system."
    )

    @classmethod
    def get_session_store_class(cls) -> "type[SessionStore]":
        """Return the store that reads and writes these rows."""
        from accounts.sessions import SessionStore  # noqa: PLC0415 - the store imports this model

        return SessionStore
