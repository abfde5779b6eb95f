"""``SoftLayer_Event_Log``: the activity log, as far as the caller sees it."""

from collections.abc import Mapping

from accounts import audit
from keys.api import lists
from keys.api.calls import Call, Caller, Value
from keys.api.lists import Rows
from keys.api.methods.method_kinds import Many, Methods, Plain
from keys.api.methods.objects import as_number
from keys.api.schema import EVENT


def _events(call: Call, caller: Caller) -> Rows:
    visible = audit.visible_events(caller.member)
    if any(_names_one(call.object_filter.get(name)) for name in ("userId", "objectId")):
        visible = audit.found_by_users(visible)
    return lists.events(caller, visible)


def _names_one(leaf: Value) -> bool:
    """Whether what is asked of a number is that it equals one."""
    return isinstance(leaf, Mapping) and as_number(leaf.get("operation")) is not None


EVENT_METHODS: Methods = {
    "getAllObjects": Many(EVENT, _events),
    "getAllEventObjectNames": Plain(lambda *_: ["User"]),
}
