"""The words of the domain that are values: statuses, relations, permissions. Imports nothing of ours."""

import enum
from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.db import models


class MemberStatus(models.TextChoices):
    """What a member may do in an account. The labels are IBM Cloud's, word for word.

    Source: IBM Cloud documentation, "Managing users: user statuses".
    """

    ACTIVE = "active", "Active"  # may sign in and use the classic key
    DISABLED_CLASSIC = "disabled_classic", "Disabled classic infrastructure"  # console yes, classic key no
    INVALID = "invalid", "Invalid"  # identity gone: no sign-in, the classic key and the VPN still work
    PENDING = "pending", "Pending"  # invited, has not accepted yet
    PROCESSING = "processing", "Processing"  # invited, the mail has not gone out yet
    SUSPENDED = "suspended", "Suspended"  # may sign in and do nothing in this account; keys and grants are kept
    VPN_ONLY = "vpn_only", "VPN-only"  # made without an invitation, never signs in


#: Statuses that somebody who manages a user chooses from, in the order of the select. The others come about by
#: themselves: an invitation, an identity that is gone.
CHOSEN_STATUSES = (MemberStatus.ACTIVE, MemberStatus.DISABLED_CLASSIC, MemberStatus.SUSPENDED, MemberStatus.VPN_ONLY)
#: Statuses of a member who is still on the way in: there is nothing to change yet.
INVITED_STATUSES = frozenset({MemberStatus.PENDING, MemberStatus.PROCESSING})
#: Statuses of a member whose removal needs no decision about them: they move up.
DISABLED_STATUSES = frozenset({MemberStatus.DISABLED_CLASSIC, MemberStatus.SUSPENDED})
#: Statuses whose member may sign in and see why, or work.
SIGN_IN_STATUSES = frozenset({MemberStatus.ACTIVE, MemberStatus.DISABLED_CLASSIC, MemberStatus.SUSPENDED})
#: Statuses whose member may work in the console.
CONSOLE_STATUSES = frozenset({MemberStatus.ACTIVE, MemberStatus.DISABLED_CLASSIC})
#: Statuses whose member's classic key is accepted when it calls.
CALLING_STATUSES = frozenset({MemberStatus.ACTIVE, MemberStatus.INVALID, MemberStatus.VPN_ONLY})


class Relation(enum.Enum):
    """How the member who looks stands to the member looked at, in one account's invited-by tree."""

    SELF = "self"
    ANCESTOR = "ancestor"  # the viewer invited them, or invited someone who did, and so on
    DESCENDANT = "descendant"  # the reverse
    UNRELATED = "unrelated"  # same account, neither above nor below
    FOREIGN = "foreign"  # another account


class Permission(enum.IntFlag):
    """What a member can be given. Nobody grants what they lack; the account's owner has all.

    None of these gives sight of another's classic key: only being an ancestor does.
    """

    MANAGE_USERS = 1  # invite; and for one's own descendants: status, parent, restrictions, VPN password, removal
    USER_EDITOR = 2  # invite, and the same for any member but the owner; not removal
    USER_ADMINISTRATOR = 4  # the same, removal included
    IDENTITY_ADMINISTRATOR = 8  # all users' IBM Cloud API keys, account settings, inactive identities
    API_KEY_CREATOR = 16  # create IBM Cloud API keys while the account restricts it


#: How the pages name the permissions, word for word as IBM Cloud does, and what each allows.
PERMISSION_LABELS = {
    Permission.MANAGE_USERS: (
        "Manage users (classic infrastructure)",
        "Invite users, and manage the users below: status, parent, removal",
    ),
    Permission.USER_EDITOR: (
        "User management: Editor",
        "Invite users, and manage every user but the owner, without removing them",
    ),
    Permission.USER_ADMINISTRATOR: (
        "User management: Administrator",
        "Invite users, and manage and remove every user but the owner",
    ),
    Permission.IDENTITY_ADMINISTRATOR: (
        "IAM identity: Administrator",
        "Change the settings of the account, see inactive identities, and manage all IBM Cloud API keys",
    ),
    Permission.API_KEY_CREATOR: ("User API key creator", "Create IBM Cloud API keys while creation is restricted"),
}


def together(permissions: Iterable[Permission]) -> Permission:
    """Return several permissions as one value."""
    return reduce(or_, permissions, Permission(0))


def permission_names(granted: Permission) -> str:
    """Return the permissions as pages and events name them."""
    return ", ".join(label for permission, (label, _) in PERMISSION_LABELS.items() if permission in granted) or "none"
