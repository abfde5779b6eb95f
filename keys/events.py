"""The names of this app's audit events, with their sentences for the activity page."""

from accounts.events import register

CREATED = "classic_key.created"
SHOWN = "classic_key.shown"
DOWNLOADED = "classic_key.downloaded"
RESTRICTED = "classic_key.restriction_changed"
DELETED = "classic_key.deleted"
CALL_REFUSED = "classic_key.call_refused"

register(
    {
        CREATED: "Classic infrastructure API key created",
        SHOWN: "Classic infrastructure API key shown",
        DOWNLOADED: "Classic infrastructure API key downloaded",
        RESTRICTED: "Classic infrastructure address restriction changed",
        DELETED: "Classic infrastructure API key deleted",
        CALL_REFUSED: "Call with a classic infrastructure API key refused",
    }
)
