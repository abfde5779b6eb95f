"""Every number of the product's rules is the code's: one that is changed alone, in either place, is found here."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from accounts import (
    addresses,
    domains,
    hierarchy_list,
    inactivity,
    invitations,
    invitees,
    list_request,
    listing,
    login_sessions,
    member_files,
    names,
    notices,
    outbox,
    passcodes,
    passkeys,
    picture,
    queries,
    resets,
    second_stage,
    throttle,
)
from accounts.hashers import MAXIMUM_PASSWORD_LENGTH
from accounts.models import account
from accounts.models.member import MAX_DEPTH, MAX_MEMBER_ID
from accounts.throttle import Limit
from keys import access_tokens, branch_review, sent
from keys.iam import methods, users
from keys.models import DESCRIPTION_LENGTH, MOST_PLATFORM_KEYS
from keys.platform import forms
from keys.views import leaked

pytestmark = pytest.mark.sqlite_only

_MEBIBYTE = 1024**2
RULES = (Path(__file__).resolve().parent.parent / "docs" / "rules.md").read_text()


def rows(heading: str) -> Iterator[tuple[str, str]]:
    """The first two cells of each row of the tables below a heading, without what is only a mark."""
    section = re.search(rf"^## {heading}$(.*?)^## ", RULES, re.MULTILINE | re.DOTALL)[1]
    for first, second in re.findall(r"^\| ([^|]+) \| ([^|]+) \|", section, re.MULTILINE):
        yield first.replace(" **(ours)**", ""), second


def in_words(limit: Limit) -> str:
    return f"{limit.attempts} in {limit.window}"


LIMITS = {
    "IBM Cloud API keys of a user, in all accounts": f"{MOST_PLATFORM_KEYS}",
    "how far away the last day of an IBM Cloud API key is, chosen in the console": f"{forms.MOST_YEARS} years",
    "levels of a tree": f"{MAX_DEPTH}",
    "members in the life of an installation": f"{MAX_MEMBER_ID:,}",
    "users invited at once": (
        f"{invitees.MOST_INVITEES:,}; from a file, on the page or by the command, {member_files.MOST_ENTRIES:,}"
    ),
    "keys revoked in one step": f"{branch_review.MOST_REVOKED:,}; named, to be unticked, {branch_review.MOST_NAMED}",
    "an invitation": f"{invitations.VALID_FOR.days} days",
    "invitations sent anew to one address in a day, and cancelled": f"{invitations.SENT_ANEW.attempts}",
    "the link to choose another password": {timedelta(hours=1): "an hour"}.get(resets.LIFE),
    "the second stage of logging in": f"{second_stage.TIME // timedelta(minutes=1)} minutes",
    "passkeys of a user": f"{passkeys.MOST}",
    "an access token of a program": f"{access_tokens.LIFE // 60} minutes",
    "keys on a page of a list for IBM Cloud's clients": (
        f"1 to {methods._MOST_PER_PAGE}, {methods._PER_PAGE} if not said"
    ),
    "users on a page of a list for IBM Cloud's clients": (
        f"1 to {users._MOST_PER_PAGE}, {users._MOST_PER_PAGE} if not said; a search finds up to {users._MOST_SOUGHT} "
        f"at once, of {users._LONGEST_SOUGHT} characters each"
    ),
    "tries to send a mail": {timedelta(days=3): "for three days"}.get(outbox._GIVEN_UP_AFTER),
    "length of a session": (
        f"{settings.KEYTREE_SESSION_IDLE_MINUTES} minutes idle, {settings.KEYTREE_SESSION_HOURS} hours in all, unless "
        "installation or account set otherwise"
    ),
    "sessions that are listed": f"the {login_sessions.MOST_LISTED} used last",
    "rows on a page": (
        "{}, {}, {} or {}; totals are exact up to {:,}".format(*listing.PER_PAGE_CHOICES, listing.COUNTED)
    ),
    "branches in *User hierarchy* that are folded, or opened where all are": f"{hierarchy_list.MOST_FOLDED}",
    "report of leaked keys": (
        f"{sent.LONGEST_BODY // _MEBIBYTE} MiB, {leaked.MOST_VALUES} values; {throttle.LEAKS[0].attempts} reports from "
        f"an address in {throttle.LEAKS[0].window // timedelta(minutes=1)} minutes"
    ),
    "body of a request": (
        f"{settings.DATA_UPLOAD_MAX_MEMORY_SIZE // _MEBIBYTE} MiB of fields, "
        f"{settings.DATA_UPLOAD_MAX_NUMBER_FIELDS} fields"
    ),
}
TYPED = {
    "e-mail address": f"at most {names.EMAIL_BYTES} bytes",
    "API username, chosen": f"1 to {names.API_USERNAME_LENGTH} letters",
    "addresses to invite": f"{invitees.MOST_INVITEES:,} and {invitees.LONGEST_TEXT:,} characters at most",
    "file of users": (
        f"{member_files.LARGEST_FILE // _MEBIBYTE} MiB, {member_files.MOST_ENTRIES:,} people and "
        f"{member_files.MOST_LINES:,} lines; {member_files._LONGEST_ROW:,} characters in a row, "
        f"{member_files._LONGEST_CELL:,} in a cell or value"
    ),
    "patterns of addresses": f"{domains.MOST_PATTERNS} and {domains._LONGEST_TEXT:,} characters at most",
    "reason": f"1 to {names.REASON_LENGTH} characters",
    "name of a person or account": f"1 to {names.NAME_LENGTH} characters",
    "description of an IBM Cloud API key": f"at most {DESCRIPTION_LENGTH} characters",
    "password, VPN password": f"12 to {MAXIMUM_PASSWORD_LENGTH:,} characters",
    "address restriction": f"{addresses.MAX_CHARACTERS:,} characters and {addresses.MAX_ENTRIES} entries at most",
    "account ID": f"{account.LOWEST_ACCOUNT_ID:,} to {account.HIGHEST_ACCOUNT_ID:,}",
    "search": f"the first {list_request._LONGEST_SEARCH} characters and {list_request._MOST_TERMS} words",
}


@pytest.mark.parametrize("limit", LIMITS)
def test_limit_is_the_documented_one(limit: str) -> None:
    assert dict(rows("Limits"))[limit] == LIMITS[limit]


@pytest.mark.parametrize("what", TYPED)
def test_bound_of_what_may_be_typed_is_the_documented_one(what: str) -> None:
    assert TYPED[what] in dict(rows("What may be typed"))[what]


def test_picture_has_the_documented_size() -> None:
    first, second, third = picture.MOST_BELOW
    said = dict(rows("Limits"))["users in *Picture of the hierarchy*"]
    assert said.startswith(f"{first} below its root, {second} below each of these, {third} below each of those; ")
    assert f"; {picture.MOST_BOXES} in all" in said


def test_bounds_of_an_accounts_sessions_are_the_documented_ones() -> None:
    said = dict(rows("Account settings"))
    assert account.MOST_SESSION_HOURS == 720
    assert (account.LEAST_IDLE_MINUTES, account.MOST_IDLE_MINUTES, account.MOST_SESSIONS) == (5, 24 * 60, 100)
    assert said["*Active sessions*: how long a session lasts in any case"] == "1 to 720 hours"
    assert said["*Sign out due to inactivity*: how long it may go unused"] == "5 minutes **(ours)** to 24 hours"
    assert said["*Concurrent sessions*: how many a user may have at once"] == "1 to 100 **(ours)**"


def test_numbers_of_running_text_are_those_of_the_code() -> None:
    """Those of docs/rules.md and docs/security.md that stand in no table of limits."""
    assert timedelta(days=30) == inactivity.UNUSED_AFTER
    assert in_words(notices._UNCONFIRMED) == "5 in 1 day, 0:00:00"
    assert queries.MOST_MANAGERS == 100
    assert passcodes.RECOVERY_CODES == 10
    assert [in_words(limit) for limit in throttle.CODES] == [
        "5 in 0:05:00", "20 in 0:15:00", in_words(throttle.ADDRESS),
    ]  # fmt: skip
    assert [in_words(limit) for limit in throttle.OF_A_DAY] == ["50 in 1 day, 0:00:00"] * 2
    assert [in_words(limit) for limit in throttle.RESETS] == [
        "5 in 0:15:00", "10 in 1:00:00", in_words(throttle.ADDRESS),
    ]  # fmt: skip
    assert timedelta(minutes=5) == passkeys.TIME
