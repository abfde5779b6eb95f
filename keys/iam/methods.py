"""The calls of IBM Cloud's clients: each asks the policy, and the reads and writes of pages.

Those about users are in ``keys.iam.users``.
"""

import base64
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings

from accounts import queries
from accounts.list_request import number_in
from accounts.listing import Cursor, Order, kept
from accounts.policy import NotAllowed
from keys import access_tokens, verification
from keys.access_tokens import iam_id, member_number
from keys.iam import users
from keys.iam.calls import Answer, Caller, Request, pairs
from keys.iam.faults import BadRequest, Conflict, NoSuchKey, NotFound
from keys.iam.records import described, record
from keys.iam.refusals import refusals_recorded
from keys.models import PlatformKey
from keys.platform import lifecycle, policy
from keys.platform.lifecycle import Description
from keys.platform.policy import SWITCHES, PlatformAction
from keys.platform.queries import AS_MANY_AS_THERE_CAN_BE, of_account, of_holder, plain, visible_key

_GRANT = "urn:ibm:params:oauth:grant-type:apikey"
_RECORD_ID = re.compile("ApiKey-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})").fullmatch
_ORDERS = {"name": "sort_name", "created_at": "created_at"}
#: What a list is asked for by, and with the place of a page in its token.
_ASKED = {"account_id", "iam_id", "scope", "type", "pagesize", "sort", "order", "filter"}
_PER_PAGE, _MOST_PER_PAGE = 20, 100
_PASSED = "expires_at: This moment is over already."


# --- Tokens -----------------------------------------------------------------------------------------------------------


def token(request: Request) -> Answer:
    """Give an access token for the value of a key; every refusal of a value reads the same."""
    form = request.form()
    if form.get("grant_type") != _GRANT:
        raise BadRequest(f"Validation of property 'grant_type' failed. Valid values: '{_GRANT}'")
    if form.get("response_type", "cloud_iam") != "cloud_iam":
        raise BadRequest("Validation of property 'response_type' failed. Valid values: 'cloud_iam'")
    verdict = verification.verify_platform(form.get("apikey", ""), request.origin.address)
    key = PlatformKey.objects.select_related("holder__user").filter(pk=verdict.key_id).first()
    if not verdict.accepted or key is None:
        raise NoSuchKey
    made = access_tokens.issue(key)
    return Answer(
        {
            "access_token": made.text,
            # Clients ask for a new token with the value of the key.
            "refresh_token": "not_supported",
            "token_type": "Bearer",
            "expires_in": max(0, made.expires_at - int(time.time())),
            "expiration": made.expires_at,
            "scope": "ibm openid",
        }
    )


# --- Finding ----------------------------------------------------------------------------------------------------------


def _key(request: Request, caller: Caller) -> PlatformKey:
    """Return the key that the address names, if the caller may know of it. Raises NotFound."""
    named = _RECORD_ID(request.parts[0])
    key = visible_key(caller.member, uuid=UUID(named[1])) if named else None
    if key is None:
        raise NotFound
    return key


@contextmanager
def _as_it_is() -> Iterator[None]:
    """Say why something cannot be done with a key that the caller may look after, in the state that the key is in."""
    try:
        yield
    except NotAllowed as error:
        raise Conflict(str(error)) from error
    except lifecycle.KeyGone as error:
        raise NotFound from error
    except lifecycle.ChangedMeanwhile as error:
        raise Conflict("This key was changed in the meantime: read it again.") from error


# --- Reading ----------------------------------------------------------------------------------------------------------


def one(request: Request, caller: Caller) -> Answer:
    """Give a key."""
    return _given(_key(request, caller))


def by_value(request: Request, caller: Caller) -> Answer:
    """Give the key whose value is in the header."""
    value = request.header("IAM-ApiKey")
    if not value:
        raise BadRequest("The header IAM-ApiKey is missing.")
    key = lifecycle.key_of_value(value)
    if key is None or not policy.can(caller.member, PlatformAction.VIEW, key):
        raise NotFound
    return _given(key)


def _given(key: PlatformKey, *, status: int = 200, value: str = "") -> Answer:
    return Answer(record(key, value=value), status, {"ETag": f'"{key.revision}"'})


def several(request: Request, caller: Caller) -> Answer:
    """Give a page of the caller's keys, of another's whose keys they may know of, or of all in the account."""
    asked = _asked(request)
    caller.require_own_account(asked.get("account_id", caller.member.account_id))
    holder = _holder(asked, caller)
    if asked.get("filter"):
        raise BadRequest("filter: Lists are not filtered here.")
    if asked.get("type", "user") != "user":
        holder = 0  # of services, there are none
    per_page = number_in(asked.get("pagesize", str(_PER_PAGE)), largest=_MOST_PER_PAGE)
    if not per_page:
        raise BadRequest(f"pagesize: This must be a number from 1 to {_MOST_PER_PAGE}.")
    make, pk = (of_account, caller.member.account_id) if holder is None else (of_holder, holder)
    listing = replace(kept(make, _order(asked), values=(pk,)), complete=plain)
    page = listing.page(per_page=per_page, cursor=Cursor.decode(asked.get("at", "")))
    state = {name: text for name, text in asked.items() if name != "at"}
    links: dict[str, dict[str, str]] = {"first": state} | {
        name: {**state, "at": cursor.encode()}
        for name, cursor in (("previous", page.previous), ("next", page.next))
        if cursor
    }
    return Answer(
        {
            "offset": page.first_number - 1,
            "limit": per_page,
            **{name: _address(link) for name, link in links.items()},
            "apikeys": [record(key) for key in page.rows],
        }
    )


def _asked(request: Request) -> dict[str, str]:
    """Return what a list is asked for by, which the token of a page has in it. Raises BadRequest or Unreadable."""
    given = request.query()
    if given.get("pagetoken"):
        return _unpacked(given["pagetoken"])
    return {name: text for name, text in given.items() if name in _ASKED}


def _holder(asked: Mapping[str, str], caller: Caller) -> int | None:
    """Return whose keys are asked for; none for everybody's. Raises NotFound, Denied or BadRequest."""
    member, scope = caller.member, asked.get("scope", "entity")
    if scope == "account":
        with refusals_recorded(caller, member, "see the keys of all users"):
            policy.require_see_all(member)
        return None
    if scope != "entity":
        raise BadRequest("scope: This must be entity or account.")
    number = member_number(asked.get("iam_id", iam_id(member.pk)))
    if number == member.pk:
        return number
    other = queries.member_of(member.account_id, number) if number else None
    if other is None or not policy.can_see_keys_of(member, other):
        raise NotFound("User could not be found.")
    return other.pk


def _order(asked: Mapping[str, str]) -> Order:
    sort, order = asked.get("sort", "created_at"), asked.get("order", "asc")
    if sort not in _ORDERS or order not in {"asc", "desc"}:
        raise BadRequest(f"sort, order: Lists are sorted by {' or '.join(_ORDERS)}, asc or desc.")
    return Order(_ORDERS[sort], descending=order == "desc")


def _address(state: Mapping[str, str]) -> str:
    packed = base64.urlsafe_b64encode(urlencode({"scope": "entity", **state}).encode()).decode()
    return f"{settings.KEYTREE_PUBLIC_URL}/v1/apikeys?{urlencode({'pagetoken': packed})}"


def _unpacked(text: str) -> dict[str, str]:
    """Return the state of a list that ``_address`` put into a token. Raises BadRequest or Unreadable."""
    try:
        asked = pairs(base64.urlsafe_b64decode(text).decode("ascii"), "token")
    except ValueError:
        asked = {}
    if not asked or set(asked) - _ASKED - {"at"} or ("at" in asked and Cursor.decode(asked["at"]) is None):
        raise BadRequest("pagetoken: This is none that was given here.")
    return asked


# --- Writing ----------------------------------------------------------------------------------------------------------


def create(request: Request, caller: Caller) -> Answer:
    """Create a key of the caller, and give it with its value, this once."""
    sent, member = request.record(), caller.member
    caller.require_own_account(sent.get("account_id", member.account_id))
    description = described(sent)
    switches = {name: _switch(request, f"Entity-{name}") for name in ("Lock", "Disable")}
    with refusals_recorded(caller, member, "create a key"):
        if sent.get("iam_id", iam_id(member.pk)) != iam_id(member.pk):
            raise NotAllowed("You can create a key for yourself alone: iam_id must be yours, or be left out.")
        try:
            key, value = lifecycle.create_platform_key(
                description=description,
                by=member,
                origin=caller.origin,
                is_locked=switches["Lock"],
                is_enabled=not switches["Disable"],
            )
        except lifecycle.TooManyKeys as error:
            raise Conflict(AS_MANY_AS_THERE_CAN_BE) from error
        except lifecycle.ExpiryPassed as error:
            raise BadRequest(_PASSED) from error
    return _given(key, status=201, value=value.text)


def _switch(request: Request, name: str) -> bool:
    said = request.header(name).lower() or "false"
    if said not in {"true", "false"}:
        raise BadRequest(f"The header {name} must be true or false.")
    return said == "true"


def update(request: Request, caller: Caller) -> Answer:
    """Change what the record names, if the key is still the one that the caller has read."""
    sent, key = request.record(), _key(request, caller)
    tag = request.header("If-Match").strip().removeprefix("W/").strip('"')  # proxies that compress weaken tags
    if not tag:
        raise BadRequest("The header If-Match is missing: send the entity_tag that you have read, or *.")
    description = described(sent, Description.of(key))
    with _as_it_is():
        if tag not in {"*", key.revision}:
            raise lifecycle.ChangedMeanwhile
        try:
            key = lifecycle.edit_platform_key(
                key=key,
                description=description,
                by=caller.member,
                origin=caller.origin,
                revision=key.revision,
            )
        except lifecycle.ChangedMeanwhile:
            if tag != "*":
                raise
            return update(request, caller)  # what the record leaves out stays as it is by now
        except lifecycle.ExpiryPassed as error:
            raise BadRequest(_PASSED) from error
    return _given(key)


def delete(request: Request, caller: Caller) -> Answer:
    """Delete a key."""
    with _as_it_is():
        lifecycle.delete_platform_key(key=_key(request, caller), by=caller.member, origin=caller.origin)
    return Answer(status=204)


def _turning(action: PlatformAction) -> Callable[[Request, Caller], Answer]:
    """Return the call that turns something over; it changes nothing where that is so already."""

    def turn(request: Request, caller: Caller) -> Answer:
        key = _key(request, caller)
        field, value, _ = SWITCHES[action]
        if getattr(key, field) is value:
            return Answer(status=204)
        try:
            with _as_it_is():
                lifecycle.switch_platform_key(key=key, action=action, by=caller.member, origin=caller.origin)
        except Conflict:
            if getattr(_key(request, caller), field) is not value:
                raise  # and else somebody did the same at the same time
        return Answer(status=204)

    return turn


#: The calls that come with a token, by the parts of the address and the verb; ``*`` stands for an id.
CALLS: Mapping[tuple[str, ...], Mapping[str, Callable[[Request, Caller], Answer]]] = {
    ("v1", "apikeys"): {"GET": several, "POST": create},
    ("v1", "apikeys", "details"): {"GET": by_value},
    ("v1", "apikeys", "*"): {"GET": one, "PUT": update, "DELETE": delete},
    ("v1", "apikeys", "*", "lock"): {
        "POST": _turning(PlatformAction.LOCK),
        "DELETE": _turning(PlatformAction.UNLOCK),
    },
    ("v1", "apikeys", "*", "disable"): {
        "POST": _turning(PlatformAction.DISABLE),
        "DELETE": _turning(PlatformAction.ENABLE),
    },
    **users.CALLS,
}
