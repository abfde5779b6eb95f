"""Inviting everybody in a file: it is checked first, and carried out when its report is confirmed."""

from collections.abc import Callable

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import connection
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts import import_jobs, invitations
from accounts.access import refusal, refused_answer, require
from accounts.csv_files import csv_response
from accounts.forms import focus_first_mistake
from accounts.import_forms import ImportForm
from accounts.import_jobs import JobGone, TooManyFiles
from accounts.invitations import TooManyInvitations
from accounts.member_files import LARGEST_FILE
from accounts.models import ImportJob, ImportState, Member
from accounts.policy import MemberAction, can
from accounts.requests import MemberRequest, form_or_post
from accounts.uploads import takes_files
from accounts.views.invitations import mails

#: How many lines of a report stand on a page.
_PER_PAGE = 100
#: How many percent of the time of inviting everybody are over when the last of them has a row.
_SHARE_OF_INVITING = 85


def _may_import(member: Member) -> bool:
    return can(member, MemberAction.INVITE, member)


@takes_files(LARGEST_FILE, of=_may_import)
@form_or_post
def import_members(request: MemberRequest) -> HttpResponse:
    """Take a file; show how far the work on it is, what was found in it, and what became of it."""
    require(request, MemberAction.INVITE)
    job = import_jobs.job_of(request.member)
    if request.method == "POST":
        if "act" in request.POST:
            return _act(request, job)
        return _take(request)
    if job is None:
        return _ask(request, ImportForm())
    return _show(request, job)


def _ask(request: MemberRequest, form: ImportForm) -> HttpResponse:
    focus_first_mistake(form)
    return render(request, "accounts/import.html", {"title": "Import users", "form": form, "mails": mails()})


def _take(request: MemberRequest) -> HttpResponse:
    sent, form = request.FILES.get("file"), ImportForm(request.POST, request.FILES)
    try:
        import_jobs.count_large_file(request.member, sent.size or 0 if sent else 0)
        if not form.is_valid():
            return _ask(request, form)
        file, data, content = (form.cleaned_data[name] for name in ("file", "data", "content"))
        import_jobs.count_long_file(request.member, len(data), content)
        import_jobs.take(request.member, file_name=file.name, data=data, content=content, origin=request.origin)
    except TooManyFiles as error:
        if error.retry_after:
            refusal(request, subject=request.member, what=MemberAction.INVITE.value, why=error)
        messages.error(request, f"The file was not accepted\n{error}")
        return refused_answer(_ask(request, ImportForm()), error)
    except JobGone:
        messages.error(request, "The file was not accepted\nAnother file of yours is being imported.")
    return redirect("accounts:import")


# --- What is done with a file that was taken --------------------------------------------------------------------------


def _act(request: MemberRequest, job: ImportJob | None) -> HttpResponse:
    """Do what a button under a file says, if it is still that file."""
    act = _ACTS.get(request.POST.get("act", ""))
    is_the_same = job is not None and request.POST.get("file_id") == str(job.uid)
    if act is None or job is None or not is_the_same:
        messages.error(request, "Nothing was done\nThis is not the file that you reviewed. Review it first.")
        return redirect("accounts:import")
    try:
        return act(request, job) or redirect("accounts:import")
    except JobGone:
        messages.error(request, "Nothing was done\nThe file is still being processed. Wait until that is finished.")
        return redirect("accounts:import")


def _invite(request: MemberRequest, job: ImportJob) -> HttpResponse | None:
    """Invite everybody in the file, unless something is in the way that can be told now."""
    if job.state not in {ImportState.CHECKED, ImportState.INVITING} or job.problems:
        raise JobGone
    if import_jobs.is_another_carried_out(request.member):
        messages.error(
            request, "No one was invited\nAnother user is importing a file. Try again when that is finished."
        )
        return None
    try:
        invitations.require_room(request.member.account_id, job.people)
    except TooManyInvitations as error:
        refusal(request, subject=request.member, what=MemberAction.INVITE.value, why=error)
        return refused_answer(_show(request, job), error)
    import_jobs.begin(job, ImportState.INVITING, origin=request.origin)
    return None


def _check(request: MemberRequest, job: ImportJob) -> None:
    if job.state != ImportState.CHECKING:
        raise JobGone
    import_jobs.begin(job, ImportState.CHECKING, origin=request.origin)


def _discard(request: MemberRequest, job: ImportJob) -> None:
    import_jobs.discard(job)


_ACTS: dict[str, Callable[[MemberRequest, ImportJob], HttpResponse | None]] = {
    "invite": _invite,
    "check": _check,
    "discard": _discard,
}


# --- What is shown of it ----------------------------------------------------------------------------------------------


def _show(request: MemberRequest, job: ImportJob) -> HttpResponse:
    """Show how far a file is."""
    context: dict[str, object] = {"title": "Import users", "job": job, "invited": _number(job.people, "user")}
    if import_jobs.is_at_work(job):
        return render(request, "accounts/import_progress.html", context | _progress(job))
    context["focuses_title"] = True  # the page answers what was sent
    if job.state == ImportState.DONE:
        return render(request, "accounts/imported.html", context | {"mails": mails()})
    if job.state != ImportState.CHECKED:
        context["is_check"] = job.state == ImportState.CHECKING
        return render(request, "accounts/import_interrupted.html", context)
    return render(request, "accounts/import_report.html", context | _report(request, job))


def _progress(job: ImportJob) -> dict[str, object]:
    """Return how far the work is, in words and in percent, and what it means for others meanwhile."""
    is_check = job.state == ImportState.CHECKING
    total, share = (job.entries, 100) if is_check else (job.people, _SHARE_OF_INVITING)
    if is_check:
        words = f"Looking through {_number(total, 'line')}"
    elif not job.done:
        words = "Looking through the file once more"
    elif job.done < total:
        words = f"{job.done:,} of {_number(total, 'user')} invited"
    else:
        words = f"{_number(total, 'user')} invited, and being written into the activity"
    percent = min(share, share * job.done // max(1, total))
    return {"is_check": is_check, "words": words, "percent": percent, "stops_others": connection.vendor == "sqlite"}


def _report(request: MemberRequest, job: ImportJob) -> dict[str, object]:
    """Return a page of the mistakes, or, where there are none, of those to be invited."""
    rows = import_jobs.report_of(job)
    shown = [row for row in rows if row.what] if job.problems else rows
    page = Paginator(shown, _PER_PAGE).get_page(request.GET.get("page"))
    found: dict[str, object] = {
        "page": page,
        "lines": f"{page.start_index():,} to {page.end_index():,} of {_number(len(shown), 'line')}",
        "mistakes": _number(job.problems, "mistake"),
        "form": ImportForm(),
    }
    try:
        invitations.require_room(request.member.account_id, job.people)
    except TooManyInvitations as error:
        found["lack_of_room"] = str(error)
    return found


def _number(count: int, of: str) -> str:
    return f"{count:,} {of}{'' if count == 1 else 's'}"


@require_safe
def import_report(request: MemberRequest) -> HttpResponseBase:
    """Hand out what was found of every line, as CSV."""
    require(request, MemberAction.INVITE)
    job = import_jobs.job_of(request.member)
    if job is None or job.state != ImportState.CHECKED:
        return redirect("accounts:import")
    heading = ["Line", "Entry", "Parent", "Mistake"]
    return csv_response([heading, *map(list, import_jobs.report_of(job))], "import-report.csv")
