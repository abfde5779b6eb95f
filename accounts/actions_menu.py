"""An entry of an Actions menu, as every policy hands it to the pages."""

from dataclasses import dataclass


@dataclass(slots=True)  # not frozen: lists make some for each row, which would take three times as long
class MenuItem:
    """What the menu shows: the label, where it leads, and whether it opens in place or destroys something."""

    label: str
    url: str
    is_dialog: bool = False
    is_danger: bool = False
