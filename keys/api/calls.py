"""What a call is, whoever sent it in whichever form: transports make these, methods answer them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from accounts.models import Member
from accounts.origin import Origin
from keys.material import PlainValue

#: What JSON and XML-RPC have in common.
Value = None | bool | int | float | str | Sequence["Value"] | Mapping[str, "Value"]


@dataclass(frozen=True)
class Call:
    """One call of a method, as read from a request; nothing in it has been checked against what there is.

    Attributes:
        service: complete name, such as ``SoftLayer_Account``.
        method: complete name, such as ``getUsers``.
        object_id: the object that the method is called on, if one is given.
        arguments: by position.
        mask: the object mask as text, or in its old form as a struct.
        object_filter: as a struct.
        limit: how many items of a list at most; none for all.
        offset: how many items of a list are left out at its beginning.
        includes_types: whether every object of the answer begins with its type, as ``complexType``.
        is_post: whether it came by POST: no other answer holds a value that is stored.
    """

    service: str
    method: str
    object_id: int | None = None
    arguments: Sequence[Value] = field(default=(), repr=False)  # a password may be among them
    mask: str | Mapping[str, Value] | None = None
    object_filter: Mapping[str, Value] = field(default_factory=dict)
    limit: int | None = None
    offset: int = 0
    includes_types: bool = False
    is_post: bool = True


@dataclass(frozen=True)
class Credentials:
    """What a call was made with, as presented: the name of a user and the value of their key."""

    username: str
    value: PlainValue

    @classmethod
    def of(cls, username: str, value: str) -> Self:
        """Return the pair; from here on its value prints as dots."""
        return cls(username, PlainValue(value))


@dataclass(frozen=True)
class Token:
    """What else a call was made with, as presented: an access token of IAM, which is never printed."""

    text: str = field(repr=False)


@dataclass(frozen=True)
class LoginToken:
    """What else a call was made with, as presented: the token of a login by password, and whose it is said to be."""

    member_id: int
    text: str = field(repr=False)


Presented = Credentials | Token | LoginToken


@dataclass(frozen=True)
class Caller:
    """Who calls: a member whose key or token was accepted, loaded with all that the policies ask.

    Attributes:
        key_id: of the classic key that the call was made with; none if it was an IBM Cloud API key, or a token.
        value: that classic key's value, as presented.
        has_proved: whether they gave their password within the time of a fresh proof: a login token says so.
    """

    member: Member
    key_id: int | None
    value: PlainValue | None
    origin: Origin
    has_proved: bool = False


@dataclass(frozen=True)
class Answer:
    """The result of a call. Items of a list may be made while they are sent, so that memory does not grow with it.

    Attributes:
        value: a plain value; for a list, an iterable of its items.
        total: of a list, how many items there are without limit and offset; none if the result is no list.
    """

    value: Value | Iterable[Value]
    total: int | None = None
