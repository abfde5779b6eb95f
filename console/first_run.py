"""Secrets that a demo installation makes for itself, or writes, and keeps in its data folder.

A production installation never comes here: there every secret is given by whoever runs it.
"""

import os
from collections.abc import Callable
from pathlib import Path


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in ``path``; the first caller makes it, readable by the present user alone (mode 0600).

    Safe when several processes start at once: the file is linked into place whole, and one of them wins.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(make() + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: its secret counts
        finally:
            draft.unlink()
    return path.read_text().strip()


def private_folder(path: Path) -> Path:
    """Return ``path`` as a folder that the present user alone may look into (mode 0700), making it if need be."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_uid == os.getuid():
        path.chmod(0o700)
    return path
