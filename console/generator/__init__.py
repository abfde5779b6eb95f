"""Generates accounts of any size for testing and measuring, with realistic people, tree and keys.

The same seed and arguments give the same account, except for the values and ids of keys. Rows are inserted in batches,
parents before children, each batch in a transaction of its own. A million members then need no more memory than a few
arrays of numbers, nobody waits long for SQLite's write lock, and an interrupted generation leaves a smaller but
consistent account.

The audit trail only records that the account was created: nobody invited these members.
"""

from collections.abc import Callable
from datetime import datetime
from random import Random

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts import new_members
from accounts.models import Account, Member, User
from accounts.models.account import LOWEST_ACCOUNT_ID
from accounts.names import clean_name
from accounts.origin import COMMAND_LINE
from console import demo
from console.generator.people import YEARS, People, domain_of
from console.generator.rows import insert
from console.generator.shapes import Shape, parents_of
from console.maintenance import unhurried

__all__ = ["NotADemo", "Shape", "generate"]


class NotADemo(Exception):
    """Generated people have a known password, so accounts are generated only in a demo installation."""


def generate(
    *,
    members: int,
    shape: Shape | str = Shape.REALISTIC,
    keys_share: float = 0.6,
    platform_keys_share: float = 0.25,
    seed: int = 1,
    name: str = "",
    account_id: int | None = None,
    password: str = demo.PASSWORD,
    password_for_all: bool = True,
    until: datetime | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Account:
    """Generate an account and return it. Its owner logs in as ``owner@`` plus the account's domain.

    A hundred thousand members with keys take about a minute.

    Args:
        members: the number of members including the owner, at least 1.
        shape: how the tree grows.
        keys_share: the share, from 0 to 1, of members with a classic key among those who may have one.
        platform_keys_share: that of members with IBM Cloud API keys, mostly one or two.
        seed: of the random numbers.
        name: the account's name; if empty, one that says how it was generated.
        account_id: an unused account ID; if None, a random one.
        password: of everybody who can log in. It is hashed only once, because a hash for each would take hours.
        password_for_all: if false, only the owner gets the password and can log in.
        until: the account's "now": nothing in it is later. If None, the last midnight (UTC).
        progress: called after each batch with the number of members so far.

    Raises NotADemo, ValueError for a count or share out of range, ValidationError for the name, IntegrityError for an
    account ID that is taken.
    """
    if not settings.IS_DEMO:
        raise NotADemo("Generated people have a known password. Set KEYTREE_ENV=demo to generate them.")
    if members < 1:
        raise ValueError("An account has at least one member, its owner.")
    if not (0 <= keys_share <= 1 and 0 <= platform_keys_share <= 1):
        raise ValueError("The share of members with keys is a number from 0 to 1.")
    shape = Shape(shape)
    until = until or timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    owner = _found(
        name=clean_name(name or f"Generated {shape} {members:,}"),
        account_id=account_id or _free_account_id(seed),
        password=make_password(password),
        founded_at=until - YEARS,
    )
    parents = parents_of(shape, members, seed)
    people = People(
        owner.account, parents, seed=seed, keys_share=keys_share, platform_keys_share=platform_keys_share, until=until
    )
    everybodys_password = owner.user.password if password_for_all else make_password(None)
    with unhurried():
        insert(owner, people, password=everybodys_password, progress=progress)
    return owner.account


def _free_account_id(seed: int) -> int:
    """Draw an unused account ID, with random numbers of its own, so that a retry does not change the rest."""
    chance = Random(f"{seed} account")  # noqa: S311 - no secret
    while True:
        account_id = LOWEST_ACCOUNT_ID + chance.randrange(9 * LOWEST_ACCOUNT_ID)
        if not Account.objects.filter(pk=account_id).exists():
            return account_id


def _found(*, name: str, account_id: int, password: str, founded_at: datetime) -> Member:
    """Create the account with its owner, dated years ago, and return the owner."""
    with transaction.atomic():
        user = User.objects.create(email=f"owner@{domain_of(account_id, name)}", name="Ada Owner", password=password)
        owner = new_members.create_account(
            name=name, owner=user, account_id=account_id, is_demo=True, origin=COMMAND_LINE
        )
        # These fields are set to the current time when a row is created.
        User.objects.filter(pk=user.pk).update(created_at=founded_at)
        Account.objects.filter(pk=account_id).update(created_at=founded_at)
        Member.objects.filter(pk=owner.pk).update(joined_at=founded_at)
    return Member.objects.select_related("account", "user").get(pk=owner.pk)
