"""The demo accounts: the people that the README lists, with published passwords. Never for production."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.enums import MemberStatus, Permission
from accounts.memberships import change_status
from accounts.models import Account, Mail, Member, User
from accounts.new_members import add_member, create_account
from accounts.origin import COMMAND_LINE
from keys.lifecycle import create_classic_key
from keys.platform.lifecycle import Description, create_platform_key

PASSWORD = "keytree-demo"  # noqa: S105 - published on purpose, and refused in production


@dataclass(frozen=True)
class PlatformKey:
    """One of a person's IBM Cloud API keys, whose value nobody knows."""

    name: str
    description: str = ""
    is_locked: bool = False
    days: int | None = None  # until it expires, at the end of a day (GMT)


@dataclass(frozen=True)
class Person:
    """One member of a demo account."""

    name: str
    email: str
    invited_by: str | None
    has_key: bool
    status: MemberStatus = MemberStatus.ACTIVE
    permissions: Permission = Permission(0)
    platform_keys: tuple[PlatformKey, ...] = ()

    @property
    def signs_in(self) -> bool:
        """Whether they have the demo password."""
        return self.status not in {MemberStatus.PENDING, MemberStatus.PROCESSING, MemberStatus.VPN_ONLY}


ACME = (
    Person(
        "Olivia Reyes",
        "olivia@acme.example",
        None,
        has_key=True,
        platform_keys=(
            PlatformKey("Terraform", "Sets up the machines of the test hall"),
            PlatformKey("Cost report", "Read on the first of each month"),
        ),
    ),
    Person(
        "Marcus Lindqvist",
        "marcus@acme.example",
        "Olivia Reyes",
        has_key=True,
        permissions=Permission.MANAGE_USERS,
        platform_keys=(PlatformKey("Nightly backup", "Do not delete", is_locked=True),),
    ),
    Person(
        "Priya Raman",
        "priya@acme.example",
        "Marcus Lindqvist",
        has_key=True,
        platform_keys=(PlatformKey("Load test", days=30),),
    ),
    Person("Noor Haddad", "noor@acme.example", "Priya Raman", has_key=False),
    Person("Berlin office", "vpn-berlin@acme.example", "Marcus Lindqvist", True, MemberStatus.VPN_ONLY),
    Person("Lena Fischer", "lena@acme.example", "Marcus Lindqvist", False, MemberStatus.PENDING),
    Person("Sam Okafor", "sam@acme.example", "Olivia Reyes", has_key=True),
    Person("Dmitri Volkov", "dmitri@acme.example", "Sam Okafor", True, MemberStatus.SUSPENDED),
)
BOREALIS = (
    Person("Sam Okafor", "sam@acme.example", None, has_key=False),
    Person("Noor Haddad", "noor@acme.example", "Sam Okafor", has_key=False),
)
ACCOUNTS = ((1234567, "Acme Robotics", ACME), (7654321, "Borealis Labs", BOREALIS))


def is_loaded() -> bool:
    """Whether the database has the demo's accounts; False without a database."""
    try:
        return Account.objects.filter(is_demo=True).exists()
    except DatabaseError:
        return False


def load(*, platform_keys: bool = True) -> bool:
    """Load the demo accounts, all or none, if the database is empty; return whether it was.

    Args:
        platform_keys: whether the people have IBM Cloud API keys.
    """
    with transaction.atomic():
        if Account.objects.exists():
            return False
        for account_id, name, people in ACCOUNTS:
            members = _load_account(account_id, name, people)
            for person in people if platform_keys else ():
                _create_platform_keys(members[person.name], person.platform_keys)
        Mail.objects.all().delete()  # nobody needs to be told about invented changes
    return True


def _create_platform_keys(holder: Member, keys: tuple[PlatformKey, ...]) -> None:
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for key in keys:
        expires_at = None if key.days is None else today + timedelta(days=key.days)
        said = Description(key.name, key.description, expires_at)
        create_platform_key(description=said, by=holder, origin=COMMAND_LINE, is_locked=key.is_locked)


def _load_account(account_id: int, name: str, people: tuple[Person, ...]) -> dict[str, Member]:
    """Load one account and return its members by name."""
    members: dict[str, Member] = {}
    for person in people:
        user = User.objects.filter(email=person.email).first() or User.objects.create_user(
            person.email, person.name, PASSWORD if person.signs_in else None
        )
        if person.invited_by is None:
            member = create_account(name=name, owner=user, account_id=account_id, is_demo=True, origin=COMMAND_LINE)
        else:
            # A suspended member created their key before.
            status = MemberStatus.ACTIVE if person.status == MemberStatus.SUSPENDED else person.status
            member = add_member(
                parent=members[person.invited_by], user=user, status=status, permissions=person.permissions,
                origin=COMMAND_LINE,
            )  # fmt: skip
        members[person.name] = member
        if person.has_key:
            # A VPN-only member cannot log in, so whoever invited them creates the key.
            by = member.parent if member.parent and member.status == MemberStatus.VPN_ONLY else member
            create_classic_key(holder=member, by=by, origin=COMMAND_LINE)
        if member.status != person.status:
            # By the owner, the first of them: whoever invited the member has no permission to.
            owner = next(iter(members.values()))
            change_status(member=member, status=person.status, by=owner, origin=COMMAND_LINE)
    return members
