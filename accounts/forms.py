"""What forms have in common: fields, how they are rendered, and the forms of a single value.

Forms clean input, and never decide who may.
"""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Submit
from django import forms

from accounts.hashers import MAXIMUM_PASSWORD_LENGTH
from accounts.list_request import number_in
from accounts.names import REASON_LENGTH, clean_api_username, clean_email, clean_name

#: What is said beside a new password; the second where somebody else may set it.
PASSWORD_HELP = "At least 12 characters."  # noqa: S105 - a sentence, not a secret
UNSEEN_PASSWORD_HELP = f"{PASSWORD_HELP} No one can see it afterwards, only set a new one."


class NameField(forms.CharField):
    """A person's name; cleans to its one form."""

    def clean(self, value: Any) -> str:
        """Return the name. Raises ValidationError for one that is no name."""
        return clean_name(super().clean(value))


class EmailAddressField(forms.CharField):
    """An e-mail address; cleans to its canonical form."""

    widget = forms.EmailInput(attrs={"autocomplete": "off", "spellcheck": "false"})

    def clean(self, value: Any) -> str:
        """Return the canonical address. Raises ValidationError for what is none."""
        return clean_email(super().clean(value))


class ApiUsernameField(forms.CharField):
    """An API username that is chosen; cleans to the form in which it is stored, empty for none."""

    widget = forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"})

    def clean(self, value: Any) -> str:
        """Return the name. Raises ValidationError for one that is not for choosing."""
        text = super().clean(value)
        return clean_api_username(text) if text else ""


class PasswordField(forms.CharField):
    """A password, taken as it is typed.

    Args:
        autocomplete: what password managers fill in or offer to keep: ``current-password`` or ``new-password``.
        is_first: whether the browser focuses it.
    """

    def __init__(self, *, autocomplete: str, is_first: bool = False, **kwargs: Any) -> None:
        attrs = {"autocomplete": autocomplete} | ({"autofocus": True} if is_first else {})
        widget = forms.PasswordInput(attrs=attrs)
        super().__init__(strip=False, max_length=MAXIMUM_PASSWORD_LENGTH, widget=widget, **kwargs)


class ReasonField(forms.CharField):
    """Why something is done to others, in one line; cleans to its one form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label="Reason",
            max_length=REASON_LENGTH,
            widget=forms.TextInput(attrs={"autocomplete": "off"}),
            **{"help_text": "It is kept in the activity log and shown to the users concerned."} | kwargs,
        )

    def clean(self, value: Any) -> str:
        """Return the reason. Raises ValidationError for what would disturb logs, files and other people's pages."""
        text = super().clean(value)
        try:
            return clean_name(text)
        except forms.ValidationError as error:
            raise forms.ValidationError("Enter the reason as one line of text.") from error


def helper(button: str, *, action: str = "", form_id: str = "", tag: bool = True) -> FormHelper:
    """Return how crispy renders a form of ours: where it posts to, with one button, or none for ``button`` empty."""
    made = FormHelper()
    made.form_action = action
    made.form_tag = tag
    if form_id:
        made.form_id = form_id
    if button:
        made.add_input(Submit("", button))
    return made


def focus_first_mistake(form: forms.Form) -> bool:
    """Have the browser focus the first field that was refused, and no other; return whether there is one."""
    wrong = next((field for field in form.visible_fields() if field.errors), None)
    if wrong is not None:
        focus(form, wrong.name)
    return wrong is not None


def focus(form: forms.Form, name: str) -> None:
    """Have the browser focus the field ``name``, and no other of the form."""
    for field in form.fields.values():
        field.widget.attrs.pop("autofocus", None)
    form.fields[name].widget.attrs["autofocus"] = True


class AccountForm(forms.Form):
    """The account to switch to."""

    account = forms.IntegerField(min_value=0)


class OnOffForm(forms.Form):
    """A setting turned on or off."""

    is_on = forms.TypedChoiceField(choices=[("true", "on"), ("false", "off")], coerce=lambda text: text == "true")


class MarkReadForm(forms.Form):
    """Up to which event one's notifications are read."""

    until = forms.CharField(max_length=10)

    def clean_until(self) -> int:
        """Return the event's number. Raises ValidationError for what is none."""
        number = number_in(self.cleaned_data["until"], largest=2**31 - 1)
        if number is None:
            raise forms.ValidationError("This is not the number of an event.")
        return number
