"""Revoking the keys of a branch: a page to review them, a proof of identity, and one step."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters

from accounts.access import ask_for_proof, member_or_404, refusals_recorded
from accounts.dialogs import page_of_user
from accounts.forms import focus_first_mistake
from accounts.models import Member
from accounts.requests import MemberRequest, form_or_post
from keys import branch_review, lifecycle, policy
from keys.forms import RevokeForm, packed
from keys.lifecycle import Revoked


@sensitive_post_parameters("password", "proof_code")
@form_or_post
def revoke(request: MemberRequest, member_id: int) -> HttpResponse:
    """Show the keys of a user and of everybody below, and revoke those that are left ticked."""
    member = member_or_404(request.member, member_id)
    if not policy.can_revoke_branch(request.member, member):
        raise Http404
    form = RevokeForm(request.POST if request.method == "POST" else None, member_name=member.name)
    if form.is_valid():
        behind = page_of_user(member)
        proof = ask_for_proof(request, what="revoke these keys", behind=behind, carried=form.carried)
        return proof or _revoke(request, member, form)
    if form.is_bound:
        focus_first_mistake(form)
    ticks_none = not form.is_bound and request.GET.get("ticked") == "none"
    unticked = form.unticked if form.is_bound else ()
    review = branch_review.review(request.member, member, unticked=unticked, ticks_none=ticks_none)
    takes_unlisted = form.cleaned_data["unlisted"] if form.is_bound else not ticks_none
    ticked = sum(row.is_ticked for row in review.named)
    context = {
        "title": "Revoke keys in branch",
        "member": member,
        "form": form,
        "review": review,
        "takes_unlisted": takes_unlisted,
        "ticked_text": f"{ticked + (len(review.others) if takes_unlisted else 0):,}",
        "made_at": timezone.now(),
        "named": packed([row.key.id for row in review.named]),
        "others": packed(review.others),
        "keys_text": f"{review.count:,} key{'' if review.count == 1 else 's'}",
        "unlisted": len(review.others),
        "unlisted_text": f"{len(review.others):,} key{'' if len(review.others) == 1 else 's'}",
        "most_text": f"{branch_review.MOST_REVOKED:,}",
        "is_too_large": review.count > branch_review.MOST_REVOKED,
    }
    return render(request, "keys/branch_revoke.html", context)


def _revoke(request: MemberRequest, member: Member, form: RevokeForm) -> HttpResponse:
    with refusals_recorded(request, member, "revoke the keys in this branch"):
        done = lifecycle.revoke_branch(
            member=member,
            chosen=form.chosen,
            seen=form.seen,
            reason=form.cleaned_data["reason"],
            by=request.member,
            origin=request.origin,
        )
    (messages.success if done.deleted else messages.warning)(request, _outcome(done))
    return redirect("accounts:user", member.pk)


def _outcome(done: Revoked) -> str:
    """Return what was done, in sentences."""
    said = []
    if done.deleted:
        them = "it" if done.deleted == 1 else "them"
        said.append(f"{_keys(done.deleted)} deleted. Calls made with {them} are refused from now on.")
    if done.gone:
        said.append(f"{_keys(done.gone)} no longer there.")
    if done.new:
        came, are = ("1 key", "is") if done.new == 1 else (f"{done.new:,} keys", "are")
        said.append(f"{came} came into the branch in the meantime and {are} still there.")
    return ("Keys revoked\n" if done.deleted else "No key was revoked\n") + " ".join(said)


def _keys(count: int) -> str:
    return "1 key was" if count == 1 else f"{count:,} keys were"
