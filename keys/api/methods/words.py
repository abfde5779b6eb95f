"""The services that list what there is to choose from, and the log of events."""

from collections.abc import Mapping

from accounts import audit
from keys.api import columns
from keys.api.calls import Call, Caller, Value
from keys.api.columns import Rows
from keys.api.methods.kinds import Few, Many, Methods, Plain
from keys.api.methods.subjects import as_number
from keys.api.schema import (
    ACTION,
    CANCEL_PENDING,
    DEPARTMENT,
    EVENT,
    ONLY_DEPARTMENT,
    PERMISSION,
    PERMISSIONS,
    STATUS,
    STATUSES,
)


def _events(call: Call, caller: Caller) -> Rows:
    visible = audit.visible_events(caller.member)
    if any(_names_one(call.object_filter.get(name)) for name in ("userId", "objectId")):
        visible = audit.found_by_users(visible)
    return columns.events(caller, visible)


def _names_one(leaf: Value) -> bool:
    """Whether what is asked of a number is that it equals one."""
    return isinstance(leaf, Mapping) and as_number(leaf.get("operation")) is not None


EVENT_METHODS: Methods = {
    "getAllObjects": Many(EVENT, _events),
    "getAllEventObjectNames": Plain(lambda *_: ["User"]),
}
STATUS_METHODS: Methods = {
    "getAllObjects": Few(STATUS, lambda *_: [*dict.fromkeys(STATUSES.values()), CANCEL_PENDING]),
}
ACTION_METHODS: Methods = {"getAllObjects": Few(ACTION, lambda *_: PERMISSIONS)}
PERMISSION_METHODS: Methods = {"getAllObjects": Few(PERMISSION, lambda *_: PERMISSIONS)}
DEPARTMENT_METHODS: Methods = {"getAllObjects": Few(DEPARTMENT, lambda *_: [ONLY_DEPARTMENT])}
