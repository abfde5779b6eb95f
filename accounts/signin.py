"""Signing in and out, proving one's identity again, and choosing the current account. No templates."""

import enum
import logging
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.contrib import auth
from django.contrib.auth.backends import BaseBackend
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import addresses, audit, events, hierarchy, identity, passcodes, session_limits, throttle
from accounts.enums import SIGN_IN_STATUSES, MemberStatus
from accounts.models import Member, User
from accounts.notifications import with_notifications
from accounts.origin import Origin
from accounts.policy import is_enrolment_due, may_work
from accounts.prepared import Prepared
from accounts.session_limits import SessionEnd, SessionLimits
from accounts.sessions import ACCOUNT, ADDRESS, AGENT, PROVED, SEEN, STARTED, UID, SessionStore, row_key
from accounts.throttle import Limits

_log = logging.getLogger(__name__)

#: How long a sign-in or a proof of identity counts as fresh.
FRESH_PROOF = timedelta(minutes=5)

#: An unknown e-mail address and a wrong password are answered after the same time, although only one leaves an event.
_REFUSAL_SECONDS = 0.25


class SignInRefused(throttle.TryLater):
    """The person cannot sign in. The message is for them and says nothing of who exists."""


class WrongCredentials(SignInRefused):
    """The password is wrong, or there is no such e-mail address."""


class Obstacle(enum.StrEnum):
    """What keeps somebody who has signed in out of an account, in the words of the activity log."""

    ADDRESS = "address not allowed"
    SUSPENDED = "suspended"
    FROZEN = "frozen"
    NO_FACTOR = "no second factor"


class MemberBackend(BaseBackend):
    """Django's authentication by e-mail address and password, for people who may sign in somewhere.

    Loads the user's memberships with the user, in one query: every page needs both.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str = "", password: str = "", **_: Any
    ) -> User | None:
        """Return the user with that address and password, or none after the same amount of work."""
        user = User.objects.filter(email=username).first()
        if user is None:
            User().set_password(password)  # the same hash for an unknown address: the time tells nothing
            return None
        return user if user.check_password(password) else None

    def get_user(self, user_id: int) -> User | None:
        """Return the signed-in user with ``memberships_to_sign_in``, or none if they have no membership left."""
        members = _prepared_memberships(user_id)
        if not members:
            return None
        user: User = members[0].user
        for member in members:
            member.user = user
        user.memberships_to_sign_in = members
        return user


def _sign_in_memberships(user_id: int) -> QuerySet[Member]:
    members = Member.objects.filter(identity.JOINED, user_id=user_id, status__in=SIGN_IN_STATUSES)
    found = hierarchy.with_users_below(passcodes.with_second_factor(hierarchy.with_freeze(members)))
    return with_notifications(found).select_related("user", "account").order_by("account__name", "account_id")


_prepared_memberships = Prepared(_sign_in_memberships)


def members_to_sign_in(user_id: int) -> Sequence[Member]:
    """Return the members with which the user may sign in, with all that pages ask of the viewer; one query."""
    return _prepared_memberships(user_id)


def sign_in(request: HttpRequest, *, email: str, password: str, origin: Origin) -> User | None:
    """Sign the user in, in a new session, and return none; or return the user if they have a second factor to prove.

    Raises SignInRefused: too many attempts, wrong e-mail address or password (the same words for both), no membership
    to sign in to, or none that allows the client's address. Each refusal of a known user is an event, except for too
    many attempts: writing an event takes time, which would tell who exists.
    """
    user, members = check_login(email=email, password=password, origin=origin, request=request)
    member = first_open(members, origin)
    throttle.forget_success(email, origin.address)
    SessionStore.delete_expired()  # everybody's: here it happens once per sign-in
    if member.has_second_factor:
        return user
    start_session(request, member=member, origin=origin)
    return None


def check_login(
    *, email: str, password: str, origin: Origin, request: HttpRequest | None = None
) -> tuple[User, Sequence[Member]]:
    """Return whose e-mail address and password these are, with the members with which they may sign in, one at least.

    The attempt stays counted until ``throttle.forget_success``. Raises SignInRefused as ``sign_in`` does.
    """
    started = time.monotonic()
    count_or_refuse(email, origin)
    user = auth.authenticate(request, username=email, password=password)
    if user is None:
        # Not the address that was typed: people type their password there.
        _log.warning("sign-in refused: unknown email address or wrong password, from %s", origin.address)
        record_refusal(User.objects.filter(email=email).first(), origin, "wrong password")
        time.sleep(max(0.0, started + _REFUSAL_SECONDS - time.monotonic()))
        raise WrongCredentials("The email or the password is wrong. Check both and try again.")
    members = members_to_sign_in(user.pk)
    if not members:
        # The password was right, so this may say more than a stranger may know.
        record_refusal(user, origin, "no membership to sign in to")
        ask = "To join an account that invited you, open the link in its email."
        ask = ask if identity.is_invited(user.pk) else "Ask the person who invited you."
        raise SignInRefused(f"Your user cannot log in to any account. {ask}")
    return user, members


def first_open(members: Sequence[Member], origin: Origin) -> Member:
    """Return the first of the user's members whose restrictions allow the address, preferably one that may work.

    Raises SignInRefused, after an event, if there is none.
    """
    open_here = [member for member in members if allows_platform(member, origin)]
    if not open_here:
        record_refusal(members[0].user, origin, "address not allowed")
        raise SignInRefused("You cannot log in from this address. Ask the person who invited you.")
    return next(filter(may_work, open_here), open_here[0])


def start_session(request: HttpRequest, *, member: Member, origin: Origin, used: str = "") -> None:
    """Sign in the member's user, who has just proved who they are, in a new session and in the member's account.

    Args:
        used: the second factor that was used, in words.

    Raises SignInRefused if only the password was given, and a second factor was set up meanwhile.
    """
    with transaction.atomic():
        # Adding a first factor takes this lock too, and ends the sessions that exist by then.
        audit.lock_chain(member.account_id)
        if not used and passcodes.has_one(member.user_id):
            raise SignInRefused("A second factor has been set up in the meantime. Log in again.")
        auth.login(request, member.user)
        now = timezone.now().timestamp()
        request.session.update({UID: uuid.uuid4().hex, STARTED: now, PROVED: now, **_whereabouts(now, origin)})
        _enter(request, member, events.SIGNED_IN, origin, {"second factor": used} if used else {})


def _whereabouts(now: float, origin: Origin) -> dict[str, Any]:
    """Return what a session notes about its use."""
    return {SEEN: now, ADDRESS: origin.address or "", AGENT: origin.agent}


def _enter(
    request: HttpRequest, member: Member, action: str, origin: Origin, details: Mapping[str, str] | None = None
) -> None:
    """Make the member's account the session's, end sessions beyond the account's limit, and record ``action``.

    To be called inside the transaction of the change.
    """
    if member.account.most_sessions is not None:
        audit.lock_chain(member.account_id)
    request.session[ACCOUNT] = member.account_id
    store(request)
    ended = session_limits.make_room(
        account=member.account, user_id=member.user_id, row_key=row_key(request.session.session_key)
    )
    audit.record(action, actor=member, origin=origin, details=details)
    if ended:
        why = {"sessions": ended, "why": f"at most {member.account.most_sessions} at once"}
        audit.record(events.SESSIONS_ENDED, actor=member, origin=origin, details=why)
    note_entry(member)


def note_entry(member: Member) -> None:
    """Note that the member's user signed in to the account now. To be called last, after the event.

    The account's chain is locked by then, so this must not wait for the member's row: its lock's holder may be waiting
    for the chain. If the row is locked, the sign-in is not noted here, but the next one is.
    """
    free = Member.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=member.pk)
    if free.values_list("pk").first() is not None:
        Member.objects.filter(pk=member.pk).update(signed_in_at=timezone.now())


def enter_account(request: HttpRequest, *, member: Member, origin: Origin) -> None:
    """Make an account that the signed-in user has just joined the current one, under a new session id."""
    with transaction.atomic():
        _renew(request)
        _enter(request, member, events.ACCOUNT_SWITCHED, origin)


def go_on_elsewhere(request: HttpRequest, *, origin: Origin) -> bool:
    """Let somebody who has just left their account go on in another of theirs, under a new session id.

    Whoever has no account left to work in is logged out. Returns whether they go on.
    """
    working = [member for member in members_to_sign_in(request.user.pk or 0) if may_work(member)]
    if not working:
        auth.logout(request)
        return False
    open_here = (member for member in working if allows_platform(member, origin))
    enter_account(request, member=next(open_here, working[0]), origin=origin)
    return True


def count_or_refuse(email: str, origin: Origin, limits: Limits = throttle.SIGN_IN) -> None:
    """Count an attempt. Raises SignInRefused, with the time to wait, if it is one too many."""
    wait = throttle.count_attempt(email, origin.address, limits)
    if wait is not None:
        _log.warning("sign-in refused: too many attempts, from %s", origin.address)
        minutes = math.ceil(wait.total_seconds() / 60)
        raise SignInRefused(
            f"Too many attempts. Try again in {minutes} minute{'s' if minutes > 1 else ''}.", retry_after=wait
        )


def record_refusal(user: User | None, origin: Origin, why: str) -> None:
    """Record a refused sign-in in each account of the user; nothing for an unknown one."""
    if user is None:
        return
    with transaction.atomic():
        identity.record(
            events.SIGN_IN_REFUSED, user_id=user.pk, actor_label="Someone logging in", outcome=audit.REFUSED,
            origin=origin, details={"why": why},
        )  # fmt: skip


def allows_platform(member: Member, origin: Origin) -> bool:
    """Whether the member's and the account's address restrictions let them use the console from there."""
    return addresses.stored(member.allowed_addresses).allows(origin.address) and addresses.stored(
        member.account.allowed_addresses
    ).allows(origin.address)


def obstacle(member: Member, origin: Origin) -> Obstacle | None:
    """Return what keeps the member, loaded as for a session, out of the console at present. Takes no query."""
    if not allows_platform(member, origin):
        return Obstacle.ADDRESS
    if member.status == MemberStatus.SUSPENDED:
        return Obstacle.SUSPENDED
    if member.is_frozen:
        return Obstacle.FROZEN
    return Obstacle.NO_FACTOR if is_enrolment_due(member) else None


def record_kept_out(member: Member, origin: Origin, why: Obstacle) -> None:
    """Record that the member was kept out, at most once a minute: reloading a page must not flood the trail."""
    minute = int(timezone.now().timestamp()) // 60
    audit.record_refusal(
        events.CONSOLE_REFUSED,
        actor=member,
        subject=member,
        origin=origin,
        details={"why": why.value},
        once=f"console refused:{member.pk}:{why.value}:{minute}",
    )


def sign_out(request: HttpRequest, *, origin: Origin) -> None:
    """End the session; its row is deleted, so an old cookie opens nothing."""
    member = current_member(request)
    with transaction.atomic():
        auth.logout(request)
        if member is not None:
            audit.record(events.SIGNED_OUT, actor=member, origin=origin)


def memberships(user: Any) -> Sequence[Member]:
    """Return the members with which the signed-in user may sign in, as loaded with the user: no query."""
    return getattr(user, "memberships_to_sign_in", ())


def current_member(request: HttpRequest) -> Member | None:
    """Return the signed-in user's member in the session's current account, else in their first; none for a stranger.

    No query beyond the one that loads the user.
    """
    members = memberships(request.user)
    chosen = request.session.get(ACCOUNT) if members else None
    return next((member for member in members if member.account_id == chosen), members[0] if members else None)


def switch_account(request: HttpRequest, *, account_id: int, origin: Origin) -> Member | None:
    """Make another of the user's accounts the current one and return the member there; none if it is not theirs."""
    member = next((member for member in memberships(request.user) if member.account_id == account_id), None)
    if member is None:
        return None
    with transaction.atomic():
        _enter(request, member, events.ACCOUNT_SWITCHED, origin)
    return member


def prove_identity(request: HttpRequest, *, member: Member, password: str, origin: Origin) -> None:
    """Take the password again as fresh proof of identity, under a new session id.

    Raises SignInRefused when it is wrong or was tried too often.
    """
    check_password(member.user, password=password, origin=origin, limits=throttle.PROOFS)
    note_proof(request, member=member, origin=origin)


def note_proof(request: HttpRequest, *, member: Member, origin: Origin) -> None:
    """Note that the member has just proved who they are, under a new session id."""
    with transaction.atomic():
        request.session[PROVED] = timezone.now().timestamp()
        _renew(request)
        audit.record(events.IDENTITY_PROVED, actor=member, origin=origin)


def check_password(user: User, *, password: str, origin: Origin, limits: Limits = throttle.SIGN_IN) -> None:
    """Check the password of a user who is known already. Raises SignInRefused as for a sign-in.

    Args:
        limits: what it counts against: ``throttle.PROOFS`` where the user's session is open.
    """
    count_or_refuse(user.email, origin, limits)
    if not user.check_password(password):
        record_refusal(user, origin, "wrong password given as proof")
        raise SignInRefused("This password is wrong. Try again.")
    throttle.forget_success(user.email, origin.address, limits)


def store(request: HttpRequest) -> None:
    """Save the session now, in the transaction of its event; the middleware would save it only after the response.

    Raises SessionInterrupted, which is answered with 400, if the session was ended meanwhile.
    """
    try:
        request.session.save()
    except UpdateError:
        raise SessionInterrupted("The session was ended while the request was answered.") from None


def _renew(request: HttpRequest) -> None:
    """Write the session and give it a new id. Raises SessionInterrupted: an ended one is not brought back by that."""
    store(request)
    request.session.cycle_key()


def has_fresh_proof(request: HttpRequest) -> bool:
    """Whether the user signed in, or gave a proof of identity, within ``FRESH_PROOF``."""
    age: float = timezone.now().timestamp() - request.session.get(PROVED, 0)
    return 0 <= age <= FRESH_PROOF.total_seconds()


def session_is_over(request: HttpRequest, *, origin: Origin, is_use: bool = True) -> bool:
    """Whether the session was idle or open for too long, by the limits of the account that it is in.

    Notes that it is being used, and from where, now and then, unless the request is no use of it.
    """
    now, session, limits = timezone.now(), request.session, limits_of_session(request)
    started, seen = _times(request)
    if limits.are_exceeded(started=started, seen=seen, now=now):
        return True
    if is_use and (now - seen > limits.noted_after or UID not in session):
        values = {UID: session.get(UID) or uuid.uuid4().hex, **_whereabouts(now.timestamp(), origin)}
        cast(SessionStore, session).note_use(values)
    return False


def limits_of_session(request: HttpRequest) -> SessionLimits:
    """Return the limits of the request's session: those of the account that it is in. Takes no query."""
    member = current_member(request)
    return session_limits.limits_of(member.account if member else None)


def session_end(request: HttpRequest) -> SessionEnd:
    """Return when the request's session ends if it is not used until then. Takes no query."""
    started, seen = _times(request)
    return limits_of_session(request).end(started=started, seen=seen, now=timezone.now())


def first_question(request: HttpRequest) -> timedelta:
    """Return for how long the page that answers the request need not ask when the session ends. Takes no query."""
    started, _ = _times(request)
    return limits_of_session(request).first_question(started=started, now=timezone.now())


def _times(request: HttpRequest) -> tuple[datetime, datetime]:
    """Return when the session began and when it was used last, as far as that is noted."""
    started, seen = (datetime.fromtimestamp(request.session.get(name, 0), UTC) for name in (STARTED, SEEN))
    return started, seen
