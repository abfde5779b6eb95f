"""Forms about how people log in: passwords, codes, passkeys. They clean input; whether it is right is not for them."""

from typing import Any

from django import forms

from accounts.forms import AddressField, NameField, PasswordForm, helper
from accounts.hashers import MAXIMUM_PASSWORD_LENGTH
from accounts.models.factor import PASSKEY_NAME_LENGTH

#: Codes are short; what is longer is none.
_LONGEST_CODE = 100
#: A browser's answer about a passkey, as JSON.
_LONGEST_ANSWER = 20_000


def code_field(label: str, **attrs: Any) -> forms.CharField:
    """Return a field for a one-time passcode, which phones and password managers fill in by themselves."""
    attrs = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", **attrs}
    return forms.CharField(label=label, max_length=_LONGEST_CODE, widget=forms.TextInput(attrs=attrs))


class ChangePasswordForm(PasswordForm):
    """The present password, and another one."""

    current = forms.CharField(
        label="Current password",
        strip=False,
        max_length=MAXIMUM_PASSWORD_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    field_order = ("current", "password")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].widget.attrs.pop("autofocus")
        self.helper = helper("", tag=False)


class ResetForm(forms.Form):
    """The address to send a link to."""

    email = AddressField(label="Email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.attrs |= {"autocomplete": "username", "autofocus": True}
        self.helper = helper("Send link")


class CodeForm(forms.Form):
    """A one-time passcode, or a recovery code in its place."""

    code = code_field("Code", autofocus=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = helper("Continue")


class ConfirmForm(CodeForm):
    """The first code of a seed that is being set up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = "Code from the app"
        self.fields["code"].widget.attrs |= {"inputmode": "numeric"}
        self.helper = helper("", tag=False)


class PasskeyForm(forms.Form):
    """What a browser answers about a new passkey, and what to call it."""

    name = NameField(
        label="Name",
        max_length=PASSKEY_NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
        help_text="How you tell it from others: the device or the manager that keeps it.",
    )
    credential = forms.CharField(
        max_length=_LONGEST_ANSWER, widget=forms.HiddenInput(attrs={"data-passkey-answer": True}), required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = helper("", tag=False)

    def forget_answer(self) -> None:
        """Show the form again without the browser's answer, so that it is asked anew."""
        if self.is_bound:
            self.data = {**self.data.dict(), "credential": ""}  # type: ignore[attr-defined]  # a request's fields


class PasskeyAnswerForm(forms.Form):
    """What a browser answers with a passkey."""

    credential = forms.CharField(max_length=_LONGEST_ANSWER, widget=forms.HiddenInput())
