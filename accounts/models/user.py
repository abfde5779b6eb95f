"""The login identity."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from accounts.models.fields import CanonicalEmailField
from accounts.names import NAME_LENGTH

if TYPE_CHECKING:
    from accounts.models.member import Member


class UserManager(BaseUserManager["User"]):
    """Finds users by e-mail address, whatever its case or Unicode form."""

    def create_user(self, email: str, name: str, password: str | None = None, **fields: Any) -> "User":
        """Make a user; without a password nobody can sign in as them.

        Takes an address and a name already cleaned (``accounts.names``). Raises IntegrityError for a taken address.
        """
        user = self.model(email=email, name=name, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """One e-mail address and one password. May be a member of several accounts."""

    email = CanonicalEmailField("email address", unique=True)
    name = models.CharField("name", max_length=NAME_LENGTH)
    created_at = models.DateTimeField(auto_now_add=True)

    #: Where the user may sign in, filled in when a session's user is loaded: see ``accounts.signin``.
    memberships_to_sign_in: "Sequence[Member]" = ()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects = UserManager()

    class Meta:
        constraints = (
            # Holds against writers other than this program too, as far as the database can fold case.
            models.CheckConstraint(name="user_email_is_folded", condition=Q(email=Lower(F("email")))),
        )

    def __str__(self) -> str:
        return self.name
