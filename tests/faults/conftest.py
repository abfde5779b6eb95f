"""What tests of faults may ask for: every write there is, in real transactions."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from accounts import (
    account_settings,
    factors,
    hierarchy,
    importing,
    invitations,
    login_sessions,
    member_files,
    memberships,
    new_members,
    outbox,
    passwords,
)
from accounts.account_settings import SessionSettings
from accounts.enums import Permission
from accounts.invitees import read
from accounts.models import Member
from keys import lifecycle
from keys.models import ClassicKey
from tests.conftest import ACME
from tests.faults.platform_writes import platform_writes
from tests.faults.writes import (
    FILE,
    NEW,
    ORIGIN,
    Write,
    change_password,
    confirm_passcode,
    mail_to_new,
    new_member,
    prove_identity,
    remove_domain,
    remove_passcode,
    require_second_factor,
    reset_of,
    revoke_keys,
    session_of,
    sign_in,
    sign_out,
    switch_account,
    token_of_new,
)
from tests.trail import without_triggers
from tests.trees import make_user


@pytest.fixture(scope="module", autouse=True)
def events_can_go(django_db_setup, django_db_blocker):
    """The tables are emptied after each test here, which the trail's triggers refuse."""
    with django_db_blocker.unblock(), without_triggers():
        yield


@pytest.fixture
def writes(transactional_db, load_cast) -> list[Write]:
    """Every write there is, in an order in which each finds what it needs."""
    people = load_cast()
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
        *platform_writes(noor, olivia),
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
            plain(new_members.add_member, parent=priya, user=newcomer, origin=ORIGIN),
            {"Member"},
            ["member.added"],
        ),
        Write(
            "create_account",
            plain(new_members.create_account, name="New", owner=sam.user, account_id=7_777_777, origin=ORIGIN),
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
            plain(new_members.add_vpn_user, name="Oslo", email="oslo@new.example", password="", **from_above),
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
        Write("begin_replacement", plain(factors.begin_passcode, by=noor, replaces=True), {"Passcode"}, []),
        Write(
            "replace_passcode",
            lambda: confirm_passcode(noor, replaces=True),
            {"Mail", "Passcode", "RecoveryCode"},
            ["user.passcode_replaced"] * 2,
        ),
        Write(
            "renew_recovery_codes",
            plain(factors.renew_recovery_codes, **own),
            {"Mail", "RecoveryCode"},
            ["user.recovery_codes_made"] * 2,
        ),
        Write(
            "restrict_key_creation",
            plain(account_settings.restrict_key_creation, is_on=True, **from_above),
            {"Account"},
            ["account.key_creation_changed"],
        ),
        Write(
            "grant_key_creation_to_oneself",
            plain(memberships.grant_key_creation_to_oneself, is_on=True, **from_above),
            {"Member"},
            ["member.permissions_changed"],
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
