"""The peers' environment and database: made when they are missing, and kept."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.child import ROOT, environment
from tests.bench.data import database_url, make_database
from tests.bench.output import progress

#: The peers by their path in ``urls.py``, and what they are called.
PEERS = {"api-key": "DRF-api-key", "knox": "django-rest-knox", "token": "DRF tokens"}

_VENV = ROOT / ".venv-bench"
_PYTHON = _VENV / "bin" / "python"
_REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements.txt"


class NoPeers(Exception):
    """The peers cannot be had; the message says why."""


@dataclass(frozen=True)
class Peers:
    """Where the peers run, and where their Authorization headers are."""

    python: str
    environment: Mapping[str, str]
    folder: Path


def prepared(folder: Path, server: str) -> Peers:
    """Return the peers, with a database beside the installations of ``tests.bench.data``. Raises NoPeers."""
    _install()
    place = folder / f"peers-{'postgresql' if server else 'sqlite'}"
    place.mkdir(mode=0o700, exist_ok=True)
    url = database_url(server, "keytree_bench_peers") if server else f"sqlite://{place / 'peers.sqlite3'}"
    variables = environment(DJANGO_SETTINGS_MODULE="tests.bench.peers.settings", PEERS_DATABASE=url)
    # A second to make: not kept, so that headers and database always belong together.
    (place / "peers.sqlite3").unlink(missing_ok=True)
    if server:
        make_database(url)
    _run(str(_PYTHON), "-m", "tests.bench.peers.fill", str(place), variables=variables)
    return Peers(str(_PYTHON), variables, place)


def _install() -> None:
    done = _VENV / "installed.txt"
    if done.is_file() and done.read_text() == _REQUIREMENTS.read_text():
        return
    progress(f"Installing what Keytree is compared with in {_VENV.name} ...")
    _run(sys.executable, "-m", "venv", "--clear", str(_VENV))
    (_VENV / ".gitignore").write_text("*\n")
    pip = [str(_PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--require-hashes"]
    _run(*pip, "--requirement", str(_REQUIREMENTS))
    done.write_text(_REQUIREMENTS.read_text())


def _run(*command: str, variables: Mapping[str, str] | None = None) -> None:
    try:
        subprocess.run(command, cwd=ROOT, env=variables, check=True, stderr=subprocess.PIPE, text=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise NoPeers(f"the packages compared with are not here: {said[-1] if said else error}") from error
