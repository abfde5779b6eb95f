"""Start-up refusals: each provoked alone, all told at once, none in the demo."""

import base64
import json
import os
import re
import shutil
import socket
import sqlite3
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.checks import Error, run_checks
from django.db import OperationalError, connection
from django.db.migrations.exceptions import BadMigrationError
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from accounts.models import Account
from console import checks, hourly
from keys.models import ClassicKey
from tests.console.programs import SERVER, documented_environment, manage, run, serving
from tests.trees import grow, make_key, make_platform_key

RING = "2:" + base64.b64encode(bytes(range(32))).decode()
SECRET = "correct-horse-battery-staple-" + "0123456789abcdefghijklmnop"


@pytest.fixture(autouse=True)
def _routes() -> None:
    """Have the routes loaded before a test changes settings: whichever loads them first, they stay as they are then."""
    import_module("console.urls")


@pytest.fixture
def production(db, settings, tmp_path: Path):
    """The settings of a production with nothing wrong, to spoil one by one."""
    (tmp_path / "staticfiles.json").write_text("{}")
    settings.IS_DEMO = settings.DEBUG = False
    settings.SECRET_KEY = SECRET
    settings.KEYTREE_KEY_RING, settings.KEYTREE_KEY_RING_FILE = RING, ""
    settings.KEYTREE_PUBLIC_URL, settings.IS_HTTPS = "https://keys.example.com", True
    settings.ALLOWED_HOSTS = ["keys.example.com"]
    settings.KEYTREE_TRUSTED_PROXIES = "127.0.0.1"
    # The server that the suite was given may be reached by TCP; what is said of that has its own cases.
    settings.KEYTREE_ALLOW_PLAIN_DATABASE = True
    settings.STATIC_ROOT = tmp_path
    settings.KEYTREE_SENDS_MAIL, settings.EMAIL_HOST, settings.EMAIL_USE_SSL = True, "mail.example.com", True
    return settings


def found() -> list[str]:
    """The ids of our checks that object."""
    messages = run_checks(include_deployment_checks=True)
    ours = [message for message in messages if message.id.startswith("keytree.")]
    assert all(message.msg and "\n" not in message.msg and message.hint for message in ours)
    return sorted(message.id for message in ours)


def test_nothing_is_wrong(production) -> None:
    assert found() == []
    checks.refuse_unsafe_start()


def test_demo_is_left_alone(db, settings) -> None:
    assert settings.IS_DEMO
    settings.ALLOWED_HOSTS, settings.DEBUG = ["*"], True
    assert found() == []
    checks.refuse_unsafe_start()


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DEBUG", True, "keytree.E001"),
        ("SECRET_KEY", "", "keytree.E002"),
        ("SECRET_KEY", "s3cret-but-short", "keytree.E003"),
        ("SECRET_KEY", SECRET[:49], "keytree.E003"),
        ("SECRET_KEY", "abcd" * 20, "keytree.E003"),
        ("SECRET_KEY", "django-insecure-" + SECRET, "keytree.E003"),
        (
            "SECRET_KEY",
            "<the output of: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'>",
            "keytree.E003",
        ),
        ("KEYTREE_KEY_RING", "", "keytree.E004"),
        ("KEYTREE_KEY_RING", "no ring at all", "keytree.E005"),
        ("KEYTREE_KEY_RING", "1:c2hvcnQ=", "keytree.E005"),
        ("ALLOWED_HOSTS", [], "keytree.E006"),
        ("ALLOWED_HOSTS", ["keys.example.com", "*"], "keytree.E007"),
        ("KEYTREE_PUBLIC_URL", "", "keytree.E008"),
        ("KEYTREE_PUBLIC_URL", "http://keys.example.com", "keytree.E008"),
        ("KEYTREE_PUBLIC_URL", "https://", "keytree.E008"),
        ("KEYTREE_PUBLIC_URL", "https://keys.example.com/console", "keytree.E008"),
        ("KEYTREE_PUBLIC_URL", "https://keys.example.com?from=mail", "keytree.E008"),
        ("KEYTREE_PUBLIC_URL", "https://keys.example.com#top", "keytree.E008"),
        ("KEYTREE_PUBLIC_URL", "https://me:secret@keys.example.com", "keytree.E008"),
        ("KEYTREE_TRUSTED_PROXIES", "0.0.0.0/0", "keytree.E010"),
        ("KEYTREE_TRUSTED_PROXIES", "127.0.0.1, ::/0", "keytree.E010"),
        ("KEYTREE_TRUSTED_PROXIES", "0.0.0.0/1, 128.0.0.0/1", "keytree.E010"),
        ("KEYTREE_TRUSTED_PROXIES", "", "keytree.E011"),
        ("EMAIL_USE_SSL", False, "keytree.E019"),
    ],
)
def test_setting_is_refused(production, name: str, value: object, expected: str) -> None:
    setattr(production, name, value)
    assert found() == [expected]
    with pytest.raises(SystemExit) as refusal:
        checks.refuse_unsafe_start()
    assert expected in str(refusal.value)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("key", [SECRET[:50], "abcde" * 10])
def test_key_is_strong_enough(production, key: str) -> None:
    production.SECRET_KEY = key
    assert found() == []


def test_without_https_there_is_no_proxy_to_be_named(production) -> None:
    production.KEYTREE_PUBLIC_URL, production.IS_HTTPS = "http://keys.example.com", False
    production.KEYTREE_TRUSTED_PROXIES = ""
    assert found() == ["keytree.E008"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_HOST", "127.0.0.1"),
        ("EMAIL_HOST", "localhost"),
        ("EMAIL_HOST", "::1"),
        ("EMAIL_USE_TLS", True),
        ("KEYTREE_ALLOW_PLAIN_MAIL", True),
    ],
)
def test_mail_without_tls_is_accepted_where_nobody_can_read_it(production, name: str, value: object) -> None:
    production.EMAIL_USE_SSL = False
    setattr(production, name, value)
    assert found() == []


def test_without_a_mail_server_production_is_warned_and_starts(production) -> None:
    production.KEYTREE_SENDS_MAIL = production.EMAIL_USE_SSL = False
    assert found() == ["keytree.W001"]
    checks.refuse_unsafe_start()


@pytest.mark.parametrize("proxies", ["unix", "10.0.4.0/28, 2001:db8::1", "127.0.0.1"])
def test_declared_proxies_are_accepted(production, proxies: str) -> None:
    production.KEYTREE_TRUSTED_PROXIES = proxies
    assert found() == []


def test_ring_that_is_not_that_of_the_database_is_refused(production, cast) -> None:
    """Its keys may well have the ids of the right ones: those are made of the day."""
    ClassicKey.objects.all().delete()
    Account.objects.update(is_demo=False)
    assert found() == []
    make_key(cast["priya"])
    assert found() == []
    other = base64.b64encode(bytes(32)).decode()
    production.KEYTREE_KEY_RING = f"2:{other}"
    assert found() == ["keytree.E020"]


def test_ring_that_cannot_be_used_is_not_said_to_be_the_wrong_one(production, cast, tmp_path: Path) -> None:
    Account.objects.update(is_demo=False)
    production.KEYTREE_KEY_RING = "no ring at all"
    assert found() == ["keytree.E005"]
    assert "Its file is no text" not in checks.ring_is_usable()[0].msg
    file = tmp_path / "ring"
    file.write_bytes(b"\xff")
    file.chmod(0o600)
    production.KEYTREE_KEY_RING, production.KEYTREE_KEY_RING_FILE = "", str(file)
    assert found() == ["keytree.E005"]
    assert "Its file is no text" in checks.ring_is_usable()[0].msg


def test_ring_without_a_master_key_that_ibm_cloud_keys_need_is_warned_of(production, monkeypatch, caplog) -> None:
    """And no more than that: whoever gives up an old master key for good may have meant to. None at all is another.

    Calls with such keys are refused like unknown ones, and so leave nothing else for the operator to find.
    """
    (member,) = grow([])
    old = f"1{RING[1:]}"
    for ring in (old, f"{RING},{old}"):
        production.KEYTREE_KEY_RING = ring
        make_platform_key(member)
        assert found() == []
    production.KEYTREE_KEY_RING = RING
    assert found() == ["keytree.W003"]
    (message,) = (each for each in run_checks(include_deployment_checks=True) if each.id == "keytree.W003")
    assert "lacks the master key 1, which 1 IBM Cloud API keys need" in message.msg
    monkeypatch.setattr(hourly.connection, "close", lambda: None)
    for warn in (checks.refuse_unsafe_start, hourly.warn_of_missing_master_keys):  # as it starts, and every hour
        caplog.clear()
        warn()
        (logged,) = caplog.messages
        assert logged == f"{message.msg} {message.hint} (keytree.W003)"
    production.KEYTREE_KEY_RING = f"3{RING[1:]}"
    assert found() == ["keytree.E020", "keytree.W003", "keytree.W003"]


def test_commands_that_put_things_right_are_not_kept_from_it(production) -> None:
    """They make the checks of every start; those of a production are made before it serves."""
    production.DEBUG, production.KEYTREE_KEY_RING = True, ""
    assert [message.id for message in run_checks() if message.id.startswith("keytree.")] == []


@pytest.mark.sqlite_only
def test_database_file_that_others_can_read_is_warned_of(production, tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "keytree.sqlite3"
    file.write_bytes(b"")
    monkeypatch.setitem(connection.settings_dict, "NAME", str(file))
    warned = ["keytree.W002"]
    for mode, expected in ((0o644, warned), (0o640, warned), (0o602, warned), (0o610, warned), (0o600, [])):
        file.chmod(mode)
        assert [problem.id for problem in checks.database_file_is_private()] == expected


@pytest.mark.parametrize(
    ("mode", "content", "expected"),
    [
        (0o600, RING, []),
        (0o400, f"3:{RING[2:]}\n{RING}\n", []),
        (0o640, RING, ["keytree.E005"]),
        (0o604, RING, ["keytree.E005"]),
        (0o600, "", ["keytree.E005"]),
        (0o600, "\udcff", ["keytree.E005"]),
        (None, "", ["keytree.E005"]),
    ],
)
def test_ring_file(production, tmp_path: Path, mode: int | None, content: str, expected: list[str]) -> None:
    file = tmp_path / "ring"
    if mode is not None:
        file.write_text(content, errors="surrogateescape")
        file.chmod(mode)
    production.KEYTREE_KEY_RING, production.KEYTREE_KEY_RING_FILE = "", str(file)
    assert found() == expected


@pytest.mark.parametrize(
    ("database", "allowed", "expected"),
    [
        ({"HOST": "db.example.com"}, False, ["keytree.E012"]),
        ({"HOST": "127.0.0.1"}, False, ["keytree.E012"]),
        ({"HOST": "db.example.com", "OPTIONS": {"sslmode": "require"}}, False, ["keytree.E012"]),
        ({"HOST": "db.example.com", "OPTIONS": {"sslmode": "verify-ca"}}, False, ["keytree.E012"]),
        ({"HOST": "", "OPTIONS": {"host": "db.example.com"}}, False, ["keytree.E012"]),
        ({"HOST": "/run/postgresql,db.example.com"}, False, ["keytree.E012"]),
        ({"HOST": "", "OPTIONS": {"hostaddr": "10.0.0.5"}}, False, ["keytree.E012"]),
        ({"HOST": "db.example.com"}, True, []),
        ({"HOST": "db.example.com", "OPTIONS": {"sslmode": "verify-full"}}, False, []),
        ({"HOST": "/run/postgresql"}, False, []),
        ({"HOST": "", "OPTIONS": {"host": "/run/postgresql"}}, False, []),
        ({"HOST": "@keytree"}, False, []),
        ({"HOST": ""}, False, []),
    ],
)
def test_database_over_tcp(
    production, monkeypatch: pytest.MonkeyPatch, database: dict, allowed: bool, expected: list[str]
) -> None:
    declared = SimpleNamespace(vendor="postgresql", settings_dict={"OPTIONS": {}, **database})
    monkeypatch.setattr(checks, "connection", declared)
    production.KEYTREE_ALLOW_PLAIN_DATABASE = allowed
    assert [message.id for message in checks.database_is_private()] == expected


def test_data_folder_missing(production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_sqlite_file(monkeypatch, tmp_path / "nowhere" / "keytree.sqlite3")
    assert found() == ["keytree.E013"]
    assert f"the folder {tmp_path / 'nowhere'} does not exist" in checks.data_folder_is_writable()[0].msg
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.sqlite_only
def test_database_file_need_not_be_there_yet(tmp_path: Path, production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "keytree.sqlite3"))
    assert checks.data_folder_is_writable() == checks.database_file_is_private() == []


def test_name_of_a_database_on_a_server_is_not_taken_for_a_file(
    production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keytree").touch(0o644)
    monkeypatch.setattr(checks, "connection", SimpleNamespace(vendor="postgresql", settings_dict={"NAME": "keytree"}))
    monkeypatch.setattr(checks.os, "access", lambda *_: False)
    assert checks.data_folder_is_writable() == checks.database_file_is_private() == []


@pytest.mark.parametrize(
    ("which", "denied"), [("folder", os.W_OK), ("folder", os.X_OK), ("file", os.R_OK), ("file", os.W_OK)]
)
def test_data_folder_not_writable(
    production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str, denied: int
) -> None:
    file = tmp_path / "keytree.sqlite3"
    sqlite3.connect(file).close()
    file.touch()
    use_sqlite_file(monkeypatch, file)
    locked = file if which == "file" else tmp_path
    # The suite may run as root, to whom no mode says no.
    monkeypatch.setattr(checks.os, "access", lambda path, mode: not (Path(path) == locked and mode & denied))
    assert found() == ["keytree.E013"]


def use_sqlite_file(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setattr(checks, "connection", SimpleNamespace(vendor="sqlite", settings_dict={"NAME": str(file)}))


def test_database_away(production, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("connection refused\nIs the server running?")

    monkeypatch.setattr(checks, "MigrationLoader", fail)
    monkeypatch.setattr(Account.objects, "filter", fail)
    monkeypatch.setattr(checks, "newest_value_opens", fail)
    monkeypatch.setattr(checks, "platform_keys_by_missing_master_key", fail)
    assert found() == ["keytree.E014"]


def test_migrations_in_disorder(production) -> None:
    MigrationRecorder(connection).record_unapplied("accounts", "0001_initial")  # others depend on it
    assert found() == ["keytree.E015"]


def test_migrations_that_cannot_be_read(production, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise BadMigrationError("Migration 0002 has no Migration class")

    monkeypatch.setattr(checks, "MigrationLoader", fail)
    assert found() == ["keytree.E015"]


def test_migrations_missing(production) -> None:
    (last,) = MigrationLoader(connection).graph.leaf_nodes("keys")  # nothing depends on it
    MigrationRecorder(connection).record_unapplied(*last)
    assert found() == ["keytree.E016"]


def test_demo_account_in_the_database(production, cast) -> None:
    assert found() == ["keytree.E017"]


def test_static_files_not_collected(production, tmp_path: Path) -> None:
    (tmp_path / "staticfiles.json").unlink()
    assert found() == ["keytree.E018"]


def test_every_refusal_has_its_test() -> None:
    ids = set(re.findall(r"keytree\.E\d+", Path(checks.__file__).read_text()))
    assert ids == set(re.findall(r"keytree\.E\d+", Path(__file__).read_text()))


def test_everything_is_told_at_once_without_secrets(production) -> None:
    production.DEBUG = True
    production.SECRET_KEY = "s3cret-but-short"
    production.KEYTREE_KEY_RING = f"1:{RING[2:]},1:{RING[2:]}"
    production.ALLOWED_HOSTS = ["*"]
    with pytest.raises(SystemExit) as refusal:
        checks.refuse_unsafe_start()
    said = str(refusal.value)
    assert said.startswith("Keytree does not start: 4 things have to be put right first.")
    assert re.findall(r"keytree\.E\d+", said) == ["keytree.E001", "keytree.E003", "keytree.E005", "keytree.E007"]
    assert "s3cret" not in said
    assert RING[2:] not in said


def test_a_problem_without_a_remedy_is_told_too() -> None:
    assert checks._told([Error("It rains.", id="sky.E001")]).endswith("  1. It rains. (sky.E001)")


def test_what_looks_like_a_key_is_not_told() -> None:
    assert checks._told([Error("Not ktp_" + "a" * 48, id="sky.E002")]).endswith("  1. Not [redacted] (sky.E002)")


# --- The real programs ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_production(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that docs/operations.md gives, with a SQLite database, set up as it says; only to be read."""
    variables = documented_environment(tmp_path_factory.mktemp("production"))
    for command in (["migrate", "--verbosity", "0"], ["collectstatic", "--no-input", "--verbosity", "0"]):
        done = manage(*command, **variables)
        assert (done.returncode, done.stderr) == (0, "")
    return variables


@pytest.mark.sqlite_only
@pytest.mark.xdist_group("production")
def test_a_production_set_up_as_described_is_clean(real_production: dict[str, str]) -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", **real_production)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


HSTS = "Strict-Transport-Security: max-age=63072000; includeSubDomains; preload\r\n"


@pytest.mark.sqlite_only
@pytest.mark.xdist_group("production")
def test_a_production_set_up_as_described_serves(real_production: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "keytree.sock"
    with serving(**{**real_production, "KEYTREE_ENV": "production", "KEYTREE_BIND": f"unix:{path}"}) as running:
        assert running.url == "https://keys.example.com"
        for probe in ("/healthz", "/readyz"):
            for host in ("keys.example.com", "10.0.0.7:8000"):  # a load balancer goes by the address
                assert ask(path, probe, f"Host: {host}").startswith("HTTP/1.1 200 ")
        assert ask(path, "/login", "Host: other.example.com").startswith("HTTP/1.1 400 ")
        plain = ask(path, "/login", "Host: keys.example.com")
        assert plain.startswith("HTTP/1.1 301 ")
        assert "Location: https://keys.example.com/login" in plain
        page = ask(path, "/login", "Host: keys.example.com", "X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.7")
        assert page.startswith("HTTP/1.1 200 ")
        assert "Set-Cookie: __Host-keytree_csrf=" in page
        assert HSTS in page
        unreadable = ask(path, "/login", "Host: keys.example.com", "Not a name: x")  # answered by gunicorn itself
        assert unreadable.startswith("HTTP/1.1 400 ")
        assert HSTS in unreadable
        ids = [re.search(r"X-Request-ID: (\w{16})\r\n", answer)[1] for answer in (page, unreadable)]
        assert ids[0] != ids[1]
        assert running.stop() == 0
    (logged,) = (line for line in running.lines if "Invalid request" in line)
    assert json.loads(logged)["request_id"] == ids[1]
    assert all(line.startswith("{") for line in running.lines), running.output


def ask(path: Path, target: str, *headers: str) -> str:
    """Return the whole answer of a server on a unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall("\r\n".join([f"GET {target} HTTP/1.1", *headers, "Connection: close", "", ""]).encode())
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


@pytest.mark.sqlite_only
@pytest.mark.xdist_group("production")
def test_gunicorn_refuses_and_says_why(real_production: dict[str, str], tmp_path: Path) -> None:
    wrong = {"KEYTREE_TRUSTED_PROXIES": "0.0.0.0/0", "KEYTREE_DEBUG": "yes", "KEYTREE_DATA_DIR": str(tmp_path)}
    done = run(*SERVER, **{**real_production, **wrong})
    assert done.returncode == 1
    assert re.findall(r"keytree\.E\d+", done.stderr) == ["keytree.E001", "keytree.E010", "keytree.E016"]
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.sqlite_only
@pytest.mark.xdist_group("production")
def test_demo_data_does_not_become_production(real_production: dict[str, str], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(real_production["KEYTREE_DATA_DIR"], copy)
    variables = {**real_production, "KEYTREE_DATA_DIR": str(copy)}
    assert manage("load_demo", **{**variables, "KEYTREE_ENV": "demo"}).returncode == 0
    done = run(*SERVER, **variables)
    assert done.returncode == 1
    assert re.findall(r"keytree\.E\d+", done.stderr) == ["keytree.E017"]


@pytest.mark.sqlite_only
@pytest.mark.xdist_group("production")
def test_load_demo_is_refused_in_production(real_production: dict[str, str]) -> None:
    done = manage("load_demo", **real_production)
    assert done.returncode != 0
    assert "KEYTREE_ENV=demo" in done.stderr
