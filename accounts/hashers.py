"""How passwords are hashed, and which are refused."""

import re
import threading
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.names import canonical_email

MAXIMUM_PASSWORD_LENGTH = 4096  # characters
_SHORTEST_WORD = 3  # characters: shorter parts of a name stand in any good password
_LONGEST_TAKEN_APART = 64  # characters: nothing longer is two common passwords
_FEWEST_DISTINCT = 4  # characters that differ: anything less is a pattern, however long

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


def _without_signs_before(text: str) -> str:
    """Return the text from its first letter on, in linear time, which searching for the end of signs would not take."""
    return re.sub(r"^[\W\d_]+", "", text)


class CommonCoreValidator(CommonPasswordValidator):
    """Refuses passwords made of common ones: few are twelve characters long, so people stretch them.

    What is looked up in Django's list of 20,000 is the core of the password, without the digits and signs around it.
    The core may also be two common passwords in a row, or a repeated one.

    *Source:* NIST SP 800-63B, section 5.1.1.2, which asks to refuse commonly used values.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        """Raise ValidationError when the core is a common password, two of them, or one that is repeated."""
        super().validate(password, user)
        folded = password.casefold()
        core = _without_signs_before(_without_signs_before(folded)[::-1])[::-1]
        if len(set(folded)) < _FEWEST_DISTINCT or self._is_common(folded) or self._is_common(core):
            raise ValidationError(
                "This password is too common. Use several words that do not belong together.",
                code="password_too_common",
            )

    def _is_common(self, text: str) -> bool:
        if len(text) > _LONGEST_TAKEN_APART:
            return False
        once = re.sub(r"^(.+?)\1+$", r"\1", text)
        halves = ((once[:at], once[at:]) for at in range(1, len(once)))
        return once in self.passwords or any(
            first in self.passwords and second in self.passwords for first, second in halves
        )


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
        return "Do not use your name, your email address or the word Keytree in the password."

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
