"""Forms about how people log in: passwords, codes, passkeys. They clean input; others check whether it is right."""

from typing import Any

from django import forms
from django.contrib.auth import password_validation

from accounts.forms import PASSWORD_HELP, EmailAddressField, NameField, PasswordField, helper
from accounts.models import User
from accounts.models.factor import PASSKEY_NAME_LENGTH

#: No code is longer.
_LONGEST_CODE = 100
#: A browser's answer about a passkey, as JSON.
_LONGEST_ANSWER = 20_000


def _code_field(label: str, **attrs: Any) -> forms.CharField:
    """Return a field for a one-time passcode, which phones and password managers fill in by themselves."""
    attrs = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", **attrs}
    return forms.CharField(label=label, max_length=_LONGEST_CODE, widget=forms.TextInput(attrs=attrs))


class LoginForm(forms.Form):
    """E-mail address and password. Whether they are right is not a matter of the form."""

    #: For the summary of mistakes.
    not_done = "You are not logged in."

    username = forms.CharField(
        label="Email",
        max_length=500,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True, "spellcheck": "false"}),
    )
    password = PasswordField(label="Password", autocomplete="current-password")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = helper("Log in")


class ProofForm(forms.Form):
    """The password again; or a one-time passcode, of somebody who has them."""

    password = PasswordField(label="Password", autocomplete="current-password", is_first=True)

    def __init__(self, *args: Any, accepts_code: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._accepts_code = accepts_code
        if accepts_code:
            self.fields["password"].required = False
            code = self.fields["proof_code"] = _code_field("One-time passcode", inputmode="numeric")
            code.required, code.help_text = False, "Either is enough."
        self.helper = helper("", tag=False)

    @property
    def is_by_code(self) -> bool:
        """Whether the passcode is what was given."""
        return bool(self.cleaned_data.get("proof_code"))

    def clean(self) -> None:
        """Ask for one of the two."""
        if self._accepts_code and not self.errors and not self.cleaned_data["password"] and not self.is_by_code:
            self.add_error("password", "Enter your password or a one-time passcode.")


class PasskeyProofForm(forms.Form):
    """What a browser answers with a passkey, in place of the password again."""

    proof_passkey = forms.CharField(max_length=_LONGEST_ANSWER)


class PasswordForm(forms.Form):
    """Another password for a user that is known."""

    password = PasswordField(label="New password", autocomplete="new-password", is_first=True, help_text=PASSWORD_HELP)

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user
        self.helper = helper("Set password")

    def clean_password(self) -> str:
        """Return the password if the rules for passwords allow it."""
        password: str = self.cleaned_data["password"]
        password_validation.validate_password(password, self._user)
        return password


class ChangePasswordForm(PasswordForm):
    """The present password, and another one."""

    current = PasswordField(label="Current password", autocomplete="current-password", is_first=True)
    field_order = ("current", "password")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].widget.attrs.pop("autofocus")
        self.helper = helper("", tag=False)


class ResetForm(forms.Form):
    """The address to send a link to."""

    email = EmailAddressField(label="Email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.attrs |= {"autocomplete": "username", "autofocus": True}
        self.helper = helper("Send link")


class CodeForm(forms.Form):
    """A one-time passcode, or a recovery code in its place."""

    code = _code_field("Code", autofocus=True)

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
        help_text="A name to tell it from others, such as the device or the password manager that keeps it.",
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
