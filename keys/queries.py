"""What a viewer can see of keys: their own, and those of everyone below them. No writes.

Rows come as plain values, ready to print: a page of a hundred rows must not cost a hundred of anything.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import formats, hierarchy
from accounts.actions_menu import MenuItem
from accounts.enums import CALLING_STATUSES, MemberStatus
from accounts.inactivity import UNUSED_AFTER
from accounts.links import links
from accounts.list_request import ListRequest, number_in
from accounts.listing import Listing, Order, kept
from accounts.models import Member
from accounts.models.member import MAX_MEMBER_ID
from accounts.prepared import Prepared
from accounts.text_index import by_index
from keys import insight, policy
from keys.models import ClassicKey, KeptRestriction, PlatformKey
from keys.policy import KeyAction

#: What the list sorts by: the name in the address to the column.
ORDERS = {"created_by": "holder_sort_name", "created": "created_at"}
DEFAULT_ORDER = "-created"
#: A key used within this time counts as in use; that is said before it is revoked or deleted.
_IN_USE = timedelta(hours=24)
_OWN_DESCRIPTION = "One classic infrastructure key per user. Open View details to see its value."
_CREATOR_LEFT = "A user who has left"


@dataclass(slots=True)
class KeyRow:
    """A row of the list, ready to print."""

    id: int
    name: str
    user_url: str
    is_self: bool
    why_refused: str
    description: str
    created_at: datetime
    last_used_at: datetime | None
    menu: list[MenuItem]


def with_people(keys: QuerySet[ClassicKey]) -> QuerySet[ClassicKey]:
    """Return ``keys`` with what policy and rows need of people, in the same query."""
    return keys.select_related("holder__user", "holder__parent__user", "holder__account", "creator__user").defer(
        "sealed_value", "digest"
    )


def for_list(keys: QuerySet[ClassicKey]) -> QuerySet[ClassicKey]:
    """Return ``keys`` with what the list and its file print and the policy asks, and nothing else.

    This is the page that people open all day. PostgreSQL takes longer to plan the joins of ``with_people`` than to
    execute them, and rows are made of two objects here instead of five.
    """
    return (
        keys.select_related("holder")
        .only(
            "account_id", "holder_sort_name", "creator_id", "created_at", "last_used_at", "last_used_from",
            "allowed_addresses", "holder__account_id", "holder__parent_id", "holder__path", "holder__api_username",
            "holder__search_text", "holder__status",
        )
        .annotate(
            holder_is_frozen=hierarchy.frozen("holder_path"),
            holder_name=Coalesce("holder__name_here", "holder__user__name"),  # type: ignore[no-redef]
            holder_email=F("holder__user__email"),
            parent_name=Coalesce("holder__parent__name_here", "holder__parent__user__name"),
        )
    )  # fmt: skip


def _for_file(keys: QuerySet[ClassicKey]) -> QuerySet[ClassicKey]:
    """Return ``keys`` with what the list's file prints: the creators' names too, which the list can do without."""
    return for_list(keys).annotate(
        creator_name=Coalesce("creator__name_here", "creator__user__name")  # type: ignore[no-redef]
    )


_own = Prepared(lambda holder_id: for_list(ClassicKey.objects.filter(holder_id=holder_id)))
_own_for_file = Prepared(lambda holder_id: _for_file(ClassicKey.objects.filter(holder_id=holder_id)))
_held = Prepared(lambda holder_id: with_people(ClassicKey.objects.filter(holder_id=holder_id)))
_numbered = Prepared(
    lambda account_id, pk: with_people(ClassicKey.objects.filter(account_id=account_id, pk=pk)).annotate(
        holder_is_frozen=hierarchy.frozen("holder_path")
    )
)


def own_key(viewer: Member, *, for_file: bool = False) -> ClassicKey | None:
    """Return the viewer's own key as the list shows it, or its file, if there is one; one query."""
    return (_own_for_file if for_file else _own).first(viewer.pk)


def key_of(holder: Member) -> ClassicKey | None:
    """Return a member's key, if any; one query. The caller asks the policy who may know."""
    return _held.first(holder.pk)


def kept_restriction(holder: Member) -> str:
    """Return from where a member's next key may be used, empty for everywhere; one query."""
    kept = KeptRestriction.objects.filter(holder=holder).first()
    return kept.allowed_addresses if kept else ""


def restriction_of(holder: Member) -> str:
    """Return from where a member's keys may be used, empty for everywhere; two queries at most."""
    key = key_of(holder)
    return key.allowed_addresses if key is not None else kept_restriction(holder)


def visible_key(viewer: Member, key_id: int) -> ClassicKey | None:
    """Return the key with that id if ``viewer`` may know of it, with what may be said of its holder; one query."""
    key = _numbered.first(viewer.account_id, key_id)
    if key is None or not policy.can(viewer, KeyAction.VIEW, key):
        return None
    key.holder.is_frozen = vars(key)["holder_is_frozen"]
    return key


def keys_below(
    viewer: Member, asked: ListRequest, branch: Member | None = None, *, own: ClassicKey | None
) -> Listing[ClassicKey]:
    """Return the list of the keys below ``viewer``, filtered and sorted as asked; ``own``, their own, is not in it.

    With ``branch``, a member below the viewer, those of that member and of everybody below them.
    """
    root, order, chosen = branch or viewer, order_of(asked), insight.Filter.of(asked)
    apart = int(own is not None and branch is None)
    if asked.search or chosen:
        return _filtered(_but(viewer.path), root, asked, chosen, order, apart=apart)
    branch_path = () if root.is_owner else (root.path,)
    return kept(_all_but, order, apart, values=(viewer.account_id, viewer.path, *branch_path))


def _but(path: str) -> QuerySet[ClassicKey]:
    """Return all keys but that of the member at ``path``."""
    # By the path, not the holder: it is in every index of the list, so nothing else has to be read.
    return ClassicKey.objects.exclude(holder_path=path)


def _all_but(
    order: Order, apart: int, account_id: int, own_path: str, branch_path: str | None = None
) -> Listing[ClassicKey]:
    """Return the list of all keys of an account or of a branch, but that of the member at ``own_path``."""
    return Listing(
        model=ClassicKey,
        rows=lambda: _but(own_path).filter(account_id=account_id),
        order=order,
        branch_path=branch_path,
        path_field="holder_path",
        complete=for_list,
        among=lambda: ClassicKey.objects.filter(account_id=account_id),
        apart=apart,
        sorted_in_branch=("created_at", "holder_sort_name"),
    )


def branch_asked_for(viewer: Member, asked: ListRequest) -> Member | None:
    """Return the member below ``viewer`` whose branch alone the address asks for, if any; one query if it does."""
    pk = number_in(asked.parameters.get("branch", ""), largest=MAX_MEMBER_ID)
    return None if pk is None else hierarchy.descendants_of(viewer).select_related("user").filter(pk=pk).first()


def unused_keys(viewer: Member, asked: ListRequest, before: datetime) -> Listing[ClassicKey]:
    """Return the list of the keys of ``viewer`` and of those below not used since ``before``, the oldest first.

    Searched, and restricted or not, as asked.
    """
    chosen = replace(insight.Filter.of(asked), use=insight.UNUSED, before=before)
    order = asked.order(ORDERS, "created")
    return _filtered(ClassicKey.objects.all(), viewer, asked, chosen, order)


def _filtered(
    keys: QuerySet[ClassicKey],
    root: Member,
    asked: ListRequest,
    chosen: insight.Filter,
    order: Order,
    *,
    apart: int = 0,
) -> Listing[ClassicKey]:
    """Return those of ``keys``, all but some ``apart``, in the branch of ``root`` that fit, searched as asked."""
    rows, among = (some.filter(account_id=root.account_id) for some in (keys, ClassicKey.objects.all()))
    found: list[QuerySet[ClassicKey]] = []
    if asked.search:
        # A search looks for the holder, or for the parent, whom the description names.
        by_holder = asked.search_condition("holder__search_text")
        by_parent = asked.search_condition("holder__parent__search_text")
        rows = rows.filter(by_holder | by_parent)
        for text, key in (("holder__search_text", "holder_id"), ("holder__parent__search_text", "holder__parent_id")):
            found += by_index(keys, asked.terms, root.account_id, text=text, key=key)
        if not found:
            # Too short for the index: all texts are read, but in the order of their table and not in that of the keys.
            members = Member.objects.filter(asked.search_condition("search_text"), account_id=root.account_id)
            found = [keys.filter(**{f"{key}__in": members.values("pk")}) for key in ("holder_id", "holder__parent_id")]
    if chosen:
        rows, parts = insight.narrowed(rows, chosen)
        found = [insight.narrowed(some, chosen)[0] for some in found] or parts
    return Listing(
        model=ClassicKey,
        rows=lambda: rows,
        order=order,
        branch_path=None if root.is_owner else root.path,
        path_field="holder_path",
        complete=for_list,
        is_filtered=True,
        among=lambda: among,
        apart=apart,
        sorted_in_branch=("created_at", "holder_sort_name"),
        by_index=found,
    )


def order_of(asked: ListRequest) -> Order:
    """Return the order that the address asks for."""
    return asked.order(ORDERS, DEFAULT_ORDER)


def matches(key: ClassicKey, asked: ListRequest) -> bool:
    """Whether the viewer's own key, which is shown apart from the list, fits the list's search and filters."""
    return all(term in key.holder.search_text for term in asked.terms) and insight.Filter.of(asked).fits(key)


def description(key: ClassicKey, viewer: Member) -> str:
    """Return a fixed sentence for the viewer's own key, else whose child the holder is.

    It also says if somebody else than the holder created the key, without the name: loading the names of all creators
    would cost the list more than it is worth to the few whom it concerns.
    """
    is_by_holder = key.creator_id == key.holder_id
    by = "a user who has left" if key.creator_id is None else "another user"
    if key.holder_id == viewer.pk:
        return _OWN_DESCRIPTION if is_by_holder else f"Created for you by {by}. You cannot see its value."
    place = "Account owner" if key.parent_name is None else f"Child of {key.parent_name}"
    return place if is_by_holder else f"{place}. Created by {'you' if key.creator_id == viewer.pk else by}"


def why_refused(key: ClassicKey | PlatformKey) -> str:
    """Return in a word why calls with a key are refused because of its holder; empty if they are not."""
    if vars(key)["holder_is_frozen"]:
        return "frozen"
    is_accepted = key.holder.status in CALLING_STATUSES
    return "" if is_accepted else MemberStatus(key.holder.status).label.partition(" ")[0].lower()


def reasons_refused(holder: Member) -> str:
    """Return in sentences why calls with the holder's keys are refused, whatever their address; empty if they are not.

    ``holder.is_frozen`` must be known.
    """
    reasons = []
    if holder.status not in CALLING_STATUSES:
        reasons.append(f"The status of its user is {MemberStatus(holder.status).label}.")
    if holder.is_frozen:
        reasons.append("Its user is in a branch of users that is frozen.")
    return " ".join(reasons)


def is_in_use(key: ClassicKey | PlatformKey) -> bool:
    """Whether a key was used so recently that calls would fail without it."""
    return key.last_used_at is not None and timezone.now() - key.last_used_at < _IN_USE


@dataclass(frozen=True)
class Places:
    """Where the rows of one page lead.

    ``way`` is the query of the addresses of dialogs, which says what page they lead back to if that is not the plain
    list.
    """

    way: str = ""
    user: Callable[[int], str] = field(default_factory=lambda: links("accounts:user"))
    details: Callable[[int], str] = field(default_factory=lambda: links("keys:classic-details"))
    delete: Callable[[int], str] = field(default_factory=lambda: links("keys:classic-delete"))


def menu(viewer: Member, key: ClassicKey, places: Places) -> list[MenuItem]:
    """Return exactly the entries that ``viewer`` may use on ``key`` now."""
    items = []
    if policy.can(viewer, KeyAction.VIEW, key):
        items.append(MenuItem("View details", places.details(key.pk) + places.way, is_dialog=True))
    if policy.can(viewer, KeyAction.DELETE, key):
        items.append(MenuItem("Delete", places.delete(key.pk) + places.way, is_dialog=True, is_danger=True))
    return items


def row(key: ClassicKey, viewer: Member, places: Places) -> KeyRow:
    """Return a key as the list prints it."""
    return KeyRow(
        id=key.pk,
        name=key.holder_name,
        user_url=places.user(key.holder_id),
        is_self=key.holder_id == viewer.pk,
        why_refused=why_refused(key),
        description=description(key, viewer),
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        menu=menu(viewer, key, places),
    )


def unused_row(key: ClassicKey, viewer: Member, places: Places) -> KeyRow:
    """Return a key as the report of unused ones prints it, to be deleted from there."""
    made = row(key, viewer, places)
    made.menu[:] = [item for item in made.menu if item.is_danger]
    return made


def csv_rows(viewer: Member, own: ClassicKey | None, listing: Listing[ClassicKey]) -> Iterator[list[object]]:
    """Yield heading and rows of the export, the viewer's own first: what the list shows, never a value.

    ``own`` is as for a file.
    """
    yield [
        "User", "Email", "API username", "Description", "Date created", "Created by", "Last used", "Last used from",
        "IP address restrictions",
    ]  # fmt: skip
    if own is not None:
        yield _csv_row(own, viewer)
    for key in replace(listing, complete=_for_file).everything():
        yield _csv_row(key, viewer)


def _csv_row(key: ClassicKey, viewer: Member) -> list[object]:
    return [
        key.holder_name, key.holder_email, key.holder.api_username, description(key, viewer),
        formats.iso(key.created_at), key.creator_name or _CREATOR_LEFT,
        formats.iso(key.last_used_at), key.last_used_from, key.allowed_addresses,
    ]  # fmt: skip


def key_states(viewer: Member, members: list[Member]) -> Mapping[int, str]:
    """Return, for those of ``members`` whose keys ``viewer`` may know of, how the Users page names the key's state.

    One query, whatever the number of members. Those the viewer may not know of are not in the answer.
    """
    known = {member.pk for member in members if policy.can_see_keys_of(viewer, member)}
    states = dict.fromkeys(known, "None")
    unused = insight.Filter(use=insight.UNUSED, before=timezone.now() - UNUSED_AFTER)
    keys = ClassicKey.objects.filter(holder_id__in=known).only(
        "holder_id", "allowed_addresses", "last_used_at", "created_at"
    )
    for key in keys:
        if unused.fits(key):
            states[key.holder_id] = "Unused 30 days"
        else:
            states[key.holder_id] = "Active, IP restricted" if key.allowed_addresses else "Active"
    return states
