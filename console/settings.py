"""All settings of a Keytree installation, read from the environment alone.

README.md, "Settings", lists the variables with defaults and units. An invalid value stops the program here, with the
name of the variable. A valid value that is unsafe in production is refused by ``console.checks``.
"""

import base64
import re
import secrets
from contextlib import suppress
from email.utils import parseaddr
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

import dj_database_url
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import validate_email
from environs import Env, EnvValidationError, ValidationError, validate

from accounts.addresses import AddressError, TrustedProxies
from console.first_run import kept_secret, private_folder
from console.settings_error import SettingsError

BASE_DIR = Path(__file__).resolve().parent.parent


def _check_database(text: str) -> None:
    if not text:
        return
    with suppress(ValueError):
        database = dj_database_url.parse(text)
        is_named = database["NAME"] or "service" in database.get("OPTIONS", {})
        # In memory, each process would have a database of its own.
        if is_named and database["NAME"] != ":memory:" and database["ENGINE"].endswith((".sqlite3", ".postgresql")):
            return
    raise ValidationError("Must be a URL like postgresql://user:password@host/name or sqlite:////path.")


def _check_proxies(text: str) -> None:
    try:
        TrustedProxies.parse(text)
    except AddressError as error:
        raise ValidationError(
            f"{error} Must be addresses and networks, such as 127.0.0.1, 10.0.4.0/28, or the word unix."
        ) from None


#: A host as browsers send it; ``urlsplit`` gives IPv6 addresses without their brackets.
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*", re.IGNORECASE)
_AS_SENT = "Write a name of other letters as browsers send it: xn--…"


def _check_url(text: str) -> None:
    with suppress(ValueError):
        parts = urlsplit(text)
        is_read = parts.port is None or parts.port > 0  # reading it raises ValueError
        if not text or (parts.scheme in {"http", "https"} and is_read and _HOST.fullmatch(parts.hostname or "")):
            return
    raise ValidationError(f"Must be a URL like https://keys.example.com. {_AS_SENT}")


def _check_hosts(text: str) -> None:
    for host in filter(None, (part.strip() for part in text.split(","))):
        if host != "*" and not _HOST.fullmatch(host.removeprefix(".").strip("[]")):
            raise ValidationError(f"Must be names like keys.example.com, separated by commas. {_AS_SENT}")


def _check_bind(text: str) -> None:
    # An IPv6 address has at least two colons, so after a single one there is a port.
    has_port = not text.startswith("unix:") and text.count(":") == 1
    if not text.removeprefix("unix:").strip("[]") or has_port or any(sign.isspace() for sign in text):
        raise ValidationError("Must be an address like 127.0.0.1, without a port, or unix:/run/keytree.sock.")


#: The minimum leaves time to notice that something happened and to look it up; the maximum is a hundred years.
_FEWEST_DAYS, _MOST_DAYS = 90, 36_500

#: The schemes of EMAIL_URL, with the usual port of each.
_MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


def _check_mail_server(text: str) -> None:
    try:
        url = urlsplit(text)
        known = url.scheme in _MAIL_PORTS and bool(url.hostname) and (url.port is None or url.port > 0)
        more = url.path.strip("/") or url.query or url.fragment
    except ValueError:
        known, more = False, ""
    if text and (more or not known):
        raise ValidationError("Must be a URL like smtps://user:password@mail.example.com; or smtp, or smtp+tls.")


def _check_sender(text: str) -> None:
    if not text:
        return
    with suppress(DjangoValidationError):
        if text.isprintable():
            validate_email(parseaddr(text)[1])
            return
    raise ValidationError("Must be an address like Keytree <keytree@example.com>.")


def _check_only_ring(text: str) -> None:
    # If one of them silently took precedence, a new key that is added to the other would never be used.
    if text and _key_ring_file:
        raise ValidationError("KEYTREE_KEY_RING_FILE is set too. Set only one of them; an empty one counts as not set.")


def _check_retention(days: int) -> None:
    if days and not _FEWEST_DAYS <= days <= _MOST_DAYS:
        raise ValidationError(f"Must be 0, which is for good, or a number of days from {_FEWEST_DAYS} to {_MOST_DAYS}.")


# --- The environment, read as a whole so that all mistakes are reported at once -------------------------------------
env = Env(eager=False)
KEYTREE_ENV = env.str("KEYTREE_ENV", "production", validate=validate.OneOf(["production", "demo"]))
DEBUG = env.bool("KEYTREE_DEBUG", False)
_data_dir = env.str("KEYTREE_DATA_DIR", "")
_secret_key = env.str("KEYTREE_SECRET_KEY", "")
SECRET_KEY_FALLBACKS: list[str] = env.list("KEYTREE_SECRET_KEY_FALLBACKS", [])
_key_ring_file = env.str("KEYTREE_KEY_RING_FILE", "")
_key_ring = env.str("KEYTREE_KEY_RING", "", validate=_check_only_ring)
KEYTREE_BIND = env.str("KEYTREE_BIND", "127.0.0.1", validate=_check_bind)
PORT = env.int("PORT", 8000, validate=validate.Range(min=0, max=65535))  # 0 means any free port
WEB_CONCURRENCY = env.int("WEB_CONCURRENCY", 2, validate=validate.Range(min=1, max=64))
_database_url = env.str("DATABASE_URL", "", validate=_check_database)
KEYTREE_PUBLIC_URL = env.str("KEYTREE_PUBLIC_URL", "", validate=_check_url)
_hosts = env.str("KEYTREE_ALLOWED_HOSTS", "", validate=_check_hosts)
KEYTREE_TRUSTED_PROXIES = env.str("KEYTREE_TRUSTED_PROXIES", "", validate=_check_proxies)
KEYTREE_ALLOW_PLAIN_DATABASE = env.bool("KEYTREE_ALLOW_PLAIN_DATABASE", False)
_email_url = env.str("EMAIL_URL", "", validate=_check_mail_server)
_mail_from = env.str("KEYTREE_MAIL_FROM", "", validate=_check_sender)
KEYTREE_ALLOW_PLAIN_MAIL = env.bool("KEYTREE_ALLOW_PLAIN_MAIL", False)
KEYTREE_SESSION_IDLE_MINUTES = env.int("KEYTREE_SESSION_IDLE_MINUTES", 30, validate=validate.Range(min=1, max=24 * 60))
KEYTREE_SESSION_HOURS = env.int("KEYTREE_SESSION_HOURS", 12, validate=validate.Range(min=1, max=720))
KEYTREE_INVITATIONS_PER_DAY = env.int("KEYTREE_INVITATIONS_PER_DAY", 100_000, validate=validate.Range(min=1, max=10**9))
KEYTREE_ACTIVITY_DAYS = env.int("KEYTREE_ACTIVITY_DAYS", 0, validate=_check_retention)
KEYTREE_LOG_LEVEL = env.str("KEYTREE_LOG_LEVEL", "INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
try:
    env.seal()
except EnvValidationError as error:
    mistakes = cast("dict[str, list[str]]", error.error_messages)  # a list is what an eager Env has
    raise SettingsError(mistakes) from None

KEYTREE_DATA_DIR = Path(_data_dir or BASE_DIR / ".data").absolute()
KEYTREE_PUBLIC_URL = KEYTREE_PUBLIC_URL.rstrip("/")
IS_DEMO = KEYTREE_ENV == "demo"

# --- Secrets --------------------------------------------------------------------------------------------------------
# The demo generates its own. In production they must be configured, which console.checks ensures.
SECRET_KEY = _secret_key
KEYTREE_KEY_RING = _key_ring
KEYTREE_KEY_RING_FILE = _key_ring_file
if IS_DEMO:
    try:
        SECRET_KEY = SECRET_KEY or kept_secret(KEYTREE_DATA_DIR / "secret_key", lambda: secrets.token_urlsafe(50))
        if not KEYTREE_KEY_RING and not KEYTREE_KEY_RING_FILE:
            KEYTREE_KEY_RING_FILE = str(KEYTREE_DATA_DIR / "key_ring")
            kept_secret(Path(KEYTREE_KEY_RING_FILE), lambda: "1:" + base64.b64encode(secrets.token_bytes(32)).decode())
        private_folder(KEYTREE_DATA_DIR / "mail")  # the demo's mails contain links that let people in
    except OSError as error:
        raise SettingsError(
            {"KEYTREE_DATA_DIR": [f"{error.filename} cannot be used: {error.strerror}. Name another folder."]}
        ) from None

# --- Where it is reached --------------------------------------------------------------------------------------------
# Links in mails begin with KEYTREE_PUBLIC_URL, never with the request's Host header.
_public = urlsplit(KEYTREE_PUBLIC_URL)
_loopback = ["localhost", "127.0.0.1", "[::1]"]
_allowed_hosts = [host for part in _hosts.split(",") if (host := part.strip())]
ALLOWED_HOSTS = _allowed_hosts + ([_public.hostname] if _public.hostname else []) + (_loopback if IS_DEMO else [])
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"] if _public.hostname else []
IS_HTTPS = _public.scheme == "https"

# --- Mail -----------------------------------------------------------------------------------------------------------
# Without a mail server the demo writes its mails to files, and production sends none, with a warning.
KEYTREE_SENDS_MAIL = bool(_email_url) or IS_DEMO
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if _email_url else 'filebased'}.EmailBackend"
EMAIL_FILE_PATH = KEYTREE_DATA_DIR / "mail"
_mail = urlsplit(_email_url or "smtp://localhost")
EMAIL_HOST, EMAIL_PORT = _mail.hostname, _mail.port or _MAIL_PORTS[_mail.scheme]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.scheme == "smtp+tls", _mail.scheme == "smtps"
EMAIL_TIMEOUT = 20  # seconds
DEFAULT_FROM_EMAIL = _mail_from or f"Keytree <keytree@{_public.hostname or 'localhost'}>"

# --- Applications ---------------------------------------------------------------------------------------------------
ROOT_URLCONF = "console.urls"
WSGI_APPLICATION = "console.wsgi.application"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "crispy_forms",
    "accounts",
    "keys",
    "console",
]
MIDDLEWARE = [
    "console.middleware.RequestOriginMiddleware",
    "console.middleware.ContentPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.middleware.SessionLimitsMiddleware",
    "accounts.middleware.SignInMiddleware",
    "accounts.middleware.MemberMiddleware",
    "console.middleware.NotAllowedPageMiddleware",
]

# --- Database -------------------------------------------------------------------------------------------------------
DATABASES = {
    "default": dj_database_url.parse(
        _database_url or f"sqlite:///{KEYTREE_DATA_DIR / 'keytree.sqlite3'}", conn_max_age=600, conn_health_checks=True
    )
}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["OPTIONS"] = {
        # Transactions take the write lock at their start, so that one that reads first cannot fail later as "locked".
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,  # seconds
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA trusted_schema=OFF; "
            # KiB; each thread has a connection, and the system keeps what is read often. Large writes take more.
            "PRAGMA cache_size=-384; "
            "PRAGMA recursive_triggers=ON;"  # for REPLACE to fire the triggers that protect the audit trail
        ),
    }
else:
    # Milliseconds. A statement that hangs must not block the console. Commands may lift the limit for themselves.
    _limits = "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000"
    # A server whose machine or network is gone says nothing: the system waits for a quarter of an hour, or for hours
    # where nothing was sent, and threads with it. Seconds, the last one milliseconds.
    _silence = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 15_000}
    _database["OPTIONS"] = {"connect_timeout": 5, **_silence, **_database.get("OPTIONS", {}), "options": _limits}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Signing in -----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.signin.MemberBackend"]
PASSWORD_HASHERS = ["accounts.hashers.Argon2Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "accounts.hashers.MaximumLengthValidator"},
    {"NAME": "accounts.hashers.CommonCoreValidator"},
    {"NAME": "accounts.hashers.ContextWordsValidator"},
]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "/"

# --- Sessions and cookies -------------------------------------------------------------------------------------------
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_AGE = KEYTREE_SESSION_HOURS * 3600
# Browsers accept a `__Host-` cookie only over https, for this host alone and the whole site. Cookies do not
# distinguish ports, so over http the port is in the name: two demos on one machine would end each other's sessions.
COOKIE_PREFIX = "__Host-" if IS_HTTPS else f"{PORT}_" if PORT else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}keytree_session"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}keytree_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "console.views.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Transport ------------------------------------------------------------------------------------------------------
# console.middleware removes this header unless a trusted proxy sent it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 2 * 365 * 24 * 3600 if IS_HTTPS else 0
SECURE_REFERRER_POLICY = SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes; console.middleware refuses larger bodies before they are read
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]  # the same limit applies
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

# --- Pages ----------------------------------------------------------------------------------------------------------
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "console.context_processors.shell",
            ],
            "builtins": ["console.templatetags.ui"],
        },
    }
]
FORM_RENDERER = "console.rendering.Renderer"
CRISPY_ALLOWED_TEMPLATE_PACKS = ("carbon",)
CRISPY_TEMPLATE_PACK = "carbon"
LANGUAGE_CODE = "en"
USE_I18N = False  # there is one language, and Django's look-ups of translations took a tenth of a page's time
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = KEYTREE_DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder", "console.assets.BundleFinder"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

DEFAULT_EXCEPTION_REPORTER = "console.logs.RedactingReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "console.logs.RedactingReporterFilter"

# --- Logs: one JSON object per line on standard output --------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "console.logs.RedactingFilter"}},
    "formatters": {"json": {"()": "console.logs.JsonFormatter"}},
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "json",
            "filters": ["redact"],
        }
    },
    "root": {"handlers": ["stdout"], "level": KEYTREE_LOG_LEVEL},
    # Without handlers of their own, which would mail or print unredacted reports.
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # Anybody can cause these errors at will, and would fill the log with them.
        **{
            f"django.security.{kind}": {"level": "CRITICAL"}
            for kind in (
                "DisallowedHost",
                "RequestDataTooBig",
                "SuspiciousMultipartForm",
                "TooManyFieldsSent",
                "TooManyFilesSent",
            )
        },
    },
}
