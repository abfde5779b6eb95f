"""Login tokens: what a program is given for an API username and its user's password, and then calls with for a while.

A token stands for a fresh proof of identity and lasts no longer than one. It is an HMAC under a subkey of the ring over
the member, the time of its end and the stored hash of the password: the ring alone makes none, nor does the database
alone, and a change of password ends it. It opens nothing by itself: at each use the member is loaded anew, and whatever
keeps them out of the console keeps the token out too. It is stored nowhere, and no session or cookie comes of it.

*Source:* docs/security.md, "The interface for SoftLayer clients".
"""

import base64
import hmac
import re
import struct
import time
from dataclasses import dataclass, field

from django.db import transaction

from accounts import audit, events, identity, passcodes, queries, sealing, signin, throttle
from accounts.enums import SIGN_IN_STATUSES
from accounts.models import Member, User
from accounts.names import canonical_email
from accounts.origin import Origin
from accounts.policy import NotAllowed, reason_without_work
from accounts.prepared import Prepared
from accounts.signin import Obstacle, SignInRefused

#: How logs, and whoever is handed one, recognise a token.
PREFIX = "ktl_"
#: How long a token is good for: as long as the password counts as a proof of identity in the console.
LIFE = signin.FRESH_PROOF
_PURPOSE = "login token"
_END = struct.Struct(">Q")  # seconds since 1970
_MAC_BYTES = 32
_NAME = re.compile("[0-9]+_(.+)", re.DOTALL)
#: How many of a person's API usernames are named, if they gave none of them.
_MOST_NAMED = 10

_USE_CONSOLE = "Log in to the console and create your key there."
_NEEDS_FACTOR = f"This account requires a second factor. {_USE_CONSOLE}"

_member = Prepared(
    lambda pk: passcodes.with_second_factor(
        queries.for_menu(Member.objects.filter(identity.JOINED, pk=pk, status__in=SIGN_IN_STATUSES))
    ).select_related("user", "account", "parent__user", "invitation", "freeze")
)


class TokenRefused(Exception):
    """A text is no token of that member, or one that is over, or it was sent from an address that is not allowed."""


@dataclass(frozen=True)
class LoginToken:
    """A token, and the number of the member who is logged in by it."""

    text: str = field(repr=False)
    member_id: int


def log_in(*, name: str, password: str, origin: Origin) -> LoginToken:
    """Return a token for the member with the API username ``name``, whose user has that password; an event.

    Raises ``signin.SignInRefused`` as at the login page, and after the right password also for: a second factor, which
    a program cannot give; a name that is no API username of theirs; a member whom anything keeps out of the console.
    """
    user, members = signin.check_login(email=_email_in(name), password=password, origin=origin)
    signin.first_open(members, origin)  # where the login page says nothing else, nothing else is said
    if members[0].has_second_factor:
        raise _refusal(user, origin, "second factor needed", f"You log in with a second factor. {_USE_CONSOLE}")
    member = next((member for member in members if member.api_username == canonical_email(name)), None)
    if member is None:
        named = " or ".join(member.api_username for member in members[:_MOST_NAMED])
        raise _refusal(user, origin, "not the API username", f"Log in with your API username: {named}.")
    match signin.obstacle(member, origin):
        case Obstacle.ADDRESS as why:
            raise _refusal(user, origin, why, "You cannot log in from this address. Ask the person who invited you.")
        case Obstacle.NO_FACTOR as why:
            raise _refusal(user, origin, why, _NEEDS_FACTOR)
        case Obstacle() as why:
            raise _refusal(user, origin, why, reason_without_work(member))
    throttle.forget_success(user.email, origin.address)
    with transaction.atomic():
        audit.record(events.SIGNED_IN, actor=member, origin=origin, details={"for": "a SoftLayer client"})
        signin.note_entry(member)
    return _issued(member.pk, user)


def _email_in(name: str) -> str:
    """Return the e-mail address in an API username; any other text as it is, since people type their address alone."""
    canonical = canonical_email(name)
    made = _NAME.fullmatch(canonical)
    return made[1] if made else canonical


def _refusal(user: User, origin: Origin, why: str, text: str) -> SignInRefused:
    """Record that the user, who gave the right password, is refused, and return what is raised."""
    signin.record_refusal(user, origin, str(why))
    return SignInRefused(text)


def member_with(member_id: int, text: str, origin: Origin) -> Member:
    """Return the member whose token ``text`` is, with all that policies ask of them; one query.

    Raises TokenRefused, also if a second factor was set up since, or NotAllowed with the reason if their status, their
    branch or a requirement of the account keeps them out of the console; an event where the token is genuine.
    """
    end, mac = _read(text)
    member = _member.first(member_id)
    is_genuine = _is_genuine(mac, member_id, member.user.password if member else "", end)
    if member is None or not is_genuine or end <= time.time() or member.has_second_factor:
        raise TokenRefused
    why = signin.obstacle(member, origin)
    if why is not None:
        signin.record_kept_out(member, origin, why)
        if why is Obstacle.ADDRESS:
            raise TokenRefused
        raise NotAllowed(_NEEDS_FACTOR if why is Obstacle.NO_FACTOR else reason_without_work(member))
    return member


def _issued(member_id: int, user: User) -> LoginToken:
    end = int(time.time() + LIFE.total_seconds())
    mac = _mac(member_id, user.password, end, sealing.configured_ring().current)
    return LoginToken(_written(end, mac), member_id)


def _written(end: int, mac: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(_END.pack(end) + mac).rstrip(b"=").decode()


def _read(text: str) -> tuple[int, bytes]:
    """Return the end and the code that a text holds. Raises TokenRefused for any but the one text that says so."""
    try:
        raw = base64.b64decode(text.removeprefix(PREFIX) + "==", altchars=b"-_", validate=True)
    except ValueError:
        raise TokenRefused from None
    if len(raw) != _END.size + _MAC_BYTES:
        raise TokenRefused
    end, mac = int(_END.unpack(raw[: _END.size])[0]), raw[_END.size :]
    if _written(end, mac) != text:
        raise TokenRefused
    return end, mac


def _is_genuine(mac: bytes, member_id: int, hashed: str, end: int) -> bool:
    """Whether one of the ring's master keys gives that code."""
    ring = sealing.configured_ring()
    return any(hmac.compare_digest(_mac(member_id, hashed, end, key_id), mac) for key_id in ring.keys)


def _mac(member_id: int, hashed: str, end: int, key_id: str) -> bytes:
    said = f"{end} {member_id} {hashed}".encode()
    return sealing.keyed_digest(said, purpose=_PURPOSE, key_id=key_id)
