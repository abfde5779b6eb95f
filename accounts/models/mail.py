"""Mails that have not gone out yet."""

from django.db import models
from django.db.models import Q

from accounts.models.event import Event
from accounts.models.invitation import Invitation
from accounts.models.reset import PasswordReset
from accounts.names import EMAIL_BYTES


class Mail(models.Model):
    """A mail in the outbox: to whom, and what about. Its text is written when it is sent; then the row goes.

    It is about an invitation or the reset of a password, whose unsent mails are deleted with them, or about an event.
    """

    recipient = models.CharField(max_length=EMAIL_BYTES)
    invitation = models.ForeignKey(Invitation, on_delete=models.CASCADE, null=True)
    reset = models.ForeignKey(PasswordReset, on_delete=models.CASCADE, null=True, related_name="+")
    # Without a constraint, which could get in the way of the triggers on events. Mails wait for days, and events are
    # kept for months at least.
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
                condition=Q(invitation=None, event__isnull=False, reset=None)
                | Q(invitation__isnull=False, event=None, reset=None)
                | Q(invitation=None, event=None, reset__isnull=False),
            ),
        )
        indexes = (models.Index(name="mail_due_idx", fields=("next_try_at", "id")),)

    def __str__(self) -> str:
        return f"{self.pk}, {self.tries} tries"
