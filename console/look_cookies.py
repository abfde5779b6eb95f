"""Cookies about how pages look, such as the theme: kept for a year, rendered by the server, nothing secret."""

from django.conf import settings
from django.http import HttpResponse

_SECONDS = 365 * 24 * 3600


def keep(response: HttpResponse, name: str, value: str) -> None:
    """Keep ``value`` in the cookie ``name``; an empty one deletes the cookie."""
    if not value:
        response.delete_cookie(name, samesite="Lax")
        return
    response.set_cookie(
        name, value, max_age=_SECONDS, secure=settings.SESSION_COOKIE_SECURE, httponly=True, samesite="Lax"
    )
