"""What a call is: the request as it came, who makes it, and what is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from accounts.models import Member
from accounts.origin import Origin
from keys import sent
from keys.iam.faults import BadRequest, NotFound
from keys.wsgi import Environ

#: Parameters of a query, or fields of a form.
_MOST_PARAMETERS = 100


@dataclass(frozen=True)
class Request:
    """What came, of which nothing has been looked at but the address.

    Attributes:
        parts: of the path, in the place of the names that the address of the call has.
    """

    environ: Environ
    body: bytes
    origin: Origin
    parts: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        """Return a header; empty if there is none."""
        return str(self.environ.get(f"HTTP_{name.upper().replace('-', '_')}", ""))

    def query(self) -> dict[str, str]:
        """Return the parameters of the address. Raises Unreadable or BadRequest."""
        return pairs(self.environ.get("QUERY_STRING", ""), "query")

    def form(self) -> dict[str, str]:
        """Return the fields of the body, whatever its content type says. Raises Unreadable or BadRequest."""
        return pairs(self.body.decode("latin-1"), "form")

    def record(self) -> dict[str, Any]:
        """Return the JSON object in the body, whatever its content type says. Raises Unreadable or BadRequest."""
        try:
            value = sent.from_json(self.body.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise sent.Unreadable("the body is not UTF-8.") from None
        if not isinstance(value, dict):
            raise BadRequest("The body is a JSON object.")
        return value


def pairs(text: str, place: str) -> dict[str, str]:
    """Return the names and values of an encoded text, as it stands on the wire. Raises Unreadable."""
    try:
        found = parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise sent.Unreadable(f"the {place} has too many parameters.") from None
    for name, value in found:
        sent.check_text(name)
        sent.check_text(value)
    known = dict(found)
    if len(known) < len(found):
        raise sent.Unreadable(f"a parameter of the {place} is there twice.")
    return known


@dataclass(frozen=True)
class Caller:
    """Who calls: a member whose token and key were accepted, loaded with all that the policies ask."""

    member: Member
    origin: Origin

    def require_own_account(self, account_id: object) -> None:
        """Raise NotFound for any other account ID than that of the caller's account, whether or not there is one."""
        if str(account_id) != str(self.member.account_id):
            raise NotFound("Account could not be found.")


@dataclass(frozen=True)
class Answer:
    """The result of a call; none has no body."""

    value: Mapping[str, Any] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
