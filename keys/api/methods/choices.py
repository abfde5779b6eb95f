"""The services that list what there is to choose from: statuses and permissions."""

from keys.api.methods.method_kinds import Few, Methods
from keys.api.schema import (
    ACTION,
    CANCEL_PENDING,
    DEPARTMENT,
    ONLY_DEPARTMENT,
    PERMISSION,
    PERMISSIONS,
    STATUS,
    STATUSES,
)

STATUS_METHODS: Methods = {
    "getAllObjects": Few(STATUS, lambda *_: [*dict.fromkeys(STATUSES.values()), CANCEL_PENDING]),
}
ACTION_METHODS: Methods = {"getAllObjects": Few(ACTION, lambda *_: PERMISSIONS)}
PERMISSION_METHODS: Methods = {"getAllObjects": Few(PERMISSION, lambda *_: PERMISSIONS)}
DEPARTMENT_METHODS: Methods = {"getAllObjects": Few(DEPARTMENT, lambda *_: [ONLY_DEPARTMENT])}
