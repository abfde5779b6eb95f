"""Files larger than any form: which pages accept them, and from whom. No other large body is read at all."""

from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.urls import Resolver404, resolve

from accounts import signin
from accounts.models import Member
from accounts.policy import is_enrolment_due
from accounts.requests import MemberRequest

View = TypeVar("View", bound=Callable[..., HttpResponse])

#: Bytes of what surrounds a file in a request.
_AROUND = 64 * 1024


def takes_files(largest: int, *, of: Callable[[Member], bool]) -> Callable[[View], View]:
    """Mark a view that accepts files of up to ``largest`` bytes, from members for whom ``of`` is true."""

    def mark(view: View) -> View:
        view.largest_file, view.takes_files_of = largest, of  # type: ignore[attr-defined]
        return view

    return mark


def body_size(request: HttpRequest) -> int:
    """Return the size of the body in bytes, as the request declares it."""
    said = request.META.get("CONTENT_LENGTH", "")
    return int(said[:18]) if said.isdecimal() else 0


def largest_body(request: HttpRequest) -> int:
    """Return how many bytes of body the requested page accepts; 0 for one that accepts no files."""
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return 0
    largest: int = getattr(view, "largest_file", 0)
    return largest + _AROUND if largest else 0


def too_large(request: HttpRequest) -> HttpResponse:
    """Return the response to a body too large to be read; on a page for files it says how large they may be."""
    largest = largest_body(request)
    context = {"page": request.path if largest else "", "mebibytes": largest // 1024**2}
    return HttpResponse(loader.render_to_string("413.html", context), status=413)


def admit(request: MemberRequest) -> HttpResponse | None:
    """Return the response to a large body that the member may not send; none if they may, and it then goes to disk.

    To be called before anything reads the form, when nothing else has checked yet whether the member may use the
    console.
    """
    if body_size(request) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return None
    member: Member | None = request.member
    if (
        member is None
        or not signin.allows_platform(member, request.origin)
        or is_enrolment_due(member)
        or not resolve(request.path_info).func.takes_files_of(member)  # type: ignore[attr-defined]
    ):
        return too_large(request)
    request.upload_handlers = [TemporaryFileUploadHandler(request)]
    return None
