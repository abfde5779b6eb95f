"""The organisation that members belong to."""

from django.db import models
from django.db.models import Q

from accounts.names import NAME_LENGTH

#: "Seven digits or more", and below 2^31, which is all that the usual API clients can marshal.
LOWEST_ACCOUNT_ID, HIGHEST_ACCOUNT_ID = 1_000_000, 2**31 - 1


class Account(models.Model):
    """An account: its primary key is the *account ID* that people see and that API usernames begin with."""

    id = models.PositiveIntegerField("account ID", primary_key=True)
    name = models.CharField(max_length=NAME_LENGTH)
    created_at = models.DateTimeField(auto_now_add=True)
    is_demo = models.BooleanField(default=False, help_text="Holds the published demo passwords.")
    restrict_user_list = models.BooleanField(
        "Restrict user list visibility", default=False, help_text="Members see only themselves and those below them."
    )
    allowed_addresses = models.TextField(
        "Restrict IP address access",
        blank=True,
        help_text="Canonical text of the account-wide restriction; empty allows every address.",
    )

    user_domains = models.TextField(
        "Restrict user domains",
        blank=True,
        help_text="Patterns of the addresses that may be invited, one a line; empty allows every address.",
    )

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="account_id_in_range", condition=Q(id__gte=LOWEST_ACCOUNT_ID, id__lte=HIGHEST_ACCOUNT_ID)
            ),
        )

    def __str__(self) -> str:
        return f"{self.pk} - {self.name}"
