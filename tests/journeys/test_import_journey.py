"""Importing a long file, as it is lived: by a real server, the process that it starts, and a browser that waits."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.journeys.live import LiveServer
from tests.journeys.visit import Visit, phone_and_desk, scrolls_sideways

pytest_plugins = ["tests.journeys.browser"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("browser-import-journey")]

PATIENCE = 60_000  # milliseconds
LONG = 1_001  # people: one more than a request waits for
# Thousands of invitations stay in the outbox, as their sending is tried elsewhere and takes longer than all that is
# tried here: nobody listens at this address.
NO_MAIL = {"EMAIL_URL": "smtp://127.0.0.1:9", "KEYTREE_MAIL_FROM": "keytree@acme.example"}
SEEN_LONG_AGO = """
import time
from accounts.models import Session
from accounts.sessions import SessionStore
for key in Session.objects.values_list("pk", flat=True):
    session = SessionStore(key)
    session["seen_at"] = time.time() - 300
    session.save()
"""
LAST_SEEN = """
from accounts.models import Session
print(min(Session.objects.values_list("seen_at", flat=True)).timestamp())
"""


@pytest.fixture(scope="module")
def console(start_shared) -> LiveServer:
    """One server for all."""
    return start_shared(**NO_MAIL)


def choose(visit: Visit, name: str, text: str) -> None:
    """Choose a file and have it checked."""
    file = {"name": f"{name}.csv", "mimeType": "text/csv", "buffer": text.encode()}
    visit.page.get_by_label("File", exact=True).set_input_files(file)
    visit.button("Check file").click()


def send(visit: Visit, prefix: str, people: int) -> None:
    """Send a file of so many people, each below another, and see it looked through."""
    lines = [f"{prefix}{n}@new.example,{f'{prefix}{(n - 1) // 5}@new.example' if n else ''}" for n in range(people)]
    choose(visit.go("/iam/users/import"), prefix, "\n".join(["email,parent", *lines]))
    expect(visit.page.get_by_role("progressbar", name=f"Looking through {people:,} lines")).to_be_visible()
    wait_for(visit, "Nothing is wrong with the file")


def wait_for(visit: Visit, title: str) -> None:
    """Wait for what the work comes to: by looking again and again where no script does."""
    until = time.monotonic() + PATIENCE / 1000
    while not visit.script and time.monotonic() < until and not visit.notification(title).is_visible():
        visit.link("See how far it is").click()
        time.sleep(1)
    expect(visit.notification(title)).to_be_visible(timeout=PATIENCE)


def invited(console: LiveServer, prefix: str) -> int:
    code = "from accounts.models import Member\n"
    return int(console.run(f"{code}print(Member.objects.filter(user__email__startswith={prefix!r}).count())"))


def workers(console: LiveServer) -> Iterator[int]:
    """The processes that work on an import of this server's."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_worker = b"work_on_import" in (folder / "cmdline").read_bytes()
            if is_worker and str(console.data_dir).encode() in (folder / "environ").read_bytes():
                yield int(folder.name)
        except OSError:
            continue


def wait_until_none_works(console: LiveServer) -> None:
    """Wait for the process that said it was done to end; fail if it goes on."""
    until = time.monotonic() + PATIENCE / 1000
    while left := list(workers(console)):
        assert time.monotonic() < until, left
        time.sleep(0.05)


def worker_that_writes(console: LiveServer) -> int:
    """Wait for the process that has been writing for a while, as the lock on the database tells, and return it."""
    until, held = time.monotonic() + PATIENCE / 1000, 0
    with closing(sqlite3.connect(console.data_dir / "keytree.sqlite3", isolation_level=None, timeout=0)) as other:
        while time.monotonic() < until:
            try:
                other.execute("BEGIN IMMEDIATE")
                other.execute("ROLLBACK")
                held = 0
            except sqlite3.OperationalError:
                held += 1
            if held > 10 and (found := list(workers(console))):
                return found[0]
            time.sleep(0.02)
    pytest.fail("nobody wrote")


@phone_and_desk
def test_file_of_users_is_told_its_mistakes_and_goes_in_when_corrected(browse, console, script, width):
    email = f"rui{width}@new.example"
    visit = browse(console, script=script, width=width).sign_in("marcus", at="/iam/users")
    visit.link("Import users").click()
    choose(visit, "users", f"email,parent\n{email},priya@acme.example\nno address,\n")
    expect(visit.page.get_by_text("No one was invited")).to_be_visible()
    expect(visit.page.get_by_role("row", name="Line 3")).to_contain_text("no address")
    choose(visit, "users", f"email,parent\n{email},priya@acme.example\n")
    expect(visit.page.get_by_role("row", name=email)).to_contain_text("priya@acme.example")
    visit.button("Invite 1 user").click()
    expect(visit.notification("1 user invited")).to_be_visible()
    expect(visit.page.get_by_text("1 user of users.csv is placed as the file says.")).to_be_visible()
    assert not scrolls_sideways(visit.page)
    visit.button("Import another file").click()
    visit.go("/iam/users?view=hierarchy")
    expect(visit.row(email)).to_contain_text("Level 3")


@phone_and_desk
def test_long_file_goes_its_way_in_sight(browse, console, script, width):
    visit = browse(console, script=script, width=width).sign_in("marcus", at="about:blank")
    prefix = "phone" if script else "desk"
    send(visit, prefix, LONG)
    assert invited(console, prefix) == 0
    visit.button(f"Invite {LONG:,} users").click()
    bar = visit.page.get_by_role("progressbar")
    expect(bar).to_be_visible()
    assert not scrolls_sideways(visit.page)
    visit.go("/iam/users").go("/iam/users/import")  # leaving does it no harm
    wait_for(visit, "All users of the file invited")
    expect(bar).to_have_count(0)
    assert invited(console, prefix) == LONG
    wait_until_none_works(console)
    visit.button("Import another file").click()
    expect(visit.page.locator("#id_file")).to_be_visible()


def test_import_whose_process_is_killed_has_invited_nobody_and_is_begun_again(browse, console):
    visit = browse(console).sign_in("olivia", at="about:blank")
    people = 4 * LONG  # so many that there is time to see them written
    send(visit, "killed", people)
    visit.button(f"Invite {people:,} users").click()
    os.kill(worker_that_writes(console), signal.SIGKILL)
    expect(visit.notification("The work was interrupted before it was finished.")).to_be_visible(timeout=PATIENCE)
    assert invited(console, "killed") == 0
    visit.button(f"Invite {people:,} users").click()
    expect(visit.notification("All users of the file invited")).to_be_visible(timeout=PATIENCE)
    assert invited(console, "killed") == people


def test_pages_are_shown_while_somebody_writes_for_long(browse, console):
    """The session's note of its use, which is due, does not wait for the lock as a change of anything would."""
    visit = browse(console).sign_in("priya", at="about:blank")
    console.run(SEEN_LONG_AGO)
    with closing(sqlite3.connect(console.data_dir / "keytree.sqlite3", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        visit.go("/iam/apikeys").expect_page("API keys")
        assert time.monotonic() - begun < 15  # seconds; a change waits for 20
        writer.execute("ROLLBACK")
    assert float(console.run(LAST_SEEN)) < time.time() - 200
    until = time.monotonic() + PATIENCE / 1000  # the note gives up soon where the machine is busy
    while float(console.run(LAST_SEEN.replace("min", "max"))) < time.time() - 200 and time.monotonic() < until:
        visit.go("/iam/apikeys").expect_page("API keys")
    assert time.monotonic() < until
