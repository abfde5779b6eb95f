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

tell_by_mail(
    {
        EDITED: Notice("Your API key was changed", "One of your IBM Cloud API keys was edited."),
        DISABLED: Notice(
            "Your API key was disabled",
            "One of your IBM Cloud API keys was disabled. Calls made with it are refused from now on.",
        ),
        DELETED: Notice(
            "Your API key was deleted",
            "One of your IBM Cloud API keys was deleted. Calls made with it are refused from now on.",
        ),
        LEAKED: Notice(
            "Your API key was leaked",
            "The value of one of your IBM Cloud API keys was reported as leaked. Create another key, and replace it "
            "wherever it is used.",
        ),
        EXPIRES_SOON: Notice(
            "Your API key expires soon",
            "One of your IBM Cloud API keys is about to expire. Calls made with it will be refused then.",
        ),
    }
)
