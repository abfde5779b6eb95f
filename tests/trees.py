"""Trees for tests: accounts whose members are numbers, and the plainest possible model to compare with."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from django.utils import timezone

from accounts import hierarchy
from accounts.enums import Relation
from accounts.models import Account, Member, User
from accounts.names import sort_name
from accounts.new_members import default_api_username, search_text
from keys import material
from keys.models import ClassicKey, PlatformKey
from keys.platform.lifecycle import Description

_serial = count(1)


def make_user(name: str = "") -> User:
    """A user who cannot sign in; hashing a password would be the slowest part of the test."""
    number = next(_serial)
    return User.objects.create(email=f"member{number}@tree.example", name=name or f"Member {number}", password="!")


def make_account(account_id: int = 0) -> Account:
    return Account.objects.create(pk=account_id or 5_000_000 + next(_serial), name="Tree")


def make_member(account: Account, parent: Member | None) -> Member:
    """A member placed as the application places them, without the event."""
    user = make_user()
    member = Member(
        account=account,
        user=user,
        api_username=default_api_username(account.pk, user.email),
        sort_name=sort_name(user.name),
        search_text=search_text(user.name, user.email),
        joined_at=timezone.now(),
    )
    hierarchy.place(member, parent).save(force_insert=True)
    return member


def make_key(holder: Member, creator: Member | None = None) -> ClassicKey:
    key = ClassicKey(
        uid=material.new_uid(),
        account_id=holder.account_id,
        holder=holder,
        holder_path=holder.path,
        holder_sort_name=holder.sort_name,
        creator=creator or holder,
        created_at=timezone.now(),
    )
    material.put(key, material.new_value())
    key.save(force_insert=True)
    return key


def make_platform_key(holder: Member, name: str = "Key", **fields: Any) -> PlatformKey:
    """An IBM Cloud API key in the first place that is free, with its value in plain as the attribute ``value``."""
    taken = set(PlatformKey.objects.filter(user_id=holder.user_id).values_list("slot", flat=True))
    key = PlatformKey(
        account_id=holder.account_id,
        holder=holder,
        user_id=holder.user_id,
        slot=next(slot for slot in count(1) if slot not in taken),
        created_at=timezone.now(),
    )
    Description(name, str(fields.get("description", ""))).put(key)
    for field, value in fields.items():
        setattr(key, field, value)
    plain = material.new_platform_value()
    material.put_platform(key, plain)
    key.save(force_insert=True)
    key.value = plain.text
    return key


def grow(parents: Sequence[int], account: Account | None = None) -> list[Member]:
    """An account of members by number: the owner is 0, and ``parents`` are those of 1, 2 and so on."""
    account = account or make_account()
    members = [make_member(account, None)]
    for parent in parents:
        members.append(make_member(account, members[parent]))
    return members


def chain(account: Account, length: int) -> list[Member]:
    """Members each below the one before, inserted in one go."""
    users = User.objects.bulk_create(
        [User(email=f"link{next(_serial)}@tree.example", name="Link", password="!") for _ in range(length)]
    )
    ids, path, members = hierarchy.reserve_ids(length), "", []
    for number, (member_id, user) in enumerate(zip(ids, users, strict=True)):
        path += hierarchy.code(member_id)
        members.append(
            Member(
                pk=member_id,
                account=account,
                user=user,
                parent_id=ids[number - 1] if number else None,
                path=path,
                api_username=default_api_username(account.pk, user.email),
                sort_name="link",
                search_text=search_text(user.name, user.email),
            )
        )
    return Member.objects.bulk_create(members)


class Model:
    """The tree as a list of parents, and its rules by walking it."""

    def __init__(self, parents: Sequence[int]) -> None:
        self.parents: list[int | None] = [None, *parents]

    def ancestors(self, member: int) -> list[int]:
        """From the owner down."""
        above, parent = [], self.parents[member]
        while parent is not None:
            above.append(parent)
            parent = self.parents[parent]
        return above[::-1]

    def descendants(self, member: int) -> set[int]:
        return {other for other in range(len(self.parents)) if member in self.ancestors(other)}

    def relation(self, viewer: int, target: int) -> Relation:
        if viewer == target:
            return Relation.SELF
        if viewer in self.ancestors(target):
            return Relation.ANCESTOR
        return Relation.DESCENDANT if target in self.ancestors(viewer) else Relation.UNRELATED

    def may_move(self, member: int, parent: int) -> bool:
        return member not in {0, parent} and parent not in self.descendants(member)
