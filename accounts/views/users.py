"""The Users page: all users of the account, or the hierarchy below the viewer as a table or as a picture."""

from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts import hierarchy_list, policy, queries
from accounts.csv_files import csv_response
from accounts.enums import MemberStatus
from accounts.links import way_back
from accounts.list_request import ListRequest
from accounts.picture import picture_of, root_of
from accounts.policy import MemberAction
from accounts.requests import MemberRequest

VIEWS = {"users": "Account users", "hierarchy": "User hierarchy", "picture": "Picture of the hierarchy"}


@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """List the members that the viewer may see, in the view that the address asks for."""
    viewer, asked = request.member, ListRequest.of(request)
    view = asked.choice("view", VIEWS, "users")
    if view == "picture":
        return _picture(request, asked)
    here = asked.url()
    way = way_back(here) if here != request.path else ""
    context: dict[str, Any] = {
        "title": "Users",
        "asked": asked,
        "view": view,
        "views": VIEWS.items(),
        "view_hidden": asked.but("view"),
        "filter_hidden": asked.but("view", "q", "status"),
        "statuses": MemberStatus.choices,
        # The same permissions allow adding VPN-only users.
        "may_invite": policy.can(viewer, MemberAction.INVITE, viewer),
        "csv_query": request.GET.urlencode(),
    }
    if view == "hierarchy":
        folds = hierarchy_list.folds(viewer, asked, most=asked.per_page)
        listing = hierarchy_list.user_hierarchy(viewer, asked, folds)
        page = listing.page(per_page=asked.per_page, cursor=asked.cursor)
        rows = [hierarchy_list.hierarchy_row(member, viewer, asked, folds, way=way) for member in page.rows]
        has_folds = any(row.fold_url and not row.is_self for row in rows)
        context |= {"folds": folds, "fold_all_url": asked.url(**folds.all_turned) if has_folds else ""}
    else:
        listing = queries.account_users(viewer, asked)
        page = listing.page(per_page=asked.per_page, cursor=asked.cursor)
        rows = [queries.row(member, viewer, way=way) for member in page.rows]
        context["heading"] = asked.heading("User", "user", "sort_name", listing.order)
    status = asked.choice("status", MemberStatus.values, "")
    context |= {
        "rows": rows,
        "footer": asked.footer(page, "Users per page:"),
        "is_filtered": bool(asked.search or status),
        "list_in_words": asked.in_words(VIEWS[view], status=MemberStatus(status).label if status else ""),
        "clear_url": asked.url(q=None, status=None, at=None),
        "status": status,
    }
    return render(request, "accounts/users.html", context)


@require_safe
def export(request: MemberRequest) -> StreamingHttpResponse:
    """Send the users of the present view and filter as a file."""
    viewer, asked = request.member, ListRequest.of(request)
    if asked.choice("view", VIEWS, "users") == "hierarchy":
        # What is folded by itself, not by choice, is in the file.
        listing = hierarchy_list.user_hierarchy(viewer, asked, hierarchy_list.folds(viewer, asked))
    else:
        listing = queries.account_users(viewer, asked)
    return csv_response(queries.csv_rows(viewer, listing), "users.csv")


def _picture(request: MemberRequest, asked: ListRequest) -> HttpResponse:
    """Draw the branch of the viewer, or of somebody below them, with links to the others."""
    viewer = request.member
    root = root_of(viewer, asked.parameters.get("root", ""))
    url = f"{asked.path}?view=picture&root="
    context = {
        "title": "Users",
        "views": VIEWS.items(),
        "view": "picture",
        "picture": picture_of(root, viewer, url=url, after=asked.parameters.get("after", "")),
        "root": root,
        "is_viewer": root.pk == viewer.pk,
        "start_url": f"{url}{root.pk}" if "after" in asked.parameters else "",
        "up_url": f"{url}{root.parent_id}" if root.pk != viewer.pk else "",
        "top_url": f"{asked.path}?view=picture" if root.parent_id != viewer.pk else "",
    }
    return render(request, "accounts/picture.html", context)
