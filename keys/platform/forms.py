"""Forms about an IBM Cloud API key: they clean input, and never decide who may."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts import formats
from accounts.forms import NameField, focus, helper
from accounts.list_request import number_in
from accounts.meanwhile import MeanwhileForm
from accounts.names import clean_description
from keys.models import DESCRIPTION_LENGTH, LeakedAction, PlatformKey
from keys.platform.lifecycle import Description
from keys.platform.queries import last_day

#: How far away the day may be on which a key expires. *Source:* docs/rules.md, "Limits".
MOST_YEARS = 10
DAY_IS_OVER = "This day is over. Choose today or a later day."
_FURTHEST = timedelta(days=MOST_YEARS * 365 + 3)  # ten years have up to three leap days


class DescriptionField(forms.CharField):
    """What somebody says about a key, in one line; cleans to its one form, empty for nothing."""

    widget = forms.Textarea(attrs={"rows": 2})

    def clean(self, value: Any) -> str:
        """Return the text. Raises ValidationError for what would disturb lists, files and other people's pages."""
        return clean_description(super().clean(value), DESCRIPTION_LENGTH)


class PlatformKeyForm(MeanwhileForm):
    """What a user says about a key: its name, and perhaps a text, its last day, and what to do if it is leaked."""

    name = NameField(label="Name", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    description = DescriptionField(label="Description", required=False)
    expires = forms.DateField(
        label="Expires",
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="The last day on which the key works, by GMT. Without one, it does not expire.",
        error_messages={"invalid": "Enter the day like 2026-03-14."},
    )
    leaked_action = forms.ChoiceField(
        label="Leaked action",
        choices=LeakedAction.choices,
        initial=LeakedAction.DISABLE,
        widget=forms.RadioSelect,
        help_text="What happens when someone reports the key as found in public. The key's user is told in any case.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The dialog may stand over a page whose own form has a field of the same name.
        kwargs["auto_id"] = "id_key_%s"
        super().__init__(*args, **kwargs)
        today = _today()
        self.fields["expires"].widget.attrs |= {"min": str(today), "max": str(today + _FURTHEST)}
        focus(self, "name")
        self.helper = helper("", tag=False)

    def clean_expires(self) -> date | None:
        """Return the day, if there is one. Raises ValidationError for one that is over, or too far away."""
        day: date | None = self.cleaned_data["expires"]
        if day is None or day == self.initial.get("expires"):
            return day
        if day < _today():
            raise ValidationError(DAY_IS_OVER)
        if day > _today() + _FURTHEST:
            raise ValidationError(f"Choose a day within the next {MOST_YEARS} years.")
        return day

    @property
    def description_of_key(self) -> Description:
        """What was typed, cleaned."""
        cleaned = self.cleaned_data
        return Description(
            name=cleaned["name"],
            text=cleaned["description"],
            expires_at=self.end_of(cleaned["expires"]),
            leaked_action=LeakedAction(cleaned["leaked_action"]),
        )

    def end_of(self, day: date | None) -> datetime | None:
        """Return the moment at which a key expires whose last day this is; none for none."""
        return datetime.combine(day + timedelta(days=1), time(), UTC) if day else None


class NewPlatformKeyForm(PlatformKeyForm):
    """The same for a key that is to be created."""

    #: The newest of the user's keys when the page was made, by which a request that comes twice is known.
    newest = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_newest(self) -> int | None:
        """Return its number; none where that cannot be read, as nothing hangs on it but a second key."""
        return number_in(self.cleaned_data["newest"], largest=2**31 - 1)

    @property
    def carried(self) -> dict[str, str]:
        """The fields, to be sent again with a proof of identity."""
        carried = {name: self.cleaned_data[name] for name in self.fields}
        return {name: "" if value is None else str(value) for name, value in carried.items()}


class EditPlatformKeyForm(PlatformKeyForm):
    """The same for a key that there is: a field that was left as its page showed it is not written."""

    def __init__(self, *args: Any, key: PlatformKey, **kwargs: Any) -> None:
        self._key = key
        initial = {
            "name": key.name,
            "description": key.description,
            "expires": last_day(key.expires_at),
            "leaked_action": key.leaked_action,
        }
        super().__init__(*args, initial=initial, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True

    def clean(self) -> dict[str, Any]:
        """Return the fields; those that were left as an older page showed them are as they are now."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in self.fields:
            if name not in self.data or self.was_left(name):
                cleaned[name] = self.initial[name]
            elif name in cleaned:
                self.refuse_replacing(name, now=self._in_words(name))
        return cleaned

    def _in_words(self, name: str) -> str:
        value = self.initial[name]
        if name == "leaked_action":
            return LeakedAction(value).label
        return formats.day(value) if isinstance(value, date) else value or "none"

    def end_of(self, day: date | None) -> datetime | None:
        """Return the same. A program may have chosen a moment within the last day, or the last day of all: it stays."""
        return self._key.expires_at if day == self.initial["expires"] else super().end_of(day)


def _today() -> date:
    return timezone.now().astimezone(UTC).date()
