"""Secrets that a demo installation generates and keeps in its data folder. In production every secret is configured."""

import os
from collections.abc import Callable
from pathlib import Path


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in ``path``; the first call creates it, readable only by the current user (mode 0600).

    Safe when several processes start at once: the complete file is linked into place, which only one of them can do.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(make() + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: use its secret
        finally:
            draft.unlink()
    return path.read_text().strip()


def private_folder(path: Path) -> Path:
    """Return ``path`` as a folder that only the current user may open (mode 0700), created if it does not exist."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_uid == os.getuid():
        path.chmod(0o700)
    return path
