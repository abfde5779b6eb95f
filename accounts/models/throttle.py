"""Counts of what is limited: attempts to sign in, invitations, large files."""

from django.db import models


class AttemptCount(models.Model):
    """How often something was tried in the window that ends at ``window_ends_at``; see ``accounts.throttle``."""

    key = models.CharField(max_length=64, primary_key=True, help_text="Digest of what is counted.")
    count = models.PositiveIntegerField(default=0)
    window_ends_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.key[:8]}: {self.count}"
