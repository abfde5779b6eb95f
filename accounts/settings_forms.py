"""Forms of the Settings page: they clean input, and never decide who may."""

from typing import Any, ClassVar

from django import forms
from django.urls import reverse

from accounts import domains, formats
from accounts.account_settings import SessionSettings
from accounts.address_forms import FORMS_OF_ADDRESSES, AddressesField, LockoutForm
from accounts.forms import OnOffForm, helper
from accounts.meanwhile import MeanwhileForm
from accounts.models import Account
from accounts.models.account import LEAST_IDLE_MINUTES, MOST_IDLE_MINUTES, MOST_SESSION_HOURS, MOST_SESSIONS

_MINUTES = 60  # of an hour
#: The parts of a time that a session may go unused, and the largest number of each.
_PARTS = {"hours": MOST_IDLE_MINUTES // _MINUTES, "minutes": _MINUTES - 1}
_NO_PATTERN = "Enter at least one pattern."
UNLIMITED, LIMITED = "unlimited", "limited"


class QuestionForm(OnOffForm):
    """A setting turned on or off, and whether the question about it was answered with *Yes*."""

    is_confirmed = forms.BooleanField(required=False)


class AccountAddressesForm(MeanwhileForm, LockoutForm):
    """From where the account's console and keys may be used."""

    addresses = AddressesField(label="Allowed IP addresses", show_hidden_initial=True, help_text=FORMS_OF_ADDRESSES)
    field_order = ("addresses", "confirm_lockout")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = helper("", tag=False)

    def clean(self) -> None:
        """Refuse to replace addresses that were not on the page."""
        self.refuse_replacing("addresses", now=self.initial["addresses"] or "none")


class DomainsForm(forms.Form):
    """One more pattern of the addresses that may be invited, or several: added to those in force, or to begin with."""

    domains = forms.CharField(
        label="Domain",
        error_messages={"required": _NO_PATTERN},
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
        help_text=(
            "A pattern such as example.com or *@example.com, or several, separated by commas: * is any run without . "
            "and @, ** any run, ? one character."
        ),
    )

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        is_adding = account.restrict_user_domains
        # Patterns that were saved for later are enough to begin with.
        self.fields["domains"].required = is_adding or not account.user_domains
        button = "Add" if is_adding else ""  # the dialog that begins it has its own
        self.helper = helper(button, action=reverse("accounts:settings-domains"), tag=is_adding)

    def clean_domains(self) -> str:
        """Return the patterns in canonical form, one a line. Raises ValidationError naming each bad one."""
        try:
            patterns = domains.parse(self.cleaned_data["domains"])
        except domains.PatternError as error:
            raise forms.ValidationError(list(error.problems)) from error
        if not patterns and self.fields["domains"].required:
            raise forms.ValidationError(_NO_PATTERN)
        return "\n".join(patterns)


class RemoveDomainForm(forms.Form):
    """The pattern that goes; one that is not there does nothing."""

    pattern = forms.CharField(max_length=domains.LONGEST_PATTERN)


class AllowDomainsForm(forms.Form):
    """What becomes of the patterns when they are no longer in force."""

    patterns = forms.TypedChoiceField(
        choices=[("save", "save"), ("delete", "delete")], coerce=lambda text: text == "save"
    )


class HoursAndMinutes(forms.MultiWidget):
    """Two fields for one span of time, each with its label."""

    template_name = "accounts/_hours_and_minutes.html"
    use_fieldset = True

    def __init__(self) -> None:
        super().__init__({name: forms.NumberInput({"min": 0, "max": most}) for name, most in _PARTS.items()})

    def decompress(self, value: int | None) -> list[int | None]:
        """Return hours and minutes of so many minutes."""
        return [None, None] if value is None else [*divmod(value, _MINUTES)]

    def id_for_label(self, id_: str, index: str = "0") -> str:
        """Return the id of the first field: that is where a link to a mistake leads."""
        return f"{id_}_{index}"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Return what the template shows: of the two, the first alone may have the focus."""
        context = super().get_context(name, value, attrs)
        parts = context["widget"]["subwidgets"]
        parts[1]["attrs"].pop("autofocus", None)
        for part, label in zip(parts, _PARTS, strict=True):
            part["label"] = label.capitalize()
        return context


class NumberField(forms.IntegerField):
    """A number whose bounds are told as a person would."""

    default_error_messages: ClassVar = {
        "min_value": "Enter a number of at least %(limit_value)s.",
        "max_value": "Enter a number of at most %(limit_value)s.",
    }


class IdleField(forms.MultiValueField):
    """How long a session may go unused, in hours and minutes; cleans to minutes, none where both are empty."""

    widget = HoursAndMinutes

    def __init__(self, **kwargs: Any) -> None:
        parts = [NumberField(min_value=0, max_value=most, required=False) for most in _PARTS.values()]
        super().__init__(fields=parts, require_all_fields=False, required=False, **kwargs)

    def clean(self, value: Any) -> int | None:
        """Return the minutes, also of what the page showed, which is sent as such. Raises ValidationError."""
        cleaned: int | None = self.to_python(value) if isinstance(value, str) else super().clean(value)
        return cleaned

    def to_python(self, value: Any) -> int | None:
        """Return minutes that are sent as such."""
        minutes: int | None = forms.IntegerField(required=False).clean(value)
        return minutes

    def compress(self, data_list: list[int | None]) -> int | None:
        """Return the minutes of hours and minutes. Raises ValidationError where they are too few or too many."""
        if not data_list or data_list == [None, None]:
            return None
        hours, minutes = (part or 0 for part in data_list)
        together = hours * _MINUTES + minutes
        if not LEAST_IDLE_MINUTES <= together <= MOST_IDLE_MINUTES:
            most = MOST_IDLE_MINUTES // _MINUTES
            raise forms.ValidationError(f"Enter from {LEAST_IDLE_MINUTES} minutes to {most} hours.")
        return together


class SessionSettingsForm(MeanwhileForm):
    """How long and how many login sessions may be."""

    #: What is one setting: it stays together what its page showed, or what was entered.
    _SETTINGS = (("hours",), ("idle",), ("concurrent", "most"))

    hours = NumberField(label="Active sessions: hours", required=False, min_value=1, max_value=MOST_SESSION_HOURS)
    idle = IdleField(label="Sign out due to inactivity")
    concurrent = forms.ChoiceField(
        label="Concurrent sessions",
        choices=[(UNLIMITED, "Unlimited"), (LIMITED, "Limit sessions")],
    )
    most = NumberField(label="Sessions at once", required=False, min_value=1, max_value=MOST_SESSIONS)

    def __init__(self, *args: Any, present: SessionSettings, installation: SessionSettings, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "hours": present.hours,
            "idle": present.idle_minutes,
            "concurrent": UNLIMITED if present.most is None else LIMITED,
            "most": present.most,
        }
        super().__init__(*args, **kwargs)
        self._present = present
        for field in self.fields.values():
            field.show_hidden_initial = True
        self.fields[
            "hours"
        ].help_text = f"At most {MOST_SESSION_HOURS}. Empty: {installation.hours}, as this installation sets it."
        self.fields["idle"].help_text = (
            f"Together {LEAST_IDLE_MINUTES} minutes to {MOST_IDLE_MINUTES // _MINUTES} hours. Both empty: "
            f"{formats.span((installation.idle_minutes or 0) * 60)}, as this installation sets it."
        )
        self.fields[
            "most"
        ].help_text = f"With “Limit sessions”: 1 to {MOST_SESSIONS}. One more login ends the oldest session."
        self.helper = helper("", tag=False)

    def clean(self) -> None:
        """Check what belongs together: that there is a number where there is to be one."""
        if self.cleaned_data.get("concurrent") == LIMITED and not self.errors and not self.cleaned_data["most"]:
            self.add_error("most", "Enter how many sessions a user may have at once.")
        if self.errors:
            return
        for names, now in zip(self._SETTINGS, self._in_words(), strict=True):
            if self.was_left(*names):
                self.cleaned_data |= {name: self.initial[name] for name in names}
            else:
                self.refuse_replacing(*names, now=now)

    def _in_words(self) -> tuple[str, str, str]:
        hours, idle, most = self._present.hours, self._present.idle_minutes, self._present.most
        return (
            "empty" if hours is None else f"{hours} hours",
            "empty" if idle is None else formats.span(idle * 60),
            "unlimited" if most is None else f"{most} sessions",
        )

    @property
    def chosen(self) -> SessionSettings:
        """What was entered."""
        most = self.cleaned_data["most"] if self.cleaned_data["concurrent"] == LIMITED else None
        return SessionSettings(self.cleaned_data["hours"], self.cleaned_data["idle"], most)
