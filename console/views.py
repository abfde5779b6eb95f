"""Pages that belong to no app: the start page's redirect, help, health checks, and error pages."""

import logging
import shlex
import sys

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template import loader
from django.urls import reverse
from django.views.decorators.http import require_safe
from django.views.defaults import page_not_found

from accounts import sealing, ways_back
from accounts.links import link
from accounts.names import PLATFORM_USERNAME
from accounts.policy import MemberAction, can
from accounts.requests import MemberRequest
from console.maintenance import unapplied_migrations
from keys.models import MOST_PLATFORM_KEYS
from keys.platform.policy import can_see_all
from keys.value_check import newest_value_opens
from keys.views.dialogs import NoSuchKey

_log = logging.getLogger(__name__)
#: What goes into the settings file of SoftLayer's Python client, without the key.
_CLIENT_SETTINGS = """\
[softlayer]
username = {username}
api_key =
endpoint_url = {here}/rest/v3.1/"""
#: How IBM Cloud's Python library is pointed here.
_PLATFORM_CLIENT = """\
from ibm_cloud_sdk_core.authenticators import IAMAuthenticator
from ibm_platform_services import IamIdentityV1

login = IAMAuthenticator(value, url="{here}")
keys = IamIdentityV1(authenticator=login)
keys.set_service_url("{here}")"""


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Redirect to the list of keys, which most people come for."""
    return redirect("keys:classic-list")


@require_safe
def show_help(request: MemberRequest) -> HttpResponse:
    """Show what keys are for, how programs use them, and who may do what with them."""
    viewer = request.member
    sees_who = can(viewer, MemberAction.VIEW_CARE, viewer)
    here = settings.KEYTREE_PUBLIC_URL or f"{request.scheme}://{request.get_host()}"
    context = {
        "title": "Help",
        "most_platform_keys": MOST_PLATFORM_KEYS,
        "platform_username": PLATFORM_USERNAME,
        "example": f"curl --user {shlex.quote(viewer.api_username)} https://service.example.com/",
        "client_settings": _CLIENT_SETTINGS.format(username=viewer.api_username, here=here),
        "platform_client": _PLATFORM_CLIENT.format(here=here),
        "report": f"curl --data-binary @found.txt {here}/leaked",
        "sees_all": can_see_all(viewer),
        "looks_after_others": viewer.has_users_below or can(viewer, MemberAction.INVITE, viewer),
        "who_can_manage": f"{link('accounts:user', viewer.pk)}?tab=manage" if sees_who else "",
    }
    return render(request, "console/help.html", context)


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer that the process is alive."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer whether requests can be served: the database is migrated, and the key ring fits its values."""
    try:
        ready = not unapplied_migrations()
        blob = sealing.seal(b"canary", purpose="readyz", belongs_to=())
        ready = ready and sealing.open_sealed(blob, purpose="readyz", belongs_to=()) == b"canary"
        if ready and not newest_value_opens():
            _log.error("not ready: the key ring does not open the newest value that is stored")
            ready = False
    except (DatabaseError, sealing.RingError, sealing.SealError) as error:
        _log.error("not ready: %s", type(error).__name__)
        ready = False
    return HttpResponse(
        "ok\n" if ready else "not ready\n", content_type="text/plain; charset=utf-8", status=200 if ready else 503
    )


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a request that cannot be read, without reading any of it: Django's own page would."""
    return HttpResponse(loader.render_to_string("400.html"), status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for what does not exist, or not for this viewer; keys have a page of their own for that."""
    is_key = isinstance(exception, NoSuchKey)
    return page_not_found(request, exception, "keys/classic_gone.html" if is_key else "404.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault without details: 503 if the database is away or busy, which may pass, otherwise 500."""
    if not isinstance(sys.exc_info()[1], OperationalError):
        return HttpResponse(loader.render_to_string("500.html"), status=500)
    return HttpResponse(loader.render_to_string("503.html"), status=503, headers={"Retry-After": "5"})


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form whose CSRF token is missing or old: usually the page was opened before the last login.

    Somebody who has logged in from another tab meanwhile is redirected, as after logging in with this form.
    """
    if request.user.is_authenticated and request.path == reverse(settings.LOGIN_URL):
        return redirect(request.get_full_path())
    context = {"title": "Page out of date", "again": ways_back.after_signing_in(request)}
    return render(request, "403_csrf.html", context, status=403)


def method_not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    """Answer a method that the URL does not accept: usually somebody opened the URL of a form."""
    response = render(request, "405.html", {"title": "Nothing to open here"}, status=405)
    response["Allow"] = allowed
    return response
