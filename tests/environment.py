"""Sets the environment that the suite runs in, before Django reads it. Loaded by pytest as its first plugin."""

import gc
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest

# What is collected stays until the end: looking through it for garbage would be two fifths of the work.
gc.disable()

_AT_ONCE = 8  # cases in a bundle
_MEMORY, _ENOUGH = Path("/dev/shm"), 2 * 1024**3  # bytes

# Everything that tests write is thrown away: kept in memory, where there is plenty, no commit waits for a disk.
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ENOUGH and "TMPDIR" not in os.environ:
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)

_DATA_DIR = tempfile.mkdtemp(prefix="keytree-tests-")
os.environ.update(KEYTREE_ENV="demo", KEYTREE_DATA_DIR=_DATA_DIR, PORT="0")
for name in (
    "KEYTREE_PUBLIC_URL",
    "KEYTREE_TRUSTED_PROXIES",
    "KEYTREE_SECRET_KEY",
    "KEYTREE_KEY_RING",
    "KEYTREE_DEBUG",
    "EMAIL_URL",
    "KEYTREE_MAIL_FROM",
):
    os.environ.pop(name, None)
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")


def pytest_configure() -> None:
    """Put SQLite's test database into a file: in memory, threads would share one connection's locks, unlike in use."""
    from django.db import connection

    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(Path(os.environ["KEYTREE_DATA_DIR"]) / "tests.sqlite3")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Let the collector of garbage pass over what stays until the end, and come less often: a twentieth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def pytest_unconfigure() -> None:
    """Throw away what this process kept."""
    shutil.rmtree(_DATA_DIR, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked for the other database alone, which ``make test`` runs there, and set the order."""
    other = "sqlite_only" if os.environ["DATABASE_URL"] else "postgresql_only"
    left_out = [item for item in items if item.get_closest_marker(other)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker(other)]
    # Those that one process runs after each other begin first: at the end, none would be left to run beside them.
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Hand out the cases of a function in bundles: one by one, keeping the books of thousands costs seconds."""
    from xdist.scheduler import LoadGroupScheduling

    class Bundles(LoadGroupScheduling):
        def __init__(self) -> None:
            super().__init__(config, log)
            self._cases: Counter[str] = Counter()
            self._bundles: dict[str, str] = {}

        def _split_scope(self, nodeid: str) -> str:
            if nodeid not in self._bundles:
                scope = super()._split_scope(nodeid)
                if scope == nodeid:  # of no group
                    function = nodeid.partition("[")[0]
                    scope = f"{function} {self._cases[function] // _AT_ONCE}"
                    self._cases[function] += 1
                self._bundles[nodeid] = scope
            return self._bundles[nodeid]

    return Bundles() if config.getoption("dist") == "loadgroup" else None
