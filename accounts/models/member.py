"""A user's place in one account, and a node of that account's invited-by tree."""

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Concat, Length, NullIf, Right, Substr
from django.db.models.lookups import Exact, LessThanOrEqual

from accounts.enums import MemberStatus, Permission
from accounts.models.account import Account
from accounts.models.fields import Code, CompositeForeignKey, PathField
from accounts.models.user import User
from accounts.names import EMAIL_BYTES, NAME_LENGTH, SORT_NAME_LENGTH

#: Hexadecimal digits of a member's primary key in a path: 268 million members in the life of an installation.
CODE_LENGTH = 7
#: Levels of a tree: an index row of PostgreSQL holds about 2,700 bytes, and the path must leave room for sort columns.
MAX_DEPTH = 256
MAX_MEMBER_ID = 16**CODE_LENGTH - 1


class Member(models.Model):
    """A user's place in one account.

    ``parent`` is the source of truth of the tree. ``path`` is derived from it: the codes of the primary keys from the
    owner down to this member, so that "is below" is "starts with" and a branch is one range of an index. Constraints
    make a wrong path, a parent in another account and a cycle impossible in the database itself: a path ends with the
    parent's code and the member's own, and what precedes the own code must be the path of a member of the same account.
    Paths get shorter from parent to parent, so no walk can come back.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="members", db_index=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    path = PathField(max_length=CODE_LENGTH * MAX_DEPTH, editable=False)
    parent_path = models.GeneratedField(
        expression=NullIf(Substr("path", 1, Length("path") - Value(CODE_LENGTH)), Value("")),
        output_field=PathField(max_length=CODE_LENGTH * MAX_DEPTH, null=True),
        db_persist=True,
    )
    status = models.CharField(max_length=20, choices=MemberStatus.choices, default=MemberStatus.ACTIVE)
    permissions = models.PositiveSmallIntegerField(default=0)
    user_managed_login = models.BooleanField(
        "User-managed login", default=False, help_text="The member sets their own address restrictions."
    )
    joined_at = models.DateTimeField(null=True, blank=True)
    # Null and without a default, so that SQLite adds the column in place: rebuilding the table would drop the triggers
    # of the search index.
    name_here = models.CharField(  # noqa: DJ001 - null is "goes by their own name"
        max_length=NAME_LENGTH,
        null=True,
        editable=False,
        help_text="What they were added as, until they join by themselves: who invites an address learns no name.",
    )
    # Null and without a default for the same reason, as what follows.
    signed_in_at = models.DateTimeField(
        null=True, editable=False, help_text="When they last signed in to this account, or switched to it."
    )
    notifications_read = models.PositiveIntegerField(
        null=True, editable=False, help_text="Number of the last event that they have read among their notifications."
    )
    api_username = models.CharField(
        "API username", max_length=EMAIL_BYTES + 11, unique=True, help_text="Also the VPN user name."
    )
    vpn_password = models.CharField(max_length=128, blank=True, help_text="Hash; empty when none was set.")
    allowed_addresses = models.TextField(
        "Cloud platform", blank=True, help_text="From where the member may sign in; empty allows every address."
    )
    sort_name = PathField(max_length=SORT_NAME_LENGTH, editable=False, help_text="Copied from the user for lists.")
    search_text = models.TextField(editable=False, help_text="Copied from the user: folded name and email address.")

    #: Whether the member is in a frozen branch. Filled in by ``accounts.hierarchy.with_freeze``, with which everybody
    #: is loaded who acts, or whose page or row says so.
    is_frozen = False
    #: Whether there are users below. Filled in by ``accounts.hierarchy.with_users_below``, with which everybody is
    #: loaded who acts, or whose menu a page shows.
    has_users_below = False
    #: Whether the member has unread notifications. Filled in by ``accounts.notifications.with_notifications``, with
    #: which everybody is loaded who acts.
    has_notifications = False
    #: Whether the member's user has a second factor. Filled in where a user's members are loaded with a session.
    has_second_factor = False

    class Meta:
        constraints = (
            models.UniqueConstraint(name="member_user_once", fields=("account", "user")),
            models.UniqueConstraint(name="member_path_once", fields=("account", "path")),
            models.UniqueConstraint(name="member_one_owner", fields=("account",), condition=Q(parent=None)),
            CompositeForeignKey(
                name="member_parent_path",
                fields=("account", "parent_path"),
                to_table="accounts_member",
                to_columns=("account_id", "path"),
            ),
            models.CheckConstraint(
                name="member_path_follows_parent",
                condition=Q(parent=None, path=Code(F("id")))
                | Q(
                    Exact(Right("path", 2 * CODE_LENGTH), Concat(Code(F("parent_id")), Code(F("id")))),
                    parent__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="member_depth", condition=LessThanOrEqual(Length("path"), CODE_LENGTH * MAX_DEPTH)
            ),
            models.CheckConstraint(name="member_id_fits_code", condition=Q(id__lte=MAX_MEMBER_ID)),
        )
        indexes = (
            models.Index(name="member_parent_path_idx", fields=("account", "parent_path")),
            models.Index(name="member_by_name_idx", fields=("account", "sort_name", "id", "path")),
            models.Index(F("account"), Coalesce("signed_in_at", "joined_at"), F("path"), name="member_by_use_idx"),
            # Only of the few with more than *Manage users*, which many have: they may have rights over anybody.
            models.Index(
                name="member_more_permissions_idx",
                fields=("account", "sort_name"),
                condition=Q(permissions__gt=Permission.MANAGE_USERS.value),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """How the account calls this member: what they were added as, or else the user's own name."""
        return self.user.name if self.name_here is None else self.name_here

    @property
    def is_owner(self) -> bool:
        """Whether this member is the account's owner, the root of its tree."""
        return self.parent_id is None

    @property
    def granted(self) -> Permission:
        """The permissions this member holds; the owner holds all."""
        return ~Permission(0) if self.is_owner else Permission(self.permissions)

    @property
    def level(self) -> int:
        """The member's level in the tree, the owner's being 1."""
        return len(self.path) // CODE_LENGTH
