"""The organisation that members belong to."""

from django.db import models
from django.db.models import Q

from accounts.names import NAME_LENGTH

#: "Seven digits or more", and below 2^31, which is all that the usual API clients can marshal.
LOWEST_ACCOUNT_ID, HIGHEST_ACCOUNT_ID = 1_000_000, 2**31 - 1
#: Bounds for an account's session limits. With less than five minutes people would be signed out while reading.
MOST_SESSION_HOURS, LEAST_IDLE_MINUTES, MOST_IDLE_MINUTES, MOST_SESSIONS = 720, 5, 24 * 60, 100


def _within(field: str, lowest: int, highest: int) -> Q:
    return Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__gte": lowest, f"{field}__lte": highest})


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
        help_text="Patterns of the addresses that may be invited, one a line; kept while they are not in force.",
    )
    restrict_user_domains = models.BooleanField(
        "Restrict user domains in force",
        default=False,
        db_default=False,
        help_text="Nobody is let in whom no pattern fits.",
    )
    restrict_key_creation = models.BooleanField(
        "Restrict API key creation",
        default=False,
        db_default=False,
        help_text="IBM Cloud API keys are created only by users with the permission User API key creator.",
    )
    session_hours = models.PositiveSmallIntegerField(
        "Active sessions", null=True, help_text="Hours until a session ends; none leaves it to the installation."
    )
    session_idle_minutes = models.PositiveSmallIntegerField(
        "Sign out due to inactivity",
        null=True,
        help_text="Minutes without a request until a session ends; none leaves it to the installation.",
    )
    most_sessions = models.PositiveSmallIntegerField(
        "Concurrent sessions", null=True, help_text="How many a user may have at once; none is unlimited."
    )

    require_second_factor = models.BooleanField(
        "Require a second factor",
        default=False,
        db_default=False,
        help_text="Users without one can do nothing in the console but set one up.",
    )

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="account_session_limits",
                condition=_within("session_hours", 1, MOST_SESSION_HOURS)
                & _within("session_idle_minutes", LEAST_IDLE_MINUTES, MOST_IDLE_MINUTES)
                & _within("most_sessions", 1, MOST_SESSIONS),
            ),
            models.CheckConstraint(
                name="account_id_in_range", condition=Q(id__gte=LOWEST_ACCOUNT_ID, id__lte=HIGHEST_ACCOUNT_ID)
            ),
        )

    def __str__(self) -> str:
        return f"{self.pk} - {self.name}"

    @property
    def domains_in_force(self) -> str:
        """The patterns, one of which the address of every new user must fit; empty allows all addresses."""
        return self.user_domains if self.restrict_user_domains else ""
