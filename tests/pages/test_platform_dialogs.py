"""The dialogs about an IBM Cloud API key: what they ask and say, what they refuse, and where they lead back to."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.enums import Permission
from accounts.memberships import freeze_branch
from accounts.models import Account, Event, Member
from accounts.origin import COMMAND_LINE
from console import demo
from keys.models import LeakedAction, PlatformKey
from keys.platform import lifecycle
from keys.platform.lifecycle import Description, edit_platform_key
from keys.platform.policy import SWITCHES, PlatformAction
from tests.bad_input.test_forms import errors_in
from tests.pages.platform_keys import (
    ALL_KEYS,
    MY_KEYS,
    TYPED,
    age_proof,
    create_url,
    state_of,
    title_of,
    today,
    url_of,
)  # fmt: skip
from tests.pages.reading import KEYS, focused, page
from tests.visitors import visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


# --- Editing ----------------------------------------------------------------------------------------------------------


def edit_form(body: str) -> dict[str, str]:
    """What a browser would send of the form of a key as it is."""
    fields = dict(re.findall(r'<input type="(?:text|date|hidden)" name="([\w-]+)"(?: value="(.*?)")?', body))
    for hidden in ("csrfmiddlewaretoken", "page_account"):
        fields.pop(hidden, None)
    text = re.search(r'<textarea name="description"[^>]*>\s?(.*?)</textarea>', body, re.DOTALL)[1]
    chosen = re.search(r'name="leaked_action" value="(\w+)"[^>]* checked', body)[1]
    return {**fields, "description": text, "leaked_action": chosen}


def test_edit_shows_the_key_and_saves_what_was_typed(cast, noors):
    client, url = visitor(cast["noor"]), url_of(noors, "edit")
    sent = edit_form(page(client.get(url)))
    assert (sent["name"], sent["description"], sent["expires"]) == ("Build server", "Builds", "")
    day = today() + timedelta(days=5)
    typed = {**sent, "name": "Deployment", "description": "", "expires": str(day), "leaked_action": "nothing"}
    answer = client.post(url, typed)
    assert answer["Location"] == MY_KEYS
    assert "API key saved" in page(client.get(MY_KEYS))
    noors.refresh_from_db()
    assert Description.of(noors) == Description(
        "Deployment", "", datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC), "nothing"
    )


def test_expiry_that_was_left_stays_to_the_moment(cast, noors):
    """A program may set any moment; and a key that expires today keeps its day when its name changes."""
    client, url = visitor(cast["noor"]), url_of(noors, "edit")
    soon = timezone.now() + timedelta(minutes=1)
    far = timezone.now() + timedelta(days=30_000)
    for moment in (soon, far, datetime.max.replace(tzinfo=UTC)):
        PlatformKey.objects.filter(pk=noors.pk).update(expires_at=moment)
        sent = edit_form(page(client.get(url)))
        assert sent["expires"] == str(moment.date())
        for typed in ({**sent, "name": "Deployment"}, {name: sent[name] for name in TYPED}):
            assert client.post(url, typed).status_code == 302
            noors.refresh_from_db()
            assert noors.expires_at == moment
    assert client.post(url, {**sent, "expires": ""}).status_code == 302
    noors.refresh_from_db()
    assert noors.expires_at is None


def test_what_was_not_sent_stays(cast, noors):
    """A program that says name and leaked action alone takes away neither the description nor the expiry."""
    moment = timezone.now() + timedelta(days=5)
    PlatformKey.objects.filter(pk=noors.pk).update(expires_at=moment)
    sent = {"name": "Deployment", "leaked_action": "nothing"}
    assert visitor(cast["noor"]).post(url_of(noors, "edit"), sent).status_code == 302
    noors.refresh_from_db()
    assert Description.of(noors) == Description("Deployment", "Builds", moment, "nothing")


def test_edit_does_not_overwrite_what_somebody_else_changed_meanwhile(cast, noors):
    client, url = visitor(cast["noor"]), url_of(noors, "edit")
    sent = edit_form(page(client.get(url)))
    day = today() + timedelta(days=9)
    theirs = Description("Theirs", "Their text", datetime.combine(day, datetime.min.time(), UTC), LeakedAction.NOTHING)
    edit_platform_key(key=noors, description=theirs, by=cast["olivia"], origin=COMMAND_LINE)
    # What was left as the page showed it stays as they made it.
    assert client.post(url, {**sent, "description": "Mine"}).status_code == 200
    assert client.post(url, sent).status_code == 302
    noors.refresh_from_db()
    assert Description.of(noors) == theirs
    # What both changed is told, field by field, and the second time overwrites.
    mine = {**sent, "name": "Mine", "description": "Mine", "expires": str(today()), "leaked_action": "delete"}
    body = page(client.post(url, mine))
    present = day - timedelta(days=1)
    assert errors_in(body) == [
        f"This was changed to {now} in the meantime. Save again to replace it with yours."
        for now in ("Theirs", "Their text", present.strftime("%d-%m-%Y"), "Nothing")
    ]
    assert client.post(url, edit_form(body)).status_code == 302
    noors.refresh_from_db()
    assert (noors.name, noors.description, noors.leaked_action) == ("Mine", "Mine", "delete")


def test_edit_is_looked_at_again_when_the_key_changes_while_it_is_being_saved(cast, noors, monkeypatch):
    client, url, write = visitor(cast["noor"]), url_of(noors, "edit"), edit_platform_key
    sent = edit_form(page(client.get(url)))

    def write_late(**given):
        monkeypatch.setattr(lifecycle, "edit_platform_key", write)
        write(key=noors, description=Description("Theirs"), by=cast["olivia"], origin=COMMAND_LINE)
        return write(**given)

    monkeypatch.setattr(lifecycle, "edit_platform_key", write_late)
    body = page(client.post(url, {**sent, "name": "Mine"}))
    assert errors_in(body) == ["This was changed to Theirs in the meantime. Save again to replace it with yours."]


# --- Locking, enabling, deleting --------------------------------------------------------------------------------------

BEGINS = {"unlock": {"is_locked": True}, "enable": {"is_enabled": False}}
DONE = {
    "lock": "Build server can be neither edited nor deleted until it is unlocked.",
    "unlock": "Build server can be edited and deleted again.",
    "enable": "Build server can be used again.",
    "disable": "Build server has stopped working.",
    "delete": "Build server has stopped working.",
}


@pytest.mark.parametrize("action", DONE)
def test_question_is_asked_and_its_answer_done(cast, noors, action):
    PlatformKey.objects.filter(pk=noors.pk).update(**BEGINS.get(action, {}))
    client, url, before = visitor(cast["noor"]), url_of(noors, action), state_of(noors)
    body = page(client.get(url))
    assert title_of(body) == f"{action.capitalize()} API key"
    assert f"{action.capitalize()} your key <b><bdi>Build server</bdi></b>?" in body
    assert re.search(r"autofocus>(\w+)</a>", body)[1] == "Cancel"
    assert len(focused(body)) == 1
    button = re.search(r'<button class="button([^"]*)" type="submit" form="dialog-form">(\w+)</button>', body)
    assert button.groups() == (" button--danger" if action == "delete" else "", action.capitalize())
    assert state_of(noors) == before
    answer = client.post(url)
    assert answer["Location"] == MY_KEYS
    said = page(client.get(MY_KEYS))
    assert DONE[action] in said
    assert f"API key {action}{'d' if action.endswith('e') else 'ed'}" in said
    key = PlatformKey.objects.filter(pk=noors.pk).first()
    if action == "delete":
        assert key is None
    else:
        field, value, _ = SWITCHES[PlatformAction[action.upper()]]
        assert getattr(key, field) is value
    assert Event.objects.order_by("-pk").first().action == (
        f"platform_key.{action}{'d' if action.endswith('e') else 'ed'}"
    )


LOCKED, OVER = "This key is locked. Unlock it first.", "This key has expired. It can only be deleted."
PAST = {"expires_at": datetime(2026, 3, 14, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("action", "begins", "why"),
    [
        *((action, {"is_locked": True}, LOCKED) for action in ("edit", "disable", "delete")),
        ("enable", {"is_locked": True, "is_enabled": False}, LOCKED),
        ("lock", {"is_locked": True}, "This key is locked already."),
        ("unlock", {}, "This key is unlocked already."),
        ("enable", {}, "This key is enabled already."),
        ("disable", {"is_enabled": False}, "This key is disabled already."),
        *((action, PAST, OVER) for action in ("edit", "disable")),
        ("enable", {**PAST, "is_enabled": False}, OVER),
    ],
)
def test_what_cannot_be_done_with_the_key_as_it_is_now_is_said(cast, noors, action, begins, why):
    """The page that led here was out of date: that is no attempt at something forbidden, so it is no event."""
    PlatformKey.objects.filter(pk=noors.pk).update(**begins)
    client, url, before, events = visitor(cast["noor"]), url_of(noors, action), state_of(noors), Event.objects.count()
    body = page(client.get(url))
    assert why in body
    assert "<form id=" not in body.partition("<dialog")[2]
    assert "data-changed" in body  # closing it loads the list again
    assert client.post(url, TYPED if action == "edit" else {})["Location"] == MY_KEYS
    said = page(client.get(MY_KEYS))
    assert "Nothing was changed" in said
    assert why in said
    assert state_of(noors) == before
    assert Event.objects.count() == events


def test_expired_key_can_be_locked_unlocked_and_deleted(cast, noors):
    PlatformKey.objects.filter(pk=noors.pk).update(**PAST)
    client = visitor(cast["noor"])
    for action in ("lock", "unlock", "delete"):
        assert title_of(page(client.get(url_of(noors, action)))) == f"{action.capitalize()} API key"
        assert client.post(url_of(noors, action)).status_code == 302
        # Nobody can edit it any more, locked or not.
        assert ("Build server can be deleted again." in page(client.get(MY_KEYS))) is (action == "unlock")
    assert not PlatformKey.objects.exists()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, {
            "lock": "It goes on working, and can be neither edited, disabled nor deleted until it is unlocked.",
            "unlock": "It can then be edited, disabled and deleted.",
            "delete": "Calls made with it stop working at once.",
        }),
        ({"is_enabled": False}, {
            "lock": "It stays disabled, and can be neither edited, enabled nor deleted until it is unlocked.",
            "unlock": "It can then be edited, enabled and deleted.",
            "delete": "It is disabled, so calls made with it are refused already.",
        }),
        (PAST, {
            "lock": "It has expired, and cannot be deleted until it is unlocked, or until 90 days have passed since.",
            "unlock": "It can then be deleted.",
            "delete": "It has expired, so calls made with it are refused already.",
        }),
    ],
    ids=["in use", "disabled", "expired"],
)  # fmt: skip
def test_questions_say_what_is_true_of_the_key_as_it_is(cast, noors, state, said):
    """A key that is refused already neither goes on working nor stops."""
    for action, effect in said.items():
        PlatformKey.objects.filter(pk=noors.pk).update(is_locked=action == "unlock", **state)
        body = page(visitor(cast["noor"]).get(url_of(noors, action)))
        assert f"<b><bdi>Build server</bdi></b>? {effect}" in body


def test_form_says_the_same_to_the_user_and_to_who_looks_after_the_key(cast, noors):
    """It is not whoever edits the key who is told of a leak, but its user."""
    for viewer in ("noor", "olivia"):
        body = page(visitor(cast[viewer]).get(url_of(noors, "edit")))
        assert "reports the key as found in public. The key's user is told in any case." in body


def test_enabling_a_key_that_was_leaked_says_so(cast, noors):
    PlatformKey.objects.filter(pk=noors.pk).update(is_enabled=False)
    client, told = visitor(cast["noor"]), "The value of this key was reported as leaked"
    assert told not in page(client.get(url_of(noors, "enable")))
    PlatformKey.objects.filter(pk=noors.pk).update(leaked_at=timezone.now())
    assert told in page(client.get(url_of(noors, "enable")))


@pytest.mark.parametrize(
    ("used", "address", "said"),
    [
        (timedelta(minutes=5), "17.5.7.8", "<b>5 minutes ago</b>, from 17.5.7.8"),
        (timedelta(days=3), "", "3 days ago, from an unknown address"),
        (None, "", "Never"),
    ],
)
def test_questions_say_whether_the_key_is_in_use(cast, noors, used, address, said):
    at = used and timezone.now() - used
    PlatformKey.objects.filter(pk=noors.pk).update(last_used_at=at, last_used_from=address)
    for action in ("disable", "delete"):
        body = page(visitor(cast["noor"]).get(url_of(noors, action)))
        assert re.sub("<wbr>|</?time[^>]*>", "", re.search("<dt>Last used</dt><dd>(.*?)</dd>", body)[1]) == said


# --- Somebody else's --------------------------------------------------------------------------------------------------

ACTIONS = ("edit", *DONE)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("viewer", ["priya", "marcus", "sam"])
def test_key_of_somebody_else_is_like_none_at_all(cast, noors, action, viewer):
    """Those above see classic keys; the tree gives no rights over these."""
    client = visitor(cast[viewer])
    for ask in (client.get, client.post):
        told, unknown = (
            page(ask(url)).partition("<main")[2].partition("</main>")[0]
            for url in (url_of(noors, action), f"{KEYS}/platform/987654/{action}")
        )
        assert told == unknown
        assert "This key was deleted, or you are not allowed to see it." in told
    assert Event.objects.filter(action__startswith="platform_key").count() == 0


@pytest.mark.parametrize("action", ACTIONS)
def test_key_that_goes_while_something_is_done_with_it_is_not_found(cast, noors, action, monkeypatch):
    def gone(**_):
        raise lifecycle.KeyGone

    PlatformKey.objects.filter(pk=noors.pk).update(**BEGINS.get(action, {}))
    for write in ("edit_platform_key", "switch_platform_key", "delete_platform_key"):
        monkeypatch.setattr(lifecycle, write, gone)
    answer = visitor(cast["noor"]).post(url_of(noors, action), TYPED if action == "edit" else {})
    assert answer.status_code == 404
    assert "This key was deleted, or you are not allowed to see it." in page(answer)


@pytest.mark.parametrize("action", DONE)
def test_whoever_sees_all_keys_is_told_whose_it_is(cast, noors, action):
    PlatformKey.objects.filter(pk=noors.pk).update(**BEGINS.get(action, {}))
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    client = visitor(cast["sam"])
    body = page(client.get(url_of(noors, action)))
    assert "the key <b><bdi>Build server</bdi></b> of <b><bdi>Noor Haddad</bdi></b>" in body
    assert client.post(url_of(noors, action))["Location"] == ALL_KEYS
    assert DONE[action].replace("Build server", "Build server of Noor Haddad") in page(client.get(ALL_KEYS))
    assert Event.objects.order_by("-pk").first().subject_id == cast["noor"].pk


def _refused(why: str) -> tuple[str, str]:
    refused = f"Calls made with it are refused all the same. {why}"
    return refused, f"is enabled. {refused}"


@pytest.mark.parametrize(
    ("status", "is_hidden", "told"),
    [
        ("suspended", False, _refused("The status of its user is Suspended.")),
        ("frozen", False, _refused("Its user is in a branch of users that is frozen.")),
        ("suspended", True, ("It is then no longer disabled.", "is no longer disabled.")),
        ("active", False, ("It can then be used again.", "can be used again.")),
    ],
)
def test_enabling_promises_no_more_than_the_user_can(cast, noors, status, is_hidden, told):
    """What is not to be seen of the user is not told by it either."""
    PlatformKey.objects.filter(pk=noors.pk).update(is_enabled=False)
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    if status == "frozen":
        freeze_branch(member=cast["noor"], by=cast["olivia"], origin=COMMAND_LINE, reason="x")
    else:
        Member.objects.filter(pk=cast["noor"].pk).update(status=status)
    Account.objects.filter(pk=noors.account_id).update(restrict_user_list=is_hidden)
    client, url = visitor(cast["sam"]), url_of(noors, "enable")
    assert f"? {told[0]}</p>" in page(client.get(url))
    assert client.post(url)["Location"] == ALL_KEYS
    assert f"Build server of Noor Haddad {told[1]}" in page(client.get(ALL_KEYS))


def test_whoever_edits_the_key_of_somebody_else_is_told_whose_it_is(cast, noors):
    client = visitor(cast["olivia"])
    body = page(client.get(url_of(noors, "edit")))
    assert "<b><bdi>Build server</bdi></b> belongs to <b><bdi>Noor Haddad</bdi></b>, who is told" in body
    assert "belongs to" not in page(visitor(cast["noor"]).get(url_of(noors, "edit")))
    assert client.post(url_of(noors, "edit"), {**TYPED, "name": "Renamed"})["Location"] == ALL_KEYS
    assert "The changes to Renamed of Noor Haddad apply at once." in page(client.get(ALL_KEYS))


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("viewer", ["noor", "olivia"])
def test_what_takes_the_key_of_somebody_else_out_of_use_needs_a_proof_of_identity(cast, noors, action, viewer):
    PlatformKey.objects.filter(pk=noors.pk).update(**BEGINS.get(action, {}))
    client, url, before = visitor(cast[viewer]), url_of(noors, action), state_of(noors)
    age_proof(client)
    answer = client.post(url, TYPED if action == "edit" else {})
    if viewer == "noor" or action not in ("disable", "delete"):
        assert answer.status_code == 302
        return
    assert title_of(page(answer)) == "Confirm that it is you"
    assert f"To {action} the key, enter your password." in page(answer)
    assert "This password is wrong" in page(client.post(url, {"password": "another"}))
    assert state_of(noors) == before
    assert client.post(url, {"password": demo.PASSWORD})["Location"] == ALL_KEYS
    assert not PlatformKey.objects.filter(pk=noors.pk, is_enabled=True).exists()


# --- The way back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("next_url", "behind"),
    [
        ("/iam/apikeys?view=my&q=build", "API keys"),
        ("/iam/apikeys?view=all&sort=-created", "API keys"),
        ("/iam/users/{pk}", "Manage Noor Haddad"),
        ("/iam/inactive?tab=keys", "Inactive identities"),
    ],
)
@pytest.mark.parametrize("action", ["create", *ACTIONS])
def test_dialogs_lead_back_to_the_page_that_they_were_opened_from(cast, noors, action, next_url, behind):
    next_url = next_url.format(pk=cast["noor"].pk)
    PlatformKey.objects.filter(pk=noors.pk).update(**BEGINS.get(action, {}))
    client = visitor(cast["noor"])
    url = create_url(cast["noor"]) if action == "create" else url_of(noors, action)
    body = page(client.get(url, {"next": next_url}))
    assert f'href="{next_url}" aria-label="Close"' in body
    assert f'<p class="page-title">{behind}</p>' in body
    sent_to = re.search(r'<form id="dialog-form" method="post" action="([^"]*)"', body)[1]
    answer = client.post(sent_to, TYPED if action in ("create", "edit") else {})
    if action == "create":
        assert f'<a class="button" href="{next_url}" data-dialog-close>Done</a>' in page(answer)
    else:
        assert answer["Location"] == next_url


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/iam/apikeys/../logout", "/logout"])
def test_dialogs_lead_nowhere_else(cast, noors, elsewhere):
    client = visitor(cast["noor"])
    for url in (create_url(cast["noor"]), url_of(noors, "delete")):
        assert f'href="{MY_KEYS}" aria-label="Close"' in page(client.get(url, {"next": elsewhere}))
    answer = client.post(url_of(noors, "delete"), query_params={"next": elsewhere})
    assert answer["Location"] == MY_KEYS
