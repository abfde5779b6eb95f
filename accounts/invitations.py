"""Writes about invitations: invite, send anew, cancel, accept; each in one transaction with its events.

All of them lock the account first, so that of an accept and a cancel at the same moment the second finds the first one
done. Using a token deletes its row.
"""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from accounts import audit, events, hierarchy, outbox, text_index, throttle, tokens
from accounts.domains import Patterns
from accounts.enums import INVITED_STATUSES, MemberStatus, Permission, permission_names
from accounts.formats import moment
from accounts.invitees import Invitee
from accounts.memberships import present_for_leaving, present_member, take_out
from accounts.models import Invitation, Member, User
from accounts.names import sort_name
from accounts.new_members import insert_members, members_by_email, search_text, users_of
from accounts.origin import Origin
from accounts.policy import MemberAction, NotAllowed, grantable_with_invitation, require
from accounts.transactions import one_transaction

#: How long a link is good for.
VALID_FOR = timedelta(days=30)
#: How often an account may send an invitation to one address again. Cancelling counts too, because inviting again may
#: follow it: neither way may fill somebody's mailbox.
SENT_ANEW = throttle.Limit("sent anew", 20, timedelta(days=1))


class Outcome(enum.Enum):
    """What became of one entry of an invitation; the value is the label."""

    INVITED = "Invited"
    ALREADY_MEMBER = "Already a user of this account"
    ALREADY_INVITED = "Already invited"
    NOT_ALLOWED = "Not allowed by the account's domains"
    TOO_OFTEN = "Too many invitations today"
    NOT_AN_ADDRESS = "Not an address"


@dataclass(frozen=True)
class Result:
    """An entry and what became of it."""

    invitee: Invitee
    outcome: Outcome
    member: Member | None = None


class InvitationGone(Exception):
    """There is no such invitation: it was used, cancelled, replaced or never made, which all look the same."""


class InvitationExpired(Exception):
    """The link has expired; the invitation says whom to ask for another."""

    def __init__(self, invitation: Invitation) -> None:
        super().__init__("The invitation has expired.")
        self.invitation = invitation


class IdentityKnown(Exception):
    """The invited person set a password meanwhile, in another account, and has to give it."""


class TooManyInvitations(throttle.TryLater):
    """No more invitations today: from the account, or to one of the addresses."""


@one_transaction
def invite(*, invitees: Sequence[Invitee], granted: Permission, by: Member, origin: Origin) -> list[Result]:
    """Invite everybody who can be, below ``by``, with the same permissions, and return what became of each entry.

    Costs a fixed number of statements for each few hundred entries, and one event for each who is invited. Raises
    NotAllowed, also where ``granted`` holds a permission that ``by`` lacks, TooManyInvitations where the account may
    not send so many today, and TreeError below the deepest level.
    """
    hierarchy.lock_account(by.account_id)
    by = present_member(by)
    require(by, MemberAction.INVITE, by)
    if granted & ~grantable_with_invitation(by):
        raise NotAllowed("You cannot give a permission that you do not have.")
    outcomes = _outcomes(invitees, by)
    new = [invitee.email for invitee, outcome in zip(invitees, outcomes, strict=True) if outcome is Outcome.INVITED]
    count_invitations(by.account_id, len(new))
    members = _insert(new, granted, by) if new else {}
    if members:
        audit.record_all(
            events.INVITED,
            actor=by,
            subjects=list(members.values()),
            origin=origin,
            details={"permissions": permission_names(granted)},
        )
    return [
        Result(invitee, outcome, members.get(invitee.email))
        for invitee, outcome in zip(invitees, outcomes, strict=True)
    ]


def _outcomes(invitees: Sequence[Invitee], by: Member) -> list[Outcome]:
    """Return what is to become of each entry; one query."""
    emails = [invitee.email for invitee in invitees if invitee.email]
    there = members_by_email(by.account_id, emails)
    statuses = dict(there.values_list("user__email", "status"))
    patterns, tired = Patterns(by.account.domains_in_force), sent_too_many(by.account_id, emails)

    def outcome(invitee: Invitee) -> Outcome:
        if not invitee.email:
            return Outcome.NOT_AN_ADDRESS
        if invitee.email in statuses:
            is_waiting = statuses[invitee.email] in INVITED_STATUSES
            return Outcome.ALREADY_INVITED if is_waiting else Outcome.ALREADY_MEMBER
        if not patterns.allow(invitee.email):
            return Outcome.NOT_ALLOWED
        return Outcome.TOO_OFTEN if invitee.email in tired else Outcome.INVITED

    return [outcome(invitee) for invitee in invitees]


def count_invitations(account_id: int, number: int) -> None:
    """Count invitations that the account sends, in the transaction that sends them.

    Raises TooManyInvitations, which says how many can be sent now and when more can be.
    """
    _refuse_too_many(throttle.count(_of_a_day(), str(account_id), number) if number else None)


def require_room(account_id: int, number: int) -> None:
    """Raise TooManyInvitations where ``count_invitations`` would do so now. Counts nothing, takes one query."""
    _refuse_too_many(throttle.lack_of_room(_of_a_day(), str(account_id), number))


def _of_a_day() -> throttle.Limit:
    return throttle.Limit("invitations", settings.KEYTREE_INVITATIONS_PER_DAY, timedelta(days=1))


def _refuse_too_many(full: throttle.Full | None) -> None:
    """Raise TooManyInvitations where there is not enough room."""
    if full is None:
        return
    when = f"{full.left:,} can be sent now, more" if full.left else "You can send more"
    raise TooManyInvitations(
        f"This account may send {settings.KEYTREE_INVITATIONS_PER_DAY:,} invitations in a day. {when} from "
        f"{moment(timezone.now() + full.wait)} on. Nothing was sent.",
        retry_after=full.wait,
    )


def sent_too_many(account_id: int, emails: Iterable[str]) -> set[str]:
    """Return those of ``emails`` to which the account may send no more invitations today; one query."""
    subjects = {_recipient(account_id, email): email for email in emails}
    return {subjects[subject] for subject in throttle.used_up(SENT_ANEW, subjects)}


def _recipient(account_id: int, email: str) -> str:
    return f"{account_id} {email}"


def _insert(emails: Sequence[str], granted: Permission, by: Member) -> dict[str, Member]:
    """Insert members, invitations and mails for these addresses; return the members by address."""
    # In the order typed: whoever is invited first stands first where names are equal.
    users = users_of(emails)
    members = insert_members(
        parent=by,
        users={email: users[email] for email in emails},
        status=MemberStatus.PROCESSING,
        permissions=granted,
    )
    invitations = [new_invitation(member, by) for member in members]
    Invitation.objects.bulk_create(invitations)
    outbox.post_invitations(invitations)
    return {member.user.email: member for member in members}


def new_invitation(member: Member, by: Member) -> Invitation:
    """Return an unsaved invitation of ``member`` by ``by``, good for ``VALID_FOR`` from now on."""
    invitation = Invitation(member=member, invited_by=by, expires_at=timezone.now() + VALID_FOR)
    tokens.renew(invitation)
    return invitation


@one_transaction
def resend(*, member: Member, by: Member, origin: Origin) -> None:
    """Send the member's invitation again, good for another ``VALID_FOR``; the earlier link stops working.

    It names ``by`` as the inviter. Raises NotAllowed, or TooManyInvitations.
    """
    hierarchy.lock_account(member.account_id)
    by, member = present_member(by), present_member(member)
    require(by, MemberAction.RESEND_INVITE, member)
    full = throttle.count(SENT_ANEW, _recipient(member.account_id, member.user.email))
    if full is not None:
        raise TooManyInvitations(
            f"An invitation can be sent again {SENT_ANEW.attempts} times in a day. It can be sent again from "
            f"{moment(timezone.now() + full.wait)} on.",
            retry_after=full.wait,
        )
    count_invitations(member.account_id, 1)
    invitation = Invitation.objects.filter(member=member).first()
    if invitation is None:
        invitation = new_invitation(member, by)
    else:
        invitation.generation += 1
        invitation.invited_by, invitation.sent_at = by, None
        invitation.expires_at = timezone.now() + VALID_FOR
        tokens.renew(invitation)
    invitation.member = member
    invitation.save()
    if member.status != MemberStatus.PROCESSING:
        member.status = MemberStatus.PROCESSING
        member.save(update_fields=["status"])
    outbox.post_invitations([invitation])
    audit.record(events.INVITATION_RENEWED, actor=by, subject=member, origin=origin)


@one_transaction
def cancel(*, member: Member, by: Member, origin: Origin) -> None:
    """Take an invited member out of the account again; the link stops working. Raises NotAllowed."""
    by, member = present_for_leaving(member, by)
    require(by, MemberAction.CANCEL_INVITE, member)
    throttle.count(SENT_ANEW, _recipient(member.account_id, member.user.email))  # never in the way of cancelling
    take_out(member, by=by, origin=origin, action=events.INVITATION_CANCELLED, details={})


def end_expired(*, days: int, origin: Origin) -> int:
    """Take out everybody whose link expired at least ``days`` days ago, and return how many that were.

    One transaction each. Somebody whose invitation is sent again meanwhile stays, and two runs at once do no harm.
    """
    before = timezone.now() - timedelta(days=days)
    overdue = Invitation.objects.filter(expires_at__lte=before).order_by("pk")
    return sum(_end(pk, before, origin) for pk in list(overdue.values_list("pk", flat=True)))


@one_transaction
def _end(pk: int, before: datetime, origin: Origin) -> bool:
    overdue = Invitation.objects.select_related("member__user").filter(pk=pk, expires_at__lte=before)
    invitation = overdue.first()
    if invitation is None:
        return False
    hierarchy.lock_account(invitation.member.account_id)
    audit.lock_chain(invitation.member.account_id)
    invitation = overdue.first()  # again, as it is under the lock
    if invitation is None:
        return False
    take_out(invitation.member, by=None, origin=origin, action=events.INVITATION_CANCELLED, details={"why": "expired"})
    return True


def find(token: str) -> Invitation:
    """Return the invitation that ``token`` opens, with member, account, user and inviter; one query.

    Raises InvitationGone, or InvitationExpired.
    """
    people = Invitation.objects.select_related("member__user", "member__account", "invited_by__user")
    invitation = people.filter(token_digest=tokens.digest_of(token)).first()
    if (
        invitation is None
        or not tokens.is_token_of(token, invitation)
        or invitation.member.status not in INVITED_STATUSES
    ):
        raise InvitationGone
    if invitation.is_expired():
        raise InvitationExpired(invitation)
    return invitation


def accept_as(*, token: str, user: User, origin: Origin) -> Member:
    """Let ``user``, who has proved who they are, into the account that invited them, and return their member.

    Raises InvitationGone, also if the invitation is for somebody else, or InvitationExpired.
    """
    return _accept(token, user.pk, "", "", origin)


def accept_as_new(*, token: str, name: str, password: str, origin: Origin) -> Member:
    """Let an invited person in who is new here, with this name and password, and return their member.

    Raises InvitationGone, InvitationExpired, or IdentityKnown if they have a password by now.
    """
    # Hashed first: on SQLite a transaction keeps everybody else from writing.
    return _accept(token, None, name, make_password(password), origin)


@one_transaction
def _accept(token: str, user_id: int | None, name: str, hashed: str, origin: Origin) -> Member:
    hierarchy.lock_account(find(token).member.account_id)
    invitation = find(token)  # again, as it is under the lock
    member = invitation.member
    if user_id is None:
        _introduce(member, name, hashed)
    elif user_id != member.user_id:
        raise InvitationGone
    member.status, member.joined_at, member.name_here = MemberStatus.ACTIVE, timezone.now(), None
    member.sort_name = sort_name(member.name)
    member.search_text = search_text(member.name, member.user.email)
    member.save(update_fields=["status", "joined_at", "name_here", "sort_name", "search_text"])
    text_index.catch_up()
    invitation.delete()
    audit.record(events.INVITATION_ACCEPTED, actor=member, origin=origin)
    return member


def _introduce(member: Member, name: str, hashed: str) -> None:
    """Give the member's user their name and password. Raises IdentityKnown if they have one by now."""
    user = User.objects.select_for_update().get(pk=member.user_id)
    if user.has_usable_password():
        raise IdentityKnown
    # Accounts where others added them without an invitation go on calling them what they were called.
    Member.objects.filter(user=user, name_here=None).exclude(pk=member.pk).update(name_here=user.name)
    user.name, user.password = name, hashed
    user.save(update_fields=["name", "password"])
    member.user = user
