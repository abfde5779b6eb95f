"""Which groups of the navigation are folded: kept in a cookie and rendered by the server, so that nothing flashes."""

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.access import for_any_status
from accounts.requests import MemberRequest
from accounts.ways_back import page_of_ours, post_only
from console import look_cookies
from console.nav import GROUP_NAMES

_COOKIE = f"{settings.COOKIE_PREFIX}keytree_nav"
_BETWEEN = "."  # names, in the cookie


class FoldsForm(forms.Form):
    """What the script of the navigation sends when a group was folded or unfolded: all that are folded then."""

    folded = forms.MultipleChoiceField(choices=[(name, name) for name in GROUP_NAMES], required=False)
    next = forms.CharField(required=False)


def folded_groups(request: HttpRequest) -> frozenset[str]:
    """Return the names of the groups that are folded; whatever else the cookie says counts as none."""
    return frozenset(request.COOKIES.get(_COOKIE, "").split(_BETWEEN)) & GROUP_NAMES


@for_any_status
@post_only
def keep(request: MemberRequest) -> HttpResponse:
    """Keep which groups are folded; unknown ones change nothing. Leads back to the page, for whoever is no script."""
    form = FoldsForm(request.POST)
    is_valid = form.is_valid()
    response: HttpResponse = HttpResponseRedirect(page_of_ours(request, form.cleaned_data.get("next", "")))
    if is_valid:
        look_cookies.keep(response, _COOKIE, _BETWEEN.join(sorted(form.cleaned_data["folded"])))
    return response
