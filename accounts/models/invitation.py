"""The invitation of a member who has not accepted it yet."""

import uuid

from django.db import models
from django.utils import timezone

from accounts.models.member import Member


class Invitation(models.Model):
    """What a pending member was sent, or will be. The row goes when the invitation is accepted or cancelled.

    The link's token is not stored: it is derived from ``uid`` and ``generation`` when a mail is written. A presented
    token is looked up by ``token_digest``; see ``accounts.tokens``.
    """

    member = models.OneToOneField(Member, on_delete=models.CASCADE)
    invited_by = models.ForeignKey(Member, on_delete=models.SET_NULL, null=True, related_name="+")
    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    generation = models.PositiveIntegerField(default=1, help_text="Counts how often it was sent anew.")
    ring_key_id = models.CharField(max_length=16, help_text="Master key that the token is derived with.")
    token_digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, help_text="When the mail of this generation went out.")
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.member_id}, generation {self.generation}"

    def is_expired(self) -> bool:
        """Whether the link's time is over."""
        return self.expires_at <= timezone.now()
