"""Where a change came from: kept on every request, and made by hand for commands."""

from dataclasses import dataclass
from functools import cache

from django.conf import settings

from accounts.addresses import TrustedProxies


@dataclass(frozen=True)
class Origin:
    """The client's address (none when unknown), the request's id for finding its log lines, its browser in words."""

    address: str | None
    request_id: str = ""
    agent: str = ""


#: What a command run on the server itself says of its origin.
COMMAND_LINE = Origin(address=None, request_id="command")


def trusted_proxies() -> TrustedProxies:
    """Return the declared proxies, whose word on address and scheme is believed; parsed once. Raises AddressError."""
    return _parsed(settings.KEYTREE_TRUSTED_PROXIES)


@cache
def _parsed(text: str) -> TrustedProxies:
    return TrustedProxies.parse(text)
