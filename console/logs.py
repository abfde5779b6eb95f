"""Logs: one JSON object per line, with the request's id, and anything that looks like a secret redacted."""

import json
import logging
import re
import traceback
from collections.abc import ItemsView
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from accounts.origin import request_id

# Classic values (64 hexadecimal digits), platform values (ktp_), tokens of invitations (kti_) and of password resets
# (ktr_), login tokens (ktl_), access tokens (three parts, the first of which is JSON), Basic credentials, and our
# cookies. None of them fails after a part of any length in which it could begin again: strangers can make up a text
# that is then gone through from each of its letters.
_KEY_SHAPED = re.compile(
    r"(?i)[0-9a-f]{64}|ktp_[0-9a-z]{20,}|kt[ilr]_[0-9a-z_-]{20,}|eyJ[0-9a-z_-]{10,}(?:\.[0-9a-z_-]*)*"
    r"|\bbasic\s+[0-9a-z+/=_-]{8,}|keytree_(?:session|csrf)=[^\s;\"']+"
)
_BLOT = "[redacted]"


def redact(text: str) -> str:
    """Return ``text`` with everything that looks like a secret replaced."""
    return _KEY_SHAPED.sub(_BLOT, text)


class _Redacted:
    """A variable of a stack frame, represented as an error page may show it."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        try:
            return redact(repr(self._value))
        except Exception as error:  # noqa: BLE001 - a broken repr must not break the page that reports another error
            return f"<no text: {type(error).__name__}>"


class RedactingReporterFilter(SafeExceptionReporterFilter):
    """Keeps secrets out of the error pages of debug mode too, where Django's own filter shows every variable."""

    def is_active(self, request: HttpRequest | None) -> bool:
        """Always."""
        return True

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> ItemsView[str, Any]:
        """Return a frame's variables: passwords and those marked as sensitive as stars, all others redacted."""
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return {
            str(name): self.cleansed_substitute if "password" in str(name) else _Redacted(value)
            for name, value in variables
        }.items()


class RedactingReporter(ExceptionReporter):
    """Writes the error pages of debug mode, whose headings are the errors' own words: these may hold anything."""

    def get_traceback_html(self) -> SafeString:
        """Return the page, with everything redacted that looks like a secret."""
        return SafeString(redact(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        """Return the same as plain text, for whoever does not accept HTML."""
        return SafeString(redact(super().get_traceback_text()))


class RedactingFilter(logging.Filter):
    """Redacts a record before any handler formats it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace message, arguments and traceback by their redacted text; always lets the record through."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.levelno < logging.ERROR:
            record.exc_info = None  # a refused request is not a fault: its message is enough
        if record.exc_info:
            # Only the traceback, without the local variables that Django's reports add.
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)))
            record.exc_info = None
        return True


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time (UTC), level, logger, message, request id and traceback as JSON, leaving out what is empty."""
        said = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            "traceback": record.exc_text,
        }
        return json.dumps({name: value for name, value in said.items() if value}, ensure_ascii=True)
