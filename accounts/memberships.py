"""Writes about accounts and members: each asks the policy, changes and records in one transaction."""

import secrets

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from accounts import addresses, audit, events, hierarchy, text_index
from accounts.enums import MemberStatus, Permission
from accounts.models import Account, Member, User
from accounts.models.account import HIGHEST_ACCOUNT_ID, LOWEST_ACCOUNT_ID
from accounts.names import canonical_email, sort_name
from accounts.origin import Origin
from accounts.policy import MemberAction, NotAllowed, require
from accounts.transactions import one_transaction


def default_api_username(account_id: int, email: str) -> str:
    """Return ``<account_ID>_<email_address>``. Source: IBM Cloud documentation, "Managing classic API keys"."""
    return canonical_email(f"{account_id}_{email}")


def search_text(user: User) -> str:
    """Return what a search for the user looks through: folded name and e-mail address."""
    return f"{user.name.casefold()} {user.email}"


@one_transaction
def create_account(
    *, name: str, owner: User, origin: Origin, account_id: int | None = None, is_demo: bool = False
) -> Member:
    """Create an account with its owner, in one transaction, and return the owner's member.

    Takes a free account ID when none is given. Raises IntegrityError when the given one is taken.
    """
    if account_id is None:
        account_id = _free_account_id()
    account = Account.objects.create(pk=account_id, name=name, is_demo=is_demo)
    member = _insert(account=account, user=owner, parent=None, status=MemberStatus.ACTIVE)
    audit.record(events.ACCOUNT_CREATED, actor=member, origin=origin)
    return member


def _free_account_id() -> int:
    while True:
        account_id = LOWEST_ACCOUNT_ID + secrets.randbelow(9 * LOWEST_ACCOUNT_ID)
        if account_id <= HIGHEST_ACCOUNT_ID and not Account.objects.filter(pk=account_id).exists():
            return account_id


@one_transaction
def add_member(
    *,
    parent: Member,
    user: User,
    origin: Origin,
    status: MemberStatus = MemberStatus.ACTIVE,
    permissions: Permission = Permission(0),
    api_username: str = "",
) -> Member:
    """Add ``user`` to the account below ``parent`` and return the new member.

    Raises TreeError below the deepest level, IntegrityError for a user already in the account or a taken API username.
    """
    # The parent's row is read under the account's lock: a move at the same moment must not leave an old path.
    hierarchy.lock_account(parent.account_id)
    parent = Member.objects.select_related("account", "user").get(pk=parent.pk)
    member = _insert(
        account=parent.account, user=user, parent=parent, status=status, permissions=permissions,
        api_username=api_username,
    )  # fmt: skip
    audit.record(events.MEMBER_ADDED, actor=parent, subject=member, origin=origin)
    return member


def _insert(
    *,
    account: Account,
    user: User,
    parent: Member | None,
    status: MemberStatus,
    permissions: Permission = Permission(0),
    api_username: str = "",
) -> Member:
    member = Member(
        account=account,
        user=user,
        status=status,
        permissions=int(permissions),
        # Folded like the address in it: that is how a call's user name is looked up.
        api_username=canonical_email(api_username) or default_api_username(account.pk, user.email),
        sort_name=sort_name(user.name),
        search_text=search_text(user),
        joined_at=None if status in {MemberStatus.PENDING, MemberStatus.PROCESSING} else timezone.now(),
    )
    hierarchy.place(member, parent).save(force_insert=True)
    text_index.catch_up()
    return member


def present_member(member: Member) -> Member:
    """Return the member as it is now, for a decision inside a transaction.

    Raises NotAllowed if it was removed meanwhile.
    """
    found = Member.objects.select_related("user", "account").filter(pk=member.pk).first()
    if found is None:
        raise NotAllowed("This user is no longer a member of the account.")
    return found


@one_transaction
def restrict_platform(*, member: Member, addresses_text: str, by: Member, origin: Origin) -> str:
    """Set from where ``member`` may use the console and return the canonical text; empty allows every address.

    Raises NotAllowed, or AddressError naming each bad entry.
    """
    canonical = str(addresses.parse(addresses_text))
    by, member = present_member(by), present_member(member)
    require(by, MemberAction.EDIT_RESTRICTION, member)
    if canonical != member.allowed_addresses:
        before, member.allowed_addresses = member.allowed_addresses, canonical
        member.save(update_fields=["allowed_addresses"])
        audit.record(
            events.RESTRICTION_CHANGED, actor=by, subject=member, origin=origin, details=audit.change(before, canonical)
        )
    return canonical


def set_vpn_password(*, member: Member, password: str, by: Member, origin: Origin) -> None:
    """Set the member's VPN password, of which only a hash is kept. Raises NotAllowed."""
    # Hashed first: it takes a while, and on SQLite a transaction keeps everybody else from writing.
    _store_vpn_password(member, make_password(password), by, origin)


@one_transaction
def _store_vpn_password(member: Member, hashed: str, by: Member, origin: Origin) -> None:
    by, member = present_member(by), present_member(member)
    require(by, MemberAction.EDIT_VPN_PASSWORD, member)
    member.vpn_password = hashed
    member.save(update_fields=["vpn_password"])
    audit.record(events.VPN_PASSWORD_CHANGED, actor=by, subject=member, origin=origin)
