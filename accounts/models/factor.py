"""What proves an identity beside the password: one-time passcodes, recovery codes, passkeys."""

import uuid

from django.db import models

from accounts.models.user import User

#: How long the name of a passkey may be.
PASSKEY_NAME_LENGTH = 60
#: How long a passkey's id and its public key may be. *Source* for the id: Web Authentication, "Credential ID".
PASSKEY_ID_BYTES, PASSKEY_KEY_BYTES = 1023, 2000


class Passcode(models.Model):
    """The seed of a user's one-time passcodes, sealed; counts once it was confirmed by a code.

    While an app is being replaced there are two: the one that counts, and the one that is to.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passcodes")
    uid = models.UUIDField(default=uuid.uuid4, help_text="What the sealed seed is bound to, besides the user.")
    sealed_seed = models.BinaryField(max_length=200)
    ring_key_id = models.CharField(max_length=16, help_text="Master key that the seed is sealed under.")
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, help_text="None: being set up.")
    last_step = models.BigIntegerField(
        default=0, help_text="Time step of the last code that was accepted: neither it nor an earlier one counts again."
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(
                name="passcode_on_once", fields=("user",), condition=models.Q(confirmed_at__isnull=False)
            ),
            models.UniqueConstraint(
                name="passcode_begun_once", fields=("user",), condition=models.Q(confirmed_at=None)
            ),
        )

    def __str__(self) -> str:
        return f"{self.user_id}, {'on' if self.confirmed_at else 'being set up'}"


class RecoveryCode(models.Model):
    """One of the codes that stand in for a lost second factor, as a digest."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.user_id}, {'used' if self.used_at else 'unused'}"


class Passkey(models.Model):
    """The public half of a passkey."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    uid = models.UUIDField(default=uuid.uuid4, unique=True, help_text="Names it in addresses.")
    credential_id = models.BinaryField(max_length=PASSKEY_ID_BYTES, unique=True)
    public_key = models.BinaryField(max_length=PASSKEY_KEY_BYTES)
    sign_count = models.BigIntegerField(help_text="Grows with each use, where the authenticator counts at all.")
    transports = models.CharField(max_length=100, blank=True, help_text="How browsers reach it, as it said itself.")
    name = models.CharField(max_length=PASSKEY_NAME_LENGTH)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class PasskeyChallenge(models.Model):
    """What a passkey is to sign: of use once, to one user, for one purpose, for some minutes."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    challenge = models.BinaryField(max_length=64, unique=True)
    purpose = models.CharField(max_length=10)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.user_id}, {self.purpose}"
