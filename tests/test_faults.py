"""A fault at every statement of every write: it leaves everything as it was, and then it works as if never tried.

The statements are counted by trying: the first is made to fail, then the second, until the write comes to its end.
Transactions are real ones here, on whichever database the suite runs.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import IntegrityError, OperationalError, connection
from django.http import HttpRequest
from django.utils import timezone

from accounts import (
    account_settings,
    audit,
    factors,
    hierarchy,
    importing,
    invitations,
    login_sessions,
    member_files,
    memberships,
    outbox,
    passcodes,
    passwords,
    resets,
    signin,
    tokens,
)
from accounts.account_settings import SessionSettings
from accounts.enums import Permission
from accounts.invitees import read
from accounts.models import (
    Account,
    AttemptCount,
    Event,
    Invitation,
    Mail,
    Member,
    Passkey,
    PasswordReset,
    Session,
    User,
)
from accounts.origin import Origin
from accounts.sessions import SessionStore
from console import demo
from keys import lifecycle
from keys.models import ClassicKey
from tests.conftest import ACME, BOREALIS
from tests.trail import without_triggers
from tests.trees import make_user
from tests.visitors import noting_writes, signed_in_session, visitor

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = Origin(address="127.0.0.1", request_id="faults")
NEW = "newcomer@new.example"
FILE = b"email,parent\nlower@new.example,upper@new.example\nupper@new.example,\n"
#: More statements than any write has: one that never came to its end would be tried for ever.
MOST_STATEMENTS = 60


class Fault(Exception):
    """Of no kind that anything in the program expects."""


class Write(NamedTuple):
    """A write: ``prepare`` returns a fresh call of it; with the tables and the events that it leaves changed."""

    name: str
    prepare: Callable[[], Callable[[], Any]]
    changes: set[str]
    events: list[str]


@pytest.fixture(scope="module", autouse=True)
def events_can_go(django_db_setup, django_db_blocker):
    """The tables are emptied after each test here, which the trail's triggers refuse."""
    with django_db_blocker.unblock(), without_triggers():
        yield


@pytest.fixture
def writes(transactional_db) -> list[Write]:
    """Every write there is, in an order in which each finds what it needs."""
    demo.load()
    found = Member.objects.filter(account_id=ACME).select_related("user", "account")
    people = {member.user.name.split()[0].lower(): member for member in found}
    noor, priya, olivia, sam = (people[name] for name in ("noor", "priya", "olivia", "sam"))

    def plain(write: Callable[..., Any], *, key_of: Member | None = None, **arguments: Any) -> Callable[[], Any]:
        """A write whose arguments are the same however often it is tried, but for the key of somebody."""

        def prepare() -> Callable[[], Any]:
            key = {"key": ClassicKey.objects.get(holder=key_of)} if key_of else {}
            return lambda: write(**arguments, **key)

        return prepare

    newcomer = make_user()
    own, from_above = {"by": noor, "origin": ORIGIN}, {"by": olivia, "origin": ORIGIN}
    return [
        Write(
            "create_classic_key",
            plain(lifecycle.create_classic_key, holder=noor, **own),
            {"ClassicKey"},
            ["classic_key.created"],
        ),
        # The first time from this address: the holder is told.
        Write("show_value", plain(lifecycle.show_value, key_of=noor, **own), {"Mail"}, ["classic_key.shown"]),
        Write(
            "download",
            plain(lifecycle.show_value, key_of=noor, download=True, **own),
            set(),
            ["classic_key.downloaded"],
        ),
        Write(
            "restrict_classic_key",
            plain(lifecycle.restrict_classic_key, key_of=noor, addresses_text="10.0.0.1", **from_above),
            {"ClassicKey", "Mail"},
            ["classic_key.restriction_changed"],
        ),
        Write(
            "restrict_member",
            plain(
                lifecycle.restrict_member,
                key_of=noor,
                member=noor,
                platform_text="10.0.0.2",
                classic_text="10.0.0.3",
                **from_above,
            ),
            {"ClassicKey", "Mail", "Member"},
            ["classic_key.restriction_changed", "member.restriction_changed"],
        ),
        Write(
            "delete_classic_key",
            plain(lifecycle.delete_classic_key, key_of=noor, **from_above),
            {"ClassicKey", "KeptRestriction", "Mail"},
            ["classic_key.deleted"],
        ),
        Write(
            "restrict_platform",
            plain(memberships.restrict_platform, member=noor, addresses_text="", **from_above),
            {"Mail", "Member"},
            ["member.restriction_changed"],
        ),
        Write(
            "set_vpn_password",
            plain(memberships.set_vpn_password, member=noor, password="a long enough pass phrase", **own),
            {"Member"},
            ["member.vpn_password_changed"],
        ),
        Write(
            "add_member",
            plain(memberships.add_member, parent=priya, user=newcomer, origin=ORIGIN),
            {"Member"},
            ["member.added"],
        ),
        Write(
            "create_account",
            plain(memberships.create_account, name="New", owner=sam.user, account_id=7_777_777, origin=ORIGIN),
            {"Account", "Member"},
            ["account.created"],
        ),
        Write(
            "freeze_branch",
            plain(memberships.freeze_branch, member=priya, reason="A fault", **from_above),
            {"BranchFreeze", "Mail"},
            ["member.branch_frozen"],
        ),
        Write(
            "thaw_branch",
            plain(memberships.thaw_branch, member=priya, **from_above),
            {"BranchFreeze", "Mail"},
            ["member.branch_thawed"],
        ),
        Write(
            "revoke_branch",
            lambda: partial(revoke_keys, people["berlin"], **from_above),
            {"ClassicKey", "Mail"},
            ["classic_key.revoked"],
        ),
        # Nothing calls it yet: whoever will, records the event in the same transaction.
        Write(
            "move_branch",
            plain(hierarchy.move_branch, member=priya, new_parent=sam),
            {"ClassicKey", "Member"},
            [],
        ),
        Write(
            "invite",
            plain(invitations.invite, invitees=read(NEW), granted=Permission(0), **from_above),
            {"Invitation", "Mail", "Member", "User"},
            ["invitation.created"],
        ),
        Write(
            "import",
            plain(importing.carry_out, content=member_files.read(FILE), **from_above),
            {"Invitation", "Mail", "Member", "User"},
            ["invitation.created", "invitation.created"],
        ),
        Write(
            "settle",
            lambda: partial(outbox._settle, mail_to_new()),
            {"Invitation", "Mail", "Member"},
            ["invitation.sent"],
        ),
        Write(
            "resend",
            lambda: partial(invitations.resend, member=new_member(), **from_above),
            {"Invitation", "Mail", "Member"},
            ["invitation.renewed"],
        ),
        Write(
            "accept",
            lambda: partial(
                invitations.accept_as_new,
                token=token_of_new(),
                name="New",
                password="a long pass phrase",
                origin=ORIGIN,
            ),
            {"Invitation", "Mail", "Member", "User"},
            ["invitation.accepted"],
        ),
        Write(
            "cancel",
            plain(invitations.cancel, member=people["lena"], **from_above),
            {"Member", "User"},
            ["invitation.cancelled"],
        ),
        Write(
            "add_vpn_user",
            plain(memberships.add_vpn_user, name="Oslo", email="oslo@new.example", password="", **from_above),
            {"Member", "User"},
            ["member.added"],
        ),
        Write("sign_in", lambda: sign_in(noor), {"Member", "Session", "User"}, ["user.signed_in"]),
        Write("prove_identity", lambda: prove_identity(noor), {"Session"}, ["user.identity_proved"]),
        Write("switch_account", lambda: switch_account(noor), {"Member", "Session"}, ["user.account_switched"]),
        Write(
            "end_own",
            lambda: partial(login_sessions.end_own, uid=session_of(noor), **own),
            {"Session"},
            ["user.session_ended"],
        ),
        Write(
            "end_all_own",
            lambda: partial(login_sessions.end_all_own, **own) if session_of(noor) else None,
            {"Session"},
            ["user.sessions_ended"],
        ),
        Write(
            "end_all_of",
            lambda: partial(login_sessions.end_all_of, member=noor, **from_above) if session_of(noor) else None,
            {"Mail", "Session"},
            ["user.sessions_ended"],
        ),
        Write(
            "limit_sessions",
            plain(account_settings.limit_sessions, chosen=SessionSettings(None, None, 1), **from_above),
            {"Account"},
            ["account.session_limits_changed"],
        ),
        Write(
            "sign_in_once_more",
            lambda: sign_in(noor) if session_of(noor) else None,
            {"Member", "Session", "User"},
            ["user.signed_in", "user.sessions_ended"],
        ),
        Write(
            "restrict_user_list",
            plain(account_settings.restrict_user_list, is_on=True, **from_above),
            {"Account"},
            ["account.user_list_changed"],
        ),
        Write(
            "restrict_addresses",
            plain(account_settings.restrict_addresses, addresses_text="127.0.0.1", **from_above),
            {"Account"},
            ["account.addresses_changed"],
        ),
        Write(
            "lift_address_restriction",
            plain(account_settings.lift_address_restriction, account_id=ACME, origin=ORIGIN),
            {"Account"},
            ["account.addresses_changed"],
        ),
        Write(
            "restrict_domains",
            plain(account_settings.restrict_domains, patterns_text="acme.example", **from_above),
            {"Account"},
            ["account.domains_changed"],
        ),
        Write(
            "allow_all_domains",
            plain(account_settings.allow_all_domains, keep=True, **from_above),
            {"Account"},
            ["account.domains_changed"],
        ),
        Write(
            "remove_domain",
            lambda: remove_domain(olivia),
            {"Account"},
            ["account.domains_changed"],
        ),
        # How people log in. The passcodes' seed is one that the tests know the codes of.
        Write(
            "change_password",
            lambda: change_password(noor),
            {"Mail", "Session", "User"},
            ["user.password_changed"] * 2,
        ),
        Write("ask_for_link", plain(passwords.ask_for_link, email=NEW, origin=ORIGIN), {"Mail", "PasswordReset"}, []),
        Write(
            "reset_password",
            lambda: partial(passwords._reset, *reset_of(noor), "another hash", ORIGIN),
            {"Mail", "PasswordReset", "Session", "User"},
            ["user.password_reset"] * 2,
        ),
        Write("begin_passcode", plain(factors.begin_passcode, by=noor), {"Passcode"}, []),
        Write(
            "confirm_passcode",
            lambda: confirm_passcode(noor),
            {"Mail", "Passcode", "RecoveryCode"},
            ["user.passcode_added"] * 2,
        ),
        Write(
            "renew_recovery_codes",
            plain(factors.renew_recovery_codes, **own),
            {"Mail", "RecoveryCode"},
            ["user.recovery_codes_made"] * 2,
        ),
        Write(
            "require_second_factor",
            lambda: require_second_factor(olivia),
            {"Account"},
            ["account.second_factor_changed"],
        ),
        Write(
            "remove_passcode",
            lambda: remove_passcode(noor),
            {"Mail", "Passcode", "RecoveryCode"},
            ["user.passcode_removed"] * 2,
        ),
        Write("sign_out", lambda: sign_out(noor), {"Session"}, ["user.signed_out"]),
    ]


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


def request_of(member: Member | None) -> HttpRequest:
    """A request of somebody signed in, in the session that the test's only ``member`` has, or of a stranger."""
    request = HttpRequest()
    kept = SessionStore.get_model_class().objects.filter(user=member.user).first() if member else None
    request.session = SessionStore(kept.session_key if kept else member and signed_in_session(member))
    request.user = signin.MemberBackend().get_user(member.user_id) if member else None
    request.session.get("loads", None)
    return request


def session_of(member: Member) -> uuid.UUID:
    """The name of the one session that ``member`` has, made when there is none."""
    found = Session.objects.filter(user=member.user).first()
    return (found or Session.objects.get(pk=signed_in_session(member))).uid


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


def confirm_passcode(member: Member) -> Callable[[], Any]:
    request, seed = request_of(member), passcodes.being_set_up(member.user)
    code = seed.code_of(int(timezone.now().timestamp()) // 30)
    return lambda: factors.confirm_passcode(request, code=code, by=member, origin=ORIGIN)


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


# --- What is stored ---------------------------------------------------------------------------------------------------


def stored() -> Mapping[str, Any]:
    """Every row of both apps by table; without the counts of attempts, which are raised first and on purpose."""
    models = [model for app in ("accounts", "keys") for model in apps.get_app_config(app).get_models()]
    with connection.cursor() as cursor:
        return {model.__name__: rows_of(model, cursor) for model in models if model is not AttemptCount}


def rows_of(model: Any, cursor: Any) -> list[tuple[Any, ...]]:
    cursor.execute(f"SELECT * FROM {model._meta.db_table} ORDER BY 1")
    return cursor.fetchall()


def assert_done(write: Write, before: Mapping[str, Any]) -> None:
    """What the write has changed since is what it says that it changes, and so are the events."""
    after = stored()
    changed = {table for table in after if after[table] != before[table]}
    trail = {"Event", "AuditChain"} if write.events else set()
    assert changed == write.changes | trail
    new = Event.objects.order_by("pk")[len(before["Event"]) :]
    assert [event.action for event in new] == write.events


# --- The tests --------------------------------------------------------------------------------------------------------


@contextmanager
def failing(number: int, kind: type[Exception]) -> Iterator[list[str]]:
    """Let the statement of that number fail inside the block; afterwards the list holds it, if there was one."""
    numbers, failed = count(1), []

    def execute(execute, sql, params, many, context):
        if next(numbers) == number:
            failed.append(sql)
            raise kind("the fault")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield failed


@pytest.mark.parametrize("kind", [Fault, pytest.param(IntegrityError, marks=pytest.mark.sqlite_only)])
def test_fault_at_any_statement_changes_nothing_and_leaves_no_event(writes, kind, monkeypatch):
    monkeypatch.setattr(signin.throttle, "count_attempt", lambda *_: None)
    for write in writes:
        call, before = write.prepare(), stored()
        for number in range(1, MOST_STATEMENTS):
            is_done = False
            with failing(number, kind) as failed, suppress(kind):
                call()
                is_done = True
            if is_done:
                # Although something may have failed: a session whose id was taken gets another.
                assert_done(write, before)
                if not failed:
                    break
            assert is_done or stored() == before, f"{write.name}, statement {number}"
            with noting_writes() as written:
                call = write.prepare()
            if is_done or written:  # else it is all as it was, which was just looked at
                before = stored()
        assert number > 2, f"{write.name} asks the database for nothing"
        assert number < MOST_STATEMENTS - 1
    assert [list(audit.breaks(account)) for account in (ACME, BOREALIS, 7_777_777)] == [[], [], []]


def test_fault_at_the_end_of_the_transaction_changes_nothing_and_leaves_no_event(writes, monkeypatch):
    """The last moment at which a database can refuse: a disk that is full, a connection that is gone."""
    commit, refusals = connection._commit, []

    def refuse():
        if refusals:
            raise OperationalError(refusals.pop())
        return commit()

    monkeypatch.setattr(signin.throttle, "count_attempt", lambda *_: None)
    monkeypatch.setattr(signin.throttle, "forget_success", lambda *_: None)
    monkeypatch.setattr(connection, "_commit", refuse)
    for write in writes:
        call = write.prepare()
        before = stored()
        refusals.append("the fault")
        with pytest.raises(OperationalError, match="the fault"):
            call()
        assert stored() == before, write.name
        write.prepare()()
        assert_done(write, before)


@pytest.mark.parametrize("change", ["prove_identity", "switch_account"])
def test_what_an_event_says_of_a_session_is_stored_with_it(writes, change):
    """Not after the answer is made: whatever ended the process between the two would leave the event alone."""
    noor = Member.objects.select_related("user").get(account_id=ACME, user__email="noor@acme.example")
    request = request_of(noor)
    request.session["proved_at"] = 0
    if change == "prove_identity":
        signin.prove_identity(request, member=noor, password=demo.PASSWORD, origin=ORIGIN)
    else:
        signin.switch_account(request, account_id=BOREALIS, origin=ORIGIN)
    kept = SessionStore(request.session.session_key).load()
    assert kept == dict(request.session.items())
    assert (kept["account_id"], kept["proved_at"] > 0) in {(ACME, True), (BOREALIS, False)}


def test_account_is_not_switched_in_a_session_that_was_ended_meanwhile(writes):
    noor = Member.objects.select_related("user").get(account_id=ACME, user__email="noor@acme.example")
    request, before = request_of(noor), stored()
    SessionStore.get_model_class().objects.all().delete()
    with pytest.raises(SessionInterrupted):
        signin.switch_account(request, account_id=BOREALIS, origin=ORIGIN)
    assert stored() == {**before, "Session": []}


# --- Through the whole program ----------------------------------------------------------------------------------------


def test_database_away_at_any_statement_of_a_request_is_answered_with_503(writes, monkeypatch):
    """Whatever of it was done by then, it was done whole: what an answer could not say, the events do."""
    monkeypatch.setattr(signin.throttle, "count_attempt", lambda *_: None)
    monkeypatch.setattr(signin.throttle, "forget_success", lambda *_: None)
    noor = Member.objects.select_related("user").get(account_id=ACME, user__email="noor@acme.example")
    password = {"username": noor.user.email, "password": demo.PASSWORD}
    for who, path, fields in [
        (None, "/login", password),
        (noor, "/iam/apikeys", None),
        (noor, "/iam/users", None),
        (noor, "/iam/activity", None),
        (noor, f"/iam/users/{noor.pk}/classic_key", {}),
        (noor, "/account/switch", {"account": BOREALIS}),
        (noor, "/logout", {}),
    ]:
        for number in range(1, MOST_STATEMENTS):
            client, before = visitor(who, raises=False), stored()
            with failing(number, OperationalError) as has_failed:
                answer = client.get(path) if fields is None else client.post(path, fields)
            if not has_failed:
                break
            assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5"), (path, number)
            after = stored()
            changed = {table for table in after if after[table] != before[table]}
            assert changed == set() or changed >= {"Event", "AuditChain"}, (path, number)
        assert number > 2
        assert answer.status_code in {200, 302}, path
