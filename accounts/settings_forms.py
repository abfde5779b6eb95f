"""Forms of the Settings page: they clean input, and never decide who may."""

from typing import Any

from django import forms
from django.urls import reverse

from accounts import domains
from accounts.account_settings import SessionSettings
from accounts.address_forms import FORMS_OF_ADDRESSES, AddressesField, LockoutForm
from accounts.forms import OnOffForm, helper
from accounts.meanwhile import MeanwhileForm
from accounts.models import Account
from accounts.models.account import LEAST_IDLE_MINUTES, MOST_IDLE_MINUTES, MOST_SESSION_HOURS, MOST_SESSIONS

_MINUTES = 60  # of an hour
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


class SessionSettingsForm(MeanwhileForm):
    """How long and how many login sessions may be."""

    #: What is one setting: it stays together what its page showed, or what was entered.
    _SETTINGS = (("hours",), ("idle_hours", "idle_minutes"), ("concurrent", "most"))

    hours = forms.IntegerField(
        label="Active sessions: hours", required=False, min_value=1, max_value=MOST_SESSION_HOURS
    )
    idle_hours = forms.IntegerField(
        label="Sign out due to inactivity: hours", required=False, min_value=0, max_value=MOST_IDLE_MINUTES // _MINUTES
    )
    idle_minutes = forms.IntegerField(
        label="Sign out due to inactivity: minutes", required=False, min_value=0, max_value=_MINUTES - 1
    )
    concurrent = forms.ChoiceField(
        label="Concurrent sessions",
        choices=[(UNLIMITED, "Unlimited"), (LIMITED, "Limit sessions")],
    )
    most = forms.IntegerField(label="Sessions at once", required=False, min_value=1, max_value=MOST_SESSIONS)

    def __init__(self, *args: Any, present: SessionSettings, installation: SessionSettings, **kwargs: Any) -> None:
        idle_hours, idle_minutes = divmod(present.idle_minutes or 0, _MINUTES)
        kwargs["initial"] = {
            "hours": present.hours,
            "idle_hours": idle_hours if present.idle_minutes else None,
            "idle_minutes": idle_minutes if present.idle_minutes else None,
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
        self.fields["idle_minutes"].help_text = (
            f"Together {LEAST_IDLE_MINUTES} minutes to {MOST_IDLE_MINUTES // _MINUTES} hours. Both empty: "
            f"{installation.idle_minutes} minutes, as this installation sets it."
        )
        self.fields[
            "most"
        ].help_text = f"With “Limit sessions”: 1 to {MOST_SESSIONS}. One more login ends the oldest session."
        self.helper = helper("", tag=False)

    def clean(self) -> None:
        """Check what belongs together: the parts of the time, and the number where there is to be one."""
        idle = self._idle()
        if idle is not None and not LEAST_IDLE_MINUTES <= idle <= MOST_IDLE_MINUTES:
            most = MOST_IDLE_MINUTES // _MINUTES
            self.add_error("idle_minutes", f"Enter from {LEAST_IDLE_MINUTES} minutes to {most} hours.")
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
            "empty" if idle is None else f"{idle} minutes",
            "unlimited" if most is None else f"{most} sessions",
        )

    def _idle(self) -> int | None:
        hours, minutes = (self.cleaned_data.get(name) for name in ("idle_hours", "idle_minutes"))
        return None if hours is None and minutes is None else (hours or 0) * _MINUTES + (minutes or 0)

    @property
    def chosen(self) -> SessionSettings:
        """What was entered."""
        most = self.cleaned_data["most"] if self.cleaned_data["concurrent"] == LIMITED else None
        return SessionSettings(self.cleaned_data["hours"], self._idle(), most)
