"""An entry of an Actions menu, as every policy hands it to the pages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MenuItem:
    """What the menu shows: the label, where it leads, and whether it opens in place or destroys something."""

    label: str
    url: str
    is_dialog: bool = False
    is_danger: bool = False
