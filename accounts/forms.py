"""Forms of sign-in and user details: they clean input, and never decide who may."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Submit
from django import forms
from django.contrib.auth import password_validation

from accounts.hashers import MAXIMUM_PASSWORD_LENGTH
from accounts.models import User


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


class LoginForm(forms.Form):
    """E-mail address and password. Whether they are right is not a matter of the form."""

    username = forms.CharField(
        label="Email",
        max_length=500,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True, "spellcheck": "false"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=MAXIMUM_PASSWORD_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = helper("Log in")


class SwitchForm(forms.Form):
    """The account to switch to."""

    account = forms.IntegerField(min_value=0)


class ProofForm(forms.Form):
    """The password again."""

    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=MAXIMUM_PASSWORD_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = helper("", tag=False)


class VpnPasswordForm(forms.Form):
    """A new VPN password for a member."""

    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=MAXIMUM_PASSWORD_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "autofocus": True}),
        help_text="At least 12 characters. Nobody can see it afterwards, only set another.",
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user
        self.helper = helper("", tag=False)

    def clean_password(self) -> str:
        """Return the password if the rules for passwords allow it."""
        password: str = self.cleaned_data["password"]
        password_validation.validate_password(password, self._user)
        return password
