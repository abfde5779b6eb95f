"""The canonical forms of e-mail addresses, API usernames and names, and which are refused. No model."""

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

NAME_LENGTH = 300  # characters
EMAIL_BYTES = 254  # octets in UTF-8. Source: RFC 5321, section 4.5.3.1.3, less the angle brackets
# A longer text is no address and no name, whatever its canonical form would be. Normalising takes time that grows with
# the square of a run of combining marks: a megabyte of them would take minutes.
_TYPED = 2_000
API_USERNAME_LENGTH = 100  # characters, of one that is chosen
#: What a caller with an IBM Cloud API key sends as its user name. Source: IBM Cloud documentation, "Using API keys".
PLATFORM_USERNAME = "apikey"
REASON_LENGTH = 200  # characters
SORT_NAME_LENGTH = 64  # characters: a sort key stands in indexes beside a path of up to 1,792 bytes

_API_USERNAME = re.compile(rf"[a-z0-9][a-z0-9._+@-]{{0,{API_USERNAME_LENGTH - 1}}}")
_WEB_ADDRESS = re.compile(r"://|\bwww\.", re.IGNORECASE)
#: How a name before the @ is quoted, or begins to be encoded. *Source:* RFC 5322, section 3.2.4; RFC 2047, section 2.
_ENCODED = re.compile(r'"|=\?')
_MADE_API_USERNAME = re.compile(r"[0-9]+_")
# Marks that turn the direction of the text around them: a name holding one rewrites its neighbours on the page.
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters by category that show nothing: a name of these alone is a link nobody can see.
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f")


def canonical_email(email: str) -> str:
    """Return the one form under which an address is stored and found: NFKC, then case folded.

    Takes any text and never raises: what is not an address is simply found nowhere.
    """
    if len(email) > _TYPED:
        return email[:_TYPED].casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email.strip()).casefold())


def clean_email(email: str) -> str:
    """Return ``email`` in canonical form.

    Raises ValidationError when it is no address, is longer than mail allows, or changes by more than its case: such an
    address looks like another one, and mail to it could reach somebody else. So does a name in quotation marks, which
    may hold another address, and an encoded one, which is decoded when mail is sent.
    """
    canonical = canonical_email(email)
    validate_email(canonical)
    if ":" in canonical or not canonical.isprintable():
        # HTTP Basic ends a user name at the first colon: a key under such an address could never be used.
        raise ValidationError("Enter an email address without colons and control characters.", code="invalid")
    if _ENCODED.search(canonical):
        raise ValidationError("Enter an email address without quotation marks and “=?”.", code="encoded")
    if len(canonical.encode()) > EMAIL_BYTES:
        raise ValidationError(f"Enter an email address of at most {EMAIL_BYTES} bytes.", code="too_long")
    typed = email.strip()
    # The first for what changes its case into a plain letter, such as the sign of the Kelvin.
    if unicodedata.normalize("NFKC", typed) != typed or canonical != typed.lower():
        raise ValidationError(
            "This email address contains characters that look like other ones. Type it with plain letters.",
            code="ambiguous",
        )
    return canonical


def clean_api_username(name: str) -> str:
    """Return an API username that somebody chose, in the form under which it is stored and found.

    Raises ValidationError for what HTTP Basic or an address could not carry, and for names that are not for choosing:
    addresses, those that begin like one made of an account ID and an address, so that none is taken before its user
    comes, and the word that callers with IBM Cloud API keys send.
    """
    chosen = name.strip().lower()
    if not _API_USERNAME.fullmatch(chosen):
        raise ValidationError(
            f"Use at most {API_USERNAME_LENGTH} plain letters, digits, dots, hyphens, underscores and plus signs, "
            "with a letter or digit first.",
            code="invalid",
        )
    if chosen == PLATFORM_USERNAME:
        raise ValidationError("This word is reserved for IBM Cloud API keys. Choose another.", code="reserved")
    if _MADE_API_USERNAME.match(chosen):
        raise ValidationError(
            "Names that begin with digits and an underscore are reserved for account IDs. Begin with a letter.",
            code="reserved",
        )
    if "@" in chosen:
        raise ValidationError(
            "Do not use an email address: services that are called would take it for the user's address. Choose a "
            "name without an at sign.",
            code="reserved",
        )
    return chosen


def clean_name(name: str) -> str:
    """Return a person's or account's name, composed (NFC) and with single spaces.

    Raises ValidationError when it is empty, too long, or holds control characters or marks that turn the direction of
    text: those would reach logs, CSV files and other people's pages. Nor may it hold the address of a page: mails to
    strangers begin with the name of whoever invites them.
    """
    if len(name) > _TYPED:
        raise ValidationError(f"Enter a name of at most {NAME_LENGTH} characters.", code="too_long")
    composed = " ".join(filter(None, unicodedata.normalize("NFC", name).split(" "))).strip()
    if not any(unicodedata.category(char)[0] in "LMNPS" and char not in _BLANK_LETTERS for char in composed):
        raise ValidationError("Enter a name.", code="required")
    if len(composed) > NAME_LENGTH:
        raise ValidationError(f"Enter a name of at most {NAME_LENGTH} characters.", code="too_long")
    if any(map(_is_control, composed)):
        raise ValidationError("Enter a name without control characters.", code="control")
    if _WEB_ADDRESS.search(composed):
        raise ValidationError("Enter a name without a web address.", code="address")
    return composed


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or char in _BIDI_CONTROLS


def clean_description(text: str, longest: int) -> str:
    """Return what somebody says about a thing, composed (NFC), in one line with single spaces; empty for nothing.

    Raises ValidationError when it is longer than ``longest`` characters, or holds control characters or marks that turn
    the direction of text. It may hold the address of a page.
    """
    too_long = ValidationError(f"Enter a text of at most {longest} characters.", code="too_long")
    if len(text) > _TYPED:
        raise too_long
    composed = " ".join(unicodedata.normalize("NFC", text).split())
    if len(composed) > longest:
        raise too_long
    if any(map(_is_control, composed)):
        raise ValidationError("Enter a text without control characters.", code="control")
    return composed


def shown_name(name: str) -> str:
    """Return a name for comparing what was typed with it: case, and how characters are composed, do not matter."""
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


def sort_name(name: str) -> str:
    """Return the key by which lists put ``name`` in order: case folded, cut to ``SORT_NAME_LENGTH`` characters."""
    return unicodedata.normalize("NFKC", name).casefold()[:SORT_NAME_LENGTH]
