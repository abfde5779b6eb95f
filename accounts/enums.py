"""The words of the domain that are values: statuses, relations, permissions. Imports nothing of ours."""

import enum

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
