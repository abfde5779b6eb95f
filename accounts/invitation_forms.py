"""Forms that bring people into an account: they clean input, and never decide who may."""

from typing import Any

from django import forms
from django.contrib.auth import password_validation

from accounts import invitees
from accounts.enums import PERMISSION_LABELS, Permission, together
from accounts.forms import (
    PASSWORD_HELP,
    UNSEEN_PASSWORD_HELP,
    ApiUsernameField,
    EmailAddressField,
    NameField,
    PasswordField,
    helper,
)
from accounts.invitees import LONGEST_TEXT, MOST_INVITEES, Invitee
from accounts.models import User
from accounts.names import NAME_LENGTH


class InviteForm(forms.Form):
    """Whom to invite, and what all of them may do: the permissions that the one who asks may give."""

    addresses = forms.CharField(
        label="Email addresses",
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "autocomplete": "off"}),
        help_text=f"One or more, separated by commas, spaces or line breaks; at most {MOST_INVITEES:,} at once.",
    )
    permissions = forms.TypedMultipleChoiceField(label="Permissions for all of them", coerce=int, required=False)

    def __init__(self, *args: Any, grantable: Permission, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(int(each), label) for each, (label, _) in PERMISSION_LABELS.items() if each in grantable]
        self.fields["permissions"].choices = choices  # type: ignore[attr-defined]  # a field of ours, with choices
        widget = self.fields["permissions"].widget = forms.CheckboxSelectMultiple(choices=choices)
        asked = widget.value_from_datadict(self.data, self.files, "permissions") or ()
        #: Submitted permissions that the viewer lacks, which are therefore not among the choices.
        self.lacked = together(each for each in PERMISSION_LABELS if each not in grantable and str(int(each)) in asked)
        self.helper = helper("Invite", form_id="invite-form")
        self.helper.attrs = {"data-busy": "Inviting"}

    def clean_addresses(self) -> list[Invitee]:
        """Return the entries that were typed. Raises ValidationError when there are none or too many."""
        found = invitees.read(self.cleaned_data["addresses"])
        if not found:
            raise forms.ValidationError("Enter at least one address.")
        if len(found) > MOST_INVITEES:
            raise forms.ValidationError(
                f"These are {len(found):,} addresses. Invite at most {MOST_INVITEES:,} at once. No one was invited."
            )
        return found

    @property
    def granted(self) -> Permission:
        """The permissions that were ticked."""
        return together(map(Permission, self.cleaned_data["permissions"]))


class _NewPasswordForm(forms.Form):
    """A form with a new password, for a person whom its other fields describe."""

    password = PasswordField(label="Password", autocomplete="new-password")

    def check_password(self, email: str) -> None:
        """Put beside the password what is wrong with it for a person of that address and the name typed."""
        password = self.cleaned_data.get("password")
        if not password:
            return
        try:
            password_validation.validate_password(password, User(email=email, name=self.cleaned_data.get("name", "")))
        except forms.ValidationError as error:
            self.add_error("password", error)


class NewUserForm(_NewPasswordForm):
    """Name and password of somebody who accepts an invitation and was in no account before."""

    name = NameField(label="Name", max_length=NAME_LENGTH, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    field_order = ("name", "password")

    def __init__(self, email: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._email = email
        self.fields["password"].help_text = PASSWORD_HELP
        self.helper = helper("Join")

    def clean(self) -> None:
        """Check the password against the rules for passwords."""
        self.check_password(self._email)


class JoinForm(forms.Form):
    """Nothing but the wish to join, of somebody who is signed in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = helper("Join")


class VpnUserForm(_NewPasswordForm):
    """Personal details of a VPN-only user; the VPN password may come later."""

    name = NameField(label="Name", max_length=NAME_LENGTH, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    email = EmailAddressField(label="Email")
    api_username = ApiUsernameField(
        label="API username",
        required=False,
        help_text="What programs send with the key. If left empty, it is made from the account ID and the address.",
    )
    field_order = ("name", "email", "api_username", "password")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].label = "VPN password"
        self.fields["password"].required = False
        self.fields["password"].help_text = UNSEEN_PASSWORD_HELP
        self.helper = helper("Add")

    def clean(self) -> None:
        """Check the password against the rules for passwords."""
        self.check_password(self.cleaned_data.get("email", ""))
