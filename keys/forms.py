"""Forms about keys and address restrictions: they clean input, and never decide who may."""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any

from crispy_forms.layout import Layout
from django import forms
from django.core.exceptions import ValidationError

from accounts.address_forms import FORMS_OF_ADDRESSES, AddressesField, LockoutForm
from accounts.forms import ReasonField, focus, helper
from accounts.meanwhile import MeanwhileForm
from accounts.names import NAME_LENGTH, shown_name

_FORMS = f"{FORMS_OF_ADDRESSES} Empty allows every address."
_NO_KEY = "You can set this once the user has a classic infrastructure key."
_NO_OWN_KEY = "You can set this once you have a classic infrastructure key."
_OWN_KEY = "Where your classic infrastructure key and your IBM Cloud API keys may be used from, in the same forms."
_KEPT = (
    "That of the deleted key. It applies to IBM Cloud API keys, and to the next key. You can change it once there is "
    "another key."
)
_KEY_GONE = (
    "The key has been deleted in the meantime: there is nothing to restrict. Save again without this restriction."
)
_NOTHING_ARRIVED = "Nothing was sent to be saved. Check the addresses and save again."


class _RestrictionForm(MeanwhileForm):
    """A form of restrictions; a field that was left as its page showed it cleans to none, and is not written."""

    def _leave_what_others_changed(self, name: str, cleaned: dict[str, Any]) -> None:
        if self.was_left(name):
            cleaned[name] = None
        elif cleaned.get(name) is not None:
            self.refuse_replacing(name, now=self.initial.get(name) or "none")


class KeyRestrictionForm(_RestrictionForm):
    """From where a key may be used."""

    classic = AddressesField(label="Classic infrastructure", required=False, show_hidden_initial=True, help_text=_FORMS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The dialog may stand over a page whose own form has a field of the same name.
        kwargs["auto_id"] = "id_key_%s"
        super().__init__(*args, **kwargs)
        focus(self, "classic")
        self.helper = helper("", tag=False)

    def clean_classic(self) -> str:
        """Return the canonical text. Raises ValidationError when the request did not hold the field."""
        text: str | None = self.cleaned_data["classic"]
        if text is None:
            raise ValidationError(_NOTHING_ARRIVED)
        return text

    def clean(self) -> dict[str, Any]:
        """Return the field, none where it was left as an older page showed it."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self._leave_what_others_changed("classic", cleaned)
        return cleaned


class RestrictionsForm(_RestrictionForm, LockoutForm):
    """The card of a user's two restrictions: from where they sign in, and from where their key may be used."""

    #: For the summary of mistakes, which is on top of the page: the card is far down.
    not_done = "IP address restrictions not saved. Check these entries."
    is_told_on_top = True

    platform = AddressesField(
        label="Cloud platform",
        required=False,
        show_hidden_initial=True,
        help_text=f"Where they may log in from. {_FORMS}",
    )
    classic = AddressesField(
        label="Classic infrastructure",
        required=False,
        show_hidden_initial=True,
        help_text="Where their classic infrastructure key and IBM Cloud API keys may be used from, in the same forms.",
    )
    field_order = ("platform", "classic", "confirm_lockout")

    def __init__(
        self, *args: Any, action: str, has_key: bool, edits_classic: bool, is_own: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._is_key_gone = False
        if is_own:
            self.fields["platform"].help_text = f"Where you may log in from. {_FORMS}"
            self.fields["classic"].help_text = _OWN_KEY
        if not edits_classic:
            del self.fields["classic"]
        elif not has_key:
            self.fields["classic"].disabled = True
            # Django ignores what is sent for a disabled field, so it would look saved.
            self._is_key_gone = bool(self.data.get("classic", "").strip())
            is_kept = bool(self.initial.get("classic"))
            self.fields["classic"].help_text = _KEPT if is_kept else _NO_OWN_KEY if is_own else _NO_KEY
        self.helper = helper("Save", action=action, form_id="restrictions-form")

    def clean(self) -> dict[str, Any]:
        """Return the cleaned fields.

        Raises ValidationError when the request held none of them, or a restriction of a key that is there no longer.
        """
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self._is_key_gone:
            raise ValidationError({"classic": _KEY_GONE})
        if not self.errors and cleaned.get("platform") is None and cleaned.get("classic") is None:
            raise ValidationError(_NOTHING_ARRIVED)
        for name in ("platform", "classic"):
            self._leave_what_others_changed(name, cleaned)
        return cleaned


def packed(ids: Collection[int]) -> str:
    """Return ids of keys as a text for a form: the lowest, then the distance of each to the one before.

    In this way a hundred thousand fit into a request.
    """
    ordered = sorted(ids)
    return ".".join(str(one - before) for before, one in zip([0, *ordered], ordered, strict=False))


class IdsField(forms.Field):
    """Ids of keys as ``packed`` writes them; a text that cannot be read is no ids."""

    widget = forms.HiddenInput

    def clean(self, value: str | None) -> set[int]:
        """Return the ids."""
        text = value or ""
        is_readable = re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})*", text)
        return set(accumulate(map(int, text.split(".")))) if is_readable else set()


class TickedField(forms.Field):
    """The ids of the keys that were ticked."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Sequence[str] | None) -> set[int]:
        """Return the values that are ids."""
        return {int(text) for text in value or () if re.fullmatch("[0-9]{1,18}", text)}


class RevokeForm(forms.Form):
    """Which keys of a branch to revoke, why, and the name of the user at its root as a confirmation.

    The review says which keys it listed, each with a tick of its own, and which others there were, which share one
    tick. Keys in neither were not there when it was made. Whether a key is in the branch is not checked by the form.
    """

    named, others = IdsField(required=False), IdsField(required=False)
    key, unlisted = TickedField(required=False), forms.BooleanField(required=False)
    reason = ReasonField()
    name = forms.CharField(max_length=NAME_LENGTH, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, member_name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._member_name = member_name
        self.fields["name"].label = f"To confirm, type {member_name}"
        self.helper = helper("", tag=False)
        self.helper.layout = Layout("reason", "name")  # the page writes the other fields, in the review

    def clean_name(self) -> str:
        """Return the name. Raises ValidationError when it is not that of the user."""
        typed: str = self.cleaned_data["name"]
        if shown_name(typed) != shown_name(self._member_name):
            raise ValidationError("This is not the name of the user whose branch this is.")
        return typed

    def clean(self) -> None:
        """Raise ValidationError when no key is chosen."""
        if not self.chosen:
            raise ValidationError("Nothing was revoked: tick at least one key.")

    @property
    def seen(self) -> set[int]:
        """The keys in the review, listed or not."""
        seen: set[int] = self.cleaned_data["named"] | self.cleaned_data["others"]
        return seen

    @property
    def chosen(self) -> set[int]:
        """The keys to revoke."""
        return self.seen - self.unticked

    @property
    def unticked(self) -> set[int]:
        """The keys of the review that are to stay."""
        named: set[int] = self.cleaned_data["named"] - self.cleaned_data["key"]
        return named if self.cleaned_data["unlisted"] else named | self.cleaned_data["others"]

    @property
    def carried(self) -> Mapping[str, str | Sequence[str]]:
        """The fields, to be sent again with a proof of identity."""
        return {
            "named": packed(self.cleaned_data["named"]),
            "others": packed(self.cleaned_data["others"]),
            "key": [str(number) for number in sorted(self.cleaned_data["key"])],
            "unlisted": "on" if self.cleaned_data["unlisted"] else "",
            "reason": self.cleaned_data["reason"],
            "name": self.cleaned_data["name"],
        }
