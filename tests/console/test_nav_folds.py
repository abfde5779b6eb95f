"""The navigation remembers which groups are folded, whatever the page."""

import re

import pytest

from console.nav_folds import _COOKIE
from tests.visitors import noting_writes, visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def groups(client, path: str = "/iam/users") -> dict[str, bool]:
    """The groups of the navigation, and whether each is open."""
    body = client.get(path).content.decode()
    return {name: bool(is_open) for is_open, name in re.findall(r'<details( open)? data-group="(\w+)">', body)}


def test_folded_groups_stay_folded_on_every_page_for_whoever_folded_them(cast):
    client, other = visitor(cast["priya"]), visitor(cast["priya"])
    assert groups(client) == {"identities": True, "insight": True}
    with noting_writes() as written:
        answer = client.post("/navigation", {"folded": ["insight"], "next": "/iam/users?q=a"})
    assert (answer.status_code, answer["Location"], written) == (302, "/iam/users?q=a", set())
    for path in ("/iam/users", "/iam/activity", "/nowhere", f"/iam/users/{cast['priya'].pk}/vpn_password"):
        assert groups(client, path) == {"identities": True, "insight": False}, path
    assert groups(other) == {"identities": True, "insight": True}
    client.post("/navigation", {"folded": ["insight", "identities"]})
    assert groups(client) == {"identities": False, "insight": False}
    client.post("/navigation", {})
    assert groups(client) == {"identities": True, "insight": True}
    assert not client.cookies[_COOKIE].value


@pytest.mark.parametrize("told", ["nonsense", "insight.<script>", "", ".", "\u00e9"])
def test_what_no_group_is_called_folds_none(cast, told):
    client = visitor(cast["priya"])
    client.cookies[_COOKIE] = told
    assert groups(client) == {"identities": True, "insight": "insight" not in told}
    client.cookies[_COOKIE] = "identities"
    client.post("/navigation", {"folded": [told or "x"]})
    assert groups(client)["identities"] is False
