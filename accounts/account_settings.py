"""Writes about an account's settings: each asks the policy, changes and records in one transaction.

All lock the account first, so that each event's *before* is what was there.
"""

from dataclasses import dataclass

from accounts import addresses, audit, domains, events, hierarchy, passcodes
from accounts.domains import PatternError
from accounts.factors import FactorRefused
from accounts.memberships import present_member
from accounts.models import Account, Member
from accounts.origin import Origin
from accounts.policy import MemberAction, require
from accounts.transactions import one_transaction


@dataclass(frozen=True)
class SessionSettings:
    """An account's limits for login sessions. None leaves it to the installation, which has none for ``most``."""

    hours: int | None
    idle_minutes: int | None
    most: int | None

    @classmethod
    def of(cls, account: Account) -> "SessionSettings":
        """Return those of ``account``."""
        return cls(account.session_hours, account.session_idle_minutes, account.most_sessions)

    def __str__(self) -> str:
        """Return them in words, for the activity log."""
        parts = ((self.hours, "hours"), (self.idle_minutes, "idle minutes"), (self.most, "at once"))
        return ", ".join(f"{number} {words}" for number, words in parts if number is not None)


@one_transaction
def restrict_user_list(*, is_on: bool, by: Member, origin: Origin) -> None:
    """Let users see only themselves and those below them, or everybody again. Raises NotAllowed."""
    by, account = _decided_by(by)
    _turn(account, "restrict_user_list", is_on=is_on, event=events.USER_LIST_CHANGED, by=by, origin=origin)


@one_transaction
def restrict_key_creation(*, is_on: bool, by: Member, origin: Origin) -> None:
    """Let only users with *User API key creator* create IBM Cloud API keys, or everybody again. Raises NotAllowed."""
    by, account = _decided_by(by)
    _turn(account, "restrict_key_creation", is_on=is_on, event=events.KEY_CREATION_CHANGED, by=by, origin=origin)


@one_transaction
def require_second_factor(*, is_on: bool, by: Member, origin: Origin) -> None:
    """Let users of the account do nothing before they have a second factor, or no longer ask for one.

    Raises NotAllowed, or FactorRefused if who turns it on has none themselves: they would lock themselves out.
    """
    by, account = _decided_by(by)
    if is_on and not passcodes.has_one(by.user_id):
        raise FactorRefused("Set up a second factor for yourself first, under Login security in the profile menu.")
    _turn(account, "require_second_factor", is_on=is_on, event=events.SECOND_FACTOR_REQUIRED, by=by, origin=origin)


def _turn(account: Account, field: str, *, is_on: bool, event: str, by: Member, origin: Origin) -> None:
    if is_on == getattr(account, field):
        return
    setattr(account, field, is_on)
    account.save(update_fields=[field])
    details = audit.change("off" if is_on else "on", "on" if is_on else "off")
    audit.record(event, actor=by, origin=origin, details=details)


@one_transaction
def restrict_addresses(*, addresses_text: str, by: Member, origin: Origin) -> None:
    """Set from where the account's console and keys may be used at all; empty allows every address.

    Raises NotAllowed, or AddressError naming each bad entry.
    """
    canonical = str(addresses.parse(addresses_text))
    by, account = _decided_by(by)
    _set_addresses(account, canonical, by, origin)


@one_transaction
def lift_address_restriction(*, account_id: int, origin: Origin) -> str:
    """Allow every address again, in the name of the server, and return what was allowed before; empty if all were.

    For a command: whoever may run it decides. Raises Account.DoesNotExist.
    """
    account = hierarchy.lock_account(account_id)
    before = account.allowed_addresses
    _set_addresses(account, "", None, origin)
    return before


def _set_addresses(account: Account, canonical: str, by: Member | None, origin: Origin) -> None:
    if canonical == account.allowed_addresses:
        return
    details = audit.change(account.allowed_addresses, canonical)
    account.allowed_addresses = canonical
    account.save(update_fields=["allowed_addresses"])
    audit.record(events.ADDRESSES_CHANGED, actor=by, account_id=account.pk, origin=origin, details=details)


@one_transaction
def restrict_domains(*, patterns_text: str, by: Member, origin: Origin) -> None:
    """Add these patterns, and let only users be invited or added whose address fits one of the account's patterns.

    Raises NotAllowed, or PatternError: naming each bad pattern, or when there are none at all, or too many.
    """
    new = domains.parse(patterns_text)
    by, account = _decided_by(by)
    patterns = domains.parse("\n".join([account.user_domains, *new]))
    if not patterns:
        raise PatternError(["Enter at least one pattern."])
    _set_domains(account, "\n".join(patterns), is_on=True, by=by, origin=origin)


@one_transaction
def remove_domain(*, pattern: str, by: Member, origin: Origin) -> None:
    """Remove one of the account's patterns. One that is not there is no error.

    Raises NotAllowed, or PatternError for the last one while patterns are in force: whether then nobody or everybody
    may be invited was not asked.
    """
    by, account = _decided_by(by)
    left = [kept for kept in account.user_domains.split("\n") if kept != pattern]
    if not left and account.restrict_user_domains:
        raise PatternError([f"“{pattern}” is the last pattern: add another first, or turn off the restriction."])
    _set_domains(account, "\n".join(left), is_on=account.restrict_user_domains, by=by, origin=origin)


@one_transaction
def allow_all_domains(*, keep: bool, by: Member, origin: Origin) -> None:
    """Let everybody be invited again; the patterns are kept for later, or deleted. Raises NotAllowed."""
    by, account = _decided_by(by)
    _set_domains(account, account.user_domains if keep else "", is_on=False, by=by, origin=origin)


def _set_domains(account: Account, patterns: str, *, is_on: bool, by: Member, origin: Origin) -> None:
    if (patterns, is_on) == (account.user_domains, account.restrict_user_domains):
        return
    before = _domains_in_words(account)
    account.user_domains, account.restrict_user_domains = patterns, is_on
    account.save(update_fields=["user_domains", "restrict_user_domains"])
    details = audit.change(before, _domains_in_words(account))
    audit.record(events.DOMAINS_CHANGED, actor=by, origin=origin, details=details)


def _domains_in_words(account: Account) -> str:
    patterns = ", ".join(account.user_domains.split("\n"))
    if account.restrict_user_domains:
        return patterns
    return f"off, kept: {patterns}" if patterns else "off"


@one_transaction
def limit_sessions(*, chosen: SessionSettings, by: Member, origin: Origin) -> None:
    """Set how long sessions in the account may last and how many a user may have; applies to open ones at once.

    Raises NotAllowed.
    """
    by, account = _decided_by(by)
    before = SessionSettings.of(account)
    if chosen != before:
        account.session_hours, account.session_idle_minutes = chosen.hours, chosen.idle_minutes
        account.most_sessions = chosen.most
        account.save(update_fields=["session_hours", "session_idle_minutes", "most_sessions"])
        details = audit.change(str(before), str(chosen))
        audit.record(events.SESSION_LIMITS_CHANGED, actor=by, origin=origin, details=details)


def _decided_by(by: Member) -> tuple[Member, Account]:
    """Lock the account and return actor and account as they are now. Raises NotAllowed."""
    account = hierarchy.lock_account(by.account_id)
    by = present_member(by)
    require(by, MemberAction.CHANGE_SETTINGS, by)
    return by, account
