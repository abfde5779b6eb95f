"""Passkeys: what a browser is asked, and whether its answer is right. Writes record their events. No page.

A challenge is stored for one user and purpose, is good for some minutes, and is used up before the answer is checked.
Each use requires the person and not only the device: their fingerprint, face or PIN (*user verification*).

*Source:* Web Authentication, Level 3; docs/security.md, "Passwords and second factors".
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from accounts import events, factors, identity, passcodes
from accounts.factors import FactorRefused
from accounts.models import Member, Passkey, PasskeyChallenge, User
from accounts.models.factor import PASSKEY_ID_BYTES, PASSKEY_KEY_BYTES
from accounts.origin import Origin
from accounts.sessions import end_sessions_of
from accounts.transactions import one_transaction

_log = logging.getLogger(__name__)
T = TypeVar("T")

# Loaded when they are first needed: they take fifteen MiB of a worker's memory.
webauthn: Any = SimpleLazyObject(lambda: import_module("webauthn"))
structs: Any = SimpleLazyObject(lambda: import_module("webauthn.helpers.structs"))

#: How long an answer may take.
TIME = timedelta(minutes=5)
#: How many a user may have: each is a row on their page, and is listed in what a browser is asked.
MOST = 20
#: What a challenge is for: one for logging in proves nothing later, nor the other way round.
_ADD, LOG_IN, PROVE = "add", "log in", "prove"
_NOT_RIGHT = "The passkey was not accepted. Try again, or log in another way."


@dataclass(frozen=True)
class Site:
    """What passkeys are bound to: the host's name, and the whole address that pages have."""

    host: str
    origin: str

    @classmethod
    def of(cls, request: HttpRequest) -> "Site":
        """Return the public address; where none is set, in a demo, the one of the request, whose host was checked."""
        public = urlsplit(settings.KEYTREE_PUBLIC_URL or f"{request.scheme}://{request.get_host()}")
        return cls(public.hostname or "", f"{public.scheme}://{public.netloc}")


def of_user(user_id: int) -> list[Passkey]:
    """Return the user's passkeys, the first added first; one query."""
    return list(Passkey.objects.filter(user_id=user_id).order_by("created_at", "pk"))


# --- What is asked ----------------------------------------------------------------------------------------------------


def options_to_add(user: User, site: Site) -> str:
    """Return what the browser is asked to make a passkey for, as JSON, with a new challenge. Raises FactorRefused."""
    known = of_user(user.pk)
    if len(known) >= MOST:
        raise FactorRefused(f"You have {MOST} passkeys, which is the maximum. Remove one first.")
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name="Keytree",
        user_id=str(user.pk).encode(),
        user_name=user.email,
        user_display_name=user.name,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.PREFERRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_described(known),
    )
    _keep(user, options.challenge, _ADD)
    return str(webauthn.options_to_json(options))


def options_to_use(user: User, site: Site, purpose: str) -> str:
    """Return what the browser is asked to sign with one of the user's passkeys, as JSON, with a new challenge.

    Args:
        purpose: ``LOG_IN`` or ``PROVE``.
    """
    options = webauthn.generate_authentication_options(
        rp_id=site.host,
        allow_credentials=_described(of_user(user.pk)),
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    _keep(user, options.challenge, purpose)
    return str(webauthn.options_to_json(options))


def _described(passkeys: list[Passkey]) -> list[Any]:
    known = {transport.value for transport in structs.AuthenticatorTransport}
    return [
        structs.PublicKeyCredentialDescriptor(
            id=bytes(passkey.credential_id),
            transports=[structs.AuthenticatorTransport(name) for name in passkey.transports.split() if name in known],
        )
        for passkey in passkeys
    ]


@one_transaction
def _keep(user: User, challenge: bytes, purpose: str) -> None:
    """Store the challenge in place of the user's earlier one, and delete everybody's expired ones."""
    now = timezone.now()
    PasskeyChallenge.objects.filter(expires_at__lt=now).delete()
    PasskeyChallenge.objects.filter(user=user, purpose=purpose).delete()
    PasskeyChallenge.objects.create(user=user, challenge=challenge, purpose=purpose, expires_at=now + TIME)


def _take(user: User, purpose: str) -> bytes:
    """Use up the user's challenge and return it. Raises FactorRefused when there is none any more."""
    row = PasskeyChallenge.objects.filter(user=user, purpose=purpose, expires_at__gte=timezone.now()).first()
    if row is None or not PasskeyChallenge.objects.filter(pk=row.pk).delete()[0]:
        raise FactorRefused("That took too long. Try again.")
    return bytes(row.challenge)


# --- What is answered -------------------------------------------------------------------------------------------------


def _verified(verify: Callable[[], T]) -> T:
    """Return the result of the library's check of an answer. Raises FactorRefused if it does not accept it."""
    try:
        return verify()
    except Exception as error:  # noqa: BLE001 - closed when in doubt: the answer may be of any make
        _log.warning("a passkey was not accepted: %s", type(error).__name__)
        raise FactorRefused(_NOT_RIGHT) from None


def add(request: HttpRequest, *, name: str, credential: str, by: Member, site: Site, origin: Origin) -> list[str]:
    """Add the passkey that the browser made; return new recovery codes where the user has none, else nothing.

    With the first factor, other sessions of the user end: they were opened by the password alone. Raises FactorRefused.
    """
    challenge = _take(by.user, _ADD)
    made = _verified(
        lambda: webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    )
    # No column enforces this, and PostgreSQL's index fails at still longer values.
    if len(made.credential_id) > PASSKEY_ID_BYTES or len(made.credential_public_key) > PASSKEY_KEY_BYTES:
        raise FactorRefused(_NOT_RIGHT)
    passkey = Passkey(
        user=by.user,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        transports=_transports_of(credential),
        name=name,
        created_at=timezone.now(),
    )
    try:
        return _insert(passkey, present_key=request.session.session_key, by=by, origin=origin)
    except IntegrityError:
        raise FactorRefused("This passkey has already been added.") from None


@one_transaction
def _insert(passkey: Passkey, *, present_key: str | None, by: Member, origin: Origin) -> list[str]:
    """Insert a verified passkey of the user of ``by``, and return what ``add`` does.

    With the first factor, their sessions end but the one under ``present_key``. Raises IntegrityError for a passkey
    that is there already.
    """
    identity.lock(by.user_id)
    had_one = passcodes.has_one(by.user_id)
    passkey.save(force_insert=True)
    codes = [] if passcodes.recovery_codes_left(by.user_id) else passcodes.make_recovery_codes(by.user)
    if not had_one:
        end_sessions_of(by.user_id, but=present_key)
    details = {"name": passkey.name}
    identity.record(events.PASSKEY_ADDED, user_id=by.user_id, by=by, origin=origin, details=details)
    return codes


def _transports_of(credential: str) -> str:
    """Return the transports that the accepted answer names, as far as they are known ones."""
    said = json.loads(credential)["response"].get("transports")
    if not isinstance(said, list):
        return ""  # this part of the answer is not signed
    return " ".join(transport.value for transport in structs.AuthenticatorTransport if transport.value in said)


def use(user: User, *, credential: str, site: Site, purpose: str) -> None:
    """Accept what one of the user's passkeys signed for this purpose, once. Raises FactorRefused."""
    challenge = _take(user, purpose)
    credential_id = _verified(lambda: webauthn.base64url_to_bytes(json.loads(credential)["id"]))
    passkey = Passkey.objects.filter(user=user, credential_id=credential_id).first()
    if passkey is None:
        raise FactorRefused(_NOT_RIGHT)
    signed = _verified(
        lambda: webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=bytes(passkey.public_key),
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    )
    Passkey.objects.filter(pk=passkey.pk).update(sign_count=signed.new_sign_count, last_used_at=timezone.now())


@one_transaction
def remove(passkey: Passkey, *, by: Member, origin: Origin) -> None:
    """Remove one of the passkeys of the user of ``by``. Raises FactorRefused for the last factor that is required."""
    identity.lock(by.user_id)
    others = Passkey.objects.filter(user_id=by.user_id).exclude(pk=passkey.pk)
    if not others.exists() and not passcodes.is_on(by.user_id):
        factors.require_none_required(by.user_id)
    if not Passkey.objects.filter(pk=passkey.pk, user_id=by.user_id).delete()[0]:
        return
    factors.forget_recovery_codes_of_none(by.user_id)
    details = {"name": passkey.name}
    identity.record(events.PASSKEY_REMOVED, user_id=by.user_id, by=by, origin=origin, details=details)
