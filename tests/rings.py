"""Another master key than that of the tests, and how it comes before it."""

from pathlib import Path
from typing import Any

#: The entry of a master key.
NEWER = "2:" + "A" * 43 + "="


def put_first(settings: Any, entry: str = NEWER) -> None:
    """Make this the current master key; those that were in the ring stay behind it."""
    before = settings.KEYTREE_KEY_RING or Path(settings.KEYTREE_KEY_RING_FILE).read_text()
    settings.KEYTREE_KEY_RING = f"{entry},{before}"
