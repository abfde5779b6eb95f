"""What docs/clients.md says of IBM Cloud's clients is what there is."""

import re
from pathlib import Path

import pytest

from accounts.listing import COUNTED
from keys import access_tokens
from keys.iam import methods, users
from tests.keys.iam.asking import ALWAYS_THERE, OF_A_USER, SETTINGS

pytestmark = pytest.mark.sqlite_only

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "clients.md").read_text()
SECTION = re.search(r"^## IBM Cloud's own clients\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)[1]


def test_calls_are_those_that_there_are():
    documented = set()
    for row in re.findall(r"^\| `\w+_(?:api_key|user).*$", SECTION, re.MULTILINE):
        for verbs, address in re.findall(r"((?:`(?:GET|POST|PUT)`, `)?`?(?:GET|POST|PUT|DELETE)) (/v[12][^`?]*)", row):
            parts = tuple(re.sub("^<.*>$", "*", part) for part in address.strip("/").split("/"))
            documented |= {(parts, verb) for verb in re.findall("[A-Z]+", verbs)}
    assert documented == {(parts, verb) for parts, verbs in methods.CALLS.items() for verb in verbs}


def test_what_a_list_is_asked_for_by_is_all_there_is():
    asked = re.search(r"`GET /v1/apikeys\?([\w&]+)`", SECTION)[1].split("&")
    assert {*asked, "filter"} == methods._ASKED | {"pagetoken"}
    assert all(f"`{name}`" in SECTION for name in methods._ORDERS)
    assert f"up to {methods._MOST_PER_PAGE} keys, {methods._PER_PAGE} without" in SECTION


def test_properties_of_a_record_are_those_that_there_are():
    said = re.search(r"A \*\*record\*\* has (.*?)which is empty", SECTION, re.DOTALL)[1]
    documented = set(re.findall(r"`(\w+)`", said)) - {"none", "disable", "delete", "ApiKey"}
    assert documented == ALWAYS_THERE | {"description", "expires_at"}


def test_what_is_said_of_users_is_what_there_is():
    assert re.search(r"/users\?([\w&]+)`", SECTION)[1].split("&") == list(users._ASKED)
    assert f"A page of users** has up to {users._MOST_PER_PAGE}." in SECTION
    assert f"beyond {COUNTED:,} they are counted" in SECTION
    profile, looked_after = re.search(
        r"A \*\*profile\*\* has (.*?)The \*\*settings\*\* (.*?)\n\n", SECTION, re.DOTALL
    ).groups()
    assert set(re.findall(r"`(\w+)`", profile)) - {"IBMid"} == OF_A_USER | {"added_on"}
    assert set(re.findall(r"`(\w+)`", looked_after)) == SETTINGS
    states = dict(re.findall(r"^\| (\*.*?) \| (.*?) \|$", SECTION, re.MULTILINE))
    documented = {
        label.strip(" *"): state.strip(" `")
        for labels, words in states.items()
        for label, state in zip(labels.split(","), words.split(","), strict=True)
    }
    assert documented == {status.label: state for status, state in users._STATES.items()}
    searched = re.search(r"with commas between them,(.*?)Anything else", SECTION, re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", searched)) == set(users._FIELDS)
    assert "up to eight of these" in SECTION
    assert users._MOST_SOUGHT == 8


def test_life_of_a_token_is_the_documented_one():
    assert f"good for {access_tokens.LIFE // 60} minutes" in SECTION
