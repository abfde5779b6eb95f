"""The form that takes a file of people to invite."""

from typing import Any

from django import forms

from accounts import member_files
from accounts.forms import helper
from accounts.member_files import LARGEST_FILE, MOST_ENTRIES, FileError


class ImportForm(forms.Form):
    """A file; ``data`` is what stands in it and ``content`` what was read of that."""

    file = forms.FileField(
        label="File",
        error_messages={"required": "Choose a file."},
        help_text=(
            f"CSV or LDIF in UTF-8, at most {MOST_ENTRIES:,} people and {LARGEST_FILE // 1024 // 1024} MiB. Nothing is "
            "changed before you have seen what would become of each line."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = helper("Check file", form_id="import-form")
        self.helper.attrs = {"data-busy": "Sending the file"}

    def clean(self) -> dict[str, Any]:
        """Read the file. A mistake of the whole file is one of the field."""
        cleaned: dict[str, Any] = super().clean() or {}
        if "file" in cleaned:
            cleaned["data"] = cleaned["file"].read(LARGEST_FILE + 1)
            try:
                cleaned["content"] = member_files.read(cleaned["data"])
            except FileError as error:
                self.add_error("file", str(error))
        return cleaned
