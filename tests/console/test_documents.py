"""README.md and docs/operations.md keep up with the code: people, commands, links, and what they have one type."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import get_commands
from django.db import connection

from console import demo
from tests.console.programs import ROOT, documented_environment, manage, run

OPERATIONS = ROOT / "docs" / "operations.md"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_readme_lists_the_people_of_the_demo() -> None:
    table = re.findall(r"^\| .*@[a-z]+\.example .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    told = [
        (name.split(" (")[0], email, parent.split(" (")[0], status, key) for _, name, email, parent, status, key in rows
    ]
    assert told == [
        (
            person.name,
            person.email,
            person.invited_by.split()[0] if person.invited_by else "-",
            person.status.label,
            "yes" if person.has_key else "no",
        )
        for _, _, people in demo.ACCOUNTS
        for person in people
    ]
    assert demo.PASSWORD in (ROOT / "README.md").read_text()


def test_readme_names_the_ibm_cloud_keys_of_the_demo() -> None:
    told = " ".join((ROOT / "README.md").read_text().partition("Some have IBM Cloud API keys besides:")[2].split())
    named = re.findall(r"\b([A-Z]\w+)(?= \*)|\*([^*]+)\*", told.partition(". 1.")[0])
    people = [person for _, _, people in demo.ACCOUNTS for person in people if person.platform_keys]
    assert [person or key for person, key in named] == [
        cell for person in people for cell in (person.name.split()[0], *(key.name for key in person.platform_keys))
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    commands = set(re.findall(r"(?:manage\.py|^keytree) ([a-z_]+)", document.read_text(), re.MULTILINE))
    assert commands <= get_commands().keys()
    targets = set(re.findall(r"(?:`|^ *)make ([a-z-]+)", document.read_text(), re.MULTILINE))
    assert targets <= set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        if urlsplit(target).scheme:
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name) if name else document
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}, (
                target
            )


# --- The two roles of PostgreSQL --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_roles() -> Iterator[tuple[str, str]]:
    """The database that docs/operations.md has one make, under names of this test: URLs of its owner and server."""
    server = os.environ["TEST_DATABASE_URL"]
    name = f"keytree_{secrets.token_hex(4)}"
    blocks = [
        re.sub(r"\bkeytree\b", name, block).replace("keytree_owner", f"{name}_owner")
        for block in re.findall(r"^```sql\n(.+?)^```", OPERATIONS.read_text(), re.MULTILINE | re.DOTALL)
    ]
    inside = urlsplit(server)._replace(path=f"/{name}").geturl()
    try:
        execute(server, blocks[0])
        execute(inside, blocks[1])
        owner, app = as_role(inside, f"{name}_owner"), as_role(inside, name)
        refused = manage("migrate", "--verbosity", "0", DATABASE_URL=app)
        assert refused.returncode == 1
        assert refused.stderr.startswith("CommandError: This role may not change the tables: permission denied for ")
        assert refused.stderr.count("\n") == 1
        done = manage("migrate", "--verbosity", "0", DATABASE_URL=owner)
        assert (done.returncode, done.stderr) == (0, "")
        execute(owner, blocks[2])
        yield owner, app
    finally:
        execute(server, f"DROP DATABASE IF EXISTS {name}; DROP ROLE IF EXISTS {name}; DROP ROLE IF EXISTS {name}_owner")


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}").geturl()


def execute(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        for statement in filter(str.strip, statements.split(";")):
            session.execute(statement.encode())


@contextmanager
def restored(backup: Path, app: str) -> Iterator[str]:
    """Restore as docs/operations.md says, into a database of its own, and give the serving role's URL there."""
    server = os.environ["TEST_DATABASE_URL"]
    role = urlsplit(app).path.strip("/")
    (options,) = re.search(r"^pg_restore (.+) --dbname=\S+ < \S+$", OPERATIONS.read_text(), re.MULTILINE).groups()
    there = urlsplit(server)._replace(path=f"/{role}_restored").geturl()
    try:
        execute(server, f"CREATE DATABASE {role}_restored OWNER {role}_owner TEMPLATE template0")
        done = run("pg_restore", *options.replace("keytree", role).split(), f"--dbname={there}", str(backup))
        assert (done.returncode, done.stderr) == (0, "")
        yield as_role(there, role)
    finally:
        execute(server, f"DROP DATABASE IF EXISTS {role}_restored")


@pytest.mark.postgresql_only
@pytest.mark.xdist_group("two roles")  # made once
@pytest.mark.skipif(not shutil.which("pg_dump"), reason="needs pg_dump and pg_restore")
def test_the_serving_role_can_do_its_work_and_no_more(two_roles: tuple[str, str], tmp_path: Path) -> None:
    owner, app = two_roles
    production = {**documented_environment(tmp_path), "DATABASE_URL": app, "KEYTREE_ALLOW_PLAIN_DATABASE": "true"}
    password = tmp_path / "password"
    password.write_text("a long enough pass phrase")
    for command in (
        ["collectstatic", "--no-input", "--verbosity", "0"],
        ["check", "--deploy", "--fail-level", "WARNING"],
        [
            "create_account",
            "--name=Acme",
            "--owner-name=Ann",
            "--owner-email=ann@acme.example",
            f"--password-file={password}",
        ],
        ["backup", str(tmp_path / "backup")],
    ):
        done = manage(*command, **production)
        assert (done.returncode, done.stderr) == (0, "")
    refuse_more_than_work(app)
    done = manage("housekeeping", **production, KEYTREE_ACTIVITY_DAYS="90")
    assert "Run housekeeping as the role that owns the tables" in done.stderr
    done = manage("housekeeping", **housekeepers(production, owner), KEYTREE_ACTIVITY_DAYS="90")
    assert (done.returncode, done.stderr) == (0, "")
    with restored(tmp_path / "backup", app) as app_there:
        done = manage("check_data", **{**production, "DATABASE_URL": app_there})
        assert (done.returncode, done.stderr) == (0, "")
        refuse_more_than_work(app_there)


def housekeepers(production: dict[str, str], owner: str) -> dict[str, str]:
    """Return the server's environment with the lines that the document has for the owner of the tables."""
    lines = re.search(r"^```sh\n(DATABASE_URL=.+?)^```", OPERATIONS.read_text(), re.MULTILINE | re.DOTALL)[1]
    entries = ",".join(Path(production["KEYTREE_KEY_RING_FILE"]).read_text().split())
    more = dict(line.split("=", 1) for line in lines.splitlines())
    assert more.pop("KEYTREE_KEY_RING").startswith("<the entries of the ring, separated by commas")
    return {**production, "KEYTREE_KEY_RING": entries, **more, "DATABASE_URL": owner}


def refuse_more_than_work(app: str) -> None:
    for statement in (
        "UPDATE accounts_event SET action = 'nothing'",
        "DELETE FROM accounts_event",
        "TRUNCATE accounts_event",
        "DROP TRIGGER accounts_event_insert_only ON accounts_event",
        "DELETE FROM django_migrations",
        "CREATE TABLE more (id int)",
        "ALTER TABLE accounts_member DROP COLUMN status",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(app, statement)


@pytest.mark.postgresql_only
@pytest.mark.xdist_group("two roles")
def test_the_owner_cannot_change_events_either(two_roles: tuple[str, str]) -> None:
    owner, _ = two_roles
    with psycopg.connect(owner) as session:
        session.execute(
            "INSERT INTO accounts_event (account_id, number, at, action, outcome, actor_label, subject_label, address,"
            " request_id, details, link) VALUES (1000000, 1, now(), 'a', 'done', '', '', '', '', '{}', '')",
        )
        for statement in (
            "UPDATE accounts_event SET action = 'b'",
            "DELETE FROM accounts_event",
            "TRUNCATE accounts_event",
        ):
            with pytest.raises(psycopg.errors.RaiseException, match="cannot be changed"), session.transaction():
                session.execute(statement.encode())
        session.rollback()  # the database is another test's as well


def test_suite_runs_on_the_database_it_was_given() -> None:
    assert connection.vendor == ("postgresql" if os.environ.get("TEST_DATABASE_URL") else "sqlite")
