"""Passkeys as a browser's answers bring them: what is accepted, and of all that is not, each once."""

import hashlib
import json
import re
import struct
from datetime import timedelta
from html import escape, unescape
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from django.test import Client
from django.utils import timezone
from webauthn.helpers import bytes_to_base64url

from accounts import invitations, memberships, passcodes, passkeys, second_stage, signin, throttle
from accounts.enums import Permission
from accounts.factors import FactorRefused
from accounts.invitees import read
from accounts.models import Account, Event, Invitation, Mail, Passcode, Passkey, PasskeyChallenge, RecoveryCode
from accounts.tokens import token_of
from console import demo
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.visitors import session_of, visitor

pytestmark = pytest.mark.django_db
PRESENT, VERIFIED, ATTESTED = 1, 4, 64  # flags. Source: Web Authentication, "Authenticator Data"
HERE = "http://testserver"
ADD, USE = "/user/security/passkeys", "/login/passkey"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch) -> None:
    """A refusal takes no time."""
    monkeypatch.setattr(signin, "_REFUSAL_SECONDS", 0)


class Authenticator:
    """A device with one passkey, as honest as it is told to be."""

    def __init__(self, name: bytes = b"a passkey") -> None:
        self._key, self.id, self.count = ec.generate_private_key(ec.SECP256R1()), name, 0

    def _said(self, kind: str, page: str, origin: str) -> bytes:
        options = json.loads(unescape(re.search(r'data-passkey-\w+="([^"]+)"', page)[1]))
        return json.dumps({"type": f"webauthn.{kind}", "challenge": options["challenge"], "origin": origin}).encode()

    def _data(self, flags: int, host: str, more: bytes = b"") -> bytes:
        self.count += 1
        return hashlib.sha256(host.encode()).digest() + struct.pack(">BI", flags, self.count) + more

    def _answer(self, **response: bytes) -> str:
        said = {name: bytes_to_base64url(value) for name, value in response.items()}
        name = bytes_to_base64url(self.id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": said})

    def made(self, page: str, *, flags: int = PRESENT | VERIFIED, origin: str = HERE, host: str = "testserver") -> str:
        """The answer to a page that asks for a new passkey."""
        numbers = self._key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + public
        data = self._data(flags | ATTESTED, host, attested)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(clientDataJSON=self._said("create", page, origin), attestationObject=attestation)

    def signed(
        self, page: str, *, flags: int = PRESENT | VERIFIED, origin: str = HERE, host: str = "testserver"
    ) -> str:
        """The answer to a page that asks for a signature."""
        said, data = self._said("get", page, origin), self._data(flags, host)
        signature = self._key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(SHA256()))
        return self._answer(clientDataJSON=said, authenticatorData=data, signature=signature)


def text_of(answer) -> str:
    return answer.content.decode()


def add(client: Client, device: Authenticator, name: str = "Phone"):
    page = text_of(client.post(ADD))
    return client.post(ADD, {"name": name, "credential": device.made(page)})


def give_password() -> Client:
    client = Client()
    answer = client.post("/login", {"username": "noor@acme.example", "password": demo.PASSWORD})
    assert answer["Location"] == "/login/code"
    assert "Use a passkey" in text_of(client.get("/login/code"))
    return client


def is_open(client: Client) -> bool:
    return client.get("/iam/apikeys").status_code == 200


@pytest.fixture
def device(cast) -> Authenticator:
    """A device with a passkey of Noor's."""
    made = Authenticator()
    answer = add(visitor(cast["noor"]), made)
    assert "Recovery codes" in text_of(answer)
    return made


def test_passkey_is_added_listed_used_and_removed(cast):
    client, elsewhere, made = visitor(cast["noor"]), visitor(cast["noor"]), Authenticator()
    answer = text_of(add(client, made, "My <b>phone"))
    assert len(re.search(r"data-value-text>([^<]+)<", answer)[1].split("\n")) == 10
    assert [is_open(client), is_open(elsewhere)] == [True, False]
    assert "My &lt;b&gt;phone" in text_of(client.get("/user/security"))
    assert Event.objects.filter(action="user.passkey_added", account_id=ACME).get().facts == {"name": "My <b>phone"}
    assert Mail.objects.filter(event__action="user.passkey_added").count() == 1
    other = give_password()
    page = text_of(other.post(USE))
    assert other.post(USE, {"credential": made.signed(page)})["Location"] == "/"
    assert is_open(other)
    assert Event.objects.get(action="user.signed_in").facts == {"second factor": "passkey"}
    row = Passkey.objects.get()
    assert (row.sign_count, row.last_used_at is None) == (2, False)
    assert visitor(cast["priya"]).post(f"{ADD}/{row.uid}/remove").status_code == 404
    assert client.get(f"{ADD}/{row.uid}/remove").status_code == 200
    assert client.post(f"{ADD}/{row.uid}/remove").status_code == 302
    assert (Passkey.objects.count(), RecoveryCode.objects.count()) == (0, 0)


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "wrong",
    [
        {"flags": PRESENT},
        {"origin": "https://evil.example"},
        {"host": "evil.example"},
        {"origin": "http://testserver:81"},
    ],
    ids=str,
)
def test_answer_from_elsewhere_or_without_the_person_is_not_accepted(cast, device, wrong):
    client = visitor(cast["priya"])
    page = text_of(client.post(ADD))
    answer = client.post(ADD, {"name": "Phone", "credential": Authenticator(b"another").made(page, **wrong)})
    assert "The passkey was not accepted." in text_of(answer)
    assert Passkey.objects.count() == 1
    waiting = give_password()
    answer = waiting.post(USE, {"credential": device.signed(text_of(waiting.post(USE)), **wrong)})
    assert "The passkey was not accepted." in text_of(answer)
    assert Event.objects.filter(action="user.sign_in_refused").first().facts == {"why": "passkey not accepted"}
    assert not is_open(waiting)


@pytest.mark.sqlite_only
def test_odd_answers_about_a_new_passkey_are_no_fault_of_ours(cast, device):
    client = visitor(cast["noor"])
    long = add(client, Authenticator(bytes(1024)))
    assert "The passkey was not accepted." in text_of(long)
    for number, transports in enumerate((5, True, "usb", {"usb": 1}, None, [[], None, 5, "usb"])):
        made = json.loads(Authenticator(bytes(1022) + bytes([number])).made(text_of(client.post(ADD))))
        made["response"]["transports"] = transports
        answer = client.post(ADD, {"name": "Phone", "credential": json.dumps(made)})
        assert answer.status_code == 302, transports
    added = Passkey.objects.exclude(credential_id=device.id).order_by("pk")
    assert list(added.values_list("transports", flat=True)) == ["", "", "", "", "", "usb"]


def test_challenge_is_good_once_for_one_person_and_for_five_minutes(cast, device, monkeypatch):
    first, second = give_password(), give_password()
    page = text_of(first.post(USE))
    answer = device.signed(page)
    assert first.post(USE, {"credential": answer}).status_code == 302
    assert "That took too long." in text_of(second.post(USE, {"credential": answer}))  # used up, whoever sends it
    assert not is_open(second)
    page = text_of(second.post(USE))
    device.count = 0  # a copy of the passkey that counts from the beginning
    assert "not accepted" in text_of(second.post(USE, {"credential": device.signed(page)}))
    device.count = 10
    page = text_of(second.post(USE))
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + timedelta(minutes=5, seconds=1))
    assert "That took too long." in text_of(second.post(USE, {"credential": device.signed(page)}))
    assert not is_open(second)


@pytest.mark.sqlite_only
def test_passkey_of_somebody_else_or_made_up_is_not_accepted(cast, device):
    others = Authenticator(b"another")
    add(visitor(cast["priya"]), others)
    client = give_password()
    stolen = Authenticator(device.id)  # the right name, another key
    for answer in (
        others.signed,
        stolen.signed,
        lambda _: "{}",
        lambda _: "[1]",
        lambda _: '{"id": 5}',
        lambda _: "x" * 500,
    ):
        page = text_of(client.post(USE))
        assert "not accepted" in text_of(client.post(USE, {"credential": answer(page)})) or (
            "Too many attempts" in text_of(client.post(USE, {"credential": "{}"}))
        )
    assert not is_open(client)
    assert client.post(USE, {"credential": "{}"}).status_code == 429  # counted like other guesses


def test_same_passkey_is_added_once_and_the_last_required_one_stays(cast, device):
    client = visitor(cast["noor"])
    assert "This passkey has already been added." in text_of(add(client, device))
    Account.objects.filter(pk=ACME).update(require_second_factor=True)
    assert is_open(client)
    uid = Passkey.objects.get().uid
    client.post(f"{ADD}/{uid}/remove")
    assert "requires a second factor, and this is your last one" in text_of(client.get("/user/security"))
    assert add(client, Authenticator(b"another")).status_code == 302  # there are recovery codes already
    assert client.post(f"{ADD}/{uid}/remove").status_code == 302
    assert [bytes(row.credential_id) for row in Passkey.objects.all()] == [b"another"]


def test_passkey_is_a_proof_of_identity_and_one_for_logging_in_is_none(cast, device):
    client, url = visitor(cast["noor"]), f"/iam/users/{cast['noor'].pk}/classic_key"
    session = session_of(client)
    session["proved_at"] = 0
    session.save()
    login = text_of(give_password().post(USE))
    refused = text_of(client.post(url, {"proof_passkey": device.signed(login)}))
    assert "That took too long." in refused
    assert not ClassicKey.objects.filter(holder=cast["noor"]).exists()
    wrong = text_of(client.post(url, {"proof_passkey": device.signed(refused, origin="https://evil.example")}))
    assert "The passkey was not accepted." in wrong
    assert "API key successfully created" in text_of(client.post(url, {"proof_passkey": device.signed(wrong)}))
    assert Event.objects.filter(action="user.identity_proved").count() == 1


def test_failing_passkeys_count_apart_in_a_session_and_at_the_login_page(cast, device):
    client, url = visitor(cast["noor"]), f"/iam/users/{cast['noor'].pk}/classic_key"
    session = session_of(client)
    session["proved_at"] = 0
    session.save()
    assert [client.post(url, {"proof_passkey": "{}"}).status_code for _ in range(6)] == [200] * 5 + [429]
    waiting = give_password()
    assert [waiting.post(USE, {"credential": "{}"}).status_code for _ in range(4)] == [200] * 4
    assert waiting.post(USE, {"credential": device.signed(text_of(waiting.post(USE)))})["Location"] == "/"


def test_there_are_no_more_passkeys_than_there_may_be_and_each_has_a_name(cast, device, monkeypatch):
    client = visitor(cast["noor"])
    page = text_of(client.post(ADD))
    unnamed = text_of(client.post(ADD, {"name": "\u202e", "credential": Authenticator(b"another").made(page)}))
    assert 'id="id_name_error"' in unnamed
    assert 'name="credential" value' not in unnamed  # the browser is asked anew
    monkeypatch.setattr(passkeys, "MOST", 1)
    assert client.post(ADD)["Location"] == "/user/security"
    assert "which is the maximum" in text_of(client.get("/user/security"))


def test_passkeys_are_for_those_who_have_given_their_password(cast, device):
    assert Client().post(USE)["Location"] == "/login"
    assert Client().post(USE, {"credential": "{}"})["Location"] == "/login"
    assert not PasskeyChallenge.objects.exists()


def test_who_takes_too_long_over_a_passkey_is_told_so(cast, device, monkeypatch):
    client = give_password()
    page, now = text_of(client.post(USE)), timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + timedelta(minutes=10, seconds=1))
    assert client.post(USE, {"credential": device.signed(page)})["Location"] == "/login"
    told = text_of(client.get("/login"))
    assert "That took too long" in told
    assert "Log in again." in told
    assert not is_open(client)


def asked(page: str) -> dict[str, Any]:
    """What the browser is asked for."""
    return json.loads(unescape(re.search(r'data-passkey-\w+="([^"]+)"', page)[1]))


def test_browser_is_asked_for_this_persons_passkeys_and_for_the_person_behind_the_device(cast, device):
    add(visitor(cast["priya"]), Authenticator(b"of somebody else"))
    here = [bytes_to_base64url(device.id)]
    to_add = asked(text_of(visitor(cast["noor"]).post(ADD)))
    assert [known["id"] for known in to_add["excludeCredentials"]] == here  # the same device is not added twice
    assert to_add["authenticatorSelection"]["userVerification"] == "required"
    assert (to_add["rp"]["id"], to_add["user"]["name"]) == ("testserver", "noor@acme.example")
    to_use = asked(text_of(give_password().post(USE)))
    assert [known["id"] for known in to_use["allowCredentials"]] == here  # else a device may not find its own
    assert (to_use["userVerification"], to_use["rpId"]) == ("required", "testserver")


@pytest.mark.parametrize("purpose", [passkeys.LOG_IN, passkeys.PROVE])
def test_challenge_that_somebody_else_was_given_is_none_of_ones_own(cast, device, purpose):
    """Else whoever gets a passkey to sign for one site of theirs could have asked for what it signs."""
    site = passkeys.Site("testserver", HERE)
    options = passkeys.options_to_use(cast["sam"].user, site, purpose)
    page = f'data-passkey-use="{escape(options)}"'
    with pytest.raises(FactorRefused):
        passkeys.use(cast["noor"].user, credential=device.signed(page), site=site, purpose=purpose)
    own = f'data-passkey-use="{escape(passkeys.options_to_use(cast["noor"].user, site, purpose))}"'
    passkeys.use(cast["noor"].user, credential=device.signed(own), site=site, purpose=purpose)


def test_challenges_that_nobody_answered_are_cleared_away(cast, device):
    site = passkeys.Site("testserver", HERE)
    passkeys.options_to_use(cast["sam"].user, site, passkeys.LOG_IN)
    PasskeyChallenge.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    passkeys.options_to_use(cast["noor"].user, site, passkeys.LOG_IN)
    assert list(PasskeyChallenge.objects.values_list("user__email", flat=True)) == ["noor@acme.example"]


def test_second_passkey_ends_no_session(cast, device):
    """The others were opened with the first by then."""
    here, elsewhere = visitor(cast["noor"]), visitor(cast["noor"])
    assert add(here, Authenticator(b"another passkey"), "Key ring").status_code == 302  # no recovery codes: they stay
    assert Passkey.objects.count() == 2
    assert [is_open(here), is_open(elsewhere)] == [True, True]


def test_last_passkey_goes_where_a_passcode_stays_although_one_is_required(cast, device):
    client, user = visitor(cast["noor"]), cast["noor"].user
    Account.objects.filter(pk=ACME).update(require_second_factor=True)
    passcodes.begin(user)
    Passcode.objects.update(confirmed_at=timezone.now())
    row = Passkey.objects.get()
    assert client.post(f"{ADD}/{row.uid}/remove").status_code == 302
    assert not Passkey.objects.exists()
    assert RecoveryCode.objects.filter(user=user).exists()


def test_removal_of_a_passkey_is_an_event_and_told(cast, device):
    client, row = visitor(cast["noor"]), Passkey.objects.get()
    client.post(f"{ADD}/{row.uid}/remove")
    assert Event.objects.get(action="user.passkey_removed", account_id=ACME).facts == {"name": "Phone"}
    assert Mail.objects.filter(event__action="user.passkey_removed").count() == 1


def test_each_second_stage_is_a_session_of_its_own(cast, device, settings):
    """Nobody can have put the session there before, to go on with it once the password was given."""
    client = give_password()
    first = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.post("/login", {"username": "noor@acme.example", "password": demo.PASSWORD})
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != first
    stranger = Client()
    stranger.cookies[settings.SESSION_COOKIE_NAME] = first
    assert stranger.get("/login/code")["Location"].startswith("/login")


def test_who_proves_the_second_factor_often_is_not_slowed_down(cast, device, origin):
    """What succeeded is no guess, and does not count as one."""
    user, often = cast["noor"].user, throttle.CODES[0].attempts + 2
    for _ in range(often):
        client = give_password()
        assert client.post(USE, {"credential": device.signed(text_of(client.post(USE)))}).get("Location") == "/"
    for code in passcodes.make_recovery_codes(user)[:often]:
        assert second_stage.check_code(user, code=code, origin=origin) == "recovery code"


def test_who_was_removed_and_is_invited_again_joins_with_a_passkey(cast, device, origin):
    memberships.remove_member(member=cast["noor"], by=cast["olivia"], origin=origin, hand_over=True)
    invitations.invite(invitees=read("noor@acme.example"), granted=Permission(0), by=cast["olivia"], origin=origin)
    client = Client()
    link = f"/invitations/{token_of(Invitation.objects.get(member__user=cast['noor'].user, member__account_id=ACME))}"
    assert client.post(link, {"password": demo.PASSWORD})["Location"] == "/login/code"
    assert "Use a passkey" in text_of(client.get("/login/code"))
    page = text_of(client.post(USE))
    assert client.post(USE, {"credential": device.signed(page)})["Location"] == "/"
    assert "You have joined 1234567 - Acme Robotics" in text_of(client.get("/iam/apikeys"))
    assert is_open(client)
    assert session_of(client)["account_id"] == ACME
    assert Event.objects.filter(action="user.signed_in", account_id=ACME).last().facts == {"second factor": "passkey"}
