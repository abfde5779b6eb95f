"""Settings come from the environment alone, fail loudly by name, and stand in README.md's table."""

import ast
import base64
import re
import shutil
import socket
import stat
from pathlib import Path

import pytest
from django.db import connection

from console.first_run import kept_secret, private_folder
from tests.console.programs import ROOT, manage, settings_module

RING = "1:" + base64.b64encode(bytes(32)).decode()


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEYTREE_ENV", "staging"),
        ("KEYTREE_DEBUG", "perhaps"),
        ("KEYTREE_ALLOW_PLAIN_DATABASE", "perhaps"),
        ("KEYTREE_SESSION_IDLE_MINUTES", "0"),
        ("KEYTREE_SESSION_IDLE_MINUTES", "half an hour"),
        ("KEYTREE_SESSION_HOURS", "721"),
        ("KEYTREE_ACTIVITY_DAYS", "89"),
        ("KEYTREE_LOG_LEVEL", "LOUD"),
        ("DATABASE_URL", "mysql://localhost/keytree"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite://:memory:"),
        ("DATABASE_URL", "postgresql://localhost"),
        ("KEYTREE_TRUSTED_PROXIES", "the load balancer"),
        ("KEYTREE_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("KEYTREE_DATA_DIR", "/proc/nowhere"),
        ("PORT", "http"),
        ("WEB_CONCURRENCY", "many"),
        ("KEYTREE_PUBLIC_URL", "https://[x"),
        ("KEYTREE_PUBLIC_URL", "foo"),
        ("KEYTREE_PUBLIC_URL", "https://"),
        ("KEYTREE_PUBLIC_URL", "https://keys.example.com:bad"),
        ("KEYTREE_PUBLIC_URL", "https://b\u00fccher.example"),
        ("KEYTREE_PUBLIC_URL", "https://keys_example"),
        ("KEYTREE_ALLOWED_HOSTS", "keys.example.com, https://a.example"),
        ("KEYTREE_BIND", ""),
        ("KEYTREE_BIND", "unix:"),
        ("KEYTREE_BIND", "127.0.0.1:8000"),
        ("KEYTREE_BIND", "[]"),
        ("EMAIL_URL", "mail.example.com"),
        ("EMAIL_URL", "imap://mail.example.com"),
        ("EMAIL_URL", "smtp://"),
        ("EMAIL_URL", "smtp://mail.example.com:99999"),
        ("EMAIL_URL", "smtp://mail.example.com/inbox"),
        ("EMAIL_URL", "smtps://mail.example.com?ssl=no"),
        ("KEYTREE_MAIL_FROM", "Keytree"),
        ("KEYTREE_MAIL_FROM", "Keytree <a@b c>"),
        ("KEYTREE_MAIL_FROM", "keytree@example.com\nBcc: eve@evil.example"),
        ("KEYTREE_ALLOW_PLAIN_MAIL", "perhaps"),
    ],
)
def test_bad_value_stops_the_program_by_name(tmp_path: Path, name: str, value: str) -> None:
    done = manage("migrate", **{"KEYTREE_ENV": "demo", "KEYTREE_DATA_DIR": str(tmp_path), name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: settings cannot be read.\n{name}: ")
    assert done.stderr.count("\n") == 2  # nothing else is said, a traceback least of all
    assert not (tmp_path / "keytree.sqlite3").exists()


@pytest.mark.sqlite_only
def test_every_bad_value_is_named_at_once(tmp_path: Path) -> None:
    done = settings_module(KEYTREE_ENV="staging", KEYTREE_SESSION_HOURS="0", KEYTREE_DATA_DIR=str(tmp_path))
    assert done.returncode != 0
    assert "KEYTREE_ENV" in done.stderr
    assert "KEYTREE_SESSION_HOURS" in done.stderr


@pytest.mark.sqlite_only
@pytest.mark.parametrize("file", ["/nowhere/key_ring", "is_there"])
def test_two_key_rings_stop_the_program_by_name(tmp_path: Path, file: str) -> None:
    """With one of them first, a master key that is put into the other would be waited for in vain."""
    (tmp_path / "is_there").write_text(RING)
    both = {"KEYTREE_KEY_RING": RING, "KEYTREE_KEY_RING_FILE": str(tmp_path / file)}
    for environment in ({"KEYTREE_ENV": "demo"}, {"KEYTREE_ENV": "production"}):
        done = manage("check", **environment, **both, KEYTREE_DATA_DIR=str(tmp_path))
        assert done.returncode == 1
        assert done.stderr == (
            "Error: settings cannot be read.\nKEYTREE_KEY_RING: KEYTREE_KEY_RING_FILE is set too. Set only one of "
            "them; an empty one counts as not set.\n"
        )
        assert RING[2:] not in done.stdout + done.stderr


@pytest.mark.sqlite_only
@pytest.mark.parametrize("empty", ["KEYTREE_KEY_RING", "KEYTREE_KEY_RING_FILE"])
def test_an_empty_key_ring_counts_as_none_beside_the_other(tmp_path: Path, empty: str) -> None:
    """The document sets one so, to undo a line that a file of the environment has before it."""
    file = tmp_path / "ring"
    file.touch(0o600)
    file.write_text(RING)
    rings = {"KEYTREE_KEY_RING": RING, "KEYTREE_KEY_RING_FILE": str(file), empty: ""}
    done = manage(
        "shell", "--no-imports", "-c", "from accounts.sealing import configured_ring; print(configured_ring())",
        KEYTREE_ENV="production", KEYTREE_DATA_DIR=str(tmp_path), KEYTREE_SECRET_KEY="x" * 50, **rings,
    )  # fmt: skip
    assert done.stdout.strip() == "<Ring 1>", done.stderr


@pytest.mark.sqlite_only
def test_a_data_folder_without_a_name_is_the_usual_one() -> None:
    done = manage(
        "shell", "--no-imports", "-c", "from django.conf import settings; print(settings.KEYTREE_DATA_DIR)",
        KEYTREE_ENV="production", KEYTREE_DATA_DIR="", KEYTREE_SECRET_KEY="x" * 50,
    )  # fmt: skip
    assert done.stdout.strip() == str(ROOT / ".data"), done.stderr


@pytest.mark.sqlite_only
@pytest.mark.parametrize("command", ["migrate", "check_tree"])
def test_a_database_that_cannot_be_reached_is_told_with_the_remedy(tmp_path: Path, command: str) -> None:
    missing = tmp_path / "missing" / "keytree.sqlite3"
    for url, remedy in [(f"sqlite:///{missing}", str(missing)), ("postgresql:///x?host=/nowhere", "the server runs")]:
        done = manage(command, KEYTREE_ENV="demo", KEYTREE_DATA_DIR=str(tmp_path), DATABASE_URL=url)
        assert done.returncode == 1
        assert done.stderr.startswith("CommandError: The database cannot be reached: ")
        assert remedy in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("more", "user_timeout"), [("", 15_000), ("?tcp_user_timeout=4000", 4_000)])
def test_a_database_that_falls_silent_is_given_up(tmp_path: Path, more: str, user_timeout: int) -> None:
    """A machine or a network that is gone refuses nothing: the system alone notices, if the connection is told to."""
    asked = """
import os, socket, psycopg
from django.conf import settings
database = settings.DATABASES["default"]
about = psycopg.conninfo.make_conninfo(host=database["HOST"], port=database["PORT"], **database["OPTIONS"])
begun = psycopg.pq.PGconn.connect_start(about.encode())
with socket.socket(fileno=os.dup(begun.socket)) as there:
    names = "TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"
    found = {name: getattr(socket, name) for name in names if hasattr(socket, name)}  # not every system has each
    print({name: there.getsockopt(socket.IPPROTO_TCP, number) for name, number in found.items()})
"""
    expected = {"TCP_USER_TIMEOUT": user_timeout, "TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql://keytree@127.0.0.1:{server.getsockname()[1]}/keytree{more}"
        done = manage(
            "shell", "--no-imports", "-c", asked, KEYTREE_ENV="demo", KEYTREE_DATA_DIR=str(tmp_path), DATABASE_URL=url
        )
    assert ast.literal_eval(done.stdout) == {name: to for name, to in expected.items() if hasattr(socket, name)}


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 25, "", "", False, False)),
        ("smtp+tls://me%40x:p%3Aw%2F@mail.example.com", ("mail.example.com", 587, "me@x", "p:w/", True, False)),
        ("smtps://me:secret@mail.example.com:2465", ("mail.example.com", 2465, "me", "secret", False, True)),
    ],
)
def test_mail_server_is_read_from_its_address(tmp_path: Path, url: str, expected: tuple[object, ...]) -> None:
    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")
    done = manage(
        "shell", "--no-imports", "-c",
        "from django.conf import settings; "
        f"print(tuple(getattr(settings, 'EMAIL_' + name) for name in {names}), settings.EMAIL_BACKEND.split('.')[-2], "
        "settings.DEFAULT_FROM_EMAIL, settings.KEYTREE_SENDS_MAIL)",
        KEYTREE_ENV="demo", KEYTREE_DATA_DIR=str(tmp_path), EMAIL_URL=url,
        KEYTREE_PUBLIC_URL="https://keys.example.com",
    )  # fmt: skip
    assert done.stdout.strip() == f"{expected} smtp Keytree <keytree@keys.example.com> True", done.stderr


_ASKED_OF_THE_CONNECTION = {
    "sqlite": {
        "PRAGMA journal_mode": "wal",
        "PRAGMA synchronous": 2,  # FULL
        "PRAGMA secure_delete": 1,
        "PRAGMA trusted_schema": 0,
        "PRAGMA recursive_triggers": 1,
        "PRAGMA cache_size": -384,  # KiB
        "PRAGMA busy_timeout": 20_000,  # milliseconds
    },
    "postgresql": {
        "SHOW statement_timeout": "5s",
        "SHOW lock_timeout": "2s",
        "SHOW idle_in_transaction_session_timeout": "10s",
    },
}


def test_connection_is_as_careful_and_as_patient_as_promised(db: None) -> None:
    expected, found = _ASKED_OF_THE_CONNECTION[connection.vendor], {}
    with connection.cursor() as cursor:
        for question in expected:
            cursor.execute(question)
            (found[question],) = cursor.fetchone()
    assert found == expected


@pytest.mark.sqlite_only
def test_writers_wait_for_each_other_at_the_beginning(db: None) -> None:
    """One that read first would else fail later, whatever it waits."""
    assert connection.transaction_mode == "IMMEDIATE"


@pytest.mark.sqlite_only
def test_production_is_the_default_and_makes_no_secret(tmp_path: Path) -> None:
    done = manage("diffsettings", "--output", "unified", KEYTREE_DATA_DIR=str(tmp_path), KEYTREE_SECRET_KEY="x" * 50)
    assert done.returncode == 0
    assert "+ IS_DEMO = False" in done.stdout
    assert "+ KEYTREE_KEY_RING = ''" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sqlite_only
def test_demo_keeps_its_secrets_to_itself(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for _ in range(2):
        assert settings_module(KEYTREE_ENV="demo", KEYTREE_DATA_DIR=str(folder)).returncode == 0
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes == {"secret_key": 0o600, "key_ring": 0o600, "mail": 0o700}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_kept_secret_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "new" / "secret"
    assert kept_secret(file, lambda: "first") == "first"
    assert kept_secret(file, lambda: "second") == "first"
    assert [left.name for left in file.parent.iterdir()] == ["secret"]


def test_mails_of_the_demo_are_readable_by_its_user_alone(tmp_path: Path) -> None:
    """They hold links that let somebody in; a data folder that was there already may be open to others."""
    mail = tmp_path / "mail"
    mail.mkdir(mode=0o755)
    for _ in range(2):
        assert stat.S_IMODE(private_folder(mail).stat().st_mode) == 0o700
        shutil.rmtree(mail)


def test_kept_secret_of_another_process_counts(tmp_path: Path) -> None:
    file = tmp_path / "secret"

    def make() -> str:
        file.write_text("theirs\n")  # between our look and our link
        return "ours"

    assert kept_secret(file, make) == "theirs"
    assert [left.name for left in tmp_path.iterdir()] == ["secret"]


# --- README.md, "Settings" --------------------------------------------------------------------------------------------


def read_by_the_code() -> dict[str, str | None]:
    """Every variable that the settings and the server read, with its default where that is a plain value."""
    found: dict[str, str | None] = {}
    for name in ("settings.py", "server.py"):
        for node in ast.walk(ast.parse((ROOT / "console" / name).read_text())):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("env.") and len(node.args) > 1):
                continue
            variable, default = node.args[:2]
            plain = isinstance(default, ast.Constant) and default.value not in ("", None)
            found[ast.literal_eval(variable)] = str(default.value).lower() if plain else None
    return found


def told_by_the_readme() -> dict[str, str]:
    """The variables of the table in README.md, with the cell of their default."""
    section = (ROOT / "README.md").read_text().split("\n## Settings\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]*) \|", section, re.MULTILINE))


def test_readme_lists_every_setting_with_its_default() -> None:
    code, readme = read_by_the_code(), told_by_the_readme()
    assert sorted(readme) == sorted(code)
    for name, default in code.items():
        if default is not None:
            assert f"`{default}`" in readme[name].lower(), name


def test_nothing_else_reads_the_environment() -> None:
    # The last hands it on to pg_dump, which gets the password of the database in this way.
    allowed = {"settings.py", "server.py", "wsgi.py", "database_copy.py"}
    for folder in ("accounts", "console", "keys"):
        for file in (ROOT / folder).rglob("*.py"):
            if file.name not in allowed:
                assert not re.search(r"os\.environ|getenv|\bEnv\(", file.read_text()), file
