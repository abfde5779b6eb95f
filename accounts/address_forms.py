"""What all forms with address restrictions share: the field, and the guard against locking oneself out."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts import addresses

FORMS_OF_ADDRESSES = (
    "Single addresses (17.5.7.8), ranges (17.5.7.8 - 17.5.9.5) or subnets (17.5.7.0/24), separated by commas. IPv4 or "
    "IPv6."
)


class AddressesField(forms.CharField):
    """Addresses, ranges and subnets; cleans to their canonical text, and names each bad entry."""

    widget = forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocomplete": "off"})

    def clean(self, value: Any) -> str | None:
        """Return the canonical text; none when the field was not sent at all, which is not the same as sent empty.

        Empty lifts the restriction, and that must be what somebody asked for. Raises ValidationError with one message
        for each bad entry.
        """
        if value is None:
            return None
        text = super().clean(value)
        try:
            return str(addresses.parse(text))
        except addresses.AddressError as error:
            raise ValidationError([ValidationError(problem) for problem in error.problems]) from error


class LockoutForm(forms.Form):
    """A form that asks first when saving it would keep out the person who saves."""

    confirm_lockout = forms.BooleanField(label="Save it even though it locks me out from here", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Shown only where it is needed: see ``ask_to_confirm_lockout``.
        self.fields["confirm_lockout"].widget = forms.HiddenInput()

    def locks_out(self, allowed_addresses: str, address: str | None) -> bool:
        """Whether the restriction keeps out ``address``, and the person did not say that they know."""
        return not self.cleaned_data["confirm_lockout"] and not addresses.stored(allowed_addresses).allows(address)

    def ask_to_confirm_lockout(self, address: str | None) -> None:
        """Turn down the form until the person confirms that they lock themselves out from ``address``."""
        self.fields["confirm_lockout"].widget = forms.CheckboxInput()
        self.add_error(
            "confirm_lockout",
            f"You are connecting from {address or 'an unknown address'}, which this restriction does not allow: you "
            "would lock yourself out. Tick the box to save it anyway.",
        )
