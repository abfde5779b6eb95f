"""The names of this app's audit events, with their sentences for the activity page and for mails."""

from accounts.events import Notice, register, tell_by_mail

CREATED = "classic_key.created"
SHOWN = "classic_key.shown"
DOWNLOADED = "classic_key.downloaded"
RESTRICTED = "classic_key.restriction_changed"
DELETED = "classic_key.deleted"
REVOKED = "classic_key.revoked"
OPENED = "classic_key.details_opened"
CALL_REFUSED = "classic_key.call_refused"

register(
    {
        CREATED: "Classic infrastructure API key created",
        SHOWN: "Classic infrastructure API key shown",
        DOWNLOADED: "Classic infrastructure API key downloaded",
        RESTRICTED: "Classic infrastructure address restriction changed",
        DELETED: "Classic infrastructure API key deleted",
        REVOKED: "Classic infrastructure API key revoked with its branch",
        OPENED: "Details of a classic infrastructure API key opened",
        CALL_REFUSED: "Call with a classic infrastructure API key refused",
    },
    groups={"classic_key": "API keys"},
)

_SEEN = "The value of a classic infrastructure API key was seen from a new address."
tell_by_mail(
    {
        CREATED: Notice("An API key was created for you", "A classic infrastructure API key was created for you."),
        RESTRICTED: Notice(
            "Your API key was restricted",
            "The addresses from which your classic infrastructure API key may be used were changed.",
        ),
        DELETED: Notice(
            "Your API key was deleted",
            "Your classic infrastructure API key was deleted. Calls made with it are refused from now on.",
        ),
        REVOKED: Notice(
            "Your API key was revoked",
            "Your classic infrastructure API key was deleted, together with others of the branch of users that you are "
            "in. Calls made with it are refused from now on.",
        ),
        SHOWN: Notice("The value of an API key was shown", _SEEN, is_about_oneself=True),
        DOWNLOADED: Notice("The value of an API key was downloaded", _SEEN, is_about_oneself=True),
    }
)
