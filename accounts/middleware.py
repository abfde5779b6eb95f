"""What every request of a signed-in user goes through: session limits, then the member in the current account."""

from collections.abc import Callable
from typing import cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts import page_account, signin, uploads, ways_back
from accounts.hierarchy import freezes_over
from accounts.models import Member
from accounts.requests import MemberRequest
from accounts.signin import Obstacle

#: The header of requests that scripts make by themselves: static/js/session.js and progress.js.
_UNATTENDED = "Keytree-Unattended"

Next = Callable[[HttpRequest], HttpResponse]


class SessionLimitsMiddleware:
    """Ends sessions that were idle or open for too long. Requests of scripts by themselves do not count as use."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Sign the user out before the view if the session's time is over; the page then asks them to log in again."""
        origin = cast(MemberRequest, request).origin
        is_use = _UNATTENDED not in request.headers
        if request.session.get(auth.SESSION_KEY) and signin.session_is_over(request, origin=origin, is_use=is_use):
            auth.logout(request)
        return self.get_response(request)


class SignInMiddleware(LoginRequiredMiddleware):
    """Asks strangers to log in, and leads them back to the page that they asked for."""

    def handle_no_permission(
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseRedirect:
        """Redirect to the login page, which says if a session has ended, whoever ended it.

        The address says so: a message would create a session, for whatever a stranger sends in a session cookie. After
        an attempt to log out or to switch accounts there is no page to lead back to, and no input was lost.
        """
        back = ways_back.after_signing_in(request)
        is_over = settings.SESSION_COOKIE_NAME in request.COOKIES and request.session.is_empty()
        ended = "form" if back and request.method == "POST" else "1"
        query = urlencode({**({"next": back} if back else {}), **({"ended": ended} if is_over else {})}, safe="/")
        return redirect(reverse(settings.LOGIN_URL) + (f"?{query}" if query else ""))


class MemberMiddleware:
    """Sets ``request.member`` and enforces, on every request, what may have changed since the sign-in."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Call the view. A large body is refused here, when it is known who sent it and nothing has read it yet."""
        cast(MemberRequest, request).member = signin.current_member(request)  # type: ignore[assignment]
        return uploads.admit(cast(MemberRequest, request)) or self.get_response(request)

    def process_view(
        self, request: MemberRequest, view: Callable[..., HttpResponse], args: object, kwargs: object
    ) -> HttpResponse | None:
        """Keep out members whose status or address does not allow the console, except to log out or switch accounts.

        For the others, stop forms that were opened in another account.
        """
        member: Member | None = request.member
        if member is None or not getattr(view, "login_required", True) or getattr(view, "for_any_status", False):
            return None
        match signin.obstacle(member, request.origin):
            case Obstacle.ADDRESS as why:
                return _refused(request, why, "address_refused", "Address not allowed")
            case Obstacle.SUSPENDED as why:
                return _refused(request, why, "suspended", "Suspended")
            case Obstacle.FROZEN as why:
                return _refused(request, why, "frozen", "Frozen", freeze=freezes_over(member).first())
            case Obstacle.NO_FACTOR if not getattr(view, "for_enrolment", False):
                return _send_to_enrol(request)
        return _send_to_look(request) if page_account.is_another(request) else None


def _send_to_enrol(request: MemberRequest) -> HttpResponse:
    """Send somebody who lacks the second factor that the account requires to where they set one up."""
    if request.method in {"GET", "HEAD"}:
        return redirect("accounts:security")
    return _refused(request, Obstacle.NO_FACTOR, "factor_required", "Second factor required")


def _send_to_look(request: MemberRequest) -> HttpResponse:
    """Say that the account is another by now, on a page of that account."""
    messages.error(request, page_account.in_words(request))
    return redirect("/")


def _refused(request: MemberRequest, why: Obstacle, template: str, title: str, **more: object) -> HttpResponse:
    """Return the page that says why, and record it; ``more`` is what that page shows besides."""
    signin.record_kept_out(request.member, request.origin, why)
    return render(request, f"accounts/{template}.html", {"title": title, **more}, status=403)
