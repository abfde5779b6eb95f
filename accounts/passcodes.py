"""One-time passcodes and recovery codes: made, confirmed, used up, removed. No session, no page.

Codes are those of RFC 6238, with the usual six digits and thirty seconds. Each is accepted once across all workers: the
row remembers the time step of the last one, and one statement advances it. Seeds are sealed; recovery codes are kept as
digests.

*Source:* RFC 6238, section 5.2; docs/security.md, "Passwords and second factors".
"""

import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pyotp
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.views.decorators.debug import sensitive_variables

from accounts import sealing, throttle
from accounts.models import Member, Passcode, Passkey, RecoveryCode, User

# Loaded with the first code that is drawn: it takes three MiB of a worker's memory.
segno: Any = SimpleLazyObject(lambda: import_module("segno"))

_PURPOSE = "passcode"
_STEP_SECONDS = 30
#: Clocks differ: the code before and the one after count too. *Source:* RFC 6238, section 6.
_STEPS_AROUND = (0, -1, 1)
_PASSCODE_LENGTH = 6
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # base 32: 5 bits each
_CODE_LENGTH, _CODE_GROUP = 24, 6  # 120 bits
#: How many recovery codes are made at once.
RECOVERY_CODES = 10
#: How many seeds are read at once.
_BATCH = 200


class Seed:
    """A seed in plain text, for an authenticator app. Prints as dots."""

    def __init__(self, base32: str, label: str) -> None:
        self._base32, self._label = base32, label

    def __repr__(self) -> str:
        return "<Seed …>"

    @property
    def text(self) -> str:
        """The seed in groups of four, to be typed."""
        return " ".join(re.findall(".{1,4}", self._base32))

    @property
    def uri(self) -> str:
        """The address that authenticator apps open. It holds the seed, and is as secret."""
        return pyotp.TOTP(self._base32).provisioning_uri(name=self._label, issuer_name="Keytree")

    @property
    def qr_size(self) -> int:
        """How many modules the QR code is wide, its quiet zone included."""
        return int(segno.make(self.uri, error="m", micro=False).symbol_size(scale=1)[0])

    @property
    def qr_path(self) -> str:
        """The dark modules as the data of an SVG path, one unit each, for a template to draw."""
        rows = segno.make(self.uri, error="m", micro=False).matrix_iter(scale=1)
        return "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)

    def code_of(self, step: int) -> str:
        """Return the code of a time step."""
        return pyotp.TOTP(self._base32).generate_otp(step)


def with_second_factor(members: QuerySet[Member]) -> QuerySet[Member]:
    """Return ``members`` with ``has_second_factor`` filled in, in the same query.

    Recovery codes alone are none: they stand in for one.
    """
    passcode = Passcode.objects.filter(user=OuterRef("user_id"), confirmed_at__isnull=False)
    passkey = Passkey.objects.filter(user=OuterRef("user_id"))
    return members.annotate(has_second_factor=Exists(passcode) | Exists(passkey))  # type: ignore[no-redef]  # as freezes


def has_one(user_id: int) -> bool:
    """Whether the user has a second factor; two queries at most."""
    return is_on(user_id) or Passkey.objects.filter(user_id=user_id).exists()


def is_on(user_id: int) -> bool:
    """Whether a one-time passcode is asked of the user; one query."""
    return Passcode.objects.filter(user_id=user_id, confirmed_at__isnull=False).exists()


# --- Setting up -------------------------------------------------------------------------------------------------------


def begin(user: User) -> Seed:
    """Give the user a new seed that does not count yet, in place of another such; one that counts goes on doing so."""
    base32 = pyotp.random_base32()  # 160 bits, as RFC 4226 recommends
    row = Passcode(user=user, uid=uuid.uuid4(), created_at=timezone.now())
    row.sealed_seed = sealing.seal(base32.encode(), purpose=_PURPOSE, belongs_to=_owner_of(row))
    row.ring_key_id = sealing.configured_ring().current
    Passcode.objects.filter(user=user, confirmed_at=None).delete()
    row.save(force_insert=True)
    return Seed(base32, user.email)


def being_set_up(user: User) -> Seed | None:
    """Return the seed that the user is setting up, or none. Raises SealError."""
    row = Passcode.objects.filter(user=user, confirmed_at=None).first()
    return _open(row, user) if row else None


def confirm(user: User, code: str) -> bool:
    """Let the new seed count, in place of any that does, if the code is its own; return whether it is.

    Raises SealError.
    """
    row = Passcode.objects.select_for_update().filter(user=user, confirmed_at=None).first()
    step = _step_of(_open(row, user), code) if row else None
    if row is None or step is None:
        return False
    Passcode.objects.filter(user=user, confirmed_at__isnull=False).delete()
    throttle.forget(throttle.OF_A_DAY, user.email)  # guesses at another seed's codes
    return bool(
        Passcode.objects.filter(pk=row.pk, uid=row.uid, confirmed_at=None).update(
            confirmed_at=timezone.now(), last_step=step
        )
    )


def _owner_of(row: Passcode) -> tuple[object, ...]:
    return (row.user_id, row.uid)


def _open(row: Passcode, user: User) -> Seed:
    base32 = sealing.open_sealed(bytes(row.sealed_seed), purpose=_PURPOSE, belongs_to=_owner_of(row)).decode()
    return Seed(base32, user.email)


def make_recovery_codes(user: User) -> list[str]:
    """Give the user new recovery codes in place of all earlier ones, and return them; only digests are kept."""
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH)) for _ in range(RECOVERY_CODES)]
    now = timezone.now()
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=_digest(code), created_at=now) for code in codes)
    return ["-".join(re.findall(f".{{{_CODE_GROUP}}}", code)) for code in codes]


def recovery_codes_left(user_id: int) -> int:
    """Return how many recovery codes the user has not used; one query."""
    return RecoveryCode.objects.filter(user_id=user_id, used_at=None).count()


# --- Using ------------------------------------------------------------------------------------------------------------


@sensitive_variables("code")
def use_passcode(user: User, code: str) -> bool:
    """Use up a one-time passcode; return whether it was right. Raises SealError.

    Of simultaneous uses of one code, one succeeds.
    """
    row = Passcode.objects.filter(user=user, confirmed_at__isnull=False).first()
    step = _step_of(_open(row, user), code) if row else None
    if row is None or step is None:
        return False
    return bool(Passcode.objects.filter(pk=row.pk, last_step__lt=step).update(last_step=step))


def _step_of(seed: Seed, code: str) -> int | None:
    """Return the time step whose code this is, of those accepted now, or none; compares in constant time."""
    code, now, found = normalised(code), int(timezone.now().timestamp()) // _STEP_SECONDS, None
    for around in _STEPS_AROUND:
        if hmac.compare_digest(seed.code_of(now + around).encode(), code.encode(errors="replace")):
            found = now + around
    return found


@sensitive_variables("code")
def use_recovery_code(user_id: int, code: str) -> bool:
    """Use up a recovery code by one statement; return whether it was right."""
    unused = RecoveryCode.objects.filter(user_id=user_id, digest=_digest(normalised(code)), used_at=None)
    return bool(unused.update(used_at=timezone.now()))


def is_longer_than_passcodes(code: str) -> bool:
    """Whether a code is too long for a passcode, so that a recovery code was meant."""
    return len(normalised(code)) > _PASSCODE_LENGTH


def normalised(code: str) -> str:
    """Return a code without the spaces and dashes that it is written with, in lower case."""
    return re.sub(r"[\s-]", "", code).lower()


def _digest(code: str) -> bytes:
    """Return the digest of a recovery code; 120 random bits need no slow hash."""
    return hashlib.sha256(code.encode(errors="replace")).digest()


def take_away(user_id: int) -> bool:
    """Delete the user's seeds, the one that counts and one that does not yet; return whether one counted."""
    counted = is_on(user_id)
    Passcode.objects.filter(user_id=user_id).delete()
    return counted


# --- Master keys ------------------------------------------------------------------------------------------------------


def rewrap_all() -> tuple[int, int]:
    """Re-encrypt every seed that is not under the current master key, each by compare-and-swap on the old blob.

    Returns how many were moved, and how many could not be opened and stay as they were. May be interrupted and
    repeated.
    """
    current, moved, unopened, last = sealing.configured_ring().current, 0, 0, 0
    while batch := list(Passcode.objects.exclude(ring_key_id=current).filter(pk__gt=last).order_by("pk")[:_BATCH]):
        for row in batch:
            old, last = bytes(row.sealed_seed), row.pk
            try:
                plain = sealing.open_sealed(old, purpose=_PURPOSE, belongs_to=_owner_of(row))
            except sealing.SealError:
                unopened += 1
                continue
            sealed = sealing.seal(plain, purpose=_PURPOSE, belongs_to=_owner_of(row))
            same = Passcode.objects.filter(pk=row.pk, sealed_seed=old)
            moved += same.update(sealed_seed=sealed, ring_key_id=current)
    return moved, unopened


def unopened() -> Iterator[str]:
    """Yield, for each seed that does not open with the key ring, whose it is and why. Reads all of them."""
    for row in Passcode.objects.order_by("pk").iterator(chunk_size=_BATCH):
        try:
            sealing.open_sealed(bytes(row.sealed_seed), purpose=_PURPOSE, belongs_to=_owner_of(row))
        except sealing.SealError as error:
            yield f"user {row.user_id}: {error}"
