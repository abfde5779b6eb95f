"""Arguments that no command can do anything with: refused by name before anything is done."""

import pytest
from django.core.management import CommandError, call_command

ENDLESS = "9" * 26
ENDLESS_FOR_PYTHON = "9" * 5_000
#: What each needs besides.
OTHERS = {
    "change_owner": ["--email=noor@acme.example"],
    "check_tree": [],
    "create_account": ["--name=New", "--owner-email=new@new.example", "--password-stdin"],
    "generate_account": ["--members=3"],
    "housekeeping": [],
    "import_members": ["members.csv", "--by=olivia@acme.example"],
    "verify_audit": [],
}


@pytest.mark.parametrize("number", [ENDLESS, ENDLESS_FOR_PYTHON, "-1", "x", ""])
@pytest.mark.parametrize(
    ("command", "argument", "name"),
    [
        ("change_owner", "--account={}", "--account"),
        ("check_tree", "--account={}", "--account"),
        ("create_account", "--account-id={}", "--account-id"),
        ("generate_account", "--account-id={}", "--account-id"),
        ("generate_account", "--members={}", "--members"),
        ("housekeeping", "--invitations-after={}", "--invitations-after"),
        ("import_members", "--account={}", "--account"),
        ("verify_audit", "--account={}", "--account"),
    ],
)
def test_a_number_out_of_range_is_refused_by_name(command, argument, name, number):
    with pytest.raises(CommandError, match=f"argument {name}: must be a number from [0-9]+ to [0-9]+$"):
        call_command(command, *OTHERS[command], argument.format(number))


def test_an_account_id_in_its_place_is_refused_alike():
    with pytest.raises(CommandError, match="argument account_id: must be a number from 1000000 to 2147483647"):
        call_command("lift_restriction", ENDLESS)


@pytest.mark.parametrize("path", ["", ".", "/", "..", "folder/.."])
def test_what_names_no_file_is_refused_by_name(path):
    for command, arguments, name in [
        ("backup", [path], "file"),
        ("import_members", ["--account=1234567", "--by=olivia@acme.example", path], "file"),
        ("verify_audit", [f"--against={path}"], "--against"),
        ("create_account", [*OTHERS["create_account"][:2], f"--password-file={path}"], "--password-file"),
    ]:
        with pytest.raises(CommandError, match=f"argument {name}: must be the path of a file$"):
            call_command(command, *arguments)
