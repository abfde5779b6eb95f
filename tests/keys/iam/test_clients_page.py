"""What docs/clients.md says of IBM Cloud's clients is what there is."""

import re
from pathlib import Path

import pytest

from keys import access_tokens
from keys.iam import methods
from tests.keys.iam.asking import ALWAYS_THERE

pytestmark = pytest.mark.sqlite_only

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "clients.md").read_text()
SECTION = re.search(r"^## IBM Cloud's own clients\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)[1]


def test_calls_are_those_that_there_are():
    documented = set()
    for row in re.findall(r"^\| `\w+_api_key.*$", SECTION, re.MULTILINE):
        for verbs, address in re.findall(r"((?:`(?:GET|POST|PUT)`, `)?`?(?:GET|POST|PUT|DELETE)) (/v1[^` ?]*)", row):
            parts = tuple("*" if part == "<id>" else part for part in address.strip("/").split("/"))
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


def test_life_of_a_token_is_the_documented_one():
    assert f"good for {access_tokens.LIFE // 60} minutes" in SECTION
