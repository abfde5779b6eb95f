"""Accounts of any size for trying out and measuring: people, tree and keys as a real account could have them.

Everything is drawn from one seed, so the same arguments give the same account; only keys' values and uids are fresh
each time. Rows go in by batches, parents before children, each batch in a transaction of its own: a million members
take no more memory than a few arrays of numbers, and nobody waits long for SQLite's one write lock. A generation that
is interrupted leaves a smaller, whole account.

The audit trail gets the one event that the account was created, not one for each member: nobody did those things.
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
from console.maintenance import no_statement_limit

__all__ = ["NotADemo", "Shape", "generate"]


class NotADemo(Exception):
    """Generated people have a known password: outside a demo installation nothing is generated."""


def generate(
    *,
    members: int,
    shape: Shape | str = Shape.REALISTIC,
    keys_share: float = 0.6,
    seed: int = 1,
    name: str = "",
    account_id: int | None = None,
    password: str = demo.PASSWORD,
    password_for_all: bool = True,
    until: datetime | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Account:
    """Generate an account and return it. Its owner signs in as ``owner@`` and the account's own domain.

    A hundred thousand members with keys take about a minute.

    Args:
        members: how many, the owner included; at least 1.
        shape: how the tree grows.
        keys_share: the share, from 0 to 1, with a key among those whose status lets them have one.
        seed: what chance begins with.
        name: the account's name; one that says how it was generated, when empty.
        account_id: a free account ID; drawn from the seed when none.
        password: of the people who can sign in. Hashed once and the hash copied, for a hash each would take hours:
            whoever reads the database sees that all have the same password, which a demo publishes anyway.
        password_for_all: false gives the password to the owner alone; nobody else can sign in.
        until: the present of the account: nothing in it is later. The last midnight (UTC) when none.
        progress: called after each batch with the number of members so far.

    Raises NotADemo, ValueError for a count or share out of range, ValidationError for the name, IntegrityError for an
    account ID that is taken.
    """
    if not settings.IS_DEMO:
        raise NotADemo("Generated people have a known password. Set KEYTREE_ENV=demo to generate them.")
    if members < 1:
        raise ValueError("An account has at least one member, its owner.")
    if not 0 <= keys_share <= 1:
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
    people = People(owner.account, parents, seed=seed, keys_share=keys_share, until=until)
    everybodys_password = owner.user.password if password_for_all else make_password(None)
    with no_statement_limit():
        insert(owner, people, password=everybodys_password, progress=progress)
    return owner.account


def _free_account_id(seed: int) -> int:
    """Draw a free account ID; from a chance of its own, so that one that is taken changes nothing else."""
    chance = Random(f"{seed} account")  # noqa: S311 - no secret
    while True:
        account_id = LOWEST_ACCOUNT_ID + chance.randrange(9 * LOWEST_ACCOUNT_ID)
        if not Account.objects.filter(pk=account_id).exists():
            return account_id


def _found(*, name: str, account_id: int, password: str, founded_at: datetime) -> Member:
    """Create the account with its owner, as it would be created by hand but years ago, and return the owner."""
    with transaction.atomic():
        user = User.objects.create(email=f"owner@{domain_of(account_id, name)}", name="Ada Owner", password=password)
        owner = new_members.create_account(
            name=name, owner=user, account_id=account_id, is_demo=True, origin=COMMAND_LINE
        )
        # These fields fill themselves with the present when a row is made.
        User.objects.filter(pk=user.pk).update(created_at=founded_at)
        Account.objects.filter(pk=account_id).update(created_at=founded_at)
        Member.objects.filter(pk=owner.pk).update(joined_at=founded_at)
    return Member.objects.select_related("account", "user").get(pk=owner.pk)
