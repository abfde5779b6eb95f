"""The Settings page: what the account restricts, and how long and how many login sessions may be."""

from collections.abc import Callable

from django.conf import settings as installation
from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts import account_settings, formats, memberships
from accounts.access import refusals_recorded, require
from accounts.account_settings import SessionSettings
from accounts.dialogs import PageBehind, dialog
from accounts.domains import PatternError
from accounts.enums import Permission
from accounts.factors import FactorRefused
from accounts.forms import focus_first_mistake
from accounts.models import Account
from accounts.policy import MemberAction
from accounts.requests import MemberRequest, form_or_post
from accounts.settings_forms import (
    AccountAddressesForm,
    AllowDomainsForm,
    DomainsForm,
    QuestionForm,
    RemoveDomainForm,
    SessionSettingsForm,
)


def _require(request: MemberRequest) -> Account:
    """Return the account whose settings the viewer may change; refuse others with an event and 403."""
    require(request, MemberAction.CHANGE_SETTINGS)
    return request.member.account


def _write(
    request: MemberRequest,
    change: Callable[[], object],
    told: str,
    action: MemberAction = MemberAction.CHANGE_SETTINGS,
) -> HttpResponse:
    """Run a write that asks the policy once more, say what was done, and go back to the page."""
    with refusals_recorded(request, request.member, action.value):
        change()
    messages.success(request, told)
    return redirect("accounts:settings")


def _dialog(
    request: MemberRequest, template: str, title: str, *, form: Form | None = None, **more: object
) -> HttpResponse:
    if form is not None:
        focus_first_mistake(form)
    behind = PageBehind(reverse("accounts:settings"), "Settings")
    return dialog(request, f"accounts/{template}.html", title, behind, form=form, **more)


@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """Show both cards."""
    account = _require(request)
    return _page(request, account, DomainsForm(account=account))


def _page(request: MemberRequest, account: Account, domains_form: DomainsForm) -> HttpResponse:
    context = {
        "title": "Settings",
        "account": account,
        "patterns": _patterns(account),
        "domains_form": domains_form,
        "sessions": _sessions_in_words(account),
        "may_create_keys": Permission.API_KEY_CREATOR in Permission(request.member.permissions),
    }
    return render(request, "accounts/settings.html", context)


def _patterns(account: Account) -> list[str]:
    return account.user_domains.split("\n") if account.user_domains else []


def _of_installation() -> SessionSettings:
    return SessionSettings(installation.KEYTREE_SESSION_HOURS, installation.KEYTREE_SESSION_IDLE_MINUTES, None)


def _sessions_in_words(account: Account) -> list[tuple[str, str, str]]:
    """Return name, value and remark of each setting about sessions; the value is what counts."""
    own, bound = SessionSettings.of(account), _of_installation()
    most = "Unlimited" if own.most is None else f"At most {own.most} for each user"
    return [
        ("Active sessions", *_strictest(own.hours, bound.hours, 3600)),
        ("Sign out due to inactivity", *_strictest(own.idle_minutes, bound.idle_minutes, 60)),
        ("Concurrent sessions", most, ""),
    ]


def _strictest(own: int | None, bound: int | None, unit: int) -> tuple[str, str]:
    """Return the stricter of two limits, in units of so many seconds, in words; and where it comes from."""
    if bound is None or (own is not None and own <= bound):
        return formats.span((own or 0) * unit), ""
    counts = formats.span(bound * unit)
    if own is None:
        return counts, "As this installation sets it."
    allowed = formats.span(own * unit)
    return counts, f"This account allows {allowed}, but this installation does not allow more than this."


def _turn(
    request: MemberRequest,
    title: str,
    *,
    on: str,
    off: str,
    change: Callable[..., object],
    told: Callable[[str], str],
    first: tuple[str, str] | tuple[()] = (),
    action: MemberAction = MemberAction.CHANGE_SETTINGS,
) -> HttpResponse:
    """Ask, in these words, before a setting is turned on or off, and do it once that is confirmed.

    Args:
        request: the viewer may do it.
        title: of the question.
        on: what is asked before it is turned on.
        off: and off.
        change: the write.
        told: makes the sentence about what was done, given "" or "no longer ".
        first: where the viewer goes, and in which words, before they can turn it on; none where they can.
        action: what the viewer needs to be allowed.
    """
    form = QuestionForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return redirect("accounts:settings")
    is_on = form.cleaned_data["is_on"]
    if not form.cleaned_data["is_confirmed"]:
        question = on if is_on else off
        context = {"question": question, "is_on": is_on, "url": request.path, "first": first if is_on else ()}
        return _dialog(request, "settings_question", title, **context)
    return _write(
        request,
        lambda: change(is_on=is_on, by=request.member, origin=request.origin),
        told("" if is_on else "no longer "),
        action,
    )


@form_or_post
def user_list(request: MemberRequest) -> HttpResponse:
    """Ask whether to restrict the user list, or no longer, and do it."""
    _require(request)
    return _turn(
        request,
        "Restrict user list visibility",
        on="Show users only themselves and the users below them? Users who manage all users can then do so only below "
        "themselves. The owner still sees everyone.",
        off="Show every user all users of the account, with name and status?",
        change=account_settings.restrict_user_list,
        told="User list visibility is {}restricted".format,
    )


@form_or_post
def key_creation(request: MemberRequest) -> HttpResponse:
    """Ask whether to restrict who creates IBM Cloud API keys, or no longer, and do it."""
    _require(request)
    return _turn(
        request,
        "Restrict API key creation",
        on="Let only users with the permission User API key creator create IBM Cloud API keys? This is about the owner "
        "of the account as well. Keys that exist keep working.",
        off="Let every active user create IBM Cloud API keys of their own?",
        change=account_settings.restrict_key_creation,
        told="API key creation is {}restricted".format,
    )


@form_or_post
def own_key_creation(request: MemberRequest) -> HttpResponse:
    """Ask the owner whether to give themselves the permission to create keys, or to take it back, and do it."""
    action = MemberAction.GRANT_TO_ONESELF
    require(request, action)
    return _turn(
        request,
        "User API key creator",
        on="Give yourself the permission User API key creator? You can then create IBM Cloud API keys of your own "
        "while the account restricts it.",
        off="Take the permission User API key creator back from yourself? Your keys keep working.",
        change=memberships.grant_key_creation_to_oneself,
        told="You may {}create API keys while creation is restricted".format,
        action=action,
    )


@form_or_post
def second_factor(request: MemberRequest) -> HttpResponse:
    """Ask whether to require a second factor of everybody, or no longer, and do it."""
    _require(request)
    question = (
        "Require a second factor of every user of the account? From their next request on, users without one have to "
        "set one up before they can do anything else here. API keys keep working."
    )
    has_one = request.member.has_second_factor
    try:
        return _turn(
            request,
            "Require a second factor",
            on=question if has_one else f"{question} You do not have one yourself: set one up first.",
            first=() if has_one else (reverse("accounts:security"), "Set one up"),
            off="Stop requiring a second factor? Users who have one keep it, and can then remove it.",
            change=account_settings.require_second_factor,
            told="A second factor is {}required".format,
        )
    except FactorRefused as error:
        messages.error(request, f"Nothing was changed\n{error}")
        return redirect("accounts:settings")


@form_or_post
def addresses(request: MemberRequest) -> HttpResponse:
    """Ask for the addresses that may use the account, and whether to restrict it to them, or no longer; do it."""
    account = _require(request)
    switch = QuestionForm(request.POST if request.method == "POST" else None)
    if switch.is_valid() and not switch.cleaned_data["is_on"]:
        return _allow_all_addresses(request, is_confirmed=switch.cleaned_data["is_confirmed"])
    form = AccountAddressesForm(
        request.POST if "addresses" in request.POST else None, initial={"addresses": account.allowed_addresses}
    )
    if form.is_valid() and form.locks_out(form.cleaned_data["addresses"], request.origin.address):
        form.ask_to_confirm_lockout(request.origin.address)
    if form.is_valid():
        text = form.cleaned_data["addresses"]
        return _write(
            request,
            lambda: account_settings.restrict_addresses(addresses_text=text, by=request.member, origin=request.origin),
            "IP address access is restricted\nIt applies from the next request and the next call on.",
        )
    return _dialog(request, "settings_addresses", "Restrict IP address access", form=form)


def _allow_all_addresses(request: MemberRequest, *, is_confirmed: bool) -> HttpResponse:
    if not is_confirmed:
        return _dialog(
            request, "settings_question", "Restrict IP address access",
            question="Allow every address again? The list of addresses is deleted. The restrictions of individual "
            "users and keys stay as they are.", is_on=False, url=request.path,
        )  # fmt: skip
    return _write(
        request,
        lambda: account_settings.restrict_addresses(addresses_text="", by=request.member, origin=request.origin),
        "IP address access is no longer restricted",
    )


@form_or_post
def domains(request: MemberRequest) -> HttpResponse:
    """Restrict who may be invited, or no longer, each after a question; while it is restricted, add a pattern."""
    account = _require(request)
    switch = QuestionForm(request.POST if request.method == "POST" else None)
    if switch.is_valid() and not switch.cleaned_data["is_on"]:
        return _allow_all_domains(request)
    is_adding, is_typed = account.restrict_user_domains, "domains" in request.POST
    if is_adding and not is_typed:
        return redirect("accounts:settings")
    form = DomainsForm(request.POST if is_typed else None, account=account)
    if form.is_valid():
        text = form.cleaned_data["domains"]
        told = "Domain added" if is_adding else "User domains are restricted"
        try:
            return _write(
                request,
                lambda: account_settings.restrict_domains(patterns_text=text, by=request.member, origin=request.origin),
                f"{told}\nIt applies to users who are invited or added from now on.",
            )
        except PatternError as error:
            form.add_error("domains", list(error.problems))
    if is_adding:
        focus_first_mistake(form)
        return _page(request, account, form)
    return _dialog(request, "settings_domains", "Restrict user domains", form=form, patterns=_patterns(account))


@form_or_post
def remove_domain(request: MemberRequest) -> HttpResponse:
    """Take one pattern from the list."""
    _require(request)
    form = RemoveDomainForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return redirect("accounts:settings")
    pattern = form.cleaned_data["pattern"]
    try:
        return _write(
            request,
            lambda: account_settings.remove_domain(pattern=pattern, by=request.member, origin=request.origin),
            "Domain removed\nUsers already in the account stay.",
        )
    except PatternError as error:
        messages.error(request, f"Nothing was changed\n{error}")
        return redirect("accounts:settings")


def _allow_all_domains(request: MemberRequest) -> HttpResponse:
    form = AllowDomainsForm(request.POST)
    if not form.is_valid():
        return _dialog(request, "settings_domains_off", "Restrict user domains")
    keep = form.cleaned_data["patterns"]
    return _write(
        request,
        lambda: account_settings.allow_all_domains(keep=keep, by=request.member, origin=request.origin),
        f"User domains are no longer restricted\nThe domains were {'saved for later' if keep else 'deleted'}.",
    )


@form_or_post
def login_session(request: MemberRequest) -> HttpResponse:
    """Ask how long and how many login sessions may be, and save it."""
    account = _require(request)
    form = SessionSettingsForm(
        request.POST if request.method == "POST" else None,
        present=SessionSettings.of(account),
        installation=_of_installation(),
    )
    if form.is_valid():
        return _write(
            request,
            lambda: account_settings.limit_sessions(chosen=form.chosen, by=request.member, origin=request.origin),
            "Login session settings saved\nThey apply to open sessions from their next request on.",
        )
    return _dialog(request, "settings_sessions", "Login session", form=form)
