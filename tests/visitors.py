"""Visitors for security tests: people signed in without hashing a password, and what their requests write."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib import auth
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts.models import Member
from accounts.sessions import SessionStore

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def signed_in_session(member: Member) -> str:
    """The key of a session of somebody who has just signed in: what ``accounts.signin.sign_in`` leaves behind."""
    session, now = SessionStore(), timezone.now().timestamp()
    session.update(
        {
            auth.SESSION_KEY: str(member.user_id),
            auth.BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            auth.HASH_SESSION_KEY: member.user.get_session_auth_hash(),
            "uid": uuid.uuid4().hex,
            "account_id": member.account_id,
            "started_at": now,
            "seen_at": now,
            "proved_at": now,
        }
    )
    session.create()
    keys.append(session.session_key)
    return session.session_key


#: The keys of the sessions that were made here: browsers have them, and the database has not.
keys: list[str] = []


def visitor(member: Member | None = None, *, csrf_checks: bool = False, raises: bool = True) -> Client:
    """A client signed in as ``member``, or a stranger's."""
    client = Client(enforce_csrf_checks=csrf_checks, raise_request_exception=raises)
    if member is not None:
        client.cookies[settings.SESSION_COOKIE_NAME] = signed_in_session(member)
    return client


def session_of(client: Client) -> SessionStore:
    """The session that the client's cookie names, as the database has it now."""
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    return SessionStore(cookie.value if cookie else None)


_WRITE = re.compile(r'\s*(?:INSERT (?:OR IGNORE )?INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)


@contextmanager
def noting_writes() -> Iterator[set[str]]:
    """The names of the tables that are written to inside the block."""
    written: set[str] = set()

    def note(execute, sql, params, many, context):
        match = _WRITE.match(sql)
        if match:
            written.add(match[1])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield written


@contextmanager
def undone() -> Iterator[None]:
    """Undo at the end whatever is done inside the block."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def routes() -> dict[str, URLPattern]:
    """Every route of the program by its full name."""
    found: dict[str, URLPattern] = {}

    def walk(resolver: URLResolver, namespaces: tuple[str, ...]) -> None:
        for entry in resolver.url_patterns:
            if isinstance(entry, URLResolver):
                walk(entry, (*namespaces, *filter(None, [entry.namespace])))
            else:
                found[":".join((*namespaces, entry.name or str(entry.pattern)))] = entry

    walk(get_resolver(), ())
    return found


def body_of(response) -> bytes:
    """The body, read to its end where it is sent piece by piece."""
    return b"".join(response.streaming_content) if response.streaming else response.content
