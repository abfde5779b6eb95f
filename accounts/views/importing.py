"""Inviting everybody in a file: it is read and reported on first, and comes back with the yes to it."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts import importing
from accounts.access import refusal, refused_answer
from accounts.import_forms import ImportForm
from accounts.importing import ImportRefused, Plan
from accounts.invitations import TooManyInvitations
from accounts.policy import MemberAction, NotAllowed, can, reason
from accounts.requests import MemberRequest
from accounts.views.invitations import mails

#: How many mistakes, and how many of those to be invited, a page names.
_NAMED = 1_000


@require_http_methods(["GET", "HEAD", "POST"])
def import_members(request: MemberRequest) -> HttpResponse:
    """Ask for a file; report on every line; invite everybody in it, or nobody.

    The server keeps nothing between the report and the yes: the file travels with the form, and is looked through anew
    when it comes back.
    """
    action, viewer = MemberAction.INVITE, request.member
    if not can(viewer, action, viewer):
        raise refusal(request, subject=viewer, what=action.value, why=reason(viewer, action, viewer))
    is_sent = request.method == "POST"
    form = ImportForm(request.POST if is_sent else None, request.FILES if is_sent else None)
    context = {"title": "Import users", "form": form, "mails": mails()}
    if not (is_sent and form.is_valid()):
        return render(request, "accounts/import.html", context)
    content = form.cleaned_data["content"]
    try:
        plan = importing.make_plan(content, viewer)
        if form.is_confirmed and not plan.problems:
            context["count"] = importing.carry_out(content, by=viewer, origin=request.origin)
            return render(request, "accounts/imported.html", context)
    except NotAllowed as error:
        raise refusal(request, subject=viewer, what=action.value, why=error) from error
    except ImportRefused as refused:
        plan = refused.plan
    except TooManyInvitations as error:
        refusal(request, subject=viewer, what=action.value, why=error)
        form.add_error("file", str(error))
        return refused_answer(render(request, "accounts/import.html", context), error)
    return _report(request, form, plan, context)


def _report(request: MemberRequest, form: ImportForm, plan: Plan, context: dict[str, object]) -> HttpResponse:
    context |= {
        "problems": plan.problems[:_NAMED],
        "more_problems": len(plan.problems) - _NAMED,
        "problem_count": len(plan.problems),
        "people": [] if plan.problems else plan.people[:_NAMED],
        "more_people": len(plan.people) - _NAMED,
        "count": len(plan.people),
        "again": form.again(),
    }
    return render(request, "accounts/import_report.html", context)
