"""Django system checks of a production installation, which must pass before Keytree serves.

They change nothing. None of them applies to the demo, where a banner warns instead.

Source: docs/security.md, "Start-up refusals".
"""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register, run_checks
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.exceptions import BadMigrationError, InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader

from accounts import sealing
from accounts.addresses import TrustedProxies
from accounts.models import Account
from console.logs import redact
from console.maintenance import first_line, unapplied_migrations
from keys.value_check import newest_value_opens, platform_keys_by_missing_master_key

_log = logging.getLogger(__name__)

_SECRET_KEY_CHARACTERS = 50
_SECRET_KEY_DISTINCT = 5
_NEW_SECRET = "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"  # noqa: S105 - makes one, is none
_NEW_RING = "python manage.py generate_ring_key"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MIGRATE = "With the migration role, run: python manage.py migrate"


def production_check(check: Callable[[], Iterator[CheckMessage]]) -> Callable[..., list[CheckMessage]]:
    """Register ``check`` as a deployment check that finds nothing in the demo."""

    def found(**_: Any) -> list[CheckMessage]:
        return [] if settings.IS_DEMO else list(check())

    return register(found, deploy=True)


def refuse_unsafe_start() -> None:
    """Exit with a list of everything that is wrong, unless it is safe to serve; log what is warned of.

    Called before the server listens. In the demo only Django's own checks count.
    """
    messages = run_checks(include_deployment_checks=not settings.IS_DEMO)
    problems = [message for message in messages if message.is_serious()]
    if problems:
        sys.exit(_told(sorted(problems, key=lambda problem: problem.id or "")))
    log_warnings(message for message in messages if (message.id or "").startswith("keytree."))


def log_warnings(messages: Iterable[CheckMessage]) -> None:
    """Log what does not keep a server from serving, with its remedy."""
    for message in messages:
        _log.warning("%s %s (%s)", message.msg, message.hint, message.id)


def _told(problems: Sequence[CheckMessage]) -> str:
    count = "one thing has" if len(problems) == 1 else f"{len(problems)} things have"
    lines = [f"Keytree does not start: {count} to be put right first.", ""]
    for number, problem in enumerate(problems, start=1):
        lines.append(f"{number:>3}. {problem.msg} ({problem.id})")
        if problem.hint:
            lines.append(f"     {problem.hint}")
    return redact("\n".join(lines))


@production_check
def debug_is_off() -> Iterator[Error]:
    """Error pages of debug mode show settings and variables to anybody."""
    if settings.DEBUG:
        yield Error("KEYTREE_DEBUG is on.", hint="Remove it from the environment.", id="keytree.E001")


@production_check
def secret_key_is_strong() -> Iterator[Error]:
    """Cookies and links are signed with this key: whoever guesses it can forge them."""
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        key = ""
    if not key:
        yield Error("KEYTREE_SECRET_KEY is not set.", hint=f"Make one with: {_NEW_SECRET}", id="keytree.E002")
    elif (
        len(key) < _SECRET_KEY_CHARACTERS
        or len(set(key)) < _SECRET_KEY_DISTINCT
        or key.startswith(("django-insecure-", "<"))
    ):
        yield Error(
            f"KEYTREE_SECRET_KEY is too easy to guess: it needs {_SECRET_KEY_CHARACTERS} random characters.",
            hint=f"Make one with: {_NEW_SECRET}",
            id="keytree.E003",
        )


@production_check
def ring_is_usable() -> Iterator[Error]:
    """Without the key ring no value can be sealed, found or shown; one that others can read protects nothing."""
    hint = f"Set KEYTREE_KEY_RING_FILE to a file of mode 0600 that was made with: {_NEW_RING}"
    if not (settings.KEYTREE_KEY_RING or settings.KEYTREE_KEY_RING_FILE):
        yield Error("No key ring is set.", hint=hint, id="keytree.E004")
        return
    try:
        sealing.configured_ring()
    except sealing.RingError as error:
        yield Error(f"The key ring cannot be used. {error}", hint=hint, id="keytree.E005")
    except ValueError:
        yield Error("The key ring cannot be used. Its file is no text.", hint=hint, id="keytree.E005")


@production_check
def ring_is_that_of_the_database() -> Iterator[Error]:
    """With the wrong ring every call is refused, and events recorded meanwhile cannot be verified later."""
    try:
        is_right = newest_value_opens()
    except (DatabaseError, ValueError):
        return  # ring_is_usable and database_is_migrated say why
    if not is_right:
        yield Error(
            "The key ring is not that of this database: it does not open what is stored.",
            hint="Set KEYTREE_KEY_RING_FILE to the ring that the database was used with. "
            "manage.py check_data tells whether a value is damaged instead.",
            id="keytree.E020",
        )


@production_check
def ring_has_every_master_key() -> Iterator[CheckMessage]:
    """IBM Cloud API keys are found by digests, which need their old master key until the key is used."""
    try:
        missing = platform_keys_by_missing_master_key()
    except (DatabaseError, ValueError):
        return  # likewise
    for key_id, keys in sorted(missing.items()):
        yield CheckWarning(
            f"The key ring lacks the master key {key_id}, which {keys:,} IBM Cloud API keys need: calls with them are "
            "refused.",
            hint="Put it back behind the current one. A key stops needing it when it is used.",
            id="keytree.W003",
        )


@production_check
def hosts_are_named() -> Iterator[Error]:
    """A server that accepts any host name can be made to send links to other sites."""
    hint = "Set KEYTREE_PUBLIC_URL; further names, separated by commas, go into KEYTREE_ALLOWED_HOSTS."
    if not settings.ALLOWED_HOSTS:
        yield Error("No host name is allowed.", hint=hint, id="keytree.E006")
    if "*" in settings.ALLOWED_HOSTS:
        yield Error("KEYTREE_ALLOWED_HOSTS allows every name (*).", hint=hint, id="keytree.E007")


@production_check
def public_url_is_https() -> Iterator[Error]:
    """Links in mails begin with this URL, and its https makes cookies secure."""
    url = urlsplit(settings.KEYTREE_PUBLIC_URL)
    if url.scheme != "https" or not url.hostname or url.path or url.query or url.fragment or "@" in url.netloc:
        yield Error(
            f"KEYTREE_PUBLIC_URL is {'no https address of a site' if settings.KEYTREE_PUBLIC_URL else 'not set'}.",
            hint="Set it to where people find the console, such as https://keys.example.com",
            id="keytree.E008",
        )


@production_check
def proxies_are_declared() -> Iterator[Error]:
    """IP restrictions need the client's address, which only trusted proxies are believed to report."""
    hint = "Name the addresses of your proxies, such as 127.0.0.1, 10.0.4.0/28 or the word unix."
    proxies = TrustedProxies.parse(settings.KEYTREE_TRUSTED_PROXIES)
    if proxies.covers_everything:
        yield Error(
            "KEYTREE_TRUSTED_PROXIES trusts everybody: any client could claim any address.",
            hint=hint,
            id="keytree.E010",
        )
    elif settings.IS_HTTPS and not proxies.networks and not proxies.unix:
        yield Error(
            "KEYTREE_TRUSTED_PROXIES is empty, though the public address is https and Keytree itself speaks plain "
            "http: whatever ends TLS in front of it has to be named.",
            hint=hint,
            id="keytree.E011",
        )


@production_check
def database_is_private() -> Iterator[Error]:
    """Over a network nobody may read names and sealed values, or pose as the database server."""
    if connection.vendor != "postgresql" or settings.KEYTREE_ALLOW_PLAIN_DATABASE:
        return
    database, options = connection.settings_dict, connection.settings_dict["OPTIONS"]
    hosts = str(database["HOST"] or options.get("host") or options.get("hostaddr") or "").split(",")
    over_tcp = any(host and not host.startswith(("/", "@")) for host in hosts)
    if over_tcp and options.get("sslmode") != "verify-full":
        yield Error(
            "DATABASE_URL reaches PostgreSQL over TCP without sslmode=verify-full.",
            hint="Add ?sslmode=verify-full&sslrootcert=<file>, connect by a unix socket, or, where the network is "
            "private beyond doubt, set KEYTREE_ALLOW_PLAIN_DATABASE=true.",
            id="keytree.E012",
        )


@production_check
def mail_is_private() -> Iterator[CheckMessage]:
    """Invitations contain links that let people in; nobody may read them on the way."""
    if not settings.KEYTREE_SENDS_MAIL:
        yield CheckWarning(
            "EMAIL_URL is not set: nobody who is invited gets to know of it, nor anybody of what others change.",
            hint="Set it to the address of a mail server, such as smtps://user:password@mail.example.com",
            id="keytree.W001",
        )
        return
    is_plain = not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL)
    if is_plain and settings.EMAIL_HOST not in _LOOPBACK and not settings.KEYTREE_ALLOW_PLAIN_MAIL:
        yield Error(
            "EMAIL_URL reaches the mail server without TLS.",
            hint="Use smtps:// or smtp+tls://, or, where the network is private beyond doubt, set "
            "KEYTREE_ALLOW_PLAIN_MAIL=true.",
            id="keytree.E019",
        )


@production_check
def data_folder_is_writable() -> Iterator[Error]:
    """SQLite writes its journal beside the database, so file and folder must both be writable."""
    if problem := _data_folder_problem():
        yield Error(
            f"The SQLite database cannot be written: {problem}.",
            hint="Make the folder, owned by the user that Keytree runs as, or name another in KEYTREE_DATA_DIR.",
            id="keytree.E013",
        )


def _data_folder_problem() -> str:
    if connection.vendor != "sqlite":
        return ""
    file = Path(connection.settings_dict["NAME"])
    if not file.parent.is_dir():
        return f"the folder {file.parent} does not exist"
    if not os.access(file.parent, os.W_OK | os.X_OK):
        return f"the folder {file.parent} is not writable"
    if file.exists() and not os.access(file, os.R_OK | os.W_OK):
        return f"the file {file} is not writable"
    return ""


@production_check
def database_file_is_private() -> Iterator[CheckMessage]:
    """The file contains names, e-mail addresses and hashes of passwords."""
    if connection.vendor != "sqlite" or _data_folder_problem():
        return
    file = Path(connection.settings_dict["NAME"])
    if file.exists() and file.stat().st_mode & 0o077:
        yield CheckWarning(
            f"The database file {file} can be read by others.",
            hint=f"Run: chmod go= {file}*",
            id="keytree.W002",
        )


@production_check
def database_is_migrated() -> Iterator[Error]:
    """Code and tables of different versions lose data or fail."""
    if _data_folder_problem():
        return  # opening the database would create a file, or fail with a less helpful message
    try:
        MigrationLoader(connection).check_consistent_history(connection)
        unapplied = unapplied_migrations()
    except DatabaseError as error:
        yield Error(
            f"The database cannot be reached: {first_line(error)}.",
            hint="Check DATABASE_URL, and that the server runs.",
            id="keytree.E014",
        )
        return
    except (BadMigrationError, InconsistentMigrationHistory) as error:
        yield Error(f"The migrations are in disorder: {first_line(error)}.", hint=_MIGRATE, id="keytree.E015")
        return
    if unapplied:
        what = f"{len(unapplied)} migrations are not applied, the first {unapplied[0]}"
        yield Error(f"{what}.", hint=_MIGRATE, id="keytree.E016")


@production_check
def demo_is_not_here() -> Iterator[Error]:
    """The passwords of the demo's people are published."""
    try:
        has_demo = Account.objects.filter(is_demo=True).exists()
    except DatabaseError:
        return  # database_is_migrated says why
    if has_demo:
        yield Error(
            "The database holds the demo account, whose passwords are published.",
            hint="Give production an empty database of its own: another DATABASE_URL or KEYTREE_DATA_DIR.",
            id="keytree.E017",
        )


@production_check
def static_files_are_collected() -> Iterator[Error]:
    """Pages look up their style sheets in the manifest that `collectstatic` writes, and fail without it."""
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    if not settings.DEBUG and not manifest.is_file():
        yield Error(
            f"The static files have not been collected into {settings.STATIC_ROOT}.",
            hint="Run: python manage.py collectstatic --no-input",
            id="keytree.E018",
        )
