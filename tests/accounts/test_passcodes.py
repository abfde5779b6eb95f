"""One-time passcodes and recovery codes: set up, asked for when logging in, as proof of identity, taken away."""

import base64
import re
from html import unescape

import pyotp
import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import factors, outbox, passcodes, sealing, throttle
from accounts.models import Account, Event, Mail, Member, Passcode, Passkey, RecoveryCode, Session
from accounts.sealing import SealError
from accounts.sessions import row_key
from console import demo
from keys import material
from keys.models import ClassicKey
from keys.verification import verify
from tests.accounts.factor_steps import App, actions, give_code, give_password, is_open, set_up, shown, text_of
from tests.conftest import ACME, BOREALIS
from tests.visitors import noting_writes, visitor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_no_waiting")]
SESSION = django_settings.SESSION_COOKIE_NAME


# --- Setting up -------------------------------------------------------------------------------------------------------


def test_seed_counts_after_a_code_of_it_and_the_other_sessions_end(cast, clock):
    client, elsewhere = visitor(cast["noor"]), visitor(cast["noor"])
    assert "Set up" in text_of(client.get("/user/security"))
    with noting_writes() as written:
        assert client.get("/user/security/passcode").status_code == 200
    assert not written
    page = client.post("/user/security/passcode")
    assert re.search(r'<svg class="qr"[^>]* viewBox="0 0 \d+ \d+" role="img".*?<path d="M\d', text_of(page))
    seed = shown(page)
    address = pyotp.parse_uri(unescape(re.search(r'href="(otpauth://[^"]+)"', page.content.decode())[1]))
    assert (address.secret, address.name, address.issuer) == (seed.replace(" ", ""), "noor@acme.example", "Keytree")
    assert pyotp.TOTP(seed.replace(" ", "")).secret
    assert len(seed.replace(" ", "")) == 32  # 160 bits
    wrong = client.post("/user/security/passcode", {"code": "000000"})
    assert "This code is wrong." in text_of(wrong)
    assert shown(wrong) == seed
    assert Client().post("/login", {"username": "noor@acme.example", "password": demo.PASSWORD})["Location"] == "/"
    answer = client.post("/user/security/passcode", {"code": App(seed, clock).code()})
    codes = shown(answer).split("\n")
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"[a-z2-7]{6}(-[a-z2-7]{6}){3}", code) for code in codes)  # 120 bits
    assert [is_open(client), is_open(elsewhere)] == [True, False]
    assert "10 of 10 left" in text_of(client.get("/user/security"))
    assert [event.account_id for event in Event.objects.filter(action="user.passcode_added")] == [ACME, BOREALIS]
    assert Mail.objects.filter(recipient="noor@acme.example", event__action="user.passcode_added").count() == 1
    for form in ({}, {"code": "000000"}):
        again = client.post("/user/security/passcode", form)  # and shows no seed
        assert again["Location"] == "/user/security"
        assert "are on already" in text_of(client.get("/user/security"))


def test_each_change_of_factors_takes_a_proof_and_a_post(cast, clock):
    client = visitor(cast["noor"])
    app, _ = set_up(client, clock)
    clock(minutes=6)
    for path in ("passcode/remove", "recovery_codes"):
        asked = text_of(client.post(f"/user/security/{path}"))
        assert "Confirm that it is you" in asked
        assert "One-time passcode" in asked
        assert client.get(f"/user/security/{path}").status_code == 200
    assert (Passcode.objects.count(), RecoveryCode.objects.count()) == (1, 10)
    assert "is wrong" in text_of(client.post("/user/security/passcode/remove", {"proof_code": "123456"}))
    assert client.post("/user/security/passcode/remove", {"proof_code": app.code()}).status_code == 302
    assert (Passcode.objects.count(), RecoveryCode.objects.count()) == (0, 0)
    assert actions("user.passcode_removed") == 2
    assert Client().post("/login", {"username": "noor@acme.example", "password": demo.PASSWORD})["Location"] == "/"
    clock(minutes=6)
    assert "Confirm that it is you" in text_of(client.post("/user/security/passcode"))
    assert not Passcode.objects.exists()


def test_proof_by_code_counts_for_a_value_and_a_recovery_code_does_not(cast, clock):
    client, key = visitor(cast["priya"]), ClassicKey.objects.get(holder=cast["priya"])
    app, codes = set_up(client, clock)
    clock(minutes=6)
    show = f"/iam/apikeys/classic/{key.pk}/show"
    for proof in ({}, {"password": "", "proof_code": ""}, {"proof_code": codes[0]}, {"proof_code": "1"}):
        assert not re.search(r"\b[0-9a-f]{64}\b", text_of(client.post(show, proof))), proof
    assert re.search(r"\b[0-9a-f]{64}\b", text_of(client.post(show, {"password": "", "proof_code": app.code()})))


def test_guesses_at_codes_count_apart_in_a_session_and_at_the_login_page(cast, clock):
    """Whoever knows the password alone, or guesses from the same place, keeps nobody from proving who they are."""
    client, key = visitor(cast["priya"]), ClassicKey.objects.get(holder=cast["priya"])
    app, codes = set_up(client, clock)
    clock(minutes=6)
    show = f"/iam/apikeys/classic/{key.pk}/show"
    for _ in range(5):
        assert give_password("priya").post("/login/code", {"code": "000000"}).status_code == 200
    for number in range(95):
        throttle.count_attempt(f"{number}@acme.example", "127.0.0.1")
    assert Client().post("/login", {"username": "sam@acme.example", "password": demo.PASSWORD}).status_code == 429
    assert re.search(r"\b[0-9a-f]{64}\b", text_of(client.post(show, {"proof_code": app.code()})))
    clock(minutes=16)
    for _ in range(5):
        assert client.post(show, {"proof_code": "000000"}).status_code == 200
    refused = client.post(show, {"password": demo.PASSWORD})  # a proof is a proof, by whatever
    assert (refused.status_code, refused["Retry-After"]) == (429, "300")
    assert give_code(give_password("priya"), codes[0])


def test_key_of_somebody_else_is_deleted_with_a_proof_alone(cast, clock):
    marcus, priya = visitor(cast["marcus"]), visitor(cast["priya"])
    clock(minutes=6)
    of_priya, of_marcus = (ClassicKey.objects.get(holder=cast[name]) for name in ("priya", "marcus"))
    url = f"/iam/apikeys/classic/{of_priya.pk}/delete"
    assert "Confirm that it is you" in text_of(marcus.post(url))
    assert ClassicKey.objects.filter(pk=of_priya.pk).exists()
    assert marcus.post(url, {"password": demo.PASSWORD}).status_code == 302
    assert not ClassicKey.objects.filter(pk=of_priya.pk).exists()
    assert marcus.post(f"/iam/apikeys/classic/{of_marcus.pk}/delete").status_code == 302  # one's own needs none
    assert priya.get("/iam/apikeys").status_code == 200


# --- Logging in -------------------------------------------------------------------------------------------------------


def test_nothing_is_open_between_password_and_code(cast, clock):
    app, _ = set_up(visitor(cast["noor"]), clock)
    client = give_password()
    for path in ("/iam/apikeys", "/iam/users", "/user/security", "/user/sessions", "/iam/activity"):
        assert client.get(path)["Location"].startswith("/login?next="), path
    assert client.post("/account/switch", {"account": BOREALIS}).status_code == 302
    assert client.post("/user/security/password", {"current": demo.PASSWORD, "password": "x" * 20}).status_code == 302
    page = text_of(client.get("/login/code"))
    assert "authenticator app" in page
    assert "noor" not in page.casefold()
    before = client.cookies[SESSION].value
    assert not Session.objects.get(pk=row_key(before)).user_id
    assert actions("user.signed_in") == 0
    assert give_code(client, f" {app.code()[:3]} {app.code()[3:]} ")
    assert client.cookies[SESSION].value != before
    assert not Session.objects.filter(pk=row_key(before)).exists()
    assert Event.objects.get(action="user.signed_in").facts == {"second factor": "one-time passcode"}
    assert client.get("/login/code")["Location"] == "/"


def test_code_is_accepted_once_and_none_that_is_older(cast, clock):
    app, _ = set_up(visitor(cast["noor"]), clock)
    first, second = give_password(), give_password()
    assert not give_code(first, app.code(seconds=-30))  # by which the seed was confirmed
    code, earlier = app.code(), app.code(seconds=-30)
    assert give_code(first, code)
    assert not give_code(second, code)
    assert not give_code(second, earlier)
    assert Event.objects.filter(action="user.sign_in_refused").first().facts == {"why": "wrong code"}
    assert give_code(second, app.code(seconds=30))  # a clock that is ahead


def test_code_of_two_steps_ago_or_of_somebody_else_is_none(cast, clock):
    app, _ = set_up(visitor(cast["noor"]), clock)
    other, others_codes = set_up(visitor(cast["priya"]), clock)
    client = give_password()
    clock(minutes=2)
    for code in (app.code(seconds=-60), app.code(seconds=60), other.code(), others_codes[0], ""):
        assert not give_code(client, code)


def test_recovery_code_logs_in_once_and_is_told(cast, clock):
    _, codes = set_up(visitor(cast["noor"]), clock)
    assert give_code(give_password(), codes[3].upper().replace("-", " "))
    assert not give_code(give_password(), codes[3])
    assert Event.objects.filter(action="user.recovery_code_used", account_id=ACME).get().facts == {"left": 9}
    assert Mail.objects.filter(event__action="user.recovery_code_used").count() == 1
    client = give_password()
    assert give_code(client, codes[4])
    renewed = shown(client.post("/user/security/recovery_codes")).split("\n")
    assert not give_code(give_password(), codes[5])
    assert give_code(give_password(), renewed[5])


def test_after_a_recovery_code_it_is_said_how_many_are_left_and_what_to_do(cast, clock):
    app, codes = set_up(visitor(cast["noor"]), clock)
    by_app = give_password()
    assert give_code(by_app, app.code())
    for left, client in ((9, give_password()), (8, give_password())):
        led_to = client.post("/login/code?next=/iam/users", {"code": codes[left]})["Location"]
        page = text_of(client.get(led_to))
        assert f"You logged in with a recovery code</p><p>Codes left: {left} of 10." in re.sub(r">\s+<", "><", page)
        assert "under Login security in the profile menu and set up another" in page
        assert "recovery code" not in text_of(client.get(led_to))
    assert "recovery code" not in text_of(by_app.get("/iam/users"))


def test_what_is_wrong_with_a_code_is_said_of_the_kind_that_was_typed(cast, clock):
    _, codes = set_up(visitor(cast["noor"]), clock)
    client, of_others = give_password(), set_up(visitor(cast["priya"]), clock)[1][0]
    assert "Lost your device and your recovery codes?" in text_of(client.get("/login/code"))
    assert give_code(give_password(), codes[0])
    for code, said in (
        ("000 000", "This code is wrong or was already used. Wait for the next one"),
        (codes[0], "This recovery code is wrong or was already used. Check it, or use another."),
        (of_others, "This recovery code is wrong or was already used. Check it, or use another."),
    ):
        assert said in text_of(client.post("/login/code", {"code": code})), code


def test_codes_are_slowed_down_and_a_right_password_makes_no_room(cast, clock):
    app, codes = set_up(visitor(cast["noor"]), clock)
    for _ in range(5):
        assert give_password().post("/login/code", {"code": "000000"}).status_code == 200
    refused = give_password().post("/login/code", {"code": app.code()})
    assert (refused.status_code, refused["Retry-After"]) == (429, "300")
    assert "Too many attempts. Try again in 5 minutes." in text_of(refused)
    assert not give_code(give_password(), codes[0])
    clock(minutes=5)
    assert give_code(give_password(), app.code())


def test_passcodes_are_used_up_for_the_day_and_other_ways_are_not(cast, clock):
    """Six digits would be hit upon within months, by whoever knows the password or has a session."""
    app, codes = set_up(visitor(cast["noor"]), clock)
    throttle.count(throttle.PASSCODES, "noor@acme.example", throttle.PASSCODES.attempts - 2)
    for told in (0, 2):
        assert give_password().post("/login/code", {"code": "000000"}).status_code == 200
        assert actions("user.passcodes_paused") == told  # in both accounts, and by one mail
    assert Mail.objects.filter(recipient="noor@acme.example", event__action="user.passcodes_paused").count() == 1
    refused = give_password().post("/login/code", {"code": app.code()})
    assert (refused.status_code, refused["Retry-After"]) == (429, "86400")
    assert "Too many wrong one-time passcodes. Use a recovery code or a passkey, or wait until" in text_of(refused)
    client = give_password()
    assert give_code(client, codes[0])
    # What was guessed at the login page keeps nobody from proving who they are, and the other way about.
    clock(minutes=6)
    prove = "/user/security/recovery_codes"
    assert shown(client.post(prove, {"proof_code": app.code()}))
    throttle.count(throttle.PROOF_PASSCODES, "noor@acme.example", throttle.PROOF_PASSCODES.attempts - 1)
    clock(minutes=6)
    assert client.post(prove, {"proof_code": "000000"}).status_code == 200
    refused = client.post(prove, {"proof_code": app.code()})
    assert refused.status_code == 429
    assert "Too many wrong one-time passcodes. Give your password or use a passkey, or wait until" in text_of(refused)
    assert shown(client.post(prove, {"password": demo.PASSWORD}))
    assert actions("user.passcodes_paused") == 2  # it was told today
    # Another app begins anew, and so does another day.
    assert client.post("/user/security/passcode/remove").status_code == 302
    app, _ = set_up(client, clock)
    assert give_code(give_password(), app.code())
    clock(minutes=6)
    assert shown(client.post(prove, {"proof_code": app.code()}))
    throttle.count(throttle.PASSCODES, "noor@acme.example", throttle.PASSCODES.attempts)
    clock(days=1)
    assert give_code(give_password(), app.code())


@pytest.mark.parametrize("what", ["time", "password", "status"])
def test_second_stage_ends_with_time_password_and_membership(cast, clock, what):
    app, _ = set_up(visitor(cast["noor"]), clock)
    client = give_password()
    match what:
        case "time":
            clock(minutes=10, seconds=1)
        case "password":
            cast["noor"].user.set_password("another pass phrase")
            cast["noor"].user.save()
        case "status":
            Member.objects.filter(user=cast["noor"].user).update(status="invalid")
    answer = client.post("/login/code", {"code": app.code()})
    assert (answer.status_code, answer["Location"]) == (302, "/login")
    assert not is_open(client)


def test_reset_of_the_password_keeps_the_second_factor(cast, clock, mailoutbox):
    set_up(visitor(cast["noor"]), clock)
    Mail.objects.all().delete()
    Client().post("/reset", {"email": "noor@acme.example"})
    outbox.send_due()
    link = re.search(r"/reset/\S+", mailoutbox[-1].body)[0]
    assert Client().post(link, {"password": "a better pass phrase"}).status_code == 302
    answer = Client().post("/login", {"username": "noor@acme.example", "password": "a better pass phrase"})
    assert answer["Location"] == "/login/code"


# --- At rest ----------------------------------------------------------------------------------------------------------


def test_seed_opens_for_its_own_user_alone_and_moves_to_another_master_key(cast, clock, settings, capsys):
    app, _ = set_up(visitor(cast["noor"]), clock)
    row = Passcode.objects.get()
    row.user_id = cast["priya"].user_id
    with pytest.raises(SealError):
        passcodes._open(row, cast["priya"].user)
    before = sealing.configured_ring()
    entries = [(key_id, base64.b64encode(key).decode()) for key_id, key in before.keys.items()]
    new = ("new", base64.b64encode(b"n" * 32).decode())
    settings.KEYTREE_KEY_RING = ",".join(f"{key_id}:{text}" for key_id, text in (new, *entries))
    for moved in (1, 0):
        call_command("rotate_keys")
        assert ("1 seeds of one-time passcodes moved." in capsys.readouterr().out) is (moved == 1)
    assert Passcode.objects.get().ring_key_id == "new"
    assert give_code(give_password(), app.code())


def test_operator_resets_a_lost_second_factor(cast, clock, origin, capsys):
    client = visitor(cast["noor"])
    set_up(client, clock)
    Passkey.objects.create(
        user=cast["noor"].user, credential_id=b"1", public_key=b"1", sign_count=0, name="A key",
        created_at=timezone.now(),
    )  # fmt: skip
    call_command("reset_second_factor", email="NOOR@acme.example")
    assert "noor@acme.example" in capsys.readouterr().out
    assert not is_open(client)
    assert (Passcode.objects.count(), RecoveryCode.objects.count()) == (0, 0)
    assert [event.actor_label for event in Event.objects.filter(action="user.second_factor_reset")] == [
        "The server"
    ] * 2
    assert Client().post("/login", {"username": "noor@acme.example", "password": demo.PASSWORD})["Location"] == "/"
    assert not factors.reset(user=cast["noor"].user, origin=origin)


# --- Required by an account -------------------------------------------------------------------------------------------


def require(client: Client, *, is_on: bool) -> None:
    url, data = "/iam/settings/second_factor", {"is_on": "true" if is_on else "false"}
    question = text_of(client.post(url, data))
    assert "Require a second factor of every user" in question or "Stop requiring a second factor?" in question
    assert client.post(url, {**data, "is_confirmed": "on"})["Location"] == "/iam/settings"


def test_who_turns_the_requirement_on_has_a_second_factor_themselves(cast, clock):
    olivia = visitor(cast["olivia"])
    require(olivia, is_on=True)
    assert "Set up a second factor for yourself first" in text_of(olivia.get("/iam/settings"))
    assert not Account.objects.get(pk=ACME).require_second_factor
    set_up(olivia, clock)
    require(olivia, is_on=True)
    assert "A second factor is required" in text_of(olivia.get("/iam/settings"))
    changed = Event.objects.get(action="account.second_factor_changed")
    assert (changed.actor_id, changed.facts) == (cast["olivia"].pk, {"before": "off", "after": "on"})
    olivia.post("/user/security/passcode/remove")
    assert "requires a second factor, and this is your last one" in text_of(olivia.get("/user/security"))
    assert Passcode.objects.exists()
    require(olivia, is_on=False)
    assert olivia.post("/user/security/passcode/remove").status_code == 302
    assert not Passcode.objects.exists()


def test_without_the_required_factor_nothing_is_open_but_setting_one_up(cast, clock):
    """In that account alone; and keys go on working."""
    Account.objects.filter(pk=ACME).update(require_second_factor=True)
    client, key = visitor(cast["noor"]), ClassicKey.objects.get(holder=cast["priya"])
    for path in ("/", "/iam/apikeys", "/iam/users", f"/iam/users/{cast['noor'].pk}", "/iam/activity.csv"):
        assert client.get(path)["Location"] == "/user/security", path
    refused = client.post(f"/iam/users/{cast['noor'].pk}/classic_key")
    assert refused.status_code == 403
    assert "requires a second factor, and you do not have one yet" in text_of(refused)
    assert Event.objects.get(action="console.refused").facts == {"why": "no second factor"}
    page = text_of(client.get("/user/security"))
    assert "A second factor is required" in page
    assert "/iam/users" not in page
    value = material.take(key).text
    assert verify(cast["priya"].api_username, value, "127.0.0.1").accepted
    client.post("/account/switch", {"account": BOREALIS})
    assert is_open(client)
    client.post("/account/switch", {"account": ACME})
    assert not is_open(client)
    set_up(client, clock)
    assert is_open(client)
    details = f"/iam/users/{cast['noor'].pk}"
    assert "<dt>One-time passcode or passkey</dt><dd>On</dd>" in text_of(client.get(details))
    olivia = visitor(cast["olivia"])
    set_up(olivia, clock)
    assert "Not set up, although this account requires one" in text_of(olivia.get(f"/iam/users/{cast['priya'].pk}"))
    assert "One-time passcode or passkey" not in text_of(olivia.get(f"/iam/users/{cast['lena'].pk}"))


def test_without_its_master_key_a_seed_opens_nothing_and_a_recovery_code_still_does(cast, clock, settings, capsys):
    client, other = visitor(cast["noor"]), visitor(cast["priya"])
    app, codes = set_up(client, clock)
    other.post("/user/security/passcode")
    settings.KEYTREE_KEY_RING = "new:" + base64.b64encode(b"n" * 32).decode()
    assert not give_code(give_password(), app.code())
    assert give_code(give_password(), codes[0])
    other.post("/user/security/passcode", {"code": "000000"})
    assert "The secret can no longer be read. Start again." in text_of(other.get("/user/security"))
    assert shown(other.post("/user/security/passcode"))
    ClassicKey.objects.all().delete()  # theirs is another matter
    with pytest.raises(CommandError):
        call_command("check_data")
    assert f"user {cast['noor'].user_id}: Key" in capsys.readouterr().out
    with pytest.raises(CommandError, match="1 seeds of one-time passcodes could not be opened"):
        call_command("rotate_keys")


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("email", "said"), [("nobody@acme.example", "no user with this"), ("nobody", "email address")])
def test_operator_names_somebody_who_is_there(cast, email, said):
    with pytest.raises(CommandError, match=said):
        call_command("reset_second_factor", email=email)


def test_password_alone_begins_no_session_beside_the_first_factor(cast, clock, monkeypatch):
    """One that is on its way while the factor is added would not be among those that it ends."""
    forget_success = throttle.forget_success

    def added_meanwhile(*args) -> None:
        monkeypatch.setattr(throttle, "forget_success", forget_success)
        set_up(visitor(cast["noor"]), clock)

    monkeypatch.setattr(throttle, "forget_success", added_meanwhile)
    client = Client()
    answer = client.post("/login", {"username": "noor@acme.example", "password": demo.PASSWORD})
    assert "A second factor has been set up in the meantime. Log in again." in text_of(answer)
    assert not is_open(client)


def test_stranger_in_the_second_stage_leaves_nothing_behind(cast):
    with noting_writes() as written:
        assert Client().post("/login/code", {"code": "123456"})["Location"] == "/login"
    assert written == set()


def test_pages_of_the_second_stage_lead_on_or_back(cast, clock):
    client = visitor(cast["noor"])
    app, _ = set_up(client, clock)
    for path in ("/login/code", "/login/passkey"):
        assert client.get(path)["Location"] == "/"
        assert Client().get(path)["Location"] == "/login"
    waiting = give_password()
    assert waiting.get("/login/passkey")["Location"] == "/login/code"
    Member.objects.filter(user=cast["noor"].user).update(allowed_addresses="10.0.0.0/8")
    refused = waiting.post("/login/code", {"code": app.code()})
    assert "You cannot log in from this address." in text_of(refused)
    assert Event.objects.filter(action="user.sign_in_refused").last().facts == {"why": "address not allowed"}


def test_second_factor_that_is_not_there_is_not_taken_away(cast):
    client = visitor(cast["noor"])
    assert client.post("/user/security/passcode/remove").status_code == 302
    assert client.post("/user/security/recovery_codes").status_code == 302
    assert "Recovery codes stand in for a second factor. Set one up first." in text_of(client.get("/user/security"))
    assert not RecoveryCode.objects.exists()
    assert actions("user.passcode_removed") == 0


def test_passcodes_that_somebody_else_just_turned_off_are_turned_off_once(cast, clock, origin, monkeypatch):
    set_up(visitor(cast["noor"]), clock)
    monkeypatch.setattr(factors.identity, "lock", lambda _: Passcode.objects.all().delete())
    factors.remove_passcode(by=cast["noor"], origin=origin)
    assert actions("user.passcode_removed") == 0
