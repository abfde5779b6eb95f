"""What the frame around every page shows: product, theme, navigation, account."""

from functools import cache, cached_property
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone

from accounts import formats, signin
from accounts.links import link
from accounts.models import Member
from accounts.policy import is_enrolment_due, may_work
from console import assets, demo, nav_folds, theme
from console.demo import Person
from console.header import Header
from console.nav import Group, groups_for


class Shell:
    """The frame of one page; each value is computed only when the template uses it.

    Error pages have it too, even when a middleware failed before the viewer was known: ``member`` is then None, and the
    page looks as it does for people who are not logged in.
    """

    product = "Keytree"
    themes = theme.THEMES

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def is_demo(self) -> bool:
        """Whether this is a demo, with published passwords."""
        return settings.IS_DEMO

    @property
    def demo_people(self) -> list[Person]:
        """The people that a demo's login page names; empty elsewhere."""
        return [person for person in demo.ACME if person.signs_in] if self.is_demo else []

    @property
    def demo_password(self) -> str:
        """The password of the demo's people; empty elsewhere."""
        return demo.PASSWORD if self.is_demo else ""

    @property
    def theme(self) -> str:
        """*light*, *dark* or *system*."""
        return theme.chosen_theme(self._request)

    @property
    def font_stylesheet(self) -> str:
        """The URL of the Plex fonts' style sheet; empty if the fonts have not been downloaded."""
        return _font_stylesheet()

    @property
    def favicon(self) -> str:
        """The URL of the console's icon."""
        return assets.favicon()

    @property
    def style_sheets(self) -> list[str]:
        """The URLs of the style sheets, in order."""
        return assets.style_sheets()

    @property
    def scripts(self) -> list[str]:
        """The URLs of the scripts, which are modules."""
        return assets.scripts()

    @property
    def member(self) -> Member | None:
        """The viewer, as a member of the current account."""
        return getattr(self._request, "member", None)

    @property
    def session_asks_in(self) -> int:
        """After how many seconds the page asks when the viewer's session ends."""
        return int(signin.first_question(self._request).total_seconds())

    @property
    def layout(self) -> str:
        """The template that error pages extend: with the navigation only for people who are logged in."""
        return "base.html" if self.member else "signed_out.html"

    @cached_property
    def nav(self) -> tuple[Group, ...]:
        """The groups of the side navigation; empty for a member who may not (yet) work in the console."""
        return self.nav_at(self._request.path)

    def nav_at(self, path: str) -> tuple[Group, ...]:
        """Return the groups as the page at ``path`` shows them."""
        is_open = self.member is not None and not is_enrolment_due(self.member)
        folded = nav_folds.folded_groups(self._request)
        return groups_for(self.member, path, folded) if self.member and is_open else ()

    @property
    def made_at(self) -> str:
        """When the page was rendered, as the console writes times."""
        return formats.moment(timezone.now())

    @property
    def other_accounts(self) -> tuple[tuple[int, str, bool], ...]:
        """ID, name and whether there are new notifications, of each other account that the viewer can switch to."""
        others = [other for other in signin.memberships(self._request.user) if other != self.member]
        return tuple(
            (other.account_id, str(other.account), other.has_notifications and may_work(other)) for other in others
        )

    @property
    def profile_url(self) -> str:
        """The viewer's own page; empty for a member who may not work in the console."""
        return link("accounts:user", self.member.pk) if self.member and self.nav else ""

    def header(self, *, is_behind: bool) -> Header:
        """Return what the bar at the top of the page shows; ``is_behind`` where a dialog covers it."""
        member, works = self.member, bool(self.nav)
        return Header(
            product=self.product,
            theme=self.theme,
            works=works,
            account=str(member.account) if member else "",
            other_accounts=self.other_accounts if member else (),
            name=member.user.name if member else "",
            email=member.user.email if member else "",
            has_notifications=works and member is not None and member.has_notifications,
            profile_url=self.profile_url,
            is_behind=is_behind,
        )


def shell(request: HttpRequest) -> dict[str, Shell]:
    """Give every template ``shell``."""
    return {"shell": Shell(request)}


@cache
def _font_stylesheet() -> str:
    """Return the URL; without the fonts, which `make fonts` downloads, pages use a font of the system."""
    if not any((Path(folder) / "fonts" / "plex.css").is_file() for folder in settings.STATICFILES_DIRS):
        return ""
    try:
        return static("fonts/plex.css")
    except ValueError:
        return ""  # downloaded after `collectstatic`, so not in the manifest: not worth failing every page for
