"""The form that takes a file of people to invite, first as a file and then, with the yes to it, as text."""

import base64
import binascii
from typing import Any

from django import forms

from accounts import member_files
from accounts.forms import helper
from accounts.member_files import Content, FileError

#: Bytes of the largest file that a page takes: it has to come back in base64, in a request of at most 1 MiB.
LARGEST_FILE = 700_000
#: Entries in it: the write keeps its request waiting.
MOST_ENTRIES = 5_000

_SPOILT = "The file did not come back as it was sent. Choose it again."


class ImportForm(forms.Form):
    """A file, or what ``again`` made of one."""

    file = forms.FileField(
        label="File",
        error_messages={"required": "Choose a file."},
        help_text=(
            f"CSV or LDIF in UTF-8, at most {MOST_ENTRIES:,} people and {LARGEST_FILE // 1_000} kB. Nothing is changed "
            "before you have seen what would become of each line."
        ),
    )
    packed = forms.CharField(required=False, widget=forms.HiddenInput, max_length=2 * LARGEST_FILE)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._data = b""
        self.fields["file"].required = not self.data.get("packed", "").strip()
        self.helper = helper("Check file", form_id="import-form")
        self.helper.attrs = {"enctype": "multipart/form-data"}

    @property
    def is_confirmed(self) -> bool:
        """Whether the file comes back with the yes to it."""
        return bool(self.cleaned_data.get("packed"))

    def clean(self) -> dict[str, Any]:
        """Read the file: ``content`` is what it holds. A mistake of the whole file is one of the field."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors.pop("packed", None):  # nobody sees that field
            self.add_error("file", _SPOILT)
        if not self.errors:
            try:
                self._data = self._bytes(cleaned)
                cleaned["content"] = _read(self._data)
            except FileError as error:
                self.add_error("file", str(error))
        return cleaned

    @staticmethod
    def _bytes(cleaned: dict[str, Any]) -> bytes:
        if not cleaned["packed"]:
            data: bytes = cleaned["file"].read(LARGEST_FILE + 1)
            return data
        try:
            return base64.b64decode(cleaned["packed"], validate=True)
        except (binascii.Error, ValueError):
            raise FileError(_SPOILT) from None

    def again(self) -> str:
        """Return the file as text for the form that says yes to it."""
        return base64.b64encode(self._data).decode()


def _read(data: bytes) -> Content:
    """Return what the file holds. Raises FileError, also for what is too much for a page."""
    if len(data) > LARGEST_FILE:
        raise FileError(f"The file is larger than {LARGEST_FILE // 1_000} kB.")
    content = member_files.read(data)
    if len(content.entries) > MOST_ENTRIES:
        raise FileError(
            f"The file has {len(content.entries):,} people, and a page takes at most {MOST_ENTRIES:,}. Divide it, or "
            "ask whoever runs Keytree to use the command import_members."
        )
    return content
