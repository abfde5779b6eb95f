"""What ``slcli`` changes, over both transports: keys made, removed and restricted, users suspended and removed."""

import json
import re
import shlex
from pathlib import Path

import pytest

from console import demo
from tests.journeys.clients import A_VALUE, ADDRESSES, DENIED, Said, Slcli, failure
from tests.journeys.live import ROOT, LiveServer
from tests.journeys.visit import verify

pytest_plugins = ["tests.journeys.callers"]
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("slcli-changes")]

ADDED = "Successfully added. New API Authentication Key: "
REMOVED = "Successfully removed API authentication key"
_EVENTS = """
import json
from accounts.models import Event
last = Event.objects.exclude(action="classic_key.call_refused").order_by("-pk")[:{count}]
print(json.dumps([[event.action, event.actor_label, event.subject_label, event.outcome] for event in last]))
"""


def events(server: LiveServer, count: int) -> list[list[str]]:
    """The last events but for refused calls, which are written later; the last one first."""
    return json.loads(server.run(_EVENTS.format(count=count)))


def test_readme_shows_commands_that_work(restored, people, tmp_path):
    text = (ROOT / "README.md").read_text()
    settings = re.search(r"^    \[softlayer\]\n(?:    .+\n)+", text, re.MULTILINE)[0]
    commands = [shlex.split(line)[1:] for line in re.findall(r"^    (slcli .+)$", text, re.MULTILINE)]
    slcli = Slcli(tmp_path, restored.url)
    settings = settings.replace("http://127.0.0.1:8000", restored.url).replace(
        "<the value>", people.logins["marcus"].value
    )
    slcli.config.write_text(re.sub(r"^    ", "", settings, flags=re.MULTILINE))
    everybody, priya, removed, three = [slcli(*command, form="raw") for command in commands]
    assert "1234567_noor@acme.example" in everybody.text
    assert re.search(r"^\s*APIKEY +None\s*$", priya.text, re.MULTILINE)
    assert removed.whole == (0, [REMOVED])
    assert len(three.lines) == 4


# --- Keys -------------------------------------------------------------------------------------------------------------


def test_apikey_remove_ends_the_key_at_once(restored, slcli, people):
    assert verify(restored, *people.logins["priya"]) == 204
    assert slcli("marcus")("user", "apikey", people.users["priya"], "--remove", form="raw").whole == (0, [REMOVED])
    assert verify(restored, *people.logins["priya"]) == 401
    assert slcli("priya")("user", "list").whole == (1, [DENIED])
    assert events(restored, 1) == [
        ["classic_key.deleted", "Marcus Lindqvist <marcus@acme.example>", "Priya Raman <priya@acme.example>", "success"]
    ]


def test_apikey_remove_of_nothing_says_the_same(restored, slcli, people):
    """The client asks for the keys, hears of none and makes no call: so it is with a key that one may not know of."""
    for name in ("noor", "sam", "olivia"):
        assert slcli("marcus")("user", "apikey", people.users[name], "--remove", form="raw").whole == (0, [REMOVED])
    assert verify(restored, *people.logins["sam"]) == verify(restored, *people.logins["olivia"]) == 204


def test_key_that_one_may_not_know_of_is_not_found_like_no_key(restored, slcli, people, transport):
    for number in (people.keys["olivia"], people.keys["sam"], 99_999_999):
        answer = slcli("marcus")("call-api", "User_Customer", "removeApiAuthenticationKey", number)
        text = f"Unable to find object with id of '{number}'."
        assert answer.whole == failure(transport, 404, "SoftLayer_Exception_ObjectNotFound", text)
    assert verify(restored, *people.logins["sam"]) == verify(restored, *people.logins["olivia"]) == 204


def test_apikey_add_for_a_vpn_only_user_below(restored, slcli, people):
    command = slcli("marcus")
    command("user", "apikey", people.users["berlin"], "--remove", form="raw")
    answer = command("user", "apikey", people.users["berlin"], "--add", form="raw")
    (line,) = answer.lines
    value = line.removeprefix(ADDED)
    assert A_VALUE.fullmatch(value)
    assert verify(restored, people.logins["berlin"].name, value) == 204
    assert verify(restored, *people.logins["berlin"]) == 401
    assert events(restored, 1)[0][0] == "classic_key.created"
    assert command("user", "detail", people.users["berlin"], "--keys").value["APIKEY"] is None


def test_apikey_refresh_of_a_vpn_only_user_below(restored, slcli, people):
    answer = slcli("marcus")("user", "apikey", people.users["berlin"], "--refresh", form="raw")
    removed, added = answer.lines
    assert removed == REMOVED
    assert verify(restored, people.logins["berlin"].name, added.removeprefix(ADDED)) == 204
    assert verify(restored, *people.logins["berlin"]) == 401


def test_apikey_refresh_of_oneself_ends_halfway(slcli, people):
    """The client makes its second call with the key that the first one removed."""
    answer = slcli("priya")("user", "apikey", people.users["priya"], "--refresh", form="raw")
    assert answer.whole == (1, [REMOVED, DENIED])


def test_apikey_add_where_there_is_one(restored, slcli, people, transport):
    for who, whose in (("priya", "priya"), ("marcus", "berlin")):
        answer = slcli(who)("user", "apikey", people.users[whose], "--add", form="raw")
        text = "Each user can only have a single API key."
        assert answer.whole == failure(transport, 500, "SoftLayer_Exception_Public", text)
        assert verify(restored, *people.logins[whose]) == 204


def test_apikey_add_for_somebody_who_makes_their_own(restored, slcli, people, transport):
    answer = slcli("marcus")("user", "apikey", people.users["noor"], "--add", form="raw")
    assert answer.whole == failure(
        transport,
        500,
        "SoftLayer_Exception_PermissionDenied",
        "Users create their own key. You can create one only for a VPN-only user below you, with Manage users.",
    )
    assert events(restored, 1)[0] == [
        "permission.refused", "Marcus Lindqvist <marcus@acme.example>", "Noor Haddad <noor@acme.example>", "refused",
    ]  # fmt: skip


def test_apikey_add_for_an_invited_user(slcli, people, transport):
    answer = slcli("marcus")("user", "apikey", people.users["lena"], "--add", form="raw")
    assert answer.whole == failure(
        transport,
        500,
        "SoftLayer_Exception_PermissionDenied",
        "Generating an API key for a user in PENDING status is disallowed.",
    )


def test_restriction_is_edited_and_counts_from_the_next_call(restored, slcli, people, transport):
    key, command = people.keys["priya"], slcli("marcus")
    service, template = "User_Customer_ApiAuthentication", '{"ipAddressRestriction": "10.0.0.0/8, 192.0.2.1"}'
    assert command("call-api", service, "editObject", f"--id={key}", template).status == 0
    seen = command("call-api", service, "getObject", f"--id={key}", "--mask=id,userId,ipAddressRestriction")
    assert seen.value["ipAddressRestriction"].replace(" ", "") == "10.0.0.0/8,192.0.2.1"
    assert verify(restored, *people.logins["priya"]) == 401
    assert slcli("priya")("account", "summary").whole == (1, [DENIED])
    assert command("call-api", service, "editObject", f"--id={key}", '{"ipAddressRestriction": ""}').status == 0
    assert verify(restored, *people.logins["priya"]) == 204


def test_restriction_with_a_mistake_names_it_and_changes_nothing(restored, slcli, people, transport):
    template = '{"ipAddressRestriction": "10.0.0.0/8, 300.1.2.3"}'
    answer = slcli("marcus")(
        "call-api", "User_Customer_ApiAuthentication", "editObject", f"--id={people.keys['priya']}", template
    )
    assert answer.status == 1
    assert "300.1.2.3" in answer.text
    assert "10.0.0.0/8" not in answer.text
    assert verify(restored, *people.logins["priya"]) == 204


# --- Setting up with a password ---------------------------------------------------------------------------------------


def set_up(server: LiveServer, folder: Path, name: str, password: str = demo.PASSWORD) -> tuple[Slcli, Said]:
    """The command, and what it said when somebody without a configuration gave it a name and a password."""
    folder.mkdir()
    slcli = Slcli(folder, server.url)
    return slcli, slcli("setup", form="raw", typed=[server.url + ADDRESSES["xmlrpc"], name, password, "", "", "y"])


def test_setup_with_a_password_keeps_the_key_there_is_or_makes_one(restored, people, tmp_path):
    slcli, said = set_up(restored, tmp_path / "priya", people.logins["priya"].name)
    assert said.status == 0
    assert said.text.endswith("Configuration Updated Successfully\n")
    assert f"api_key = {people.logins['priya'].value}" in slcli.config.read_text().splitlines()
    assert [event[0] for event in events(restored, 2)] == ["classic_key.shown", "user.signed_in"]
    slcli, said = set_up(restored, tmp_path / "noor", "1234567_Noor@acme.example")
    assert said.status == 0
    (value,) = re.findall("^api_key = ([0-9a-f]{64})$", slcli.config.read_text(), re.MULTILINE)
    assert verify(restored, "1234567_noor@acme.example", value) == 204
    assert slcli("call-api", "Account", "getCurrentUser", "--mask=id").value == {"id": people.users["noor"]}
    assert [event[:2] for event in events(restored, 2)] == [
        ["classic_key.created", "Noor Haddad <noor@acme.example>"],
        ["user.signed_in", "Noor Haddad <noor@acme.example>"],
    ]


def test_setup_without_the_right_password_or_name_keeps_nothing_and_says_why(restored, tmp_path):
    code = "SoftLayerAPIError(SoftLayer_Exception_User_Customer_LoginFailed)"
    asked_for = "Log in with your API username: 1234567_noor@acme.example or 7654321_noor@acme.example."
    for folder, name, password, text in (
        ("wrong", "1234567_noor@acme.example", "something else", "Invalid login credentials provided."),
        ("address", "noor@acme.example", demo.PASSWORD, asked_for),
    ):
        slcli, said = set_up(restored, tmp_path / folder, name, password)
        assert said.status == 1
        assert said.lines[-1].endswith(f"{code}: {text}")
        assert not slcli.config.exists()


# --- Users ------------------------------------------------------------------------------------------------------------


def test_create_invites_the_user_or_adds_a_vpn_only_one(slcli, people, transport):
    command, template = slcli("marcus"), '{"userStatusId": 1022, "firstName": "Lisbon", "lastName": "office"}'
    invited = command("-y", "user", "create", "new@acme.example", "-e", "new@acme.example")
    assert invited.value == [{"Username": "1234567_new@acme.example", "Email": "new@acme.example", "Password": None}]
    added = command("-y", "user", "create", "lisbon", "-e", "lisbon@acme.example", "-t", template)
    assert added.value == [{"Username": "lisbon", "Email": "lisbon@acme.example", "Password": None}]
    listed = command("user", "list", "--columns=username,displayName,status").value
    assert listed[-2:] == [
        {"username": "1234567_new@acme.example", "displayName": "new@acme.example", "status": "Pending"},
        {"username": "lisbon", "displayName": "Lisbon office", "status": "VPN-only"},
    ]
    text = "Leave the passwords out: the user is sent an invitation, and chooses a password when joining."
    refused = command("-y", "user", "create", "x@acme.example", "-e", "x@acme.example", "-p", "generate")
    assert refused.whole == failure(transport, 500, "SoftLayer_Exception_InvalidValue", text)


def test_edit_details_changes_the_status(restored, slcli, people):
    command = slcli("marcus")
    for status, name, accepted in ((1005, "Suspended", 401), (1001, "Active", 204), (1002, "Disabled", 401)):
        answer = command(
            "user", "edit-details", people.users["priya"], "-t", f'{{"userStatusId": {status}}}', form="raw"
        )
        assert answer.whole == (0, [f"{people.users['priya']} updated successfully"])
        assert command("user", "detail", people.users["priya"]).value["Status"] == name
        assert verify(restored, *people.logins["priya"]) == accepted
    assert events(restored, 1)[0][:3] == [
        "member.status_changed", "Marcus Lindqvist <marcus@acme.example>", "Priya Raman <priya@acme.example>",
    ]  # fmt: skip


def test_edit_details_of_something_else_names_it(slcli, people):
    answer = slcli("marcus")("user", "edit-details", people.users["priya"], "-t", '{"city": "Berlin"}')
    assert answer.status == 1
    assert "city" in answer.text
    same = '{"email": "priya@acme.example", "userStatusId": 1001}'
    answer = slcli("marcus")("user", "edit-details", people.users["priya"], "-t", same, form="raw")
    assert answer.whole == (0, [f"{people.users['priya']} updated successfully"])


def test_edit_details_of_somebody_one_does_not_manage(restored, slcli, people, transport):
    answer = slcli("priya")("user", "edit-details", people.users["sam"], "-t", '{"userStatusId": 1005}')
    assert answer.status == 1
    assert answer.text.startswith(
        f"SoftLayerAPIError({500 if transport == 'rest' else 'SoftLayer_Exception_PermissionDenied'}): "
    )
    assert verify(restored, *people.logins["sam"]) == 204


def test_delete_removes_the_user(restored, slcli, people):
    command = slcli("marcus")
    answer = command("user", "delete", "1234567_vpn-berlin@acme.example", form="raw")
    assert answer.whole == (0, ["1234567_vpn-berlin@acme.example deleted successfully"])
    assert people.users["berlin"] not in [row["id"] for row in command("user", "list").value]
    assert verify(restored, *people.logins["berlin"]) == 401


def test_delete_of_somebody_with_users_below_names_them(restored, slcli, people):
    answer = slcli("marcus")("user", "delete", people.users["priya"])
    assert answer.status == 1
    assert "Noor Haddad" in answer.text
    assert verify(restored, *people.logins["priya"]) == 204


def test_vpn_password(restored, slcli, people):
    answer = slcli("priya")("user", "vpn-password", people.users["priya"], "--password=a new one for VPN", form="raw")
    assert answer.whole == (0, ["Successfully updated user VPN password."])
    kept = restored.run(
        "from django.contrib.auth.hashers import check_password\n"
        "from accounts.models import Member\n"
        f"print(check_password('a new one for VPN', Member.objects.get(pk={people.users['priya']}).vpn_password))"
    )
    assert kept == "True\n"
    weak = slcli("priya")("user", "vpn-password", people.users["priya"], "--password=password", form="raw")
    assert weak.status == 1
    assert "12 characters" in weak.text


# --- Whose key is refused ---------------------------------------------------------------------------------------------

_PRIYA = """
from accounts.models import Account, Member
from keys.models import ClassicKey
members = Member.objects.filter(user__email="priya@acme.example", account_id=1234567)
"""


@pytest.mark.parametrize(
    "change",
    [
        "members.update(status='suspended')",
        "members.update(status='disabled_classic')",
        "ClassicKey.objects.filter(holder__in=members).update(allowed_addresses='192.0.2.1')",
        "Account.objects.filter(pk=1234567).update(allowed_addresses='192.0.2.1')",
        "ClassicKey.objects.filter(holder__in=members).delete()",
    ],
)
def test_refusal_says_the_same_whatever_the_reason(restored, slcli, change):
    command = slcli("priya")
    assert command("account", "summary").status == 0
    restored.run(_PRIYA + change)
    assert command("account", "summary").whole == (1, [DENIED])


def test_those_who_do_not_work_in_the_account_cannot_use_it(restored, slcli, people, transport):
    """Dmitri is suspended, so his key is refused. Berlin's is for calling with: it is good, but opens nothing here."""
    assert slcli("dmitri")("user", "list").whole == (1, [DENIED])
    assert verify(restored, *people.logins["berlin"]) == 204
    assert slcli("berlin")("user", "list").whole == failure(
        transport,
        500,
        "SoftLayer_Exception_PermissionDenied",
        "Your status in this account is VPN-only, which allows nothing here.",
    )
