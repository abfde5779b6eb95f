"""Requests for another password."""

import uuid

from django.db import models

from accounts.models.user import User
from accounts.names import EMAIL_BYTES


class PasswordReset(models.Model):
    """A request for a link to reset a password, for whatever address was typed.

    Whether the address is anybody's is looked up only when the mail is due. The link's token is not stored: it is
    derived from ``uid``. A presented token is looked up by ``token_digest``; see ``accounts.tokens``.
    """

    email = models.CharField(max_length=EMAIL_BYTES, help_text="As it was typed, in its one form.")
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    ring_key_id = models.CharField(max_length=16, help_text="Master key that the token is derived with.")
    token_digest = models.BinaryField(max_length=32, unique=True)
    bound_to = models.BinaryField(
        max_length=32, null=True, help_text="Digest of the password and address that the user had when it was mailed."
    )
    address = models.CharField(max_length=45, blank=True, help_text="From where it was asked for.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.pk}, {'used' if self.used_at else 'open'}"
