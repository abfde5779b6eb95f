"""Where a change came from: kept on every request, and made by hand for commands."""

import contextvars
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from django.conf import settings

from accounts import agents
from accounts.addresses import TrustedProxies, client_address

#: The id of the request being answered; stays until the next one, since refusals are logged after the answer.
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")


@dataclass(frozen=True)
class Origin:
    """The client's address (none when unknown), the request's id for finding its log lines, its browser in words."""

    address: str | None
    request_id: str = ""
    agent: str = ""


#: What a command run on the server itself says of its origin.
COMMAND_LINE = Origin(address=None, request_id="command")


def begin(environ: Mapping[str, Any]) -> Origin:
    """Return where a request comes from, under a new id that its log lines have from now on."""
    agent = agents.in_words(environ.get("HTTP_USER_AGENT", ""))
    origin = Origin(address=address_of(environ), request_id=secrets.token_hex(8), agent=agent)
    request_id.set(origin.request_id)
    return origin


def address_of(environ: Mapping[str, Any]) -> str | None:
    """Return the client's address, for restrictions, throttling and the audit trail alike; none when unknown."""
    return _client_address(environ.get("REMOTE_ADDR"), environ.get("HTTP_X_FORWARDED_FOR"), trusted_proxies())


# Parsing addresses is a third of the work of a verification, and the same callers come again and again. The result
# depends only on the arguments, so caching it is safe.
_client_address = lru_cache(maxsize=1024)(client_address)


def trusted_proxies() -> TrustedProxies:
    """Return the declared proxies, whose word on address and scheme is believed; parsed once. Raises AddressError."""
    return _parsed(settings.KEYTREE_TRUSTED_PROXIES)


@cache
def _parsed(text: str) -> TrustedProxies:
    return TrustedProxies.parse(text)
