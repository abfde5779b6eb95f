"""Keys as IBM Cloud's clients read them, and what those clients say about a key."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError

from accounts.names import clean_description, clean_name
from keys.access_tokens import iam_id
from keys.iam.faults import BadRequest
from keys.models import DESCRIPTION_LENGTH, LeakedAction, PlatformKey
from keys.platform.lifecycle import Description

#: The words for what is done when a key is leaked.
_LEAKED = {"none": LeakedAction.NOTHING, "disable": LeakedAction.DISABLE, "delete": LeakedAction.DELETE}
_LEAKED_WORDS = {action: word for word, action in _LEAKED.items()}
#: A time without the distance from GMT could be any of twenty-five.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})"
).fullmatch


def record(key: PlatformKey, *, value: str = "") -> dict[str, Any]:
    """Return the record of ``key``; ``value`` is its value in the answer that created it, and else not known."""
    holder = iam_id(key.holder_id)
    optional = {"description": key.description, "expires_at": _written(key.expires_at) if key.expires_at else ""}
    return {
        "id": key.record_id,
        "entity_tag": key.revision,
        "crn": f"crn:v1:bluemix:public:iam-identity::a/{key.account_id}::apikey:{key.record_id}",
        "locked": key.is_locked,
        "disabled": not key.is_enabled,
        "created_at": _written(key.created_at),
        "created_by": holder,
        "modified_at": _written(key.modified_at or key.created_at),
        "name": key.name,
        "iam_id": holder,
        "account_id": str(key.account_id),
        "support_sessions": False,
        "action_when_leaked": _LEAKED_WORDS[LeakedAction(key.leaked_action)],
        "apikey": value,
        **{name: text for name, text in optional.items() if text},
    }


def described(sent: Mapping[str, Any], before: Description | None = None) -> Description:
    """Return what a record says about a key; what it leaves out stays as before. Raises BadRequest."""
    _refuse_what_there_is_not(sent)
    name = _text(sent, "name")
    try:
        if name is None and before is None:
            raise BadRequest("name: Enter a name.")
        cleaned = before.name if name is None and before else clean_name(name or "")
        text = _text(sent, "description")
        cleaned_text = before.text if text is None and before else clean_description(text or "", DESCRIPTION_LENGTH)
    except ValidationError as error:
        raise BadRequest(" ".join(error.messages)) from None
    usual = before or Description(cleaned)
    expires, leaked = _text(sent, "expires_at"), _text(sent, "action_when_leaked")
    return Description(
        cleaned,
        cleaned_text,
        usual.expires_at if expires is None else _moment(expires),
        usual.leaked_action if leaked is None else _leaked(leaked),
    )


def _refuse_what_there_is_not(sent: Mapping[str, Any]) -> None:
    """Raise BadRequest for what would be another key than the caller means, if it were ignored."""
    if sent.get("apikey") is not None:
        raise BadRequest("apikey: The value of a key is made by Keytree and cannot be chosen.")
    for name in ("store_value", "support_sessions"):
        if sent.get(name) is not None and sent[name] is not False:
            raise BadRequest(f"{name}: There is no such thing here; leave it out.")


def _text(sent: Mapping[str, Any], name: str) -> str | None:
    """Return a member of the record; none if it is not there. Raises BadRequest if it is no text."""
    value = sent.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"{name}: This must be a text.")
    return value


def _leaked(word: str) -> LeakedAction:
    if word not in _LEAKED:
        raise BadRequest(f"action_when_leaked: This must be one of {', '.join(_LEAKED)}.")
    return _LEAKED[word]


def _moment(text: str) -> datetime | None:
    """Return the time that a text gives; none, which is never, for an empty one. Raises BadRequest."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text) if _MOMENT(text) else None
        if moment is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadRequest("expires_at: This must be a date and time like 2027-03-14T00:00+0000.")


def _written(at: datetime) -> str:
    """Return a moment as the original writes it, to the minute."""
    return at.astimezone(UTC).isoformat(timespec="minutes")[:16] + "+0000"
