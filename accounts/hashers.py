"""How passwords are hashed, and which are refused."""

import threading
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.names import canonical_email

MAXIMUM_PASSWORD_LENGTH = 4096  # characters
_SHORTEST_WORD = 3  # characters: shorter parts of a name stand in any good password

#: Each hash takes 19 MiB for some 20 ms: more at once than cores only makes everybody wait.
_AT_ONCE = threading.BoundedSemaphore(2)


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id with the parameters OWASP recommends; Django's own would take 100 MiB on 8 lanes a sign-in.

    Source: OWASP Password Storage Cheat Sheet, "Argon2id".
    """

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """Return the encoded hash of ``password``."""
        with _AT_ONCE:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Whether ``password`` is the one that ``encoded`` was made from."""
        with _AT_ONCE:
            return super().verify(password, encoded)


class MaximumLengthValidator:
    """Refuses passwords longer than ``MAXIMUM_PASSWORD_LENGTH``, which only make the server work."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Raise ValidationError for a password that is too long."""
        if len(password) > MAXIMUM_PASSWORD_LENGTH:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        """Return the rule in a sentence."""
        return f"Use at most {MAXIMUM_PASSWORD_LENGTH} characters."


class ContextWordsValidator:
    """Refuses passwords made of the product's name, the person's name or their e-mail address."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError when little is left of the password without those words."""
        left = password.casefold()
        for word in self._words(user):
            left = left.replace(word, "")
        if len(left) < min(6, len(password)):
            raise ValidationError(self.get_help_text(), code="password_of_context_words")

    def get_help_text(self) -> str:
        """Return the rule in a sentence."""
        return "Do not build the password from your name, your email address or the word Keytree."

    @staticmethod
    def _words(user: Any) -> list[str]:
        words = ["keytree", "softlayer", "password"]
        if user is not None:
            words += [
                canonical_email(user.email),
                *canonical_email(user.email).split("@"),
                *user.name.casefold().split(),
            ]
        return sorted((word for word in words if len(word) >= _SHORTEST_WORD), key=len, reverse=True)
