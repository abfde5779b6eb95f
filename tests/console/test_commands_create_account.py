"""``create_account``: the first thing a real installation needs."""

import io
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from accounts import audit, new_members
from accounts.models import Account, Event, Member, User
from console.management.commands import create_account

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(*arguments: str, stdin=None, answers=None):
    """The command's output; ``stdin`` is piped in, ``answers`` are typed on a terminal."""
    out = StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", Terminal() if answers is not None else StringIO(stdin or ""))
        typed = iter(answers or [])
        patch.setattr(create_account.getpass, "getpass", lambda _: next(typed))
        call_command("create_account", *arguments, stdout=out)
    return out.getvalue()


def arguments(**changed: object):
    """Good arguments, with some changed; None leaves one out."""
    given = {"name": "Müller & Söhne", "owner_email": "Ayşe@mueller.example", "owner_name": "Ayşe Yılmaz", **changed}
    given["owner_email"] = given["owner_email"] and given["owner_email"].replace("ş", "s")
    return [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value is not None]


def test_an_account_with_its_owner_is_created(client):
    said = run(*arguments(account_id=4_000_123), "--password-stdin", stdin=f"{PASSWORD}\n")

    account = Account.objects.get()
    owner = account.members.get()
    assert (account.pk, account.name, account.is_demo) == (4_000_123, "Müller & Söhne", False)
    assert (owner.user.name, owner.user.email) == ("Ayşe Yılmaz", "ayse@mueller.example")
    assert (owner.is_owner, owner.status, owner.api_username) == (True, "active", "4000123_ayse@mueller.example")
    assert owner.user.check_password(PASSWORD)
    assert said.splitlines() == [
        "Account 4000123 created: Müller & Söhne",
        "Owner: Ayşe Yılmaz <ayse@mueller.example>",
        "API username: 4000123_ayse@mueller.example",
        "Next: set KEYTREE_PUBLIC_URL to the address of this console, and log in there as ayse@mueller.example.",
    ]
    answer = client.post("/login", {"username": "AYSE@mueller.example", "password": PASSWORD})
    assert answer.status_code == 302


def test_the_creation_is_an_event_of_the_command_line():
    run(*arguments(), "--password-stdin", stdin=PASSWORD)

    event = Event.objects.get()
    assert (event.action, event.request_id, event.address) == ("account.created", "command", "")
    assert list(audit.breaks(event.account_id)) == []


def test_the_next_step_names_the_public_url(settings):
    settings.KEYTREE_PUBLIC_URL = "https://keys.mueller.example"
    said = run(*arguments(), "--password-stdin", stdin=PASSWORD)
    assert "Next: log in at https://keys.mueller.example/login as ayse@mueller.example." in said


def test_a_free_account_id_is_taken_when_none_is_given():
    run(*arguments(), "--password-stdin", stdin=PASSWORD)
    assert Account.objects.get().pk >= 1_000_000


# --- The password ----------------------------------------------------------------------------------------------------


def test_the_password_is_asked_for_twice_on_a_terminal():
    run(*arguments(), answers=[PASSWORD, PASSWORD])
    assert User.objects.get().check_password(PASSWORD)


def test_two_different_passwords_are_refused():
    with pytest.raises(CommandError, match="not the same"):
        run(*arguments(), answers=[PASSWORD, PASSWORD + "!"])
    assert not User.objects.exists()


def test_without_a_terminal_nothing_is_asked():
    with pytest.raises(CommandError, match="--password-stdin or --password-file"):
        run(*arguments(), stdin=f"{PASSWORD}\n{PASSWORD}\n")


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nanything below\n"])
def test_the_password_is_the_first_line_of_a_file(tmp_path, end):
    file = tmp_path / "password"
    file.write_bytes(f"  {PASSWORD} ü ".encode() + end.encode())

    run(*arguments(), f"--password-file={file}")

    assert User.objects.get().check_password(f"  {PASSWORD} ü ")


@pytest.mark.parametrize("content", [None, b"\xff\xfe is not text"])
def test_a_password_file_that_cannot_be_read_is_named(tmp_path, content):
    file = tmp_path / "password"
    if content:
        file.write_bytes(content)
    with pytest.raises(CommandError, match="The password file cannot be read"):
        run(*arguments(), f"--password-file={file}")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "too short"),
        ("elevenchars", "at least 12 characters"),
        ("password1234", "Do not use your name"),
        ("1q2w3e4r5t6y", "too common"),
        ("ayse@mueller.example", "Do not use your name"),
        ("keytree-Yılmaz-Ayşe", "Do not use your name"),
        ("x" * 4097, "at most 4096"),
    ],
)
def test_the_validators_judge_the_password(password, why):
    with pytest.raises(CommandError, match=why):
        run(*arguments(), "--password-stdin", stdin=password)
    assert not Account.objects.exists()
    assert not User.objects.exists()


def test_the_password_is_never_an_argument_and_never_printed(capsys):
    said = run(*arguments(), "--password-stdin", stdin=PASSWORD)
    assert PASSWORD not in said + "".join(capsys.readouterr())
    with pytest.raises(CommandError, match="unrecognized arguments"):
        run(*arguments(), f"--owner-password={PASSWORD}")


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"name": " "}, "Enter a name."),
        ({"name": "a\nb"}, "without control characters"),
        ({"name": "a" * 301}, "at most 300 characters"),
        ({"owner_name": None}, "--owner-name"),
        ({"owner_name": "Ayse \u202e"}, "without control characters"),
        ({"owner_email": "nobody"}, "Enter a valid email address."),
        ({"owner_email": "\uff4dail@mueller.example"}, "look like other ones"),
        ({"owner_email": "\u212aelvin@mueller.example"}, "look like other ones"),
        ({"account_id": 999_999}, "from 1000000 to 2147483647"),
        ({"account_id": 2**31}, "from 1000000 to 2147483647"),
        ({"account_id": -1}, "from 1000000 to 2147483647"),
        ({"name": None}, "--name"),
        ({"owner_email": None}, "--owner-email"),
    ],
)
def test_what_cannot_be_is_refused_in_words(changed, why):
    with pytest.raises(CommandError, match=why):
        run(*arguments(**changed), "--password-stdin", stdin=PASSWORD)
    assert not Account.objects.exists()
    assert not User.objects.exists()


def test_a_taken_account_id_is_refused_with_the_name_of_its_account(cast):
    with pytest.raises(CommandError, match="Account ID 1234567 is taken, by Acme Robotics"):
        run(*arguments(account_id=1234567), "--password-stdin", stdin=PASSWORD)


@pytest.mark.parametrize("email", ["olivia@acme.example", "OLIVIA@Acme.example"])
def test_a_known_address_is_refused_with_the_way_to_go_on(cast, email):
    before = User.objects.get(email=email).password
    with pytest.raises(CommandError, match=r"There is a user olivia@acme\.example already\. Add --existing-user"):
        run(*arguments(owner_email=email), "--password-stdin", stdin=PASSWORD)
    assert User.objects.get(email=email).password == before


def test_an_existing_user_can_own_another_account(cast):
    run("--name=Third", "--owner-email=Olivia@acme.example", "--existing-user", "--account-id=3000000")

    owner = Member.objects.get(account_id=3_000_000)
    assert (owner.user_id, owner.is_owner) == (cast["olivia"].user_id, True)
    assert owner.user.name == "Olivia Reyes"


def test_an_unknown_existing_user_is_refused(cast):
    with pytest.raises(CommandError, match=r"There is no user nobody@acme\.example"):
        run("--name=Third", "--owner-email=nobody@acme.example", "--existing-user")


@pytest.mark.parametrize("email", ["vpn-berlin@acme.example", "lena@acme.example"])
def test_an_existing_user_who_cannot_log_in_is_refused(cast, email):
    with pytest.raises(CommandError, match="has no password"):
        run("--name=Third", f"--owner-email={email}", "--existing-user")
    assert Account.objects.count() == 2


def test_all_or_nothing_when_the_event_cannot_be_written(monkeypatch):
    def fail(*args: object, **kwargs: object):
        raise RuntimeError("The trail is full.")

    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(RuntimeError):
        run(*arguments(), "--password-stdin", stdin=PASSWORD)
    assert not User.objects.exists()
    assert not Account.objects.exists()


def test_somebody_quicker_is_told_of_in_words(monkeypatch):
    def taken(**_: object):
        raise IntegrityError

    monkeypatch.setattr(new_members, "create_account", taken)
    with pytest.raises(CommandError, match="taken just now"):
        run(*arguments(), "--password-stdin", stdin=PASSWORD)
    assert not User.objects.exists()


@pytest.mark.parametrize("key", [EOFError, KeyboardInterrupt])
def test_who_gives_up_at_the_password_is_told_that_nothing_was_created(monkeypatch, key):
    def pressed(_: str) -> str:
        raise key

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(create_account.getpass, "getpass", pressed)
    with pytest.raises(CommandError, match="Nothing was created"):
        call_command("create_account", *arguments())
    assert not Account.objects.exists()
