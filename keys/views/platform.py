"""The dialogs about IBM Cloud API keys: create, edit, lock and unlock, enable and disable, delete."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from accounts import formats
from accounts.access import ask_for_proof, refusals_recorded
from accounts.dialogs import PageBehind, dialog
from accounts.forms import focus_first_mistake
from accounts.models import Member
from accounts.names import PLATFORM_USERNAME
from accounts.policy import MemberAction, can
from accounts.requests import MemberRequest, form_or_post
from keys.models import MOST_PLATFORM_KEYS, PlatformKey
from keys.platform import lifecycle, policy, queries
from keys.platform.forms import DAY_IS_OVER, EditPlatformKeyForm, NewPlatformKeyForm
from keys.platform.policy import PlatformAction
from keys.queries import is_in_use, reasons_refused, restriction_of
from keys.views.dialogs import NoSuchKey, page_behind

#: What takes somebody else's key out of use is done after a proof of identity.
_PROVED = frozenset({PlatformAction.DISABLE, PlatformAction.DELETE})
_CREATE, _EDIT = "Create IBM Cloud API key", "Edit IBM Cloud API key"
_CREATED_ALREADY = (
    "You sent this form before, and it has created the key. If you do not have its value, delete "
    "the key and create another."
)


class _OutOfDate(Exception):
    """The key is not in the state in which this can be done: the page that asks for it was out of date."""


@sensitive_post_parameters("password", "proof_code")
@sensitive_variables("value")
@form_or_post
def create(request: MemberRequest, member_id: int) -> HttpResponse:
    """Ask what the key of the viewer is to be called; create it, and show its value in this one answer.

    The address names the member, as that of a classic key does, so that a page that was left open while its viewer
    switched accounts does not create a key in the other one.
    """
    viewer = request.member
    if member_id != viewer.pk:
        raise Http404
    behind = _page_behind(request, viewer)
    form = NewPlatformKeyForm(
        request.POST if request.method == "POST" else None,
        initial={"newest": queries.newest_of_user(viewer.user_id)},
    )
    try:
        with refusals_recorded(request, viewer, "create a key"):
            policy.require_create(viewer)
            if form.is_valid():
                carried = form.carried
                proof = ask_for_proof(request, what="create a key", behind=behind, carried=carried)
                if proof is not None:
                    return proof
                key, value = lifecycle.create_platform_key(
                    description=form.description_of_key,
                    by=viewer,
                    origin=request.origin,
                    newest=form.cleaned_data["newest"],
                )
                return _created(request, key, value.text, behind)
    except lifecycle.TooManyKeys:
        return _not_now(request, queries.AS_MANY_AS_THERE_CAN_BE, _CREATE, behind)
    except lifecycle.CreatedAlready:
        return _not_now(request, _CREATED_ALREADY, _CREATE, behind)
    except lifecycle.ExpiryPassed:
        form.add_error("expires", DAY_IS_OVER)
    if not form.is_bound and queries.count_of_user(viewer.user_id) >= MOST_PLATFORM_KEYS:
        return _not_now(request, queries.AS_MANY_AS_THERE_CAN_BE, _CREATE, behind)
    focus_first_mistake(form)
    return dialog(request, "keys/platform_create.html", _CREATE, behind, form=form)


def _created(request: MemberRequest, key: PlatformKey, value: str, behind: PageBehind) -> HttpResponse:
    """Render the one answer with the value. Its file is made in the browser: there is no other answer to ask for."""
    file = {"name": key.name, "username": PLATFORM_USERNAME, "key": "", "created": formats.iso(key.created_at)}
    context = {
        "key": key,
        "value": value,
        "restriction": restriction_of(key.holder),
        "username": PLATFORM_USERNAME,
        "save_facts": json.dumps(file, ensure_ascii=False),
    }
    return dialog(request, "keys/platform_created.html", "API key successfully created", behind, **context)


@form_or_post
def edit(request: MemberRequest, platform_id: int) -> HttpResponse:
    """Edit name, description, expiry and leaked action of a key."""
    key = _key_or_404(request, platform_id)
    form = EditPlatformKeyForm(request.POST if request.method == "POST" else None, key=key)
    behind = _page_behind(request, key.holder)
    try:
        with _allowed(request, key, PlatformAction.EDIT):
            if form.is_valid():
                saved = lifecycle.edit_platform_key(
                    key=key,
                    description=form.description_of_key,
                    by=request.member,
                    origin=request.origin,
                    revision=key.revision,
                )
                messages.success(request, f"API key saved\nThe changes to {_named(request, saved)} apply at once.")
                return redirect(behind.url)
    except _OutOfDate as error:
        return _not_now(request, error, _EDIT, behind)
    except lifecycle.ChangedMeanwhile:
        return edit(request, platform_id)  # between reading and writing: the form knows what to do with other values
    except lifecycle.ExpiryPassed:
        form.add_error("expires", DAY_IS_OVER)
    focus_first_mistake(form)
    return _dialog(request, key, "platform_edit", _EDIT, behind, form=form)


@form_or_post
def lock(request: MemberRequest, platform_id: int) -> HttpResponse:
    """Ask whether to lock a key, and do it."""
    return _switch(request, platform_id, PlatformAction.LOCK, "can be neither edited nor deleted until it is unlocked")


@form_or_post
def unlock(request: MemberRequest, platform_id: int) -> HttpResponse:
    """Ask whether to unlock a key, and do it."""
    effect, when_expired = "can be edited and deleted again", "can be deleted again"
    return _switch(request, platform_id, PlatformAction.UNLOCK, effect, when_expired)


@form_or_post
def enable(request: MemberRequest, platform_id: int) -> HttpResponse:
    """Ask whether to enable a key, and do it."""
    return _switch(request, platform_id, PlatformAction.ENABLE)


def _told_of_enabling(viewer: Member, key: PlatformKey) -> tuple[str, str]:
    """Return what enabling the key comes to, as the question says it, and the message afterwards.

    The status of somebody whom the viewer may not see among the users is not told: no more is said then than is sure.
    """
    if not can(viewer, MemberAction.VIEW, key.holder):
        return "It is then no longer disabled.", "is no longer disabled"
    if why := reasons_refused(key.holder):
        refused = f"Calls made with it are refused all the same. {why}"
        return refused, f"is enabled. {refused.removesuffix('.')}"
    return "It can then be used again.", "can be used again"


@sensitive_post_parameters("password", "proof_code")
@form_or_post
def disable(request: MemberRequest, platform_id: int) -> HttpResponse:
    """Ask whether to disable a key, and do it; somebody else's after a proof of identity."""
    return _switch(request, platform_id, PlatformAction.DISABLE, "has stopped working")


def _switch(
    request: MemberRequest, platform_id: int, action: PlatformAction, effect: str = "", when_expired: str = ""
) -> HttpResponse:
    key, consequence = _key_or_404(request, platform_id), ""
    if action is PlatformAction.ENABLE:
        consequence, effect = _told_of_enabling(request.member, key)
    said = (key.is_expired and when_expired) or effect
    word = policy.SWITCHES[action][2]

    def write() -> None:
        lifecycle.switch_platform_key(key=key, action=action, by=request.member, origin=request.origin)
        messages.success(request, f"API key {word}\n{_named(request, key)} {said}.")

    return _ask_or_do(request, key, action, write, consequence)


@sensitive_post_parameters("password", "proof_code")
@form_or_post
def delete(request: MemberRequest, platform_id: int) -> HttpResponse:
    """Ask whether to delete a key, and delete it; somebody else's after a proof of identity."""
    key = _key_or_404(request, platform_id)

    def write() -> None:
        lifecycle.delete_platform_key(key=key, by=request.member, origin=request.origin)
        messages.success(request, f"API key deleted\n{_named(request, key)} has stopped working.")

    return _ask_or_do(request, key, PlatformAction.DELETE, write)


def _ask_or_do(
    request: MemberRequest, key: PlatformKey, action: PlatformAction, write: Callable[[], None], consequence: str = ""
) -> HttpResponse:
    """Ask whether to do ``action`` with the key, and do it; what takes somebody else's out of use, after a proof.

    Args:
        consequence: what it comes to, in a sentence of the question, where that depends on more than the key.
    """
    behind = _page_behind(request, key.holder)
    name = action.name.lower()
    title = f"{name.capitalize()} API key"
    try:
        with _allowed(request, key, action):
            if request.method != "POST":
                context: dict[str, object] = {"action": name, "consequence": consequence}
                context |= {"is_in_use": is_in_use(key), "made_at": timezone.now()}
                return _dialog(request, key, "platform_question", title, behind, **context)
            if action in _PROVED and key.holder_id != request.member.pk:
                proof = ask_for_proof(request, what=f"{name} the key", behind=behind)
                if proof is not None:
                    return proof
            write()
    except _OutOfDate as error:
        return _not_now(request, error, title, behind)
    return redirect(behind.url)


def _key_or_404(request: MemberRequest, platform_id: int) -> PlatformKey:
    """Return the key if the viewer may know of it; 404 is the same for one they may not and for none at all."""
    key = queries.visible_key(request.member, pk=platform_id)
    if key is None:
        raise NoSuchKey
    return key


@contextmanager
def _allowed(request: MemberRequest, key: PlatformKey, action: PlatformAction) -> Iterator[None]:
    """Run the block if the viewer may do this with the key: else it is an event and 403, or 404 if the key has gone.

    Raises _OutOfDate, without an event, where nobody could do it.
    """
    with refusals_recorded(request, key.holder, action.value):
        try:
            policy.require(request.member, action, key)
            yield
        except policy.NotNow as error:
            raise _OutOfDate(str(error)) from error
        except lifecycle.KeyGone as error:
            raise NoSuchKey from error


def _not_now(request: MemberRequest, why: object, title: str, behind: PageBehind) -> HttpResponse:
    """Say why something cannot be done: in place of a question, or on the page that it was begun from, as it is now."""
    if request.method != "POST":
        return dialog(request, "keys/platform_not_now.html", title, behind, why=why)
    messages.error(request, f"Nothing was changed\n{why}")
    return redirect(behind.url)


def _named(request: MemberRequest, key: PlatformKey) -> str:
    """Return the key's name for a sentence, with its holder's if that is somebody else."""
    return key.name if key.holder_id == request.member.pk else f"{key.name} of {key.holder.name}"


def _dialog(
    request: MemberRequest, key: PlatformKey, template: str, title: str, behind: PageBehind, **more: object
) -> HttpResponse:
    """Render a dialog about a key; its form leads back to the page that the dialog was opened from."""
    is_own = key.holder_id == request.member.pk
    return dialog(request, f"keys/{template}.html", title, behind, key=key, is_own=is_own, **more)


def _page_behind(request: MemberRequest, holder: Member) -> PageBehind:
    """Return the page that a dialog was opened from, or the list that the key is in."""
    return page_behind(request, holder, view=queries.MINE if holder.pk == request.member.pk else queries.ALL)
