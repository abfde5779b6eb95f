"""The names of the audit events about IBM Cloud API keys, with their sentences for the activity page and for mails.

The details of each hold the key's name and record id.
"""

from accounts.events import Notice, register, tell_by_mail

CREATED = "platform_key.created"
EDITED = "platform_key.edited"
LOCKED = "platform_key.locked"
UNLOCKED = "platform_key.unlocked"
ENABLED = "platform_key.enabled"
DISABLED = "platform_key.disabled"
DELETED = "platform_key.deleted"
LEAKED = "platform_key.leaked"
EXPIRES_SOON = "platform_key.expires_soon"
EXPIRED_DELETED = "platform_key.expired_deleted"
CALL_REFUSED = "platform_key.call_refused"

register(
    {
        CREATED: "IBM Cloud API key created",
        EDITED: "IBM Cloud API key edited",
        LOCKED: "IBM Cloud API key locked",
        UNLOCKED: "IBM Cloud API key unlocked",
        ENABLED: "IBM Cloud API key enabled",
        DISABLED: "IBM Cloud API key disabled",
        DELETED: "IBM Cloud API key deleted",
        LEAKED: "IBM Cloud API key reported as leaked",
        EXPIRES_SOON: "IBM Cloud API key about to expire",
        EXPIRED_DELETED: "Expired IBM Cloud API key deleted",
        CALL_REFUSED: "Call with an IBM Cloud API key refused",
    },
    groups={"platform_key": "API keys"},
)

#: Which of a user's keys it is, and what became of it.
_FACTS = ("name", "key", "new name", "description", "expires", "leaked action", "source", "action")
tell_by_mail(
    {
        EDITED: Notice("Your API key was changed", "One of your IBM Cloud API keys was edited.", facts=_FACTS),
        DISABLED: Notice(
            "Your API key was disabled",
            "One of your IBM Cloud API keys was disabled. Calls made with it are refused from now on.",
            facts=_FACTS,
        ),
        ENABLED: Notice(
            "Your API key was enabled",
            "One of your IBM Cloud API keys was enabled. Calls made with it are accepted again.",
            facts=_FACTS,
        ),
        DELETED: Notice(
            "Your API key was deleted",
            "One of your IBM Cloud API keys was deleted. Calls made with it are refused from now on.",
            facts=_FACTS,
        ),
        LEAKED: Notice(
            "Your API key was leaked",
            "The value of one of your IBM Cloud API keys was reported as leaked.",
            facts=_FACTS,
            advice="Create another key and replace this one wherever it is used. If it is still there, delete it.",
        ),
        EXPIRES_SOON: Notice(
            "Your API key expires soon",
            "One of your IBM Cloud API keys is about to expire. Calls made with it will be refused then.",
            facts=_FACTS,
            advice="If it is still in use, let it expire later, or create another key and replace this one.",
        ),
    }
)
