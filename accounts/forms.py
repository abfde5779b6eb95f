"""Forms of sign-in, invitations and user details: they clean input, and never decide who may."""

from datetime import date
from functools import reduce
from operator import or_
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Submit
from django import forms
from django.contrib.auth import password_validation
from django.utils import timezone

from accounts import invitees
from accounts.enums import CHOSEN_STATUSES, NOT_OFFERED, PERMISSION_LABELS, MemberStatus, Permission
from accounts.hashers import MAXIMUM_PASSWORD_LENGTH
from accounts.invitees import LONGEST_TEXT, MOST_INVITEES, Invitee
from accounts.list_request import number_in
from accounts.meanwhile import MeanwhileForm
from accounts.models import User
from accounts.models.member import MAX_MEMBER_ID
from accounts.names import NAME_LENGTH, REASON_LENGTH, clean_api_username, clean_email, clean_name


class NameField(forms.CharField):
    """A person's name; cleans to its one form."""

    def clean(self, value: Any) -> str:
        """Return the name. Raises ValidationError for one that is no name."""
        return clean_name(super().clean(value))


class AddressField(forms.CharField):
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


class ReasonField(forms.CharField):
    """Why something is done to others, in one line; cleans to its one form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label="Reason",
            max_length=REASON_LENGTH,
            widget=forms.TextInput(attrs={"autocomplete": "off"}),
            **{"help_text": "Kept in the activity log, and told to those concerned."} | kwargs,
        )

    def clean(self, value: Any) -> str:
        """Return the reason. Raises ValidationError for what would disturb logs, files and other people's pages."""
        text = super().clean(value)
        try:
            return clean_name(text)
        except forms.ValidationError as error:
            raise forms.ValidationError("Write the reason in words, in one line.") from error


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


class LoginForm(forms.Form):
    """E-mail address and password. Whether they are right is not a matter of the form."""

    #: For the summary of mistakes.
    not_done = "You are not logged in."

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
    """The password again; or a one-time passcode, of somebody who has them."""

    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=MAXIMUM_PASSWORD_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, *args: Any, accepts_code: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._accepts_code = accepts_code
        if accepts_code:
            self.fields["password"].required = False
            self.fields["proof_code"] = forms.CharField(
                label="One-time passcode",
                required=False,
                max_length=100,
                widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
                help_text="Either is enough.",
            )
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

    proof_passkey = forms.CharField(max_length=20_000)


class StatusForm(forms.Form):
    """The status that a user is to have."""

    status = forms.ChoiceField(
        label="User status",
        choices=[(status, status.label) for status in CHOSEN_STATUSES],
        help_text=(
            "Takes effect at once. Disabled classic infrastructure: calls with their key are refused. "
            "Suspended: they can do nothing in this account either. VPN-only: they cannot log in, and calls with their "
            "key are accepted."
        ),
    )

    def __init__(self, *args: Any, action: str, present: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["status"] = present if present in CHOSEN_STATUSES else ""
        if present not in CHOSEN_STATUSES:
            choices = [("", MemberStatus(present).label), *self.fields["status"].choices]  # type: ignore[attr-defined]
            self.fields["status"].choices = choices  # type: ignore[attr-defined]  # a field of ours, with choices
        self.helper = helper("Apply", action=action, form_id="status-form")


class PermissionsForm(MeanwhileForm):
    """What a user may do beside looking after their own key: those that the one who asks may give.

    A box that was left as the page showed it keeps what somebody else has given or taken since.
    """

    def __init__(self, *args: Any, action: str, grantable: Permission, held: Permission, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._grantable, self._held = grantable & ~NOT_OFFERED, held
        for permission, (label, help_text) in PERMISSION_LABELS.items():
            if permission in self._grantable:
                self.fields[_field(permission)] = forms.BooleanField(
                    label=label,
                    help_text=help_text,
                    required=False,
                    initial=permission in held,
                    show_hidden_initial=True,
                )
        self.helper = helper("Save", action=action, form_id="permissions-form")

    def clean(self) -> None:
        """Raise ValidationError when nothing of the form arrived: that is not the same as no box ticked."""
        if not any(name in self.data or self.add_initial_prefix(name) in self.data for name in self.fields):
            raise forms.ValidationError("Nothing arrived to be saved. Tick the permissions and save again.")

    @property
    def granted(self) -> Permission:
        """What the user is to hold: what was ticked, and what the one who asks cannot give or take here."""
        chosen = self._held & ~self._grantable
        for permission in PERMISSION_LABELS:
            name = _field(permission)
            if permission in self._held if self.was_left(name) else self.cleaned_data.get(name):
                chosen |= permission
        return chosen


def _field(permission: Permission) -> str:
    return str(permission.name).lower()


class SwitchedForm(forms.Form):
    """A setting turned on or off."""

    is_on = forms.TypedChoiceField(choices=[("true", "on"), ("false", "off")], coerce=lambda text: text == "true")


class ParentForm(forms.Form):
    """The number of the user who is to be the parent."""

    parent = forms.IntegerField(min_value=1, max_value=MAX_MEMBER_ID)


class RemovalForm(forms.Form):
    """Whether those below move up to the parent."""

    hand_over = forms.BooleanField(required=False)

    def __init__(self, *args: Any, label: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["hand_over"].label = label
        self.helper = helper("", tag=False)


class FreezeForm(forms.Form):
    """Why a branch of users is frozen."""

    reason = ReasonField(
        help_text="Kept in the activity log, and told to the user whose branch it is, not to those below."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = helper("", tag=False)


class PasswordForm(forms.Form):
    """Another password for a user that is known."""

    password = forms.CharField(
        label="New password",
        strip=False,
        max_length=MAXIMUM_PASSWORD_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "autofocus": True}),
        help_text="At least 12 characters.",
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user
        self.helper = helper("Set password")

    def clean_password(self) -> str:
        """Return the password if the rules for passwords allow it."""
        password: str = self.cleaned_data["password"]
        password_validation.validate_password(password, self._user)
        return password


class VpnPasswordForm(PasswordForm):
    """A new VPN password for a member."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["password"]
        field.label, field.help_text = (
            "Password",
            "At least 12 characters. Nobody can see it afterwards, only set another.",
        )
        self.helper = helper("", tag=False)


class MarkReadForm(forms.Form):
    """Up to which event one's notifications are read."""

    until = forms.CharField(max_length=10)

    def clean_until(self) -> int:
        """Return the event's number. Raises ValidationError for what is none."""
        number = number_in(self.cleaned_data["until"], largest=2**31 - 1)
        if number is None:
            raise forms.ValidationError("This is no number of an event.")
        return number


class InviteForm(forms.Form):
    """Whom to invite, and what all of them may do: the permissions that the one who asks may give."""

    addresses = forms.CharField(
        label="Email addresses",
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "autocomplete": "off"}),
        help_text=f"One or many, separated by commas, spaces or line ends; at most {MOST_INVITEES:,} at once.",
    )
    permissions = forms.TypedMultipleChoiceField(label="Permissions for all of them", coerce=int, required=False)

    def __init__(self, *args: Any, grantable: Permission, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = grantable & ~NOT_OFFERED
        choices = [(int(each), label) for each, (label, _) in PERMISSION_LABELS.items() if each in offered]
        self.fields["permissions"].choices = choices  # type: ignore[attr-defined]  # a field of ours, with choices
        self.fields["permissions"].widget = forms.CheckboxSelectMultiple(choices=choices)
        self.helper = helper("Invite", form_id="invite-form")
        self.helper.attrs = {"data-busy": "Inviting"}

    def clean_addresses(self) -> list[Invitee]:
        """Return the entries that were typed. Raises ValidationError when there are none or too many."""
        found = invitees.read(self.cleaned_data["addresses"])
        if not found:
            raise forms.ValidationError("Enter at least one address.")
        if len(found) > MOST_INVITEES:
            raise forms.ValidationError(
                f"These are {len(found):,} addresses. Invite at most {MOST_INVITEES:,} at once; nobody was invited."
            )
        return found

    @property
    def granted(self) -> Permission:
        """The permissions that were ticked."""
        return reduce(or_, map(Permission, self.cleaned_data["permissions"]), Permission(0))


class _NewPasswordForm(forms.Form):
    """A form with a new password, for a person whom its other fields describe."""

    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=MAXIMUM_PASSWORD_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

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
        self.fields["password"].help_text = "At least 12 characters."
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
    email = AddressField(label="Email")
    api_username = ApiUsernameField(
        label="API username",
        required=False,
        help_text="What programs send with the key. Left empty, it is made of the account ID and the address.",
    )
    field_order = ("name", "email", "api_username", "password")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].label = "VPN password"
        self.fields["password"].required = False
        self.fields["password"].help_text = "At least 12 characters. Nobody can see it afterwards, only set another."
        self.helper = helper("Add")

    def clean(self) -> None:
        """Check the password against the rules for passwords."""
        self.check_password(self.cleaned_data.get("email", ""))


class DayForm(forms.Form):
    """A day that has come, for looking back; sent by GET, on the tab that it stands on."""

    on = forms.DateField(
        label="Day",
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"required": "Choose a day.", "invalid": "Write the day like 2026-03-14."},
    )

    def __init__(self, *args: Any, tab: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tab"] = forms.CharField(required=False, initial=tab, widget=forms.HiddenInput())
        self.helper = helper("Show", action="#day")  # the answer stands far down on the page
        self.helper.form_method = "get"
        self.helper.disable_csrf = True

    def clean_on(self) -> date:
        """Return the day. Raises ValidationError for one that has not come."""
        day: date = self.cleaned_data["on"]
        if day > timezone.now().date():
            raise forms.ValidationError("This day has not come yet.")
        return day
