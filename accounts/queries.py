"""What a viewer can see of members: lists ready to print, and the chain above somebody. No writes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.conf import settings
from django.db.models import F, IntegerField, Q, QuerySet, Subquery

from accounts import formats, hierarchy, member_menus, passcodes
from accounts.actions_menu import MenuItem
from accounts.enums import CONSOLE_STATUSES, MemberStatus, Permission, Relation
from accounts.links import link
from accounts.list_request import ListRequest, number_in
from accounts.listing import Listing, Order, kept
from accounts.models import Mail, Member
from accounts.models.member import MAX_MEMBER_ID
from accounts.policy import MANAGING_ALL, MemberAction, can, can_place_below, sees_whole_account
from accounts.prepared import AnsweredFirst, Prepared
from accounts.text_index import by_index

ORDERS = {"user": "sort_name"}
#: How many users below somebody are counted; beyond, the exact number would cost more than the page.
COUNTED_BELOW = 1_000
#: How many users are offered as another parent at once: a search finds the others.
MOST_PARENTS = 25
#: How many managers who are not above a user are named.
MOST_MANAGERS = 100


@dataclass(slots=True)
class MemberRow:
    """A row of the Users page, ready to print. ``key_state`` is filled in by the app that has the keys.

    ``parent_name`` is set if the rows above do not show who the parent is.
    """

    id: int
    member: Member
    name: str
    url: str
    email: str
    status: str
    is_self: bool
    is_owner: bool
    is_frozen: bool
    menu: list[MenuItem]
    level: int = 1
    indent: int = 1  # the level that it is indented by
    users_below: str = ""
    users_below_spoken: str = ""  # where it is read out otherwise than it is printed
    is_beyond_indent: bool = False
    parent_name: str = ""
    fold_url: str = ""
    is_folded: bool = False
    key_state: str = ""


class BoundedCount(Subquery):
    """Counts the rows of a correlated subquery that has a limit: a branch of a million must not cost a million."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS bounded)"
    output_field = IntegerField()


def _with_people(members: QuerySet[Member]) -> QuerySet[Member]:
    return for_menu(members).select_related("user", "invitation", "freeze")


def for_menu(members: QuerySet[Member]) -> QuerySet[Member]:
    """Return ``members`` with what their Actions menus and tags depend on, in the same query."""
    return hierarchy.with_users_below(hierarchy.with_freeze(members))


_member_of = Prepared(
    lambda account_id, pk: passcodes.with_second_factor(
        for_menu(Member.objects.filter(account_id=account_id, pk=pk))
    ).select_related("user", "account", "parent__user", "invitation", "freeze")
)


def member_of(account_id: int, pk: int) -> Member | None:
    """Return a member of an account with all that their own page asks of them, if there is one; one query."""
    return _member_of.first(account_id, pk)


def member_asked_for(viewer: Member, asked: ListRequest, name: str) -> Member | None:
    """Return the member whose number the parameter ``name`` gives if ``viewer`` may see them; one query if it does."""
    pk = number_in(asked.parameters.get(name, ""), largest=MAX_MEMBER_ID)
    member = None if pk is None else member_of(viewer.account_id, pk)
    return member if member is not None and can(viewer, MemberAction.VIEW, member) else None


def status_words(member: Member) -> str:
    """Return the status as pages name it; beside *Pending*, that the invitation has expired."""
    label = MemberStatus(member.status).label
    invitation = getattr(member, "invitation", None) if member.status == MemberStatus.PENDING else None
    return f"{label}, expired" if invitation is not None and invitation.is_expired() else label


def with_people_and_branches(members: QuerySet[Member]) -> QuerySet[Member]:
    """Return ``members`` with what their rows show, including how many users are below them, in the same query."""
    below = hierarchy.descendants_of_outer().values("pk")[: COUNTED_BELOW + 1]
    return _with_people(members).annotate(below=BoundedCount(below))


def with_parents(members: QuerySet[Member]) -> QuerySet[Member]:
    """Return ``members`` with what ``with_people_and_branches`` adds, and with their parents' names."""
    return with_people_and_branches(members).select_related("user", "parent__user")


def visible_members(viewer: Member) -> QuerySet[Member]:
    """Return the members whom ``viewer``, who may work, may see, as a queryset: the policy's VIEW as a condition."""
    if sees_whole_account(viewer):
        return Member.objects.filter(account_id=viewer.account_id)
    return hierarchy.branch_members(viewer)


def in_care(viewer: Member) -> Q:
    """Return the policy's VIEW_CARE, for members whom ``viewer`` may see, as a condition."""
    condition = hierarchy.branch(viewer)
    return condition | Q(parent__isnull=False) if viewer.granted & MANAGING_ALL else condition


def account_users(viewer: Member, asked: ListRequest) -> Listing[Member]:
    """Return the list of all members that ``viewer`` may see, by name, filtered as asked."""
    order, branch_path = asked.order(ORDERS, "user"), () if sees_whole_account(viewer) else (viewer.path,)
    everybody = kept(_all_users, order, values=(viewer.account_id, *branch_path))
    if not is_filtered(asked):
        return everybody
    return replace(
        everybody,
        rows=lambda: filtered(everybody.rows(), asked),
        is_filtered=True,
        by_index=by_index(of_status(Member.objects.all(), asked), asked.terms, viewer.account_id),
    )


def _all_users(order: Order, account_id: int, branch_path: str | None = None) -> Listing[Member]:
    """Return the list of all members of an account or of a branch."""
    return Listing(
        model=Member,
        rows=lambda: Member.objects.filter(account_id=account_id),
        order=order,
        branch_path=branch_path,
        path_field="path",
        complete=_with_people,
        among=lambda: Member.objects.filter(account_id=account_id),
    )


def is_filtered(asked: ListRequest) -> bool:
    """Whether a list of users is searched or filtered."""
    return bool(asked.search or asked.choice("status", MemberStatus.values, ""))


def filtered(members: QuerySet[Member], asked: ListRequest) -> QuerySet[Member]:
    """Return those of ``members`` that fit the status and the search that are asked for."""
    return of_status(members, asked).filter(asked.search_condition("search_text"))


def of_status(members: QuerySet[Member], asked: ListRequest) -> QuerySet[Member]:
    """Return those of ``members`` that have the status that is asked for, if one is."""
    status = asked.choice("status", MemberStatus.values, "")
    return members.filter(status=status) if status else members


def row(member: Member, viewer: Member, *, way: str = "") -> MemberRow:
    """Return a member as a list prints it; ``way`` as in ``menu``. Takes no query."""
    url = link("accounts:user", member.pk)
    return MemberRow(
        id=member.pk,
        member=member,
        name=member.name,
        url=url,
        email=member.user.email,
        status=status_words(member),
        is_self=member.pk == viewer.pk,
        is_owner=member.is_owner,
        is_frozen=member.is_frozen,
        menu=member_menus.menu(member, viewer, way=way),
    )


def csv_rows(viewer: Member, listing: Listing[Member]) -> Iterator[list[object]]:
    """Yield heading and rows of a list of users as a file; the parent's address where ``viewer`` may see the parent."""
    yield ["User", "Email", "Status", "Parent", "Joined"]
    for member in replace(listing, complete=_with_parents_of_file).everything():
        parent = member.parent if member.parent and can(viewer, MemberAction.VIEW, member.parent) else None
        yield [
            member.name, member.user.email, status_words(member), parent.user.email if parent else "",
            formats.iso(member.joined_at),
        ]  # fmt: skip


def _with_parents_of_file(members: QuerySet[Member]) -> QuerySet[Member]:
    return members.select_related("user", "parent__user", "invitation")


def users_below_text(member: Member) -> str:
    """Return how many users are below, in words; one query, of bounded cost."""
    count = hierarchy.descendants_of(member)[: COUNTED_BELOW + 1].count()
    if count == 1:
        return "1 user below"
    return f"{count} users below" if count <= COUNTED_BELOW else f"more than {COUNTED_BELOW:,} users below"


def mail_problem(member: Member) -> str:
    """Return why the mail of an invited member has not gone out; empty when it has, or was not tried yet.

    One query for a member who waits for it, none for others.
    """
    if member.status != MemberStatus.PROCESSING:
        return ""
    if not settings.KEYTREE_SENDS_MAIL:
        return "This installation does not have a mail server yet."
    mail = Mail.objects.filter(invitation__member=member).exclude(problem="").first()
    if mail is None:
        return ""
    return mail.problem if mail.next_try_at is None else f"{mail.problem} It will be tried again."


def possible_parents(actor: Member, member: Member, asked: ListRequest) -> list[Member]:
    """Return members that ``actor`` may make the parent of ``member``, by name; ``MOST_PARENTS`` at most."""
    is_above = hierarchy.relation(actor, member) is Relation.ANCESTOR

    def possible(members: QuerySet[Member]) -> QuerySet[Member]:
        others = members.exclude(pk__in=[member.pk, member.parent_id]).exclude(hierarchy.branch(member))
        if not is_above:
            others = others.filter(pk__in=hierarchy.ancestor_ids(member.path))
        if not member.is_frozen:
            others = others.filter(~hierarchy.frozen())
        return others.filter(status__in=CONSOLE_STATUSES)

    users = account_users(actor, asked)
    listing = replace(
        users,
        rows=lambda: possible(users.rows()),
        order=Order("sort_name"),
        branch_path=actor.path if is_above and not actor.is_owner else None,
        complete=_with_what_placing_asks,
        by_index=[possible(some) for some in users.by_index],
    )
    found = listing.page(per_page=MOST_PARENTS).rows
    return [other for other in found if can_place_below(actor, member, other)]


def _with_what_placing_asks(members: QuerySet[Member]) -> QuerySet[Member]:
    return hierarchy.with_freeze(members).select_related("user", "account", "parent__user")


def chain_above(member: Member) -> list[Member]:
    """Return the members above ``member``, the owner first, with what the policies need; one query."""
    return list(hierarchy.with_freeze(hierarchy.ancestors_of(member)).select_related("user", "account"))


def managers_of(member: Member) -> list[Member]:
    """Return those who may have rights over ``member``: ancestors, nearest first, then others by name; one query.

    The others, at most ``MOST_MANAGERS``, are not above but may manage any user of the account, or its settings.
    """
    powers = MANAGING_ALL | Permission.IDENTITY_ADMINISTRATOR
    # Every number that holds one of these bits: no index serves a bit operation.
    holding = [number for number in range(int(~Permission(0)) + 1) if number & powers]
    above_ids = hierarchy.ancestor_ids(member.path)
    others = (
        # The first condition is that of the index, ``member_more_permissions_idx``.
        Member.objects.filter(permissions__gt=Permission.MANAGE_USERS, permissions__in=holding)
        .filter(account_id=member.account_id)
        .exclude(pk__in=[member.pk, *above_ids])
        .order_by("sort_name", "pk")
        .values("pk")[:MOST_MANAGERS]
    )
    # By keys alone: with the account beside them SQLite would go through all its members.
    found = hierarchy.with_freeze(Member.objects.filter(Q(pk__in=above_ids) | Q(AnsweredFirst(F("pk"), others))))
    by_name = sorted(found.select_related("user", "account"), key=lambda other: (other.sort_name, other.pk))
    above = [other for other in by_name if hierarchy.relation(other, member) is Relation.ANCESTOR]
    return [*sorted(above, key=lambda other: -other.level), *(other for other in by_name if other not in above)]
