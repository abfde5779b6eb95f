"""What pages say after a mistake and after a change, and where the focus is then: none of it needs a script."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts import memberships
from accounts.models import Event, Invitation, Member, User
from accounts.origin import COMMAND_LINE
from accounts.tokens import token_of
from keys import lifecycle
from keys.models import ClassicKey
from tests.pages.reading import KEYS, USERS, focused, key_url, page
from tests.visitors import visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def test_login_with_nothing_filled_in_speaks_of_logging_in_and_not_of_saving():
    body = page(visitor().post("/login", {"username": "", "password": ""}))
    assert "Check these entries. You are not logged in." in body
    assert "saved" not in body


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"platform": "here", "classic": "there"}, "id_platform"),
        ({"platform": "", "classic": "there"}, "id_classic"),
        ({"platform": "192.0.2.0/24", "classic": ""}, "id_confirm_lockout"),
    ],
)
def test_refused_restrictions_are_told_on_top_and_focus_the_first_mistake(cast, typed, field):
    body = page(visitor(cast["olivia"]).post(f"{USERS}/{cast['olivia'].pk}/restrictions", typed))
    assert body.count("IP address restrictions not saved") == 1
    above = body.partition('id="details-heading"')[0]
    assert "IP address restrictions not saved" in above
    # Each mistake is told there, with a link to its field, and beside it, and nowhere else.
    told = re.findall(rf'<a href="#{field}">[^<]+</a>: ([^<]+)</li>', above)
    assert [body.count(mistake) for mistake in told] == [2]
    assert body.count('role="alert"') == 1
    assert [f'id="{field}"' in tag for tag in focused(body)] == [True]


def test_after_a_change_the_title_has_the_focus(cast):
    typed = {"platform": "10.0.0.0/8", "classic": ""}
    answer = visitor(cast["olivia"]).post(f"{USERS}/{cast['sam'].pk}/restrictions", typed, follow=True)
    assert [tag.startswith("<h1") for tag in focused(page(answer))] == [True]


def test_each_answer_of_an_import_has_the_focus_on_its_title(cast):
    olivia, url = visitor(cast["olivia"]), f"{USERS}/import"
    file = SimpleUploadedFile("users.csv", b"email\nann@acme.example\n")
    report = page(olivia.post(url, {"file": file}, follow=True))
    field = re.search(r'name="file_id" value="([^"]+)"', report)
    done = page(olivia.post(url, {"act": "invite", "file_id": field[1]}, follow=True))
    assert Member.objects.filter(user__email="ann@acme.example").exists()
    for body in (report, done):
        assert [tag.startswith("<h1") for tag in focused(body)] == [True]


def test_help_of_ones_own_restrictions_speaks_to_oneself(cast):
    olivia = visitor(cast["olivia"])
    own, other = (page(olivia.get(f"{USERS}/{cast[name].pk}")) for name in ("olivia", "priya"))
    for ours, theirs in (
        ("Where you may log in from.", "Where they may log in from."),
        ("Where your classic infrastructure key and your", "Where their classic infrastructure key and IBM"),
    ):
        assert (ours in own, theirs in own) == (True, False)
        assert (ours in other, theirs in other) == (False, True)


def test_page_that_is_older_than_a_restriction_does_not_lift_it(cast):
    olivia, priya = visitor(cast["olivia"]), cast["priya"]
    address = f"{USERS}/{priya.pk}/restrictions"
    older = {"initial-platform": "", "initial-classic": ""}
    assert olivia.post(address, older | {"platform": "192.0.2.1", "classic": ""}).status_code == 302
    # Another tab, opened before: what was not touched there stays, what was is asked about.
    assert olivia.post(address, older | {"platform": "", "classic": "192.0.2.2"}).status_code == 302
    assert Member.objects.get(pk=priya.pk).allowed_addresses == "192.0.2.1"
    assert ClassicKey.objects.get(holder=priya).allowed_addresses == "192.0.2.2"
    body = page(olivia.post(address, older | {"platform": "192.0.2.3", "classic": ""}))
    assert "This was changed to 192.0.2.1 in the meantime." in body
    assert Member.objects.get(pk=priya.pk).allowed_addresses == "192.0.2.1"
    again = dict(re.findall(r'name="(initial-\w+)" value="([^"]*)"', body))
    assert olivia.post(address, again | {"platform": "192.0.2.3", "classic": "192.0.2.2"}).status_code == 302
    assert Member.objects.get(pk=priya.pk).allowed_addresses == "192.0.2.3"
    assert ClassicKey.objects.get(holder=priya).allowed_addresses == "192.0.2.2"


def test_dialog_that_is_older_than_a_restriction_of_a_key_does_not_lift_it(cast):
    marcus, url = visitor(cast["marcus"]), f"{key_url(cast['priya'])}/restriction"
    before = page(marcus.get(url))
    older = {"initial-classic": re.search(r'name="initial-classic"(?: value="([^"]*)")?', before)[1] or ""}
    assert visitor(cast["olivia"]).post(url, older | {"classic": "192.0.2.1"}).status_code == 302
    assert marcus.post(url, older | {"classic": ""}).status_code == 302
    assert ClassicKey.objects.get(holder=cast["priya"]).allowed_addresses == "192.0.2.1"
    body = page(marcus.post(url, older | {"classic": "192.0.2.3"}))
    assert "This was changed to 192.0.2.1 in the meantime." in body
    again = dict(re.findall(r'name="(initial-\w+)" value="([^"]*)"', body))
    assert marcus.post(url, again | {"classic": "192.0.2.3"}).status_code == 302
    assert ClassicKey.objects.get(holder=cast["priya"]).allowed_addresses == "192.0.2.3"


def test_refusal_sends_nobody_to_themselves(cast):
    for name in ("marcus", "olivia"):
        refused = visitor(cast[name]).get(f"{USERS}/{cast[name].pk}/status")
        assert refused.status_code == 403
        assert ("ask the person who invited you or the account owner" in page(refused)) is (name != "olivia")


def hidden_fields(body: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(parent|seen|to)" value="([^"]*)"', body))


@pytest.mark.parametrize(("moved", "below"), [("priya", "sam"), ("sam", "priya")])
def test_preview_of_a_parent_is_shown_anew_where_the_hierarchy_has_changed(cast, moved, below):
    """Noor would be seen by others than it said: Priya or Sam, between whom she moves, has another parent by now."""
    olivia, noor = visitor(cast["olivia"]), cast["noor"]
    address, chosen = f"{USERS}/{noor.pk}/parent", cast["sam" if moved == "sam" else "marcus"]
    older = hidden_fields(page(olivia.get(f"{address}?parent={chosen.pk}")))
    assert older["parent"] == str(chosen.pk)
    olivia.post(f"{USERS}/{cast[moved].pk}/parent", {"parent": cast[below].pk})
    shown = page(olivia.post(address, older, follow=True))
    assert "The hierarchy is no longer as the page showed it." in shown
    assert Member.objects.get(pk=noor.pk).parent_id == cast["priya"].pk
    assert olivia.post(address, hidden_fields(shown)).status_code == 302
    assert Member.objects.get(pk=noor.pk).parent_id == chosen.pk


def test_users_are_handed_over_to_the_parent_whom_the_question_named(cast, monkeypatch):
    olivia, priya = visitor(cast["olivia"]), cast["priya"]
    address = f"{USERS}/{priya.pk}/remove"
    User.objects.filter(pk=cast["noor"].user_id).update(name="noor@acme.example")  # as invited users are called
    asked = page(olivia.get(address))
    assert asked.count("noor@acme.example") == 1
    older = hidden_fields(asked)
    assert older == {"to": str(cast["marcus"].pk)}
    remove = memberships.remove_member

    def remove_late(**about):
        memberships.change_parent(member=priya, parent=cast["sam"], by=cast["olivia"], origin=COMMAND_LINE)
        remove(**about)

    with monkeypatch.context() as patch:
        patch.setattr(memberships, "remove_member", remove_late)
        assert olivia.post(address, older | {"hand_over": "on"}).status_code == 200
    assert Member.objects.filter(pk=priya.pk, parent=cast["sam"]).exists()
    shown = page(olivia.post(address, older | {"hand_over": "on"}))
    assert "Sam Okafor has become the parent in the meantime. Tick the box again if that is right." in shown
    assert "Sam Okafor takes over the users below" in shown
    assert "checked" not in re.search(r'<input[^>]*name="hand_over"[^>]*>', shown)[0]
    assert olivia.post(address, hidden_fields(shown) | {"hand_over": "on"}).status_code == 302
    assert Member.objects.get(pk=cast["noor"].pk).parent_id == cast["sam"].pk


@pytest.mark.parametrize("typed", ["192.0.2.1", "no address"])
def test_restriction_of_a_key_that_is_gone_is_not_told_as_saved(cast, typed):
    olivia, sam = visitor(cast["olivia"]), cast["sam"]
    ClassicKey.objects.filter(holder=sam).delete()
    address = f"{USERS}/{sam.pk}/restrictions"
    body = page(olivia.post(address, {"platform": "198.51.100.7", "classic": typed}))
    assert "The key has been deleted in the meantime" in body
    assert Member.objects.get(pk=sam.pk).allowed_addresses == ""
    assert olivia.post(address, {"platform": "198.51.100.7"}).status_code == 302
    assert Member.objects.get(pk=sam.pk).allowed_addresses == "198.51.100.7"


def test_restriction_outlives_the_key_that_its_holder_deletes(cast):
    olivia, priya = visitor(cast["olivia"]), visitor(cast["priya"])
    holder, key = cast["priya"], ClassicKey.objects.get(holder=cast["priya"])
    address = f"{USERS}/{holder.pk}/restrictions"
    assert olivia.post(address, {"platform": "", "classic": "192.0.2.1"}).status_code == 302
    assert "restricted to the same IP addresses" in page(priya.get(f"{KEYS}/classic/{key.pk}/delete"))
    assert priya.post(f"{KEYS}/classic/{key.pk}/delete").status_code == 302
    kept = re.search(r'<[^>]*name="classic"[^>]*>[^<]*', page(olivia.get(f"{USERS}/{holder.pk}")))[0]
    assert "192.0.2.1" in kept
    assert "disabled" in kept
    assert page(priya.post(f"{USERS}/{holder.pk}/classic_key"))
    assert ClassicKey.objects.get(holder=holder).allowed_addresses == "192.0.2.1"
    assert Event.objects.filter(action="classic_key.created").latest("number").facts == {"restriction": "192.0.2.1"}
    # Lifted by whoever may, it is gone for the next key too.
    assert olivia.post(address, {"platform": "", "classic": ""}).status_code == 302
    assert priya.post(f"{KEYS}/classic/{ClassicKey.objects.get(holder=holder).pk}/delete").status_code == 302
    assert page(priya.post(f"{USERS}/{holder.pk}/classic_key"))
    assert ClassicKey.objects.get(holder=holder).allowed_addresses == ""


def test_restrictions_outlive_the_keys_of_a_revoked_branch(cast):
    keys = ClassicKey.objects.filter(holder__in=[cast["marcus"], cast["priya"]])
    keys.filter(holder=cast["priya"]).update(allowed_addresses="192.0.2.1")
    numbers = list(keys.values_list("pk", flat=True))
    lifecycle.revoke_branch(
        member=cast["marcus"], chosen=numbers, seen=numbers, reason="lost", by=cast["olivia"], origin=COMMAND_LINE
    )
    for name, expected in (("marcus", ""), ("priya", "192.0.2.1")):
        key, _ = lifecycle.create_classic_key(holder=cast[name], by=cast[name], origin=COMMAND_LINE)
        assert ClassicKey.objects.get(pk=key.pk).allowed_addresses == expected


def test_field_of_a_key_restriction_has_the_focus_before_and_after_a_mistake(cast):
    client, url = visitor(cast["olivia"]), f"{key_url(cast['sam'])}/restriction"
    for answer in (client.get(url), client.post(url, {"classic": "there"})):
        assert ['id="id_key_classic"' in tag for tag in focused(page(answer))] == [True]


def test_removal_that_lacks_a_decision_focuses_it(cast):
    client, url = visitor(cast["marcus"]), f"{USERS}/{cast['priya'].pk}/remove"
    assert ["data-dialog-close" in tag for tag in focused(page(client.get(url)))] == [True]
    assert ['id="id_hand_over"' in tag for tag in focused(page(client.post(url)))] == [True]


@pytest.mark.parametrize(
    ("path", "typed", "field"),
    [
        ("/iam/users/invite_users", {"addresses": ","}, "addresses"),
        ("/iam/users/add_vpn_user", {"name": "Oslo", "email": "oslo"}, "email"),
        ("/iam/users/import", {}, "file"),
        ("/iam/users/{priya}/vpn_password", {"password": "short"}, "password"),
        ("/iam/settings/addresses", {"is_on": "true", "addresses": "here"}, "addresses"),
        ("/iam/settings/domains", {"is_on": "true", "domains": "x y"}, "domains"),
        ("/iam/settings/login_session", {"concurrent": "limited"}, "most"),
    ],
)
def test_refused_form_focuses_its_first_mistake(cast, path, typed, field):
    body = page(visitor(cast["olivia"]).post(path.format(priya=cast["priya"].pk), typed))
    assert [f'name="{field}"' in tag for tag in focused(body)] == [True]


def test_refused_joining_focuses_its_first_mistake(cast):
    visitor(cast["olivia"]).post("/iam/users/invite_users", {"addresses": "tove@new.example"})
    url = f"/invitations/{token_of(Invitation.objects.get(member__user__email='tove@new.example'))}"
    body = page(visitor().post(url, {"name": "Tove", "password": "short"}))
    assert ['name="password"' in tag for tag in focused(body)] == [True]


def test_day_that_has_not_come_focuses_its_field_and_the_answer_is_gone_to(cast):
    body = page(visitor(cast["olivia"]).get(f"{USERS}/{cast['priya'].pk}?tab=manage&on=9999-01-01"))
    assert ['name="on"' in tag for tag in focused(body)] == [True]
    assert 'action="#day"' in body
    assert "Who was above on a given day" in body.partition('id="day"')[2]


def test_addresses_that_were_not_invited_are_told_in_the_title(cast):
    body = page(visitor(cast["olivia"]).post("/iam/users/invite_users", {"addresses": "new@new.example, nonsense"}))
    assert ">1 user invited, 1 address not<" in body
    assert "notification--warning" in body
    assert [tag.startswith("<h1") for tag in focused(body)] == [True]


def test_status_that_a_user_has_already_is_not_told_as_a_change(cast):
    olivia, priya = visitor(cast["olivia"]), cast["priya"]
    events = Event.objects.count()
    body = page(olivia.post(f"{USERS}/{priya.pk}/status", {"status": priya.status}, follow=True))
    assert "Nothing was changed" in body
    assert "Priya Raman is already Active." in body
    assert "from now on" not in body
    assert Event.objects.count() == events


def test_passkey_offers_nothing_to_press_where_there_is_no_script(cast):
    body = page(visitor(cast["sam"]).post("/user/security/passkeys"))
    add = re.search(r"<button[^>]*>Add</button>", body)[0]
    assert "data-needs-script" in add
    assert 'name="name"' not in re.sub(r"<div data-needs-script>.*?</form>", "", body, flags=re.DOTALL)
    assert "Adding a passkey needs JavaScript" in body


def test_wrong_first_code_of_an_app_focuses_its_field_and_not_the_secret(cast):
    client, url = visitor(cast["noor"]), "/user/security/passcode"
    assert focused(page(client.post(url)))[0].startswith('<div class="value"')  # the first has it
    for code in ("000000", ""):
        assert ['name="code"' in tag for tag in focused(page(client.post(url, {"code": code})))] == [True]


def test_switching_says_which_account_it_is_now(cast):
    body = page(visitor(cast["sam"]).post("/account/switch", {"account": 7654321}, follow=True))
    assert "You are now in 7654321 - Borealis Labs" in body.partition("<h1")[2]
    assert [tag.startswith("<h1") for tag in focused(body)] == [True]


@pytest.mark.parametrize(
    ("email", "password", "field"),
    [("", "", "id_username"), ("olivia@acme.example", "", "id_password"), ("olivia@acme.example", "no", "id_password")],
)
def test_refused_login_focuses_what_is_to_be_typed_again(cast, client, email, password, field):
    body = page(client.post("/login", {"username": email, "password": password}))
    assert [f'id="{field}"' in tag for tag in focused(body)] == [True]
