"""What a viewer can see of IBM Cloud API keys: their own, or those of the whole account. No writes.

Rows come as plain values, ready to print.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Coalesce

from accounts import formats, hierarchy
from accounts.actions_menu import MenuItem
from accounts.links import link
from accounts.list_request import ListRequest
from accounts.listing import Listing, Order, kept
from accounts.models import Member
from accounts.policy import MemberAction, can
from accounts.prepared import Prepared
from keys.insight import UNUSED, Filter
from keys.models import MOST_PLATFORM_KEYS, PlatformKey
from keys.platform import policy
from keys.platform.policy import PlatformAction
from keys.queries import why_refused

MINE, ALL, CLASSIC = "my", "all", "classic"
#: The views of the API keys page, by their name in the address.
VIEWS = {
    MINE: "My IBM Cloud API keys",
    ALL: "All user IBM Cloud API keys",
    CLASSIC: "Classic infrastructure API keys",
}
#: What the lists sort by: the name in the address to the column.
ORDERS = {"name": "sort_name", "created": "created_at"}
DEFAULT_ORDER = "name"
#: What a menu offers as far as the policy allows it: the action, its label, its route.
_ENTRIES = (
    (PlatformAction.EDIT, "Edit", "keys:platform-edit"),
    (PlatformAction.LOCK, "Lock", "keys:platform-lock"),
    (PlatformAction.UNLOCK, "Unlock", "keys:platform-unlock"),
    (PlatformAction.DELETE, "Delete", "keys:platform-delete"),
)
#: What the switch of a key does that is enabled, or that is not: the action, its route.
_SWITCHES = {
    True: (PlatformAction.DISABLE, "keys:platform-disable"),
    False: (PlatformAction.ENABLE, "keys:platform-enable"),
}
AS_MANY_AS_THERE_CAN_BE = (
    f"You have {MOST_PLATFORM_KEYS} IBM Cloud API keys in all your accounts together, which is as many as there can "
    "be. Delete one to create another."
)
_WORDS = {True: "Yes", False: "No"}
_UNREAD = ("digest", "token_id", "search_text")  # by no page or record


@dataclass(frozen=True, slots=True)
class PlatformKeyRow:
    """A row of a list, ready to print. ``switch_url`` is empty where the viewer may not enable or disable the key."""

    id: int
    name: str
    description: str
    owner: str
    owner_url: str  # empty for somebody whom the viewer may not see among the users
    is_own: bool
    why_refused: str  # in a word, for the holder's sake; empty where it does not matter or may not be known
    is_locked: bool
    is_enabled: bool
    is_expired: bool
    is_leaked: bool
    created_at: datetime
    last_day: date | None
    last_used_at: datetime | None
    switch_url: str
    menu: list[MenuItem]


def views_open_to(viewer: Member) -> list[tuple[str, str]]:
    """Return name and label of the views that ``viewer``, who may work, may choose from. Takes no query."""
    sees_all = policy.can_see_all(viewer)
    return [(name, label) for name, label in VIEWS.items() if name != ALL or sees_all]


def carried_to_view(asked: ListRequest) -> list[tuple[str, str]]:
    """Return the parameters that another view keeps: how long a page is. A filter is about what the view lists."""
    return [(name, value) for name, value in asked.parameters.items() if name == "per_page"]


def plain(keys: QuerySet[PlatformKey]) -> QuerySet[PlatformKey]:
    """Return ``keys`` with all that is said of them; without their holders."""
    return keys.defer(*_UNREAD)


def _with_owners(keys: QuerySet[PlatformKey]) -> QuerySet[PlatformKey]:
    return keys.select_related("holder__user").only(
        "account_id", "user_id", "name", "sort_name", "description", "created_at", "expires_at", "is_enabled",
        "is_locked", "leaked_at", "last_used_at", "last_used_from", "ring_key_id", "holder__account_id",
        "holder__parent_id", "holder__path", "holder__status", "holder__name_here", "holder__user__name",
        "holder__user__email",
    ).annotate(holder_is_frozen=hierarchy.frozen("holder__path"))  # fmt: skip


_held = Prepared(lambda holder_id: plain(PlatformKey.objects.filter(holder_id=holder_id)).order_by("sort_name", "pk"))
_of_user = Prepared(lambda user_id: plain(PlatformKey.objects.filter(user_id=user_id)).order_by("sort_name", "pk"))


def visible_key(viewer: Member, **found_by: int | UUID) -> PlatformKey | None:
    """Return a key, found by its ``pk`` or ``uuid``, if ``viewer`` may know of it; one query."""
    keys = PlatformKey.objects.select_related("holder__user", "holder__account")
    keys = keys.annotate(holder_is_frozen=hierarchy.frozen("holder__path"))
    key = keys.filter(account_id=viewer.account_id, **found_by).first()
    if key is None or not policy.can(viewer, PlatformAction.VIEW, key):
        return None
    key.holder.is_frozen = vars(key)["holder_is_frozen"]
    return key


def keys_of(holder: Member) -> list[PlatformKey]:
    """Return a member's keys by name; one query. The caller asks the policy who may know."""
    return _held_by(holder, _held(holder.pk))


def own_keys(viewer: Member) -> tuple[list[PlatformKey], int]:
    """Return the viewer's keys by name, and how many their user has in all accounts; one query."""
    found = _of_user(viewer.user_id)
    return _held_by(viewer, [key for key in found if key.holder_id == viewer.pk]), len(found)


def _held_by(holder: Member, keys: list[PlatformKey]) -> list[PlatformKey]:
    for key in keys:
        key.holder = holder
    return keys


def count_of_user(user_id: int) -> int:
    """Return how many keys a user has in all their accounts; one query."""
    return PlatformKey.objects.filter(user_id=user_id).count()


def newest_of_user(user_id: int) -> int:
    """Return the highest id of a user's keys in all their accounts, 0 without any; one query."""
    return PlatformKey.objects.filter(user_id=user_id).aggregate(newest=Max("pk"))["newest"] or 0


def my_keys(viewer: Member, asked: ListRequest) -> Listing[PlatformKey]:
    """Return the list of the keys of ``viewer`` in this account, searched and sorted as asked."""
    return _listed(of_holder, viewer.pk, asked)


def all_keys(viewer: Member, asked: ListRequest) -> Listing[PlatformKey]:
    """Return the list of the keys of all users of the account; the caller asks the policy who may see them."""
    return _listed(of_account, viewer.account_id, asked)


def of_holder(order: Order, holder_id: int) -> Listing[PlatformKey]:
    """Return the list of a member's keys; the caller asks the policy who may see them."""
    # Not by the account: SQLite would go through all its keys in their order to find up to twenty.
    return _listing(PlatformKey.objects.filter(holder_id=holder_id), order)


def of_account(order: Order, account_id: int) -> Listing[PlatformKey]:
    """Return the list of the keys of all members of an account, likewise."""
    return replace(_listing(PlatformKey.objects.filter(account_id=account_id), order), complete=_with_owners)


def _listing(rows: QuerySet[PlatformKey], order: Order) -> Listing[PlatformKey]:
    return Listing(model=PlatformKey, rows=lambda: rows, order=order, branch_path=None, path_field="", complete=plain)


def _listed(make: Callable[[Order, int], Listing[PlatformKey]], value: int, asked: ListRequest) -> Listing[PlatformKey]:
    order = asked.order(ORDERS, DEFAULT_ORDER)
    if not asked.search:
        return kept(make, order, values=(value,))
    listing = make(order, value)
    found = listing.rows().filter(asked.search_condition("search_text"))
    return replace(listing, rows=lambda: found, is_filtered=True)


def unused_keys(viewer: Member, asked: ListRequest, before: datetime) -> Listing[PlatformKey]:
    """Return the list of the keys of all users of the account that were not used since ``before``, the oldest first.

    Searched as asked. The caller asks the policy who may see them.
    """
    among, unused = PlatformKey.objects.filter(account_id=viewer.account_id), Filter(use=UNUSED, before=before)
    searched = among.filter(asked.search_condition("search_text"))
    whole = Q()
    for condition in unused.alternatives("walled_day"):
        whole |= condition
    # An expression, so that no index is used: a small account is read, or the list followed in its order.
    rows = searched.alias(walled_day=Coalesce("last_used_day", "last_used_day")).filter(whole)
    return Listing(
        model=PlatformKey,
        rows=lambda: rows,
        order=asked.order(ORDERS, "created"),
        branch_path=None,
        path_field="",
        complete=_with_owners,
        is_filtered=True,
        among=lambda: among,
        by_index=[searched.filter(condition) for condition in unused.alternatives()],
    )


def last_day(expires_at: datetime | None) -> date | None:
    """Return the last day, by GMT, on which a key that expires then works."""
    return (expires_at - timedelta(microseconds=1)).date() if expires_at else None


def menu(viewer: Member, key: PlatformKey, *, way: str = "") -> list[MenuItem]:
    """Return exactly the entries that ``viewer`` may use on ``key`` now.

    ``way`` is the query of their addresses, which says what page they lead back to.
    """
    return [
        MenuItem(label, link(route, key.pk) + way, is_dialog=True, is_danger=action is PlatformAction.DELETE)
        for action, label, route in _ENTRIES
        if policy.can(viewer, action, key)
    ]


def creation(viewer: Member, count: int, way: str) -> dict[str, Any]:
    """Return where ``viewer``, whose user has ``count`` keys, creates one; or nothing, and why they cannot."""
    why_not = policy.why_not_create(viewer) or (AS_MANY_AS_THERE_CAN_BE if count >= MOST_PLATFORM_KEYS else "")
    url = "" if why_not else link("keys:platform-create", viewer.pk) + way
    return {"create_url": url, "why_not_create": why_not}


def row(key: PlatformKey, viewer: Member, *, way: str = "") -> PlatformKeyRow:
    """Return a key, whose holder is loaded, as lists print it; ``way`` as in ``menu``. Takes no query."""
    holder = key.holder
    switch, route = _SWITCHES[key.is_enabled]
    sees_holder = can(viewer, MemberAction.VIEW, holder)
    return PlatformKeyRow(
        id=key.pk,
        name=key.name,
        description=key.description,
        owner=holder.name,
        owner_url=link("accounts:user", holder.pk) if sees_holder else "",
        is_own=holder.pk == viewer.pk,
        # Only the lists of several people's keys know who is frozen.
        why_refused=why_refused(key) if sees_holder and "holder_is_frozen" in vars(key) else "",
        is_locked=key.is_locked,
        is_enabled=key.is_enabled,
        is_expired=key.is_expired,
        is_leaked=key.leaked_at is not None,
        created_at=key.created_at,
        last_day=last_day(key.expires_at),
        last_used_at=key.last_used_at,
        switch_url=link(route, key.pk) if policy.can(viewer, switch, key) else "",
        menu=menu(viewer, key, way=way),
    )


def unused_row(key: PlatformKey, viewer: Member, *, way: str) -> PlatformKeyRow:
    """Return a key as the report of unused ones prints it, to be deleted from there; ``way`` as in ``menu``."""
    made = row(key, viewer, way=way)
    made.menu[:] = [item for item in made.menu if item.is_danger]
    return made


def csv_rows(listing: Listing[PlatformKey]) -> Iterator[list[object]]:
    """Yield heading and rows of a list as a file: never a value, nor what one could be known by."""
    yield [
        "Owner", "Email", "Name", "Description", "Date created", "Expires", "Enabled", "Locked", "Leaked", "Last used",
        "Last used from",
    ]  # fmt: skip
    for key in replace(listing, complete=_with_owners).everything():
        yield [
            key.holder.name, key.holder.user.email, key.name, key.description, formats.iso(key.created_at),
            formats.iso(key.expires_at), _WORDS[key.is_enabled], _WORDS[key.is_locked], formats.iso(key.leaked_at),
            formats.iso(key.last_used_at), key.last_used_from,
        ]  # fmt: skip
