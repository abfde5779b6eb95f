"""Turns rows of the outbox into messages with text and HTML. Decides nothing and sends nothing."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from accounts import formats, hierarchy
from accounts.events import NOTICES
from accounts.models import Account, Event, Invitation, Mail, Member, PasswordReset
from accounts.policy import may_work
from accounts.tokens import reset_token_of, token_of

#: Names may be long, and mail programs show no more.
_SUBJECT_LENGTH = 150


class _Site:
    """Where links lead: the public address, or, in a demo that has none, the address where its server listens."""

    listening_at = "http://127.0.0.1:8000"

    @property
    def url(self) -> str:
        """The beginning of every link; never taken from a request."""
        return settings.KEYTREE_PUBLIC_URL or self.listening_at.rstrip("/")


site = _Site()


def compose(mail: Mail) -> EmailMultiAlternatives:
    """Return the message for a row of the outbox, loaded with what it is about."""
    if mail.invitation is not None:
        return _invitation(mail, mail.invitation)
    if mail.reset is not None:
        return _reset(mail, mail.reset)
    return _notice(mail)


def _invitation(mail: Mail, invitation: Invitation) -> EmailMultiAlternatives:
    account, inviter = invitation.member.account, invitation.invited_by
    context = {
        "account": account,
        "inviter": inviter,
        "email": mail.recipient,
        "url": site.url + reverse("accounts:accept-invitation", args=[token_of(invitation)]),
        "until": formats.moment(invitation.expires_at),
    }
    return _message(mail, f"Invitation to {account.name}", "invitation", context)


def _reset(mail: Mail, reset: PasswordReset) -> EmailMultiAlternatives:
    context = {
        "email": mail.recipient,
        "url": site.url + reverse("accounts:reset-password", args=[reset_token_of(reset)]),
        "until": formats.moment(reset.expires_at),
        "asked_at": formats.moment(reset.created_at),
        "address": reset.address,
    }
    return _message(mail, "Set a new password", "reset", context)


def _notice(mail: Mail) -> EmailMultiAlternatives:
    event = mail.event
    if event is None:
        raise ValueError("A mail is about an invitation or an event, or about the reset of a password.")
    notice = NOTICES[event.action]
    account = Account.objects.get(pk=event.account_id)
    is_own_act = notice.is_about_oneself and _was_done_by(mail.recipient, event)
    context = {
        "account": account,
        "sentence": notice.sentence,
        "subject_label": event.subject_label,
        "actor": event.actor_label or "The server",
        "at": formats.moment(event.at),
        "address": event.address,
        "facts": {name: event.facts[name] for name in notice.facts if name in event.facts},
        "advice": notice.advice,
        "sees_activity": _works_in(account, mail.recipient),
        "url": site.url + reverse("accounts:activity"),
        "is_own_act": is_own_act,
        "security_url": site.url + reverse("accounts:security") if notice.is_about_identity or is_own_act else "",
        "reset_url": site.url + reverse("accounts:reset"),
    }
    return _message(mail, f"{notice.subject} ({account.name})", "notice", context)


def _was_done_by(email: str, event: Event) -> bool:
    """Whether the event says that the user of that address did it: somebody else with their session may have."""
    return event.actor_id is not None and Member.objects.filter(pk=event.actor_id, user__email=email).exists()


def _works_in(account: Account, email: str) -> bool:
    """Whether the user with this address can see the account's activity, unlike somebody who was removed."""
    return any(map(may_work, hierarchy.with_freeze(Member.objects.filter(account=account, user__email=email))))


def _message(mail: Mail, subject: str, template: str, context: Mapping[str, Any]) -> EmailMultiAlternatives:
    context = {**context, "site": site.url}
    # One line, whatever a name may hold: a line end would begin another header.
    subject = " ".join(subject.split())[:_SUBJECT_LENGTH]
    message = EmailMultiAlternatives(
        subject,
        render_to_string(f"email/{template}.txt", context),
        to=[mail.recipient],
        headers={"Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string(f"email/{template}.html", context), "text/html")
    return message
