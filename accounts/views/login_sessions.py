"""Login sessions: one's own, by the profile menu, and all of another user's in the account."""

import uuid

from django.contrib import auth, messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from accounts import login_sessions
from accounts.access import ask_for_proof, refusals_recorded, target_of
from accounts.actions_menu import MenuItem
from accounts.dialogs import PageBehind, dialog, page_of_user
from accounts.list_request import ListRequest
from accounts.login_sessions import LoginSession, SessionGone
from accounts.policy import MemberAction
from accounts.requests import MemberRequest, form_or_post
from accounts.views.session import to_login

ALL, ACTIVE = "all", "active"
VIEWS = {ALL: "All sessions", ACTIVE: "Active sessions"}


@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """List the viewer's own sessions, of all their accounts."""
    view = ListRequest.of(request).choice("view", VIEWS, ALL)
    sessions = login_sessions.sessions_of(request.member.user_id, present_key=request.session.session_key)
    context = {
        "title": "Login sessions",
        "view": view,
        "views": VIEWS.items(),
        "rows": [_row(session) for session in sessions if view == ALL or not session.is_over],
        "most": login_sessions.MOST_LISTED if len(sessions) == login_sessions.MOST_LISTED else 0,
    }
    return render(request, "accounts/login_sessions.html", context)


def _row(session: LoginSession) -> dict[str, object]:
    url = reverse("accounts:end-session", args=[session.uid])
    browser = session.agent or "Unknown browser"
    return {
        "session": session,
        "browser": browser,
        "name": f"{browser} at {session.address or 'an unknown address'}",
        "menu": [MenuItem("End session", url, is_dialog=True, is_danger=True)],
    }


def _page_of_sessions() -> PageBehind:
    return PageBehind(reverse("accounts:login-sessions"), "Login sessions")


@sensitive_post_parameters("password", "proof_code")
@form_or_post
def end(request: MemberRequest, uid: uuid.UUID) -> HttpResponse:
    """Ask whether to end one of the viewer's own sessions, and do it; for the present one it is logging out."""
    try:
        session = login_sessions.find(request.member.user_id, uid, present_key=request.session.session_key)
        if request.method == "POST":
            return _end(request, session)
    except SessionGone:
        raise Http404 from None
    return dialog(request, "accounts/end_session.html", "End session", _page_of_sessions(), session=session)


def _end(request: MemberRequest, session: LoginSession) -> HttpResponse:
    """End one session, after a proof of identity unless it is the present one. Raises SessionGone."""
    if not session.is_present:
        proof = ask_for_proof(request, what="end the session", behind=_page_of_sessions())
        if proof is not None:
            return proof
    login_sessions.end_own(uid=session.uid, by=request.member, origin=request.origin)
    return _after_end(request, "Session ended", is_present=session.is_present)


def _after_end(request: MemberRequest, told: str, *, is_present: bool) -> HttpResponse:
    """Go back to the list, or to the login page when the present session is among those that ended."""
    if is_present:
        auth.logout(request)
    messages.success(request, told)
    return to_login() if is_present else redirect("accounts:login-sessions")


@sensitive_post_parameters("password", "proof_code")
@form_or_post
def end_all(request: MemberRequest) -> HttpResponse:
    """Ask whether to end all sessions of the viewer, this one included, and do it."""
    if request.method == "POST":
        proof = ask_for_proof(request, what="end all your sessions", behind=_page_of_sessions())
        if proof is not None:
            return proof
        login_sessions.end_all_own(by=request.member, origin=request.origin)
        return _after_end(request, "All your sessions have ended\nLog in to continue.", is_present=True)
    return dialog(request, "accounts/end_all_sessions.html", "End all sessions", _page_of_sessions())


@sensitive_post_parameters("password", "proof_code")
@form_or_post
def end_all_of(request: MemberRequest, member_id: int) -> HttpResponse:
    """Ask whether to end all sessions that another user has in the account, and do it."""
    action = MemberAction.END_SESSIONS
    member = target_of(request, member_id, action)
    behind = page_of_user(member)
    if request.method == "POST":
        proof = ask_for_proof(request, what="end the sessions", behind=behind)
        if proof is not None:
            return proof
        with refusals_recorded(request, member, action.value):
            login_sessions.end_all_of(member=member, by=request.member, origin=request.origin)
        messages.success(request, f"Sessions ended\n{member.name} must log in again to work in this account.")
        return redirect(behind.url)
    return dialog(request, "accounts/end_all_sessions.html", "End all sessions", behind, member=member)
