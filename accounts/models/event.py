"""The audit trail's tables. Events are inserted, and deleted up to a mark; triggers refuse anything else.

See migrations 0002 and 0010, and ``accounts.retention``.
"""

import json
from typing import Any

from django.db import models
from django.db.models import F, Q

#: The actor is not the subject: somebody else, a stranger or a command.
BY_OTHERS = Q(actor_id=None) | Q(actor_id__lt=F("subject_id")) | Q(actor_id__gt=F("subject_id"))


class Event(models.Model):
    """Something that happened in an account: who, from where, on whom, what, when, with what outcome.

    People are kept as number and text, not as foreign keys: the trail outlives them.
    """

    account_id = models.PositiveIntegerField()
    number = models.PositiveIntegerField(help_text="1, 2, 3 … within the account, without gaps.")
    at = models.DateTimeField()
    action = models.CharField(max_length=60)
    outcome = models.CharField(max_length=10)
    actor_id = models.BigIntegerField(null=True, help_text="Member who acted; none for a stranger or a command.")
    actor_label = models.CharField(max_length=700)
    subject_id = models.BigIntegerField(null=True, help_text="Member it was done to.")
    subject_label = models.CharField(max_length=700)
    address = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=32, blank=True)
    # Text rather than a JSON column: that would be checked by a function that SQLite calls unsafe in a schema.
    details = models.TextField(default="{}", help_text="Facts as a JSON object; never a secret.")
    once = models.CharField(  # noqa: DJ001 - null is "no such rule": the unique index leaves those rows out
        max_length=120, null=True, help_text="Set where the same thing must not be recorded twice by two workers."
    )
    link = models.BinaryField(max_length=49, help_text="Keyed digest over this event and the link before it.")

    class Meta:
        constraints = (
            models.UniqueConstraint(name="event_number_once", fields=("account_id", "number")),
            models.UniqueConstraint(name="event_once", fields=("account_id", "once"), condition=Q(once__isnull=False)),
        )
        indexes = (
            # With the time, so that events of other days need not be read from the table.
            models.Index(name="event_subject_idx", fields=("account_id", "subject_id", "-number", "at")),
            models.Index(name="event_actor_idx", fields=("account_id", "actor_id", "-number", "at")),
            # A range of numbers does not match a day exactly: an event gets its time before it waits for its number,
            # and clocks are adjusted.
            models.Index(name="event_by_time_idx", fields=("account_id", "at", "id")),
            # Asked with every page: whether there is anything new for the viewer.
            models.Index(
                name="event_by_others_idx", fields=("account_id", "subject_id", "-number"), condition=BY_OTHERS
            ),
        )

    def __str__(self) -> str:
        return f"{self.account_id}/{self.number} {self.action}"

    @property
    def facts(self) -> dict[str, Any]:
        """The details, read."""
        return dict(json.loads(self.details))


class AuditChain(models.Model):
    """The last link of an account's chain of events, and how far it was trimmed; locked while an event is added."""

    account_id = models.PositiveIntegerField(primary_key=True)
    number = models.PositiveIntegerField(default=0)
    link = models.BinaryField(max_length=49, default=b"")
    trimmed_until = models.PositiveIntegerField(default=0, help_text="Number of the last event that was cleared away.")
    trimmed_link = models.BinaryField(max_length=49, default=b"", help_text="Link of that event.")
    trimmed_at = models.DateTimeField(null=True, help_text="Latest time of an event that was cleared away.")

    def __str__(self) -> str:
        return f"{self.account_id} at {self.number}"
