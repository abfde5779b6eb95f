"""The Settings page: who opens it, what each change asks, does and records, and that the limits are constraints too."""

import re

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import account_settings, events
from accounts.domains import PatternError
from accounts.enums import Permission
from accounts.models import Account, Event, Member, Passkey
from accounts.policy import NotAllowed
from tests.accounts.settings_page import acme, switch, text
from tests.conftest import ACME
from tests.visitors import noting_writes, visitor

pytestmark = pytest.mark.django_db


def changes() -> list[tuple[str, str, str]]:
    """The changes of settings so far: event, before, after."""
    events = Event.objects.filter(account_id=ACME, action__startswith="account.").order_by("pk")
    return [(event.action, event.facts["before"], event.facts["after"]) for event in events if event.facts]


def test_page_is_for_the_owner_and_identity_administrators(cast, olivia):
    marcus, priya = visitor(cast["marcus"]), visitor(cast["priya"])
    Member.objects.filter(pk=cast["priya"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    assert [client.get("/iam/settings").status_code for client in (olivia, priya, marcus)] == [200, 200, 403]
    assert 'href="/iam/settings" aria-current="page"' in text(olivia.get("/iam/settings"))
    assert "/iam/settings" not in text(marcus.get("/iam/users"))
    assert "You need the role IAM identity: Administrator" in text(marcus.post("/iam/settings/user_list"))


@pytest.mark.parametrize("path", ["user_list", "key_creation", "addresses", "domains"])
def test_a_switch_asks_before_anything_changes(olivia, path):
    Account.objects.filter(pk=ACME).update(allowed_addresses="127.0.0.1", user_domains="acme.example")
    for is_on in ("true", "false"):
        Account.objects.filter(pk=ACME).update(restrict_user_domains=is_on == "false")
        with noting_writes() as written:
            answer = olivia.post(f"/iam/settings/{path}", {"is_on": is_on})
        assert answer.status_code == 200
        assert "<dialog" in text(answer)
        assert not written


def test_user_list(olivia):
    url = "/iam/settings/user_list"
    olivia.post(url, {"is_on": "true", "is_confirmed": "on"})
    assert acme().restrict_user_list
    assert switch(text(olivia.get("/iam/settings")), "Restrict user list visibility")
    for _ in range(2):  # a second click changes nothing and is no event
        olivia.post(url, {"is_on": "false", "is_confirmed": "on"})
    assert not acme().restrict_user_list
    assert changes() == [("account.user_list_changed", "off", "on"), ("account.user_list_changed", "on", "off")]


def test_addresses(olivia, cast):
    url, priya = "/iam/settings/addresses", visitor(cast["priya"])
    priya.defaults["REMOTE_ADDR"] = "203.0.113.7"
    assert priya.get("/iam/apikeys").status_code == 200
    assert "You are connecting from <b>127.0.0.1</b>" in text(olivia.get(url))
    assert "This field is required." in text(olivia.post(url, {"is_on": "true", "addresses": " "}))
    olivia.post(url, {"addresses": "127.0.0.1,10.0.0.0/8"})
    page = text(olivia.get("/iam/settings"))
    assert switch(page, "Restrict IP address access")
    assert "127.0.0.1, 10.0.0.0/8" in page
    assert priya.get("/iam/apikeys").status_code == 403
    olivia.post(url, {"is_on": "false", "is_confirmed": "on"})
    assert priya.get("/iam/apikeys").status_code == 200
    assert not switch(text(olivia.get("/iam/settings")), "Restrict IP address access")
    listed = "127.0.0.1, 10.0.0.0/8"
    assert changes() == [
        ("account.addresses_changed", "none", listed), ("account.addresses_changed", listed, "none"),
    ]  # fmt: skip


def test_domains(olivia):
    url, invite = "/iam/settings/domains", "/iam/users/invite_users"
    answer = text(olivia.post(url, {"is_on": "true", "domains": "a@b@c, acme.example, x y"}))
    assert "“a@b@c” is not a pattern for email addresses." in answer
    assert "“x y” is not a pattern for email addresses." in answer
    assert 'value="a@b@c, acme.example, x y"' in answer  # as typed
    assert "Enter at least one pattern." in text(olivia.post(url, {"is_on": "true", "domains": ",,"}))
    assert acme().user_domains == ""
    olivia.post(url, {"is_on": "true", "domains": "*.Example.com, acme.example"})
    assert acme().domains_in_force == "*.example.com\nacme.example"
    assert "Not allowed by the account" in text(olivia.post(invite, {"addresses": "a@other.example"}))
    page = text(olivia.post(url, {"is_on": "false"}))
    buttons = re.findall(r'form="dialog-form"[^>]*>([^<]+)<', page.partition('class="dialog__footer"')[2])
    assert buttons == ["Disable and save domains", "Disable and delete domains"]
    olivia.post(url, {"is_on": "false", "patterns": "save"})
    assert (acme().user_domains, acme().domains_in_force) == ("*.example.com\nacme.example", "")
    assert "1 user invited" in text(olivia.post(invite, {"addresses": "a@other.example"}))
    assert "saved for later" in text(olivia.get("/iam/settings"))
    assert "*.example.com, acme.example" in text(olivia.post(url, {"is_on": "true"}))
    olivia.post(url, {"is_on": "true", "domains": ""})  # with those that were saved alone
    assert acme().domains_in_force == "*.example.com\nacme.example"
    olivia.post(url, {"is_on": "false", "patterns": "delete"})
    assert acme().user_domains == ""
    both = "*.example.com, acme.example"
    assert [change[1:] for change in changes()] == [
        ("off", both), (both, f"off, kept: {both}"), (f"off, kept: {both}", both), (both, "off"),
    ]  # fmt: skip


def test_domains_are_added_and_removed_one_by_one(olivia):
    url = "/iam/settings/domains"
    remove = f"{url}/remove"
    olivia.post(url, {"domains": "a.example"})
    answer = text(olivia.post(url, {"domains": "b.example, x y"}))  # over the page, with what is there
    assert "“x y” is not a pattern for email addresses." in answer
    assert 'value="b.example, x y"' in answer
    assert "<h1" in answer
    assert 'name="pattern" value="a.example"' in answer
    assert "Enter at least one pattern." in text(olivia.post(url, {"domains": " "}))
    for _ in range(2):  # a second click is no event
        assert "Domain added" in text(olivia.post(url, {"domains": "B.example"}, follow=True))
    assert acme().domains_in_force == "a.example\nb.example"
    for _ in range(2):
        assert "Domain removed" in text(olivia.post(remove, {"pattern": "a.example"}, follow=True))
    answer = text(olivia.post(remove, {"pattern": "b.example"}, follow=True))
    assert "is the last pattern: add another first, or turn off the restriction." in answer
    many = ",".join(f"{number}.example" for number in range(100))
    answer = text(olivia.post(url, {"domains": many}))  # each may be, but not all together
    assert "There are more than 100 patterns." in answer
    assert acme().domains_in_force == "b.example"
    assert [change[1:] for change in changes()] == [
        ("off", "a.example"), ("a.example", "a.example, b.example"), ("a.example, b.example", "b.example"),
    ]  # fmt: skip


def test_login_session(olivia):
    url = "/iam/settings/login_session"
    page = text(olivia.get("/iam/settings"))
    assert "12 hours" in page
    assert page.count("As this installation sets it.") == 2
    olivia.post(url, {"hours": "24", "idle_hours": "", "idle_minutes": "15", "concurrent": "limited", "most": "3"})
    assert (acme().session_hours, acme().session_idle_minutes, acme().most_sessions) == (24, 15, 3)
    page = text(olivia.get("/iam/settings"))
    assert "This account allows 24 hours, but this installation does not allow more than this." in page
    assert "15 minutes" in page
    assert "At most 3 for each user" in page
    fields = text(olivia.get(url))
    assert re.search(r'name="idle_minutes" value="15"', fields)
    assert re.search(r'<option value="limited" selected>', fields)
    olivia.post(url, {"concurrent": "unlimited", "most": "3", "idle_hours": "1", "idle_minutes": "1"})
    assert (acme().session_hours, acme().session_idle_minutes, acme().most_sessions) == (None, 61, None)
    assert changes() == [
        ("account.session_limits_changed", "none", "24 hours, 15 idle minutes, 3 at once"),
        ("account.session_limits_changed", "24 hours, 15 idle minutes, 3 at once", "61 idle minutes"),
    ]
    assert "This account allows 1 hour 1 minute" in text(olivia.get("/iam/settings"))


def test_time_that_a_session_may_go_unused_is_one_field_of_two_parts(olivia):
    """Hours and minutes, named by one legend; what is wrong with either, or with both together, is told once."""
    url = "/iam/settings/login_session"
    group = re.search(r'<fieldset[^>]*id="div_id_idle".*?</fieldset>', text(olivia.get(url)), re.DOTALL)[0]
    assert re.search(r"<legend[^>]*>Sign out due to inactivity", group)
    assert re.findall(r'<label[^>]*for="(\w+)">(\w+)<', group) == [("id_idle_0", "Hours"), ("id_idle_1", "Minutes")]
    assert re.findall(r'<input[^>]*name="(idle_\w+)"[^>]*id="(\w+)"', group) == [
        ("idle_hours", "id_idle_0"), ("idle_minutes", "id_idle_1"),
    ]  # fmt: skip
    typed = {"concurrent": "unlimited", "idle_hours": "0", "idle_minutes": "4", "hours": "721"}
    answer = text(olivia.post(url, typed))
    assert answer.count("Enter from 5 minutes to 24 hours.") == 2  # beside it, and in the summary
    assert '<a href="#id_idle_0">Sign out due to inactivity</a>' in answer
    assert answer.count("autofocus") == 1


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"hours": "721"}, "Enter a number of at most 720."),
        ({"hours": "0"}, "Enter a number of at least 1."),
        ({"idle_minutes": "4"}, "Enter from 5 minutes to 24 hours."),
        ({"idle_hours": "24", "idle_minutes": "1"}, "Enter from 5 minutes to 24 hours."),
        ({"idle_hours": "25"}, "Enter a number of at most 24."),
        ({"concurrent": "limited"}, "Enter how many sessions a user may have at once."),
        ({"concurrent": "limited", "most": "101"}, "Enter a number of at most 100."),
        ({"concurrent": "some"}, "Select a valid choice. some is not one of the available choices."),
    ],
)
def test_session_settings_out_of_bounds_are_named(olivia, fields, error):
    with noting_writes() as written:
        answer = olivia.post("/iam/settings/login_session", {"concurrent": "unlimited", **fields})
    assert answer.status_code == 200
    assert error in text(answer)
    assert not written


def shown_by(page):
    """What a form's page sends of what it showed."""
    return {name: value for name, _, value in re.findall(r'name="(initial-\w+)"( value="([^"]*)")?', page)}


def test_addresses_that_a_page_did_not_show_are_not_replaced_unasked(olivia):
    url = "/iam/settings/addresses"
    older = shown_by(text(olivia.get(url)))
    assert olivia.post(url, older | {"addresses": "127.0.0.1"}).status_code == 302
    answer = text(olivia.post(url, older | {"addresses": "127.0.0.0/8"}))
    assert "This was changed to 127.0.0.1 in the meantime. Save again to replace it with yours." in answer
    assert "127.0.0.0/8" in answer  # as typed
    assert acme().allowed_addresses == "127.0.0.1"
    assert olivia.post(url, older | {"addresses": "127.0.0.1"}).status_code == 302  # both want the same
    assert olivia.post(url, shown_by(answer) | {"addresses": "127.0.0.0/8"}).status_code == 302
    assert acme().allowed_addresses == "127.0.0.0/8"


def test_session_settings_that_a_page_did_not_show_are_not_replaced_unasked(olivia):
    def limits():
        return acme().session_hours, acme().session_idle_minutes, acme().most_sessions

    url, plain = "/iam/settings/login_session", {"hours": "", "idle_hours": "", "idle_minutes": "", "most": ""}
    older = shown_by(text(olivia.get(url)))
    olivia.post(url, older | plain | {"hours": "8", "idle_minutes": "20", "concurrent": "limited", "most": "3"})
    assert limits() == (8, 20, 3)
    # Another tab, opened before: what was left there stays as it has become.
    olivia.post(url, older | plain | {"hours": "8", "concurrent": "unlimited"})
    assert limits() == (8, 20, 3)
    for own, now in [
        ({"hours": "9"}, "8 hours"),
        ({"idle_hours": "1"}, "20 minutes"),
        ({"concurrent": "limited", "most": "5"}, "3 sessions"),
    ]:
        typed = plain | {"concurrent": "unlimited"} | own
        answer = text(olivia.post(url, older | typed))
        assert f"This was changed to {now} in the meantime." in answer
        assert limits() == (8, 20, 3)
    # Asked once: what that page shows is what there is.
    assert shown_by(answer)["initial-most"] == "3"
    assert olivia.post(url, shown_by(answer) | typed).status_code == 302
    assert limits() == (8, 20, 5)


@pytest.mark.parametrize(
    "fields",
    [{"session_hours": 721}, {"session_idle_minutes": 4}, {"most_sessions": 0}, {"most_sessions": 101}],
    ids=str,
)
def test_database_refuses_limits_out_of_bounds(cast, fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.filter(pk=ACME).update(**fields)


def test_what_is_set_already_is_no_event(olivia):
    once = [
        ("addresses", {"addresses": "127.0.0.1"}),
        ("domains", {"domains": "acme.example"}),
        ("login_session", {"concurrent": "limited", "most": "3"}),
    ]
    for path, fields in [*once, *once]:
        assert olivia.post(f"/iam/settings/{path}", fields).status_code == 302
    assert len(changes()) == len(once)


def test_restriction_to_no_domain_is_refused_by_the_write_itself(cast, origin):
    with pytest.raises(PatternError, match="Enter at least one pattern"):
        account_settings.restrict_domains(patterns_text=" ", by=cast["olivia"], origin=origin)


def test_right_that_is_taken_away_meanwhile_is_missed_by_the_write(cast, olivia, monkeypatch):
    """The page is asked first and the write asks again: between the two anything may have happened."""
    monkeypatch.setattr(account_settings, "require", lambda actor, *_: _refuse(actor))
    answer = olivia.post("/iam/settings/user_list", {"is_on": "true", "is_confirmed": "on"})
    assert answer.status_code == 403
    assert not acme().restrict_user_list
    assert Event.objects.filter(action="permission.refused", actor_id=cast["olivia"].pk).count() == 1


def _refuse(actor: Member) -> None:
    raise NotAllowed(f"No longer, {actor.name}.")


def test_last_pattern_goes_while_nothing_is_restricted_and_nothing_is_then(cast, origin):
    Account.objects.filter(pk=ACME).update(user_domains="acme.example", restrict_user_domains=False)
    account_settings.remove_domain(pattern="acme.example", by=cast["olivia"], origin=origin)
    assert (acme().user_domains, acme().restrict_user_domains) == ("", False)


def test_who_has_a_passkey_alone_may_require_a_second_factor_and_it_is_recorded_once(cast, origin):
    Passkey.objects.create(
        user=cast["olivia"].user, credential_id=b"1", public_key=b"1", sign_count=0, name="A key",
        created_at=timezone.now(),
    )  # fmt: skip
    for _ in range(2):
        account_settings.require_second_factor(is_on=True, by=cast["olivia"], origin=origin)
    assert acme().require_second_factor
    assert Event.objects.filter(action=events.SECOND_FACTOR_REQUIRED).count() == 1


def test_permission_lost_meanwhile_changes_no_setting(cast, origin):
    """The write asks anew, whatever its page knew."""
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.IDENTITY_ADMINISTRATOR)
    sam = Member.objects.select_related("user", "account").get(pk=cast["sam"].pk)
    Member.objects.filter(pk=sam.pk).update(permissions=0)
    with pytest.raises(NotAllowed):
        account_settings.restrict_user_list(is_on=True, by=sam, origin=origin)
    assert not acme().restrict_user_list
