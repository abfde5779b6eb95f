"""The tables of keys; their constraints hold whatever the program does."""

import hashlib
from uuid import uuid4

from django.db import models
from django.db.models import F
from django.db.models.functions import Length, Right
from django.db.models.lookups import Exact
from django.utils import timezone

from accounts.models import Account, Member, User
from accounts.models.fields import Code, CompositeForeignKey, PathField
from accounts.models.member import CODE_LENGTH, MAX_DEPTH
from accounts.names import NAME_LENGTH, SORT_NAME_LENGTH

#: How many IBM Cloud API keys a user has at most, in all accounts. Source: docs/rules.md, "IBM Cloud API keys".
MOST_PLATFORM_KEYS = 20
DESCRIPTION_LENGTH = 500  # characters


class ClassicKey(models.Model):
    """A member's one classic infrastructure API key.

    The holder's path and sort name are copied here, because the console's main page is "the newest keys of my branch":
    the branch and the sort order must be in one index. The path cannot drift: a foreign key over (account, path) to the
    member's own is checked at the end of each transaction.
    """

    uid = models.CharField(max_length=32, unique=True, help_text="Random; what the sealed value is bound to.")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    holder = models.OneToOneField(Member, on_delete=models.PROTECT, related_name="classic_key")
    holder_path = PathField(max_length=CODE_LENGTH * MAX_DEPTH)
    holder_sort_name = PathField(max_length=SORT_NAME_LENGTH)
    creator = models.ForeignKey(Member, on_delete=models.SET_NULL, null=True, related_name="created_classic_keys")
    created_at = models.DateTimeField()
    sealed_value = models.BinaryField()
    digest = models.BinaryField(max_length=32, unique=True)
    ring_key_id = models.CharField(max_length=16, help_text="Master key that value and digest were made with.")
    allowed_addresses = models.TextField(
        "Classic infrastructure", blank=True, help_text="From where the key may be used; empty allows every address."
    )
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.CharField(max_length=45, blank=True)
    # A column of its own, which changes once a day: an index on ``last_used_at`` would be updated with every use.
    last_used_day = models.DateField(null=True, help_text="The day (UTC) of ``last_used_at``: what an index knows.")

    #: The names of the holder and of the holder's parent (none for the owner) in the account, and the holder's address.
    #: Filled in by ``keys.queries`` for lists, which need nothing else of three more rows per key.
    holder_name = ""
    holder_email = ""
    parent_name: str | None = None
    #: For files, the creator's name; none for one who has left.
    creator_name: str | None = None

    class Meta:
        constraints = (
            CompositeForeignKey(
                name="classic_key_holder_path",
                fields=("account", "holder_path"),
                to_table="accounts_member",
                to_columns=("account_id", "path"),
            ),
            models.CheckConstraint(
                name="classic_key_path_is_holders",
                condition=models.Q(Exact(Right("holder_path", CODE_LENGTH), Code(F("holder_id")))),
            ),
        )
        indexes = (
            models.Index(
                # The last so that a branch is sorted by name from the index alone.
                name="classic_key_branch_idx",
                fields=("account", "holder_path", "created_at", "id", "holder_sort_name"),
            ),
            models.Index(name="classic_key_by_date_idx", fields=("account", "created_at", "id", "holder_path")),
            models.Index(name="classic_key_by_name_idx", fields=("account", "holder_sort_name", "id", "holder_path")),
            models.Index(name="classic_key_ring_idx", fields=("ring_key_id", "id")),
            models.Index(
                name="classic_key_by_use_idx", fields=("account", "last_used_day", "created_at", "holder_path")
            ),
            models.Index(F("account"), Length("allowed_addresses"), F("holder_path"), name="classic_key_by_limit_idx"),
        )

    def __str__(self) -> str:
        return f"Classic infrastructure API key of {self.holder}"


class KeptRestriction(models.Model):
    """The restriction of a member's next key: that of the last one, which was deleted.

    Restrictions belong to the member. Somebody who may not lift one must not get rid of it by deleting the key and
    creating another.
    """

    holder = models.OneToOneField(Member, on_delete=models.CASCADE, primary_key=True, related_name="+")
    allowed_addresses = models.TextField()

    def __str__(self) -> str:
        return f"Restriction of the next classic infrastructure API key of {self.holder}"


class LeakedAction(models.TextChoices):
    """What becomes of an IBM Cloud API key when its value is reported as leaked; the labels are IBM Cloud's."""

    DISABLE = "disable", "Disable the leaked key"
    DELETE = "delete", "Delete the leaked key"
    NOTHING = "nothing", "Nothing"


class PlatformKey(models.Model):
    """One of a user's IBM Cloud API keys, which acts as them in the account where they created it.

    The value is in no column: it existed in the answer that created the key. A call's value is found by its digest.
    """

    uuid = models.UUIDField(unique=True, default=uuid4, editable=False, help_text="What clients call the key by.")
    # Random, and told to nobody: so that whoever has read the ring, and knows of a key, makes no token for it.
    token_id = models.UUIDField(
        unique=True, default=uuid4, editable=False, help_text="What access tokens call the key by."
    )
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    holder = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="platform_keys")
    # The holder's user: the number of keys is limited for each user, in whichever accounts.
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    slot = models.PositiveSmallIntegerField(help_text="Which of the user's keys it is: there are so many places.")
    name = models.CharField(max_length=NAME_LENGTH)
    description = models.CharField(max_length=DESCRIPTION_LENGTH, blank=True)
    sort_name = PathField(max_length=SORT_NAME_LENGTH, editable=False, help_text="Made of the name, for lists.")
    search_text = models.TextField(editable=False, help_text="Folded name and description.")
    created_at = models.DateTimeField()
    modified_at = models.DateTimeField(null=True, help_text="When it was last edited, locked or switched, if ever.")
    expires_at = models.DateTimeField(null=True, help_text="From then on it is refused; none is never.")
    expiry_told_at = models.DateTimeField(null=True, help_text="When the holder was told that it is about to expire.")
    is_enabled = models.BooleanField(default=True)
    is_locked = models.BooleanField(default=False, help_text="It can be neither edited nor deleted.")
    leaked_action = models.CharField(max_length=10, choices=LeakedAction.choices, default=LeakedAction.DISABLE)
    leaked_at = models.DateTimeField(null=True, help_text="When its value was first reported as leaked.")
    digest = models.BinaryField(max_length=32, unique=True)
    ring_key_id = models.CharField(max_length=16, help_text="Master key that the digest was made with.")
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.CharField(max_length=45, blank=True)
    last_used_day = models.DateField(null=True, help_text="The day (UTC) of ``last_used_at``: what an index knows.")

    class Meta:
        constraints = (
            models.UniqueConstraint(name="platform_key_user_slot", fields=("user", "slot")),
            models.CheckConstraint(
                name="platform_key_slot_in_range", condition=models.Q(slot__gte=1, slot__lte=MOST_PLATFORM_KEYS)
            ),
        )
        indexes = (
            models.Index(name="platform_key_by_name_idx", fields=("account", "sort_name", "id")),
            models.Index(name="platform_key_by_date_idx", fields=("account", "created_at", "id")),
            models.Index(name="platform_key_by_use_idx", fields=("account", "last_used_day", "created_at")),
            models.Index(name="platform_key_ring_idx", fields=("ring_key_id", "id")),
            models.Index(
                name="platform_key_expiry_idx", fields=("expires_at",), condition=models.Q(expires_at__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def record_id(self) -> str:
        """The id by which clients call the key: ``ApiKey-`` and a UUID. *Source:* docs/clients.md."""
        return f"ApiKey-{self.uuid}"

    @property
    def revision(self) -> str:
        """A text that is another one as soon as anything differs that users decide about the key."""
        said = (
            self.uuid, self.name, self.description, self.expires_at, self.leaked_action, self.is_enabled,
            self.is_locked,
        )  # fmt: skip
        return hashlib.sha256(repr(tuple(map(str, said))).encode()).hexdigest()[:32]

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= timezone.now()
