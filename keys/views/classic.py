"""The classic view of the API keys page, and the dialogs about one key."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_safe

from accounts import formats
from accounts.access import ask_for_proof, is_proof_given, member_or_404, refusals_recorded
from accounts.csv_files import csv_response
from accounts.dialogs import PageBehind, dialog, page_of_user
from accounts.enums import MemberStatus
from accounts.forms import focus_first_mistake
from accounts.hierarchy import descendants_of
from accounts.links import way_back
from accounts.list_request import ListRequest
from accounts.models import Member
from accounts.requests import MemberRequest, form_or_post
from keys import insight, lifecycle, openings, policy, queries
from keys.forms import KeyRestrictionForm
from keys.material import PlainValue, SealError
from keys.models import ClassicKey
from keys.platform.queries import CLASSIC, VIEWS, carried_to_view, views_open_to
from keys.policy import KeyAction
from keys.views.dialogs import NoSuchKey, page_behind, page_of_list

_log = logging.getLogger(__name__)


@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """List the viewer's own key and those of everyone below them."""
    viewer, asked = request.member, ListRequest.of(request)
    own, branch = queries.own_key(viewer), queries.branch_asked_for(viewer, asked)
    pinned = own if own is not None and branch is None and queries.matches(own, asked) else None
    listing = queries.keys_below(viewer, asked, branch, own=own)
    page = listing.page(per_page=asked.per_page, cursor=asked.cursor, pinned=1 if pinned else 0)
    shown = [pinned, *page.rows] if pinned and page.pinned else page.rows
    here, chosen = asked.url(), insight.Filter.of(asked)
    is_filtered = bool(asked.search or chosen or branch)
    places = queries.Places(way_back(here) if here != request.path else "")
    context = {
        "title": "API keys",
        "asked": asked,
        "views": views_open_to(viewer),
        "view_hidden": carried_to_view(asked),
        "rows": [queries.row(key, viewer, places) for key in shown],
        "made_at": timezone.now(),
        "is_listed": bool(shown or is_filtered),
        "is_filtered": is_filtered,
        "list_in_words": asked.in_words(
            VIEWS[CLASSIC],
            branch=branch.name if branch else "",
            last_used=insight.USES.get(chosen.use, ""),
            restriction=insight.RESTRICTIONS.get(chosen.restriction, ""),
        ),
        "branch": branch,
        "filters": [
            ("used", "Last used", "Used at any time", insight.USES.items(), chosen.use),
            ("restriction", "Restriction", "Restricted or not", insight.RESTRICTIONS.items(), chosen.restriction),
        ],
        "created_by": asked.heading("Created by", "created_by", "holder_sort_name", listing.order),
        "date_created": asked.heading("Date created", "created", "created_at", listing.order, first="-"),
        "footer": asked.footer(page),
        "can_create": own is None and policy.can_create(viewer, viewer),
        "clear_url": asked.url(q=None, used=None, restriction=None, branch=None, at=None),
        "csv_query": request.GET.urlencode(),
    }
    if not shown and not is_filtered:
        context["is_disabled"] = viewer.status == MemberStatus.DISABLED_CLASSIC
        context["looks_after_others"] = descendants_of(viewer).exists()
    return render(request, "keys/classic_list.html", context)


@require_safe
def export(request: MemberRequest) -> StreamingHttpResponse:
    """Send the keys of the present filter as a file: never a value."""
    viewer, asked = request.member, ListRequest.of(request)
    own, branch = queries.own_key(viewer, for_file=True), queries.branch_asked_for(viewer, asked)
    listing = queries.keys_below(viewer, asked, branch, own=own)
    first = own if own is not None and branch is None and queries.matches(own, asked) else None
    return csv_response(queries.csv_rows(viewer, first, listing), "api-keys.csv")


@sensitive_post_parameters("password", "proof_code")
@sensitive_variables("value")
@form_or_post
def create(request: MemberRequest, member_id: int) -> HttpResponse:
    """Create the key of the viewer, or of a VPN-only member below them, and show it in this one answer.

    The address names the member even for one's own key, so that a page that was left open while its viewer switched
    accounts does not create a key in the other one.
    """
    holder = member_or_404(request.member, member_id)
    if not policy.can_see_keys_of(request.member, holder):
        raise Http404
    is_own = holder.pk == request.member.pk
    behind = page_of_list() if is_own else page_of_user(holder)
    if request.method != "POST":
        return redirect(behind.url)
    try:
        with refusals_recorded(request, holder, "create a key"):
            policy.require_create(request.member, holder)
            if queries.key_of(holder) is not None:
                return _has_key_already(request, holder, behind)
            proof = ask_for_proof(request, what="create a key", behind=behind)
            if proof is not None:
                return proof
            key, value = lifecycle.create_classic_key(holder=holder, by=request.member, origin=request.origin)
    except lifecycle.KeyExists:
        return _has_key_already(request, holder, behind)
    context = {"key": key, "value": value.text}
    return dialog(request, "keys/classic_created.html", "API key successfully created", behind, **context)


def _has_key_already(request: MemberRequest, holder: Member, behind: PageBehind) -> HttpResponse:
    whose = "You already have" if holder.pk == request.member.pk else f"{holder.name} already has"
    messages.error(request, f"Nothing was changed\n{whose} a classic infrastructure key. Delete it to create another.")
    return redirect(behind.url)


def _key_or_404(request: MemberRequest, key_id: int) -> ClassicKey:
    """Return the key if the viewer may know of it; 404 is the same for one they may not and for none at all."""
    key = queries.visible_key(request.member, key_id)
    if key is None:
        raise NoSuchKey
    return key


@contextmanager
def _allowed(request: MemberRequest, key: ClassicKey, action: KeyAction) -> Iterator[None]:
    """Run the block if the viewer may do this with the key: else it is an event and 403, or 404 if the key has gone."""
    try:
        with refusals_recorded(request, key.holder, action.value):
            policy.require(request.member, action, key)
            yield
    except lifecycle.KeyGone as error:
        raise NoSuchKey from error


def _dialog(
    request: MemberRequest, key: ClassicKey, template: str, title: str, behind: PageBehind, **more: object
) -> HttpResponse:
    """Render a dialog about a key, with the way to the other dialogs about it."""
    return dialog(request, template, title, behind, key=key, way=_way(request, key), **more)


def _way(request: MemberRequest, key: ClassicKey, **more: str) -> str:
    """Return the query for a link between dialogs about a key, which keeps the page that they were opened from."""
    kept = {"next": page_behind(request, key.holder).url} if "next" in request.GET else {}
    query = urlencode(kept | more)
    return f"?{query}" if query else ""


def _details_url(request: MemberRequest, key: ClassicKey, **more: str) -> str:
    return reverse("keys:classic-details", args=[key.pk]) + _way(request, key, **more)


@require_safe
def details(request: MemberRequest, key_id: int) -> HttpResponse:
    """Show what is known of a key. Its value is not in the page: *Show* asks for it.

    The holder can see who else looked: this is the only page whose reading is recorded.
    """
    key = _key_or_404(request, key_id)
    if request.method == "GET":
        openings.note(key=key, by=request.member, origin=request.origin)
    return _details(request, key)


def _details(request: MemberRequest, key: ClassicKey, value: PlainValue | None = None) -> HttpResponse:
    """Render what is known of a key, with its value in the one answer to *Show*."""
    viewer = request.member
    context = {
        "value": value.text if value else "",
        "why_refused": queries.reasons_refused(key.holder),
        "can_show": policy.can(viewer, KeyAction.SHOW_VALUE, key),
        "can_edit": policy.can(viewer, KeyAction.EDIT_RESTRICTION, key),
        "can_delete": policy.can(viewer, KeyAction.DELETE, key),
        "focuses_download": request.GET.get("confirmed") == "download",
    }
    behind = page_behind(request, key.holder)
    return _dialog(request, key, "keys/classic_details.html", "API key details", behind, **context)


@sensitive_post_parameters("password", "proof_code")
@sensitive_variables("value")
@form_or_post
def show(request: MemberRequest, key_id: int) -> HttpResponse:
    """Show the value to the key's creator."""
    key = _key_or_404(request, key_id)
    if request.method != "POST":
        return redirect(_details_url(request, key))
    value = _value_or_answer(request, key, what="see the key", download=False)
    return value if isinstance(value, HttpResponse) else _details(request, key, value)


@sensitive_post_parameters("password", "proof_code")
@sensitive_variables("value", "content")
@form_or_post
def download(request: MemberRequest, key_id: int) -> HttpResponse:
    """Send the key to its creator as ``apikey.json``."""
    key = _key_or_404(request, key_id)
    if request.method != "POST":
        return redirect(_details_url(request, key))
    answer = _value_or_answer(request, key, what="download the key", download=True)
    if isinstance(answer, HttpResponse):
        return answer
    content = {
        "name": "Classic infrastructure API key",
        "username": key.holder.api_username,
        "key": answer.text,
        "created": formats.iso(key.created_at),
    }
    return HttpResponse(
        json.dumps(content, indent=2, ensure_ascii=False) + "\n",
        content_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="apikey.json"'},
    )


def _value_or_answer(
    request: MemberRequest, key: ClassicKey, *, what: str, download: bool
) -> PlainValue | HttpResponse:
    """Return the value for its creator, or the page that asks for proof. Raises 403 or 404 for anybody else."""
    try:
        with _allowed(request, key, KeyAction.SHOW_VALUE):
            details = page_behind(request, key.holder)._replace(url=_details_url(request, key))
            proof = ask_for_proof(request, what=what, behind=details)
            if proof is not None:
                return proof
            if download and is_proof_given(request):
                # Browsers stay on the page when they get a file, so the question for the proof would stay on the
                # screen.
                messages.success(request, "Confirmed\nDownload the key now.")
                return redirect(_details_url(request, key, confirmed="download"))
            return lifecycle.show_value(key=key, by=request.member, origin=request.origin, download=download)
    except SealError as error:
        _log.error("the value of key %s does not open: %s", key.pk, error)
        messages.error(
            request,
            "The key cannot be read\nThis installation no longer has the master key that it was stored under. Tell "
            "whoever runs it, or delete the key and create another.",
        )
        return redirect("keys:classic-list")


@form_or_post
def restrict(request: MemberRequest, key_id: int) -> HttpResponse:
    """Edit from where a key may be used."""
    key = _key_or_404(request, key_id)
    form = KeyRestrictionForm(
        request.POST if request.method == "POST" else None, initial={"classic": key.allowed_addresses}
    )
    with _allowed(request, key, KeyAction.EDIT_RESTRICTION):
        if form.is_valid():
            text = form.cleaned_data["classic"]
            if text is not None:
                lifecycle.restrict_classic_key(key=key, addresses_text=text, by=request.member, origin=request.origin)
            messages.success(request, f"IP address restrictions saved\nThey apply to the key of {key.holder.name}.")
            return redirect(page_behind(request, key.holder).url)
    focus_first_mistake(form)
    details = page_behind(request, key.holder)._replace(url=_details_url(request, key))
    return _dialog(request, key, "keys/classic_restrict.html", "Edit IP address restrictions", details, form=form)


@sensitive_post_parameters("password", "proof_code")
@form_or_post
def delete(request: MemberRequest, key_id: int) -> HttpResponse:
    """Ask whether to delete a key, and delete it; somebody else's after a proof of identity."""
    key = _key_or_404(request, key_id)
    if request.method == "POST":
        with _allowed(request, key, KeyAction.DELETE):
            if key.holder_id != request.member.pk:
                proof = ask_for_proof(request, what="delete the key", behind=page_behind(request, key.holder))
                if proof is not None:
                    return proof
            lifecycle.delete_classic_key(key=key, by=request.member, origin=request.origin)
        whose = "Your key" if key.holder_id == request.member.pk else f"The key of {key.holder.name}"
        messages.success(request, f"API key deleted\n{whose} has stopped working.")
        return redirect(_list_behind(request, key))
    context = {
        "is_own": key.holder_id == request.member.pk,
        "is_in_use": queries.is_in_use(key),
        "made_at": timezone.now(),
        "holder_may_create": policy.can_create(key.holder, key.holder),
        "viewer_may_create": policy.can_create(request.member, key.holder),
    }
    behind = page_behind(request, key.holder)
    return _dialog(request, key, "keys/classic_delete.html", "Delete API key", behind, **context)


def _list_behind(request: MemberRequest, key: ClassicKey) -> str:
    """Return the list to show after a deletion, in the state that the dialog was opened from, if it was."""
    back, list_url = page_behind(request, key.holder).url, reverse("keys:classic-list")
    return back if back.partition("?")[0] in (list_url, reverse("keys:inactive")) else list_url
