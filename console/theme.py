"""The colour theme: kept in a cookie and rendered by the server, so that no page flashes in the wrong one."""

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.ways_back import page_of_ours, post_only
from console import look_cookies

THEME_COOKIE = f"{settings.COOKIE_PREFIX}keytree_theme"
#: Value and label, in the order of the menu. "system" leaves the choice to the browser and needs no cookie.
THEMES = (("light", "Light"), ("dark", "Dark"), ("system", "System"))


class ThemeForm(forms.Form):
    """What the theme menu in the header posts."""

    theme = forms.ChoiceField(choices=THEMES)
    next = forms.CharField(required=False)


def chosen_theme(request: HttpRequest) -> str:
    """Return *light*, *dark* or *system*; anything else in the cookie counts as *system*."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return theme if theme in ("light", "dark") else "system"


@login_not_required
@post_only
def choose(request: HttpRequest) -> HttpResponse:
    """Keep the theme and go back to the page it was chosen on; an unknown theme changes nothing."""
    form = ThemeForm(request.POST)
    is_valid = form.is_valid()
    response: HttpResponse = HttpResponseRedirect(page_of_ours(request, form.cleaned_data.get("next", "")))
    if is_valid:
        theme = form.cleaned_data["theme"]
        look_cookies.keep(response, THEME_COOKIE, "" if theme == "system" else theme)
    return response
