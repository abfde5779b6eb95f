"""Writes about those who are in an account: each asks the policy, changes and records in one transaction.

How they come in is in ``accounts.new_members`` and ``accounts.invitations``.
"""

from collections.abc import Mapping, Sequence

from django.contrib.auth.hashers import make_password
from django.db.models import QuerySet
from django.utils import timezone

from accounts import addresses, audit, events, hierarchy, identity, text_index
from accounts.enums import (
    CHOSEN_STATUSES,
    CONSOLE_STATUSES,
    DISABLED_STATUSES,
    SIGN_IN_STATUSES,
    MemberStatus,
    Permission,
    Relation,
    permission_names,
)
from accounts.models import BranchFreeze, Member, User
from accounts.names import canonical_email
from accounts.origin import Origin
from accounts.policy import MemberAction, NotAllowed, can_place_below, grantable, may_work, require
from accounts.prepared import Prepared
from accounts.sessions import end_sessions_of
from accounts.signals import member_leaving, status_changed
from accounts.transactions import one_transaction

#: How many users still at work below somebody are named before their removal.
MOST_NAMED = 1_000
#: How many branches of an account are frozen at once; only the owner may freeze more. Each call with a key of the
#: account is compared with every one of them: somebody with many users below could make all calls slow.
MOST_FROZEN = 1_000


def present_member(member: Member) -> Member:
    """Return the member as it is now, for a decision inside a transaction.

    Raises NotAllowed if it was removed meanwhile.
    """
    return _there(_as_it_is.first(member.pk or 0))


def _of_policies(members: QuerySet[Member]) -> QuerySet[Member]:
    """Return ``members`` with what the policies ask of them."""
    return hierarchy.with_freeze(members).select_related("user", "account")


_as_it_is = Prepared(lambda pk: _of_policies(Member.objects.filter(pk=pk)))


def _there(found: Member | None) -> Member:
    if found is None:
        raise NotAllowed("This user is no longer a member of the account.")
    return found


def locked_member(member: Member) -> Member:
    """Return the member as it is now, its row locked to the end of the transaction. Raises NotAllowed if it is gone."""
    # Rows that name the member may come meanwhile: else who makes a key and who deletes one would wait for each other.
    locked = Member.objects.select_for_update(of=("self",), no_key=True)
    return _there(_of_policies(locked.filter(pk=member.pk)).first())


@one_transaction
def restrict_platform(*, member: Member, addresses_text: str, by: Member, origin: Origin) -> str:
    """Set from where ``member`` may use the console and return the canonical text; empty allows every address.

    Raises NotAllowed, or AddressError naming each bad entry.
    """
    canonical = str(addresses.parse(addresses_text))
    by, member = present_member(by), present_member(member)
    require(by, MemberAction.EDIT_RESTRICTION, member)
    _set_platform(member, canonical, by, origin)
    return canonical


def _set_platform(member: Member, canonical: str, by: Member | None, origin: Origin) -> None:
    if canonical == member.allowed_addresses:
        return
    details = audit.change(member.allowed_addresses, canonical)
    member.allowed_addresses = canonical
    member.save(update_fields=["allowed_addresses"])
    audit.record(events.RESTRICTION_CHANGED, actor=by, subject=member, origin=origin, details=details)


@one_transaction
def lift_platform_restriction(*, account_id: int, email: str, origin: Origin) -> str:
    """Let a member use the console from every address again, in the name of the server; return what was allowed before.

    For a command: nobody covers an account's owner. Raises Member.DoesNotExist.
    """
    members = Member.objects.select_for_update(of=("self",)).select_related("user", "account")
    member = members.get(account_id=account_id, user__email=canonical_email(email))
    before = member.allowed_addresses
    _set_platform(member, "", None, origin)
    return before


def set_vpn_password(*, member: Member, password: str, by: Member, origin: Origin) -> None:
    """Set the member's VPN password, of which only a hash is kept. Raises NotAllowed."""
    # Hashed first: it takes a while, and on SQLite a transaction keeps everybody else from writing.
    _store_vpn_password(member, make_password(password), by, origin)


@one_transaction
def _store_vpn_password(member: Member, hashed: str, by: Member, origin: Origin) -> None:
    by, member = present_member(by), present_member(member)
    require(by, MemberAction.EDIT_VPN_PASSWORD, member)
    member.vpn_password = hashed
    member.save(update_fields=["vpn_password"])
    audit.record(events.VPN_PASSWORD_CHANGED, actor=by, subject=member, origin=origin)


class OutOfDate(Exception):
    """What was shown of a change before it was confirmed is not what it would do now."""


@one_transaction
def change_status(*, member: Member, status: str, by: Member, origin: Origin, before: str = "") -> MemberStatus:
    """Set the member's status to one of ``CHOSEN_STATUSES`` and return it.

    A user who can no longer sign in to the account loses their open sessions in it; one who can no longer work in any
    account loses all. ``before`` is the status of which somebody was told what would change; empty if nobody was.
    Raises NotAllowed, OutOfDate if the status has become another since, or ValueError for one that cannot be chosen.
    """
    chosen = MemberStatus(status)
    if chosen not in CHOSEN_STATUSES:
        raise ValueError(f"{chosen.label} is not a status that can be chosen.")
    by, member = present_member(by), locked_member(member)
    require(by, MemberAction.CHANGE_STATUS, member)
    if chosen != member.status:
        if before not in {"", member.status}:
            raise OutOfDate
        details = {"before": MemberStatus(member.status).label, "after": chosen.label}
        member.status = chosen
        member.save(update_fields=["status"])
        _end_sessions(member.user, lost=None if chosen in SIGN_IN_STATUSES else member.account_id)
        audit.record(events.STATUS_CHANGED, actor=by, subject=member, origin=origin, details=details)
        status_changed.send(Member, member=member, by=by, origin=origin)
    return chosen


@one_transaction
def change_parent(*, member: Member, parent: Member, by: Member, origin: Origin, seen: str = "") -> Member:
    """Move the member with everyone below under ``parent`` and return the member as it then is.

    ``seen`` is what ``hierarchy.move_seen`` gave when somebody was shown what would change; nothing if nobody was.
    Raises NotAllowed, OutOfDate if that has changed since, or TreeError for a place that cannot be.
    """
    hierarchy.lock_account(member.account_id)
    by, member, parent = present_member(by), present_member(member), present_member(parent)
    require(by, MemberAction.CHANGE_PARENT, member)
    if not can_place_below(by, member, parent):
        raise NotAllowed("You may not make this user the parent.")
    if parent.pk == member.parent_id:
        return member
    if seen and seen != hierarchy.move_seen(member, parent):
        raise OutOfDate
    former_id = member.parent_id or 0
    moved = _move(member, parent, by, origin)
    former = _there(_as_it_is.first(former_id))
    # Those who are no longer above the user do not see the event of the move, which is about somebody elsewhere.
    is_lost = hierarchy.relation(former, moved) is not Relation.ANCESTOR
    if is_lost and former.pk != by.pk:
        details = {"user": audit.label(moved)}
        audit.record(events.LEFT_BRANCH, actor=by, subject=former, origin=origin, details=details)
    return moved


def _move(member: Member, parent: Member, by: Member | None, origin: Origin) -> Member:
    before = _there(_as_it_is.first(member.parent_id or 0))
    hierarchy.move_branch(member, parent)
    moved = present_member(member)
    details = {
        "before": audit.label(before), "after": audit.label(parent), "before_id": before.pk, "after_id": parent.pk,
    }  # fmt: skip
    audit.record(events.PARENT_CHANGED, actor=by, subject=moved, origin=origin, details=details)
    return moved


@one_transaction
def change_owner(*, member: Member, origin: Origin) -> Member:
    """Make the member the owner of their account, the former owner directly below, and return them as they then are.

    For those who run the installation: nobody in an account may do it. The former owner has no permissions until they
    are given some, whatever they held before they owned the account; the new one keeps *User API key creator*, if they
    hold it. Raises NotAllowed for somebody who does not work in the account or has no password, TreeError for the
    owner.
    """
    hierarchy.lock_account(member.account_id)
    member = present_member(member)
    if not may_work(member):
        raise NotAllowed(
            f"The owner must be able to work in the account, but this user is {member.get_status_display()}."
        )
    if not member.user.has_usable_password():
        raise NotAllowed("This user was added without an invitation and cannot log in. Remove and invite them first.")
    before, parent_id = Member.objects.select_related("user").get(account=member.account, parent=None), member.parent_id
    hierarchy.make_owner(member)
    Member.objects.filter(pk=before.pk).update(permissions=0)
    owner = present_member(member)
    details = {
        "before": audit.label(before), "after": audit.label(owner),
        "before_id": before.pk, "after_id": owner.pk, "parent_before_id": parent_id,
    }  # fmt: skip
    for subject in (owner, before):
        audit.record(
            events.OWNER_CHANGED, actor=None, actor_label="The server", subject=subject, origin=origin, details=details
        )
    return owner


@one_transaction
def change_permissions(*, member: Member, granted: Permission, by: Member, origin: Origin) -> Permission:
    """Set those of the member's permissions that ``by`` may give, leave the others, and return what they then hold.

    Raises NotAllowed, also where ``granted`` holds one that ``by`` lacks.
    """
    by, member = present_member(by), locked_member(member)
    require(by, MemberAction.CHANGE_PERMISSIONS, member)
    held, within_reach = Permission(member.permissions), grantable(by, member)
    if granted & ~(within_reach | held):
        raise NotAllowed("You cannot give a permission that you do not have.")
    after = (held & ~within_reach) | (granted & within_reach)
    if after != held:
        member.permissions = int(after)
        member.save(update_fields=["permissions"])
        details = {"before": permission_names(held), "after": permission_names(after)}
        audit.record(events.PERMISSIONS_CHANGED, actor=by, subject=member, origin=origin, details=details)
    return after


@one_transaction
def grant_key_creation_to_oneself(*, is_on: bool, by: Member, origin: Origin) -> None:
    """Give the owner *User API key creator*, the one permission that they do not have anyway, or take it from them.

    Nobody is above the owner who could. Raises NotAllowed for everybody else.
    """
    by = locked_member(by)
    require(by, MemberAction.GRANT_TO_ONESELF, by)
    held, asked_for = Permission(by.permissions), Permission.API_KEY_CREATOR
    if is_on is not (asked_for in held):
        by.permissions = int(held | asked_for if is_on else held & ~asked_for)
        by.save(update_fields=["permissions"])
        names = ["none", permission_names(asked_for)]
        details = audit.change(*(names if is_on else reversed(names)))
        audit.record(events.PERMISSIONS_CHANGED, actor=by, subject=by, origin=origin, details=details)


@one_transaction
def change_user_managed_login(*, member: Member, is_on: bool, by: Member, origin: Origin) -> None:
    """Let the member set their own address restrictions, or no longer. Raises NotAllowed."""
    by, member = present_member(by), locked_member(member)
    require(by, MemberAction.CHANGE_LOGIN, member)
    if is_on != member.user_managed_login:
        member.user_managed_login = is_on
        member.save(update_fields=["user_managed_login"])
        details = {"after": "on" if is_on else "off"}
        audit.record(events.LOGIN_CHANGED, actor=by, subject=member, origin=origin, details=details)


class NotEmpty(Exception):
    """The member cannot be removed yet: users below them still work, and nobody said who looks after them then."""

    def __init__(self, working: Sequence[Member]) -> None:
        super().__init__(f"{len(working)} users below are neither disabled nor removed.")
        self.working = working


@one_transaction
def remove_member(
    *,
    member: Member,
    by: Member,
    origin: Origin,
    hand_over: bool = False,
    to: int | None = None,
    keeping: str | None = None,
) -> None:
    """Remove the member from the account, with their keys, and end their sessions; the audit trail stays.

    Those directly below move up to the member's parent, each with their branch. If any user below is neither disabled
    nor suspended, that takes ``hand_over``, and that the parent still has the number ``to``, if one is given. The
    session under the key ``keeping``, of somebody who leaves, goes on if they work in another account.

    Raises NotAllowed, or NotEmpty with the users who still work.
    """
    by, member = present_for_leaving(member, by)
    require(by, MemberAction.REMOVE, member)
    working = working_below(member)
    if working and not (hand_over and to in {None, member.parent_id}):
        raise NotEmpty(working)
    details = {"handed over": len(working)}
    take_out(member, by=by, origin=origin, action=events.REMOVED, details=details, keeping=keeping)


def working_below(member: Member) -> list[Member]:
    """Return the users below ``member`` who are neither disabled nor suspended, by name, ``MOST_NAMED`` at most."""
    below = hierarchy.descendants_of(member).exclude(status__in=DISABLED_STATUSES)
    return list(below.select_related("user").order_by("sort_name", "pk")[:MOST_NAMED])


def present_for_leaving(member: Member, by: Member) -> tuple[Member, Member]:
    """Lock the account before somebody leaves; return actor and member as they are now. Raises NotAllowed."""
    hierarchy.lock_account(member.account_id)
    audit.lock_chain(member.account_id)
    return present_member(by), present_member(member)


def take_out(
    member: Member,
    *,
    by: Member | None,
    origin: Origin,
    action: str,
    details: Mapping[str, object],
    keeping: str | None = None,
) -> None:
    """Take a member out of the account, inside the write that decided it; those directly below move up.

    ``by`` is none if the server does it. The user is deleted too if they have no other membership and never set a
    password.
    """
    user, parent = member.user, _there(_as_it_is.first(member.parent_id or 0))
    for child in Member.objects.filter(parent=member).order_by("pk"):
        _move(child, parent, by, origin)
    member_leaving.send(Member, member=member, by=by, origin=origin)
    # With the parent, from which the tree of earlier days is worked out: see accounts.history.
    audit.record(action, actor=by, subject=member, origin=origin, details={**details, "parent_id": parent.pk})
    member.delete()
    text_index.catch_up()
    _end_sessions(user, lost=member.account_id, keeping=keeping)
    if not user.has_usable_password() and not Member.objects.filter(user=user).exists():
        user.delete()


@one_transaction
def freeze_branch(*, member: Member, reason: str, by: Member, origin: Origin) -> bool:
    """Freeze the branch of ``member``: none of its users can use the console, and their keys are refused.

    Nothing else about them changes. Returns whether anything happened: nothing does if the branch is frozen already.
    Raises NotAllowed, also where ``MOST_FROZEN`` branches of the account are frozen and ``by`` is not the owner.
    """
    by, member = present_member(by), locked_member(member)
    require(by, MemberAction.FREEZE_BRANCH, member)
    if BranchFreeze.objects.filter(member=member).exists():
        return False
    if not by.is_owner and BranchFreeze.objects.filter(account_id=by.account_id).count() >= MOST_FROZEN:
        raise NotAllowed(f"{MOST_FROZEN:,} branches of the account are frozen: thaw one first, or ask the owner.")
    BranchFreeze.objects.create(account=member.account, member=member, by=by, reason=reason, at=timezone.now())
    audit.record(events.BRANCH_FROZEN, actor=by, subject=member, origin=origin, details={"reason": reason})
    return True


@one_transaction
def thaw_branch(*, member: Member, by: Member, origin: Origin) -> bool:
    """Thaw the branch of ``member``, and return whether it was frozen; users in another frozen branch stay frozen.

    Raises NotAllowed.
    """
    by, member = present_member(by), locked_member(member)
    require(by, MemberAction.FREEZE_BRANCH, member)
    freeze = BranchFreeze.objects.filter(member=member).first()
    if freeze is None:
        return False
    freeze.delete()
    audit.record(events.BRANCH_THAWED, actor=by, subject=member, origin=origin)
    return True


def _end_sessions(user: User, *, lost: int | None, keeping: str | None = None) -> None:
    """End the user's sessions in the account ``lost``, or all if no account is left for them to work in."""
    if not Member.objects.filter(identity.JOINED, user=user, status__in=CONSOLE_STATUSES).exists():
        end_sessions_of(user.pk)
    elif lost is not None:
        end_sessions_of(user.pk, but=keeping, account_id=lost)
