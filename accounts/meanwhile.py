"""Forms that do not overwrite what somebody else saved after their page was opened."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError


class MeanwhileForm(forms.Form):
    """A form whose initial values are those of now, and whose fields also send what their page showed.

    Fields take part if they have ``show_hidden_initial``. A request without it, such as a program's, is taken as it is.
    """

    def was_left(self, *names: str) -> bool:
        """Whether the valid fields ``names``, which belong together, were sent unchanged from what the page showed."""
        shown = [self._shown(name) for name in names]
        return None not in shown and shown == [(self.cleaned_data.get(name),) for name in names]

    def refuse_replacing(self, *names: str, now: str) -> None:
        """Add an error, once, if ``names`` would overwrite values that their page did not show.

        The error, at the last of the fields, says what they are ``now``, in words. Sending the form again overwrites.
        """
        shown = [self._shown(name) for name in names]
        present = [(self.initial.get(name),) for name in names]
        if None in shown or present in (shown, [(self.cleaned_data.get(name),) for name in names]):
            return
        renewed = {self.add_initial_prefix(name): self.initial.get(name, "") for name in names}
        self.data = {**dict(self.data.items()), **renewed}
        self.add_error(names[-1], f"This was changed to {now} in the meantime. Save again to replace it with yours.")

    def _shown(self, name: str) -> tuple[Any] | None:
        """Return the cleaned value that the page showed, in a tuple; none if that is unknown or invalid."""
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
