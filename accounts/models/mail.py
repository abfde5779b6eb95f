"""Mails that have not gone out yet."""

from django.db import models
from django.db.models import Q

from accounts.models.event import Event
from accounts.models.invitation import Invitation
from accounts.names import EMAIL_BYTES


class Mail(models.Model):
    """A mail in the outbox: to whom, and what about. Its text is written when it is sent; then the row goes.

    What it is about is an invitation, which takes its unsent mails along when it goes, or an event.
    """

    recipient = models.CharField(max_length=EMAIL_BYTES)
    invitation = models.ForeignKey(Invitation, on_delete=models.CASCADE, null=True)
    # Without a constraint: events are never removed, and nothing should refer to their table that could be in the way
    # of the triggers there.
    event = models.ForeignKey(
        Event, on_delete=models.DO_NOTHING, null=True, related_name="+", db_index=False, db_constraint=False
    )
    created_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, help_text="None: given up.")
    problem = models.CharField(max_length=200, blank=True, help_text="Why the last try failed, without addresses.")

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="mail_about_one_thing",
                condition=Q(invitation=None, event__isnull=False) | Q(invitation__isnull=False, event=None),
            ),
        )
        indexes = (models.Index(name="mail_due_idx", fields=("next_try_at", "id")),)

    def __str__(self) -> str:
        return f"{self.pk}, {self.tries} tries"
