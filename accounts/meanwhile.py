"""Forms whose page may be older than what others have saved since: nobody replaces what they have not seen."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError


class MeanwhileForm(forms.Form):
    """A form of what is there now, its initial values, whose fields also send what the page showed.

    Fields take part by ``show_hidden_initial``. What comes without it, from a program, counts as it is.
    """

    def was_left(self, *names: str) -> bool:
        """Whether the valid fields ``names``, which belong together, were sent as the page showed them."""
        shown = [self._shown(name) for name in names]
        return None not in shown and shown == [(self.cleaned_data.get(name),) for name in names]

    def refuse_replacing(self, *names: str, now: str) -> None:
        """Turn the form down, once, if ``names`` are to replace what their page did not show: ``now``, in words.

        The mistake is told at the last of the fields, and their page is then a new one.
        """
        shown = [self._shown(name) for name in names]
        present = [(self.initial.get(name),) for name in names]
        if None in shown or present in (shown, [(self.cleaned_data.get(name),) for name in names]):
            return
        renewed = {self.add_initial_prefix(name): self.initial.get(name, "") for name in names}
        self.data = {**dict(self.data.items()), **renewed}
        self.add_error(names[-1], f"Changed meanwhile, to {now}. Save again if yours is to replace it.")

    def _shown(self, name: str) -> tuple[Any] | None:
        """Return what the page showed, as a tuple of the cleaned value; none where that is unknown or is no answer."""
        raw = self.data.get(self.add_initial_prefix(name))
        if raw is None or name not in self.fields or name not in self.cleaned_data:
            return None
        field = self.fields[name]
        if raw in field.empty_values:  # also of a field that must be filled: nothing was there yet
            return (field.to_python(raw),)
        try:
            return (field.clean(raw),)
        except ValidationError:
            return None
