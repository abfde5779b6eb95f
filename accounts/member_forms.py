"""Forms about one user of an account: they clean input, and never decide who may."""

from datetime import date
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils import timezone

from accounts.enums import CHOSEN_STATUSES, PERMISSION_LABELS, MemberStatus, Permission, together
from accounts.forms import UNSEEN_PASSWORD_HELP, ReasonField, helper
from accounts.meanwhile import MeanwhileForm
from accounts.models import Member
from accounts.models.member import MAX_MEMBER_ID
from accounts.security_forms import PasswordForm


class StatusForm(forms.Form):
    """The status that a user is to have."""

    status = forms.ChoiceField(
        label="User status",
        choices=[(status, status.label) for status in CHOSEN_STATUSES],
        help_text=(
            "You are asked to confirm a status that takes something away. Disabled classic infrastructure: calls with "
            "their keys are refused. "
            "Suspended: they can do nothing in this account either. VPN-only: they cannot log in, and calls with their "
            "keys are accepted."
        ),
    )

    #: Set when the card submits the form, not the answer to a question: changes that take something away ask first.
    asks = forms.BooleanField(required=False, initial=True, widget=forms.HiddenInput)
    #: The status that the page was about; a request without it is taken as it is.
    before = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)

    def __init__(self, *args: Any, action: str, present: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["status"] = present if present in CHOSEN_STATUSES else ""
        self.initial["before"] = present
        if present not in CHOSEN_STATUSES:
            field = cast(forms.ChoiceField, self.fields["status"])
            field.choices = [("", MemberStatus(present).label), *cast("list[tuple[str, str]]", field.choices)]
        self.helper = helper("Apply", action=action, form_id="status-form")


class PermissionsForm(MeanwhileForm):
    """What a user may do beside looking after their own key: those that the one who asks may give.

    A box that was left as the page showed it keeps what somebody else has given or taken since.
    """

    def __init__(self, *args: Any, action: str, grantable: Permission, held: Permission, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._grantable, self._held = grantable, held
        #: Submitted permissions that the viewer lacks, which are therefore not among the fields.
        self.lacked = together(
            each for each in PERMISSION_LABELS if each not in grantable | held and _field(each) in self.data
        )
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
            raise forms.ValidationError("Nothing was sent to be saved. Tick the permissions and save again.")

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


class ParentForm(forms.Form):
    """The number of the user who is to be the parent, and what the page that asked was about."""

    parent = forms.IntegerField(min_value=1, max_value=MAX_MEMBER_ID)
    #: As ``accounts.hierarchy.move_seen`` gives it; a request without it is taken as it is.
    seen = forms.CharField(required=False, max_length=64)


class RemovalForm(forms.Form):
    """Whether those below move up to the parent, who is named on the page."""

    hand_over = forms.BooleanField(required=False)
    #: The number of that parent; a request without it is taken as it is.
    to = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)

    def __init__(self, data: QueryDict | None, *, parent: Member) -> None:
        super().__init__(data, initial={"to": str(parent.pk)})
        self._parent = parent
        self.fields["hand_over"].label = f"{parent.name} takes over the users below"
        self.helper = helper("", tag=False)

    def clean(self) -> None:
        """Refuse to hand users over to another parent than the one that the page named; asks anew."""
        present = str(self._parent.pk)
        if self.cleaned_data.get("hand_over") and self.cleaned_data.get("to") not in {"", present}:
            self.data = {"to": present}
            self.add_error(
                "hand_over",
                f"{self._parent.name} has become the parent in the meantime. Tick the box again if that is right.",
            )


class FreezeForm(forms.Form):
    """Why a branch of users is frozen."""

    reason = ReasonField(
        help_text="It is kept in the activity log and shown to the user whose branch it is, not to those below."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = helper("", tag=False)


class VpnPasswordForm(PasswordForm):
    """A new VPN password for a member."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["password"]
        field.label, field.help_text = "Password", UNSEEN_PASSWORD_HELP
        self.helper = helper("", tag=False)


class DayForm(forms.Form):
    """A day that has come, for looking back; sent by GET, on the tab that it stands on."""

    on = forms.DateField(
        label="Day",
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"required": "Choose a day.", "invalid": "Enter the day like 2026-03-14."},
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
            raise forms.ValidationError("This day is in the future.")
        return day
