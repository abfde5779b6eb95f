"""Answers calls: finds the method, asks it, and puts its result into the form that was asked for."""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain

from django.db.models import QuerySet

from accounts.models import Member
from accounts.transactions import TakesTooLong, reading_at_most
from keys.api import filters, masks
from keys.api.calls import Answer, Call, Caller, Value
from keys.api.faults import Fault, shown
from keys.api.filter_conditions import BY_KEY
from keys.api.lists import Rows
from keys.api.masks import Mask
from keys.api.methods import accounts, choices, events, keys, users
from keys.api.methods.method_kinds import Few, Many, Method, Methods, One, Plain
from keys.api.records import MOST_AT_ONCE, MOST_BELOW, MOST_BELOW_EACH, Budget, Context, TooMany, Type
from keys.api.schema import SCHEMA

SERVICES: Mapping[str, Methods] = {
    "SoftLayer_Account": accounts.ACCOUNT_METHODS,
    "SoftLayer_Event_Log": events.EVENT_METHODS,
    "SoftLayer_User_Customer": users.USER_METHODS,
    "SoftLayer_User_Customer_ApiAuthentication": keys.KEY_METHODS,
    "SoftLayer_User_Customer_CustomerPermission_Permission": choices.PERMISSION_METHODS,
    "SoftLayer_User_Customer_Status": choices.STATUS_METHODS,
    "SoftLayer_User_Permission_Action": choices.ACTION_METHODS,
    "SoftLayer_User_Permission_Department": choices.DEPARTMENT_METHODS,
}
#: What a request over REST means that names no method.
_BY_VERB = {"GET": "getObject", "POST": "createObject", "PUT": "editObject", "DELETE": "deleteObject"}
#: More than any list is long, and a number that every database takes.
_NO_LIMIT = 2**31
#: How long it may take on SQLite to find the rows of a filter; PostgreSQL ends any statement after five seconds.
_SECONDS = 10.0
#: Up to so many rows are sorted for a part of them; more are walked through by their keys.
_SORTED = 100_000
#: How many keys of a list are read from the database at a time.
_KEYS_AT_ONCE = 10_000


def resolve(service: str, method: str | None, verb: str) -> str:
    """Return the complete name of a method as REST calls it: by the verb alone, or without its ``get``.

    What cannot be resolved is returned as it is, for ``answer`` to refuse.
    """
    if not method:
        return _BY_VERB.get(verb, "getObject")
    methods = SERVICES.get(service, {})
    read = f"get{method[0].upper()}{method[1:]}"
    return read if method not in methods and read in methods else method


def answer(call: Call, caller: Caller) -> Answer:
    """Return the result of ``call`` for ``caller``, who may work. Raises Fault, always before the first item."""
    context = Context(caller, call.includes_types)
    match _method(call):
        case Plain(run):
            value = run(call, caller)
            return Answer(value, total=len(value) if isinstance(value, list) else None)
        case One(type_, find, prepared, makes):
            mask = _mask(call, type_)
            _refuse_filter(call)
            if makes:
                _refuse_unbounded(type_, mask)
            record = find(call, caller)
            caller, mask = prepared(call, caller, mask)
            found = [] if record is None else SCHEMA.written([record], type_, mask, replace(context, caller=caller))
            return Answer(found[0] if found else None)
        case Few(type_, records, root):
            mask = _mask(call, type_)
            _refuse_filter(call, root)
            few = SCHEMA.written(records(call, caller), type_, mask, context)
            return Answer(few[slice(*_bounds(call))], total=len(few))
        case Many(type_, rows, root):
            mask, seen = _mask(call, type_), rows(call, caller)
            chosen, total = _keys_in_time(seen.narrowed(call.object_filter, root), call)
            return Answer(_items(chosen, seen, type_, mask, context), total)


def _method(call: Call) -> Method:
    methods = SERVICES.get(call.service)
    if methods is None:
        raise Fault("Service does not exist")
    if call.method not in methods:
        raise Fault(f'Function ("{shown(call.method)}") is not a valid method for this service.')
    return methods[call.method]


def _mask(call: Call, type_: Type) -> Mask | None:
    """Return what is asked for of each record. Raises Fault for what there is not."""
    mask = masks.parse(call.mask)
    SCHEMA.check(type_, mask)
    return mask


def _refuse_unbounded(type_: Type, mask: Mask | None) -> None:
    """Raise Fault if the mask has lists of any length: too much of them would be found when something has been made."""
    if SCHEMA.most_below(type_, mask) is None:
        raise Fault("Object mask: lists of any length, such as childUsers, cannot be asked for by this call.")


def _refuse_filter(call: Call, root: str = "") -> None:
    """Raise Fault for a filter where there is nothing to filter by: ignoring it would give more than was asked for."""
    filters.narrowed(Member.objects.none(), call.object_filter, {}, root=root)


def _bounds(call: Call) -> tuple[int, int | None]:
    """Return where the asked part of a list begins and ends; a limit of zero is none. Every database takes both."""
    start = min(max(call.offset, 0), _NO_LIMIT)
    if not call.limit or call.limit < 0:
        return start, None
    return start, start + min(call.limit, _NO_LIMIT)


def _keys_in_time(queryset: QuerySet, call: Call) -> "tuple[array[int], int]":
    """Return what ``_keys`` does. Raises Fault if that takes too long because of a filter."""
    if not call.object_filter:
        return _keys(queryset, call)
    try:
        with reading_at_most(_SECONDS):
            return _keys(queryset, call)
    except TakesTooLong as error:
        raise Fault("This takes too long. Filter by fewer properties, or by equality: “in” or a whole text.") from error


def _keys(queryset: QuerySet, call: Call) -> "tuple[array[int], int]":
    """Return the primary keys of the rows that limit and offset leave, and how many there are without these.

    So it is fixed beforehand, by eight bytes for each row, which rows they are and in which order.
    """
    start, end = _bounds(call)
    keys = queryset.values_list("pk", flat=True)
    if end is None:
        every = array("q", keys.iterator(chunk_size=_KEYS_AT_ONCE))
        return every[start:], len(every)
    total = queryset.count()
    if start >= total:
        return array("q"), total
    if total <= _SORTED:
        *asked, _ = queryset.query.order_by  # the last is the primary key: see ``filters.narrowed``
        keys = keys.order_by(*asked, BY_KEY)
    return array("q", keys[start:end]), total


def _items(
    chosen: "array[int]", rows: Rows, type_: Type, mask: Mask | None, context: Context
) -> Iterable[Mapping[str, Value]]:
    """Return the items of a list; those of a long one in batches, which are loaded and written while it is sent.

    Where the mask does not bound how much is below a row, the whole answer is made at once, within one budget: it may
    turn out to be too much, and every refusal comes before the first item. Raises TooMany.
    """
    below, is_long = SCHEMA.most_below(type_, mask), len(chosen) > MOST_AT_ONCE
    if below is None:
        is_too_much, size = len(chosen) > MOST_BELOW, MOST_AT_ONCE
    else:
        is_too_much, size = is_long and below > MOST_BELOW_EACH, min(MOST_AT_ONCE, MOST_BELOW // max(below, 1))
    if is_too_much:
        raise TooMany
    batches = (
        SCHEMA.written(
            rows.load(chosen[start : start + size].tolist()),
            type_,
            mask,
            context if below is None else replace(context, budget=Budget()),
        )
        for start in range(0, len(chosen), size)
    )
    if below is None or not is_long:
        return list(chain.from_iterable(batches))
    return chain(next(batches), chain.from_iterable(batches))
