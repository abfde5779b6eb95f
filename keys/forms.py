"""Forms about keys and address restrictions: they clean input, and never decide who may."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.address_forms import FORMS_OF_ADDRESSES, AddressesField, LockoutForm
from accounts.forms import focus, helper

_FORMS = f"{FORMS_OF_ADDRESSES} Empty allows every address."
_NOTHING_ARRIVED = "Nothing arrived to be saved. Check the addresses and save again."


class KeyRestrictionForm(forms.Form):
    """From where a key may be used."""

    classic = AddressesField(label="Classic infrastructure", required=False, help_text=_FORMS)

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


class RestrictionsForm(LockoutForm):
    """The card of a user's two restrictions: from where they sign in, and from where their key is used."""

    platform = AddressesField(label="Cloud platform", required=False, help_text=f"From where they sign in. {_FORMS}")
    classic = AddressesField(
        label="Classic infrastructure",
        required=False,
        help_text="From where their classic infrastructure key is used, in the same forms.",
    )
    field_order = ("platform", "classic", "confirm_lockout")

    def __init__(self, *args: Any, action: str, has_key: bool, edits_classic: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not edits_classic:
            del self.fields["classic"]
        elif not has_key:
            self.fields["classic"].disabled = True
            self.fields["classic"].help_text = "Can be filled once the user has a classic infrastructure key."
        self.helper = helper("Save", action=action, form_id="restrictions-form")

    def clean(self) -> dict[str, Any]:
        """Return the cleaned fields. Raises ValidationError when the request held none of them."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and cleaned.get("platform") is None and cleaned.get("classic") is None:
            raise ValidationError(_NOTHING_ARRIVED)
        return cleaned
