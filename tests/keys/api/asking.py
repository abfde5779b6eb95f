"""Calls of the SoftLayer-compatible interface, asked as a transport asks them, with the answers as plain values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from accounts import queries
from accounts.models import Member
from accounts.origin import Origin
from keys import material
from keys.api.answers import answer
from keys.api.calls import Answer, Call, Caller
from keys.api.faults import Fault
from keys.material import PlainValue
from keys.models import ClassicKey

ORIGIN = Origin("17.5.7.8", "asked")


def caller_of(member: Member) -> Caller:
    """The member as the caller with their own key, or as if there had been one that was deleted meanwhile."""
    key = ClassicKey.objects.filter(holder=member).first()
    value = material.take(key) if key else PlainValue("0" * 64)
    present = queries.member_of(member.account_id, member.pk)
    assert present is not None
    return Caller(present, key.pk if key else 0, value, ORIGIN)


def ask(caller: Caller | Member, method: str, object_id: int | None = None, *arguments: Any, **more: Any) -> Any:
    """What a call gives; ``method`` is like ``User_Customer::getObject``. Lists are complete."""
    found = asked(caller, method, object_id, *arguments, **more)
    return found.value if found.total is None else list(found.value)


def asked(caller: Caller | Member, method: str, object_id: int | None = None, *arguments: Any, **more: Any) -> Answer:
    """The answer as transports get it."""
    service, name = method.split("::")
    call = Call(f"SoftLayer_{service}", name, object_id=object_id, arguments=arguments, **more)
    return answer(call, caller_of(caller) if isinstance(caller, Member) else caller)


@dataclass(frozen=True)
class Refusal:
    """A fault, as far as clients see it."""

    code: str
    text: str
    status: int


def refused(
    caller: Caller | Member, method: str, object_id: int | None = None, *arguments: Any, **more: Any
) -> Refusal:
    """The fault that a call ends with, before anything of its answer is there."""
    try:
        found = asked(caller, method, object_id, *arguments, **more)
    except Fault as fault:
        return Refusal(fault.code, str(fault), fault.status)
    raise AssertionError(f"{method} is not refused, but answers {found}")


def not_found(object_id: object) -> Refusal:
    """What is answered for something that is not there, or that the caller may not know of."""
    text = f"Unable to find object with id of '{object_id}'."
    return Refusal("SoftLayer_Exception_ObjectNotFound", text, 404)


def public(text: str) -> Refusal:
    return Refusal("SoftLayer_Exception_Public", text, 500)


def denied(text: str) -> Refusal:
    return Refusal("SoftLayer_Exception_PermissionDenied", text, 500)


def invalid(text: str) -> Refusal:
    return Refusal("SoftLayer_Exception_InvalidValue", text, 500)


def everything_in(value: Any) -> Iterator[dict[str, Any]]:
    """Each record of an answer, however deep."""
    if isinstance(value, dict):
        yield value
        for below in value.values():
            yield from everything_in(below)
    elif isinstance(value, list):
        for item in value:
            yield from everything_in(item)
