"""Draws the facts of each generated member, without the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from accounts import addresses
from accounts.enums import MemberStatus, Permission
from accounts.models import Account
from accounts.names import EMAIL_BYTES
from console.generator import names, platform_keys
from console.generator.platform_keys import PlatformKeyFacts
from console.generator.shapes import Parents

#: The age of a generated account.
YEARS = timedelta(days=6 * 365)

# Weights of the statuses, for members who have invited somebody and for those who have not.
_INVITER_STATUSES = {
    MemberStatus.ACTIVE: 90,
    MemberStatus.DISABLED_CLASSIC: 4,
    MemberStatus.SUSPENDED: 3,
    MemberStatus.INVALID: 3,
}
_LEAF_STATUSES = {
    MemberStatus.ACTIVE: 78,
    MemberStatus.VPN_ONLY: 6,
    MemberStatus.PENDING: 5,
    MemberStatus.DISABLED_CLASSIC: 4,
    MemberStatus.SUSPENDED: 4,
    MemberStatus.INVALID: 2,
    MemberStatus.PROCESSING: 1,
}
_INVITED = frozenset({MemberStatus.PENDING, MemberStatus.PROCESSING})
_NEVER_CREATE = _INVITED | {MemberStatus.VPN_ONLY}  # IBM Cloud API keys, which nobody can create for them
_NEVER_SIGN_IN = _INVITED | {MemberStatus.VPN_ONLY, MemberStatus.INVALID}

_INVITER_PERMISSIONS = {Permission.MANAGE_USERS: 90, Permission(0): 10}
_LEAF_PERMISSIONS = {
    Permission(0): 940,
    Permission.MANAGE_USERS: 40,
    Permission.API_KEY_CREATOR: 8,
    Permission.USER_EDITOR: 4,
    Permission.IDENTITY_ADMINISTRATOR: 3,
    Permission.MANAGE_USERS | Permission.API_KEY_CREATOR: 3,
    Permission.USER_ADMINISTRATOR | Permission.IDENTITY_ADMINISTRATOR: 2,
}
_EMAIL_STYLES = {
    "{given}.{family}": 645,
    "{initial}{family}": 270,
    "{given}_{family}": 50,
    "{given}+ops": 15,
    "{given}+cloud": 15,
    "": 5,  # stands for an address of the greatest length
}
_MANAGES_LOGIN, _PLATFORM_RESTRICTED, _KEY_RESTRICTED = 0.2, 0.06, 0.15  # shares of the members, of the keys
_USED_OF_LATE, _NEVER_USED, _CALLS_BY_IPV6 = 0.6, 0.15, 0.15  # shares of the keys
_LOCAL_PART = 64  # characters. Source: RFC 5321, section 4.5.3.1.1

_Choice = TypeVar("_Choice")


@dataclass(frozen=True)
class KeyFacts:
    """The facts of a key."""

    created_at: datetime
    allowed_addresses: str
    last_used_at: datetime | None
    last_used_from: str


@dataclass(frozen=True)
class Facts:
    """The facts of a member."""

    index: int
    name: str
    email: str
    status: MemberStatus
    permissions: Permission
    manages_login: bool
    allowed_addresses: str
    joined_at: datetime | None
    key: KeyFacts | None
    platform_keys: Sequence[PlatformKeyFacts]

    @property
    def signs_in(self) -> bool:
        """Whether they have a password."""
        return self.status not in _NEVER_SIGN_IN


def domain_of(account_id: int, name: str) -> str:
    """Return the domain of an account's e-mail addresses. It is unique, so accounts share no addresses."""
    return f"{names.plain(name)[:30] or 'account'}-{account_id}.example"


def _drawn(rng: Random, weights: dict[_Choice, int]) -> _Choice:
    (choice,) = rng.choices(list(weights), list(weights.values()))
    return choice


class People:
    """The people of one account. They are drawn one after the other, so ``facts`` must be called in order."""

    def __init__(
        self,
        account: Account,
        parents: "Parents[int]",
        *,
        seed: int,
        keys_share: float,
        platform_keys_share: float,
        until: datetime,
    ) -> None:
        self.parents, self.until = parents, until
        self.keys_share, self.platform_keys_share = keys_share, platform_keys_share
        self._domain = domain_of(account.pk, account.name)
        # Separate random numbers, so that, for instance, another share of keys does not change the people.
        self._rng, self._key_rng, site_rng = (Random(f"{seed} {of}") for of in ("people", "keys", "sites"))  # noqa: S311
        self._platform_rng = Random(f"{seed} platform keys")  # noqa: S311 - no secret
        self._sites = [f"{net}.{site_rng.randrange(256)}" for net in ("10.20", "172.16", "192.168", "100.64")]
        self._sites += ["192.0.2", "198.51.100", "203.0.113"]
        self._invited_somebody = bytearray(len(parents))
        for parent in parents[1:]:
            self._invited_somebody[parent] = True

    def __len__(self) -> int:
        """Return the number of members including the owner."""
        return len(self.parents)

    def facts(self, index: int) -> Facts:
        """Draw the facts of the member with this number."""
        rng, invited = self._rng, self._invited_somebody[index]
        status = _drawn(rng, _INVITER_STATUSES if invited else _LEAF_STATUSES)
        # More join each year than the year before, and everybody after their parent.
        joined_at = self.until - YEARS * (1 - ((index + rng.random()) / len(self)) ** (2 / 3))
        name, email = self._name_and_email(index, status)
        return Facts(
            index=index,
            name=name,
            email=email,
            status=status,
            permissions=_drawn(rng, _INVITER_PERMISSIONS if invited else _LEAF_PERMISSIONS),
            manages_login=rng.random() < _MANAGES_LOGIN,
            allowed_addresses=self._restriction(rng) if rng.random() < _PLATFORM_RESTRICTED else "",
            joined_at=None if status in _INVITED else joined_at,
            key=self._maybe_key(status, joined_at),
            platform_keys=self._maybe_platform_keys(status, joined_at),
        )

    def key(self, holder_since: datetime) -> KeyFacts:
        """Draw a key: created some time after the holder joined, and used recently, long ago or never."""
        rng = self._key_rng
        created_at = holder_since + (self.until - holder_since) * rng.random() ** 3
        address = self._address(rng)
        mean_days = 1 if rng.random() < _USED_OF_LATE else 150
        last_used_at = max(created_at, self.until - timedelta(days=rng.expovariate(1 / mean_days)))
        never_used = rng.random() < _NEVER_USED
        return KeyFacts(
            created_at=created_at,
            allowed_addresses=self._restriction(rng, address) if rng.random() < _KEY_RESTRICTED else "",
            last_used_at=None if never_used else last_used_at,
            last_used_from="" if never_used else address,
        )

    def _maybe_key(self, status: MemberStatus, joined_at: datetime) -> KeyFacts | None:
        # Drawn for everybody, so that a larger share only adds keys and changes no others.
        key, chance = self.key(joined_at), self._key_rng.random()
        return key if status not in _INVITED and chance < self.keys_share else None

    def platform_keys(self, holder_since: datetime) -> Sequence[PlatformKeyFacts]:
        """Draw the IBM Cloud API keys of a member who has some, by random numbers of their own."""
        rng = Random(self._platform_rng.getrandbits(64))  # noqa: S311 - no secret
        return platform_keys.draw(rng, holder_since=holder_since, until=self.until, address_of=self._address)

    def _maybe_platform_keys(self, status: MemberStatus, joined_at: datetime) -> Sequence[PlatformKeyFacts]:
        # As many random numbers are drawn for everybody, so that a larger share only adds keys and changes no others.
        chance = self._platform_rng.random()
        if status in _NEVER_CREATE or chance >= self.platform_keys_share:
            self._platform_rng.getrandbits(64)
            return ()
        return self.platform_keys(joined_at)

    def _address(self, rng: Random) -> str:
        """Draw the address of a caller."""
        address = f"{rng.choice(self._sites)}.{rng.randrange(1, 255)}"
        if rng.random() < _CALLS_BY_IPV6:
            address = f"2001:db8:{rng.randrange(1, 1 << 16):x}::{rng.randrange(1, 1 << 16):x}"
        return address

    def _name_and_email(self, index: int, status: MemberStatus) -> tuple[str, str]:
        """Draw a name and an e-mail address, which the member's number makes unique."""
        if status == MemberStatus.VPN_ONLY:
            place = self._rng.choice(names.PLACES)
            return place, f"vpn-{names.plain(place) or 'site'}{index}@{self._domain}"
        name = names.person(self._rng)
        style = _drawn(self._rng, _EMAIL_STYLES)
        if not style:
            return name.written, self._longest_email(f"{name.given}.{name.family}", index)
        local = style.format(given=name.given, family=name.family, initial=name.given[0])
        return name.written, f"{local}{index}@{self._domain}"

    def _longest_email(self, local: str, index: int) -> str:
        """Return an e-mail address of the greatest length."""
        local = (local * _LOCAL_PART)[: _LOCAL_PART - len(str(index))].rstrip(".") + str(index)
        room = EMAIL_BYTES - len(f"{local}@{self._domain}")
        subdomains = ("department-of-long-winded-names." * EMAIL_BYTES)[-room:].lstrip(".-")
        return f"{local}@{subdomains}{self._domain}"

    def _restriction(self, rng: Random, address: str = "") -> str:
        """Draw an IP address restriction, in canonical form, which allows ``address`` if that is given."""
        site = rng.choice(self._sites)
        text = rng.choice(
            (
                f"{site}.{rng.randrange(1, 255)}",
                f"{site}.0/24",
                f"{site}.16 - {site}.{rng.randrange(17, 255)}",
                f"{site}.8/29, 2001:db8:{rng.randrange(1, 1 << 16):x}::/48",
                ", ".join(f"{other}.{rng.randrange(1, 255)}" for other in self._sites),
            )
        )
        return str(addresses.parse(f"{address}, {text}" if address else text))
