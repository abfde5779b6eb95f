"""The writes that faults come into: what each is called with, in a session where it has to do with one."""

import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.utils import timezone

from accounts import account_settings, factors, hierarchy, passcodes, passwords, resets, signin, tokens
from accounts.models import Account, Invitation, Mail, Member, Passkey, PasswordReset, Session, User
from accounts.origin import Origin
from accounts.sessions import SessionStore, row_key
from console import demo
from keys import lifecycle
from keys.models import ClassicKey
from tests.conftest import BOREALIS
from tests.visitors import keys, signed_in_session

ORIGIN = Origin(address="127.0.0.1", request_id="faults")
NEW = "newcomer@new.example"
FILE = b"email,parent\nlower@new.example,upper@new.example\nupper@new.example,\n"


class Write(NamedTuple):
    """A write: ``prepare`` returns a fresh call of it; with the tables and the events that it leaves changed."""

    name: str
    prepare: Callable[[], Callable[[], Any]]
    changes: set[str]
    events: list[str]


def revoke_keys(member: Member, **by: Any) -> Any:
    keys = set(ClassicKey.objects.filter(hierarchy.branch(member, prefix="holder_")).values_list("pk", flat=True))
    return lifecycle.revoke_branch(member=member, chosen=keys, seen=keys, reason="A fault", **by)


def new_member() -> Member:
    return Member.objects.get(user__email=NEW)


def mail_to_new() -> Mail:
    mails = Mail.objects.select_related("event", "invitation__member__user", "invitation__member__account")
    return mails.get(recipient=NEW)


def token_of_new() -> str:
    return tokens.token_of(Invitation.objects.get(member=new_member()))


# --- Requests, for what has to do with sessions -----------------------------------------------------------------------


#: Of the requests that were made: the database does not say the keys of their sessions.
_sessions: list[SessionStore] = []


def _key_of(row: Session) -> str:
    known = [*keys, *(session.session_key for session in _sessions)]
    return next(key for key in known if row_key(key) == row.pk)


def request_of(member: Member | None) -> HttpRequest:
    """A request of somebody signed in, in the session that the test's only ``member`` has, or of a stranger."""
    request = HttpRequest()
    kept = SessionStore.get_model_class().objects.filter(user=member.user).first() if member else None
    request.session = SessionStore(_key_of(kept) if kept else member and signed_in_session(member))
    _sessions.append(request.session)
    request.user = signin.MemberBackend().get_user(member.user_id) if member else None
    request.session.get("loads", None)
    return request


def session_of(member: Member) -> uuid.UUID:
    """The name of the one session that ``member`` has, made when there is none."""
    found = Session.objects.filter(user=member.user).first()
    return (found or Session.objects.get(pk=row_key(signed_in_session(member)))).uid


def sign_in(member: Member) -> Callable[[], Any]:
    request = request_of(None)
    return lambda: signin.sign_in(request, email=member.user.email, password=demo.PASSWORD, origin=ORIGIN)


def prove_identity(member: Member) -> Callable[[], Any]:
    request = request_of(member)
    return lambda: signin.prove_identity(request, member=member, password=demo.PASSWORD, origin=ORIGIN)


def switch_account(member: Member) -> Callable[[], Any]:
    request = request_of(member)
    return lambda: signin.switch_account(request, account_id=BOREALIS, origin=ORIGIN)


def change_password(member: Member) -> Callable[[], Any]:
    """In one session, with another that ends."""
    other = signed_in_session(member)
    request, user = request_of(member), User.objects.get(pk=member.user_id)
    user.set_password(demo.PASSWORD)
    User.objects.filter(pk=user.pk).update(password=user.password)
    member.user.password = user.password
    assert other
    return lambda: passwords.change(request, member=member, current=demo.PASSWORD, new="a new one", origin=ORIGIN)


def reset_of(member: Member) -> tuple[PasswordReset, User]:
    """A link that is good, and whose it is."""
    PasswordReset.objects.all().delete()
    link = resets.make(member.user.email, ORIGIN)
    assert resets.bind(link)
    return resets.find(tokens.reset_token_of(link))


def confirm_passcode(member: Member, *, replaces: bool = False) -> Callable[[], Any]:
    request, seed = request_of(member), passcodes.being_set_up(member.user)
    code = seed.code_of(int(timezone.now().timestamp()) // 30)
    return lambda: factors.confirm_passcode(request, code=code, by=member, origin=ORIGIN, replaces=replaces)


def remove_domain(member: Member) -> Callable[[], Any]:
    """One that is there, in the name of somebody who may."""
    Account.objects.filter(pk=member.account_id).update(user_domains="a.example", restrict_user_domains=False)
    return lambda: account_settings.remove_domain(pattern="a.example", by=member, origin=ORIGIN)


def require_second_factor(member: Member) -> Callable[[], Any]:
    """In the name of somebody who has one."""
    if not passcodes.has_one(member.user_id):
        Passkey.objects.create(
            user=member.user, credential_id=b"one", public_key=b"", sign_count=0, name="One", created_at=timezone.now()
        )
    return lambda: account_settings.require_second_factor(is_on=True, by=member, origin=ORIGIN)


def remove_passcode(member: Member) -> Callable[[], Any]:
    """Where nobody requires one."""
    Account.objects.update(require_second_factor=False)
    return lambda: factors.remove_passcode(by=member, origin=ORIGIN)


def sign_out(member: Member) -> Callable[[], Any]:
    request = request_of(member)
    return lambda: signin.sign_out(request, origin=ORIGIN)
