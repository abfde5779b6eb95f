"""Writes that bring people into an account without an invitation, and what all new members are made of.

Invitations have a module of their own, ``accounts.invitations``, which makes members by this one.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone

from accounts import audit, events, hierarchy, text_index
from accounts.domains import Patterns
from accounts.enums import INVITED_STATUSES, MemberStatus, Permission
from accounts.memberships import present_member
from accounts.models import Account, Member, User
from accounts.models.account import HIGHEST_ACCOUNT_ID, LOWEST_ACCOUNT_ID
from accounts.names import canonical_email, sort_name
from accounts.origin import Origin
from accounts.policy import MemberAction, require
from accounts.transactions import one_transaction


def default_api_username(account_id: int, email: str) -> str:
    """Return ``<account_ID>_<email_address>``. Source: IBM Cloud documentation, "Managing classic API keys"."""
    return canonical_email(f"{account_id}_{email}")


def search_text(name: str, email: str) -> str:
    """Return what a search for a member looks through: folded name and e-mail address."""
    return f"{name.casefold()} {email}"


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
) -> Member:
    """Add ``user`` to the account below ``parent`` and return the new member.

    Raises NotAllowed if the parent was removed meanwhile, TreeError below the deepest level, IntegrityError for a user
    already in the account, or where another member has the API username.
    """
    # The parent's row is read under the account's lock: a move at the same moment must not leave an old path.
    hierarchy.lock_account(parent.account_id)
    parent = present_member(parent)
    member = _insert(account=parent.account, user=user, parent=parent, status=status, permissions=permissions)
    audit.record(events.MEMBER_ADDED, actor=parent, subject=member, origin=origin)
    return member


def _insert(
    *,
    account: Account,
    user: User,
    parent: Member | None,
    status: MemberStatus,
    permissions: Permission = Permission(0),
) -> Member:
    member = new_member(account, user, status, permissions)
    hierarchy.place(member, parent).save(force_insert=True)
    text_index.catch_up()
    return member


def new_member(
    account: Account, user: User, status: MemberStatus, permissions: Permission, name_here: str | None = None
) -> Member:
    """Return a member that has no place yet."""
    name = user.name if name_here is None else name_here
    return Member(
        account=account,
        user=user,
        status=status,
        permissions=int(permissions),
        api_username=default_api_username(account.pk, user.email),
        name_here=name_here,
        sort_name=sort_name(name),
        search_text=search_text(name, user.email),
        joined_at=None if status in INVITED_STATUSES else timezone.now(),
    )


def insert_members(
    *, parent: Member, users: Mapping[str, User], status: MemberStatus, permissions: Permission = Permission(0)
) -> list[Member]:
    """Insert ``users``, by the name they are to go by in the account, below ``parent``; a few queries for all.

    To be called under the account's lock, by a write that asked the policy and records the event. Raises TreeError
    below the deepest level, IntegrityError for a user already in the account.
    """
    members = [new_member(parent.account, user, status, permissions, name) for name, user in users.items()]
    hierarchy.place_all(members, parent)
    Member.objects.bulk_create(members)
    text_index.catch_up()
    return members


def users_of(emails: Sequence[str]) -> dict[str, User]:
    """Return users by these distinct canonical addresses, making those that there are not; two queries.

    Who is made has no password, so that nobody can sign in as them, and no name but the address. Whoever asks learns
    nothing of who was there before.
    """
    unusable, found = make_password(None), dict[str, User]()
    while len(found) < len(emails):  # again only where one was there and went, with the last account they were in
        User.objects.bulk_create(
            [User(email=email, name=email, password=unusable) for email in emails], ignore_conflicts=True
        )
        found = {user.email: user for user in User.objects.filter(email__in=emails)}
    return found


def members_by_email(account_id: int, emails: Collection[str]) -> QuerySet[Member]:
    """Return those of the account with one of these canonical addresses.

    The users first, which an index finds: left to itself, SQLite begins with all members of the account.
    """
    users = User.objects.filter(email__in=emails)
    return Member.objects.filter(account_id=account_id, user_id__in=users.values("pk"))


class ApiUsernameTaken(Exception):
    """Another member of the installation has this API username."""


def add_vpn_user(*, name: str, email: str, password: str, api_username: str = "", by: Member, origin: Origin) -> Member:
    """Add a VPN-only user below ``by`` and return the member; the password, of which a hash is kept, may be empty.

    Takes name, address and API username already cleaned; without the last, it is made of account ID and address. Raises
    NotAllowed, TreeError, ValueError when the account does not allow the address or it is already that of a user,
    ApiUsernameTaken.
    """
    # Hashed first: on SQLite a transaction keeps everybody else from writing.
    given = {"vpn_password": make_password(password) if password else "", "api_username": api_username}
    try:
        return _add_vpn_user(name, email, {field: value for field, value in given.items() if value}, by, origin)
    except IntegrityError as error:
        if not api_username:
            raise
        # Whatever else is unique was made sure of under the account's lock; other accounts have locks of their own.
        raise ApiUsernameTaken from error


@one_transaction
def _add_vpn_user(name: str, email: str, given: Mapping[str, str], by: Member, origin: Origin) -> Member:
    hierarchy.lock_account(by.account_id)
    by = present_member(by)
    require(by, MemberAction.ADD_VPN_USER, by)
    if not Patterns(by.account.domains_in_force).allow(email):
        raise ValueError("The account allows no users with this address.")
    if Member.objects.filter(account_id=by.account_id, user__email=email).exists():
        raise ValueError("This address already belongs to a user of the account.")
    chosen = given.get("api_username")
    # The index decides; but by then a member's number is used up, and the installation has so many and no more.
    if chosen and Member.objects.filter(api_username=chosen).exists():
        raise ApiUsernameTaken
    (member,) = insert_members(parent=by, users={name: users_of([email])[email]}, status=MemberStatus.VPN_ONLY)
    for field, value in given.items():
        setattr(member, field, value)
    if given:
        member.save(update_fields=given)
    audit.record(events.MEMBER_ADDED, actor=by, subject=member, origin=origin, details={"status": "VPN-only"})
    return member
