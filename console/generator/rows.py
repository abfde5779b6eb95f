"""Inserts generated users, members and keys of both kinds in batches."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from functools import lru_cache
from itertools import chain

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce

from accounts import hierarchy, new_members, text_index
from accounts.enums import MemberStatus
from accounts.models import Member, User
from accounts.names import sort_name
from console.generator.people import Facts, KeyFacts, People
from console.generator.platform_keys import PlatformKeyFacts
from keys import material
from keys.models import ClassicKey, PlatformKey
from keys.platform.lifecycle import TOLD_BEFORE

_BATCH = 2_000  # members; SQLite's write lock is held for about half a second
_PATHS_KEPT = 20_000  # of the latest parents
_GROWN = 4  # times as many members: the planner's statistics are then out of date


def insert(owner: Member, people: People, *, password: str, progress: Callable[[int], None]) -> None:
    """Insert the owner's keys and all other members; ``password`` is the hash for those who can log in.

    Calls ``progress`` after each batch with the number of members so far.
    """
    rows = _Rows(owner, people, password)
    if people.keys_share:
        rows.insert_owners_key()
    if people.platform_keys_share:
        rows.insert_owners_platform_keys()
    analysed = 1
    for start in range(1, len(people), _BATCH):
        numbers = range(start, min(start + _BATCH, len(people)))
        # Drawn before the transaction, to keep it short.
        rows.insert_batch([people.facts(number) for number in numbers])
        if numbers.stop >= _GROWN * analysed or numbers.stop == len(people):
            analysed = numbers.stop
            _analyse()
        progress(numbers.stop)


def _analyse() -> None:
    """Update the statistics of PostgreSQL's planner.

    Autovacuum does so up to a minute later. Until then the planner takes the tables for empty and reads them completely
    for each foreign key that is checked, which takes longer with every batch.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE accounts_user, accounts_member, keys_classickey, keys_platformkey")


class _Rows:
    """Inserts the rows of one account; knows the IDs and paths of the members inserted so far."""

    def __init__(self, owner: Member, people: People, password: str) -> None:
        self.owner, self.people, self.password = owner, people, password
        self.no_password = make_password(None)  # an unusable password, the same for all
        self.ids = array("q", [owner.pk])
        self.path = lru_cache(_PATHS_KEPT)(self._path)

    def insert_owners_key(self) -> None:
        """Insert the key of the account's owner, who is in the database already."""
        facts = self.people.key(self.owner.joined_at or self.people.until)
        with transaction.atomic():
            self._key(self.owner, facts).save(force_insert=True)

    def insert_owners_platform_keys(self) -> None:
        """Insert the IBM Cloud API keys of the account's owner, who is in the database already."""
        facts = self.people.platform_keys(self.owner.joined_at or self.people.until)
        with transaction.atomic():
            PlatformKey.objects.bulk_create(self._platform_keys(self.owner, facts))

    def insert_batch(self, batch: Sequence[Facts]) -> None:
        """Insert these members with their users and keys; their parents have been inserted, or are in the batch."""
        with transaction.atomic():
            users = User.objects.bulk_create([self._user(facts) for facts in batch])
            self.ids.extend(hierarchy.reserve_ids(len(batch)))
            members = [self._member(facts, user) for facts, user in zip(batch, users, strict=True)]
            Member.objects.bulk_create(members)
            text_index.catch_up()
            ClassicKey.objects.bulk_create(
                [self._key(member, facts.key) for facts, member in zip(batch, members, strict=True) if facts.key]
            )
            PlatformKey.objects.bulk_create(
                chain.from_iterable(
                    self._platform_keys(member, facts.platform_keys)
                    for facts, member in zip(batch, members, strict=True)
                )
            )
            # The field is set to the current time, which is right only for those who have not joined yet.
            joined = Member.objects.filter(user=OuterRef("pk")).values("joined_at")[:1]
            User.objects.filter(pk__in=[user.pk for user in users]).update(
                created_at=Coalesce(Subquery(joined), F("created_at"))
            )

    def _user(self, facts: Facts) -> User:
        return User(email=facts.email, name=facts.name, password=self.password if facts.signs_in else self.no_password)

    def _member(self, facts: Facts, user: User) -> Member:
        parent = self.people.parents[facts.index]
        member_id = self.ids[facts.index]
        return Member(
            pk=member_id,
            account=self.owner.account,
            user=user,
            parent_id=self.ids[parent],
            path=self.path(parent) + hierarchy.code(member_id),
            status=facts.status,
            permissions=int(facts.permissions),
            user_managed_login=facts.manages_login,
            joined_at=facts.joined_at,
            # People log in about as often as they use their key.
            signed_in_at=facts.key.last_used_at if facts.signs_in and facts.key else None,
            api_username=new_members.default_api_username(self.owner.account_id, user.email),
            allowed_addresses=facts.allowed_addresses,
            sort_name=sort_name(user.name),
            search_text=new_members.search_text(user.name, user.email),
        )

    def _key(self, holder: Member, facts: KeyFacts) -> ClassicKey:
        # A VPN-only member cannot log in to create a key: the parent did.
        creator_id = holder.parent_id if holder.status == MemberStatus.VPN_ONLY else holder.pk
        key = ClassicKey(
            uid=material.new_uid(),
            account_id=holder.account_id,
            holder_id=holder.pk,
            holder_path=holder.path,
            holder_sort_name=holder.sort_name,
            creator_id=creator_id,
            created_at=facts.created_at,
            allowed_addresses=facts.allowed_addresses,
            last_used_at=facts.last_used_at,
            last_used_day=facts.last_used_at and facts.last_used_at.astimezone(UTC).date(),
            last_used_from=facts.last_used_from,
        )
        material.put(key, material.new_value())
        return key

    def _platform_keys(self, holder: Member, drawn: Sequence[PlatformKeyFacts]) -> Iterator[PlatformKey]:
        for slot, facts in enumerate(drawn, start=1):
            expires_at = facts.said.expires_at
            is_told = expires_at is not None and expires_at - TOLD_BEFORE <= self.people.until
            key = PlatformKey(
                account_id=holder.account_id,
                holder_id=holder.pk,
                user_id=holder.user_id,
                slot=slot,
                created_at=facts.created_at,
                modified_at=facts.leaked_at,
                expiry_told_at=expires_at - TOLD_BEFORE if expires_at and is_told else None,
                is_enabled=facts.is_enabled,
                is_locked=facts.is_locked,
                leaked_at=facts.leaked_at,
                last_used_at=facts.last_used_at,
                last_used_day=facts.last_used_at and facts.last_used_at.astimezone(UTC).date(),
                last_used_from=facts.last_used_from,
            )
            facts.said.put(key)
            material.put_platform(key, material.new_platform_value())
            yield key

    def _path(self, number: int) -> str:
        """Return the path of a member whose ID is known; ``path`` caches it."""
        above = self.path(self.people.parents[number]) if number else ""
        return above + hierarchy.code(self.ids[number])
