"""The services that list what there is to choose from, and the log of events."""

from accounts import audit
from keys.api import columns
from keys.api.calls import Call, Caller
from keys.api.columns import Rows
from keys.api.methods.kinds import Few, Many, Methods, Plain
from keys.api.schema import (
    ACTION,
    CANCEL_PENDING,
    DEPARTMENT,
    DEPARTMENT_TYPE,
    EVENT,
    PERMISSION,
    PERMISSIONS,
    STATUS,
    STATUSES,
)


def _events(call: Call, caller: Caller) -> Rows:
    return columns.events(caller, audit.visible_events(caller.member))


EVENT_METHODS: Methods = {
    "getAllObjects": Many(EVENT, _events),
    "getAllEventObjectNames": Plain(lambda *_: ["User"]),
}
STATUS_METHODS: Methods = {
    "getAllObjects": Few(STATUS, lambda *_: [*dict.fromkeys(STATUSES.values()), CANCEL_PENDING]),
}
ACTION_METHODS: Methods = {"getAllObjects": Few(ACTION, lambda *_: PERMISSIONS)}
PERMISSION_METHODS: Methods = {"getAllObjects": Few(PERMISSION, lambda *_: PERMISSIONS)}
DEPARTMENT_METHODS: Methods = {"getAllObjects": Few(DEPARTMENT_TYPE, lambda *_: [DEPARTMENT])}
