"""The people of a demo with a browser each, and what a state of a page is."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from playwright.sync_api import Browser, CDPSession

from tests.journeys.live import LiveServer
from tests.journeys.visit import Visit

# What the demo lacks: somebody who may not work from here, a restriction to show, a past.
_PREPARE = """
import json
from datetime import timedelta
from django.utils import timezone
from accounts.models import Member
from keys.models import ClassicKey
Member.objects.filter(user__email="sam@acme.example", account_id=7654321).update(allowed_addresses="192.0.2.0/24")
acme = Member.objects.filter(account_id=1234567).select_related("user")
now = timezone.now()
used = {"olivia": timedelta(seconds=40), "marcus": timedelta(hours=2), "priya": timedelta(days=3)}
for number, member in enumerate(acme.exclude(joined_at=None).order_by("pk")):
    joined = now - timedelta(days=400 - 45 * number, minutes=131 * number)
    Member.objects.filter(pk=member.pk).update(joined_at=joined)
    key = ClassicKey.objects.filter(holder=member)
    key.update(created_at=joined + timedelta(days=2))
    if ago := used.get(member.user.email.partition("@")[0]):
        key.update(last_used_at=now - ago, last_used_day=(now - ago).date(), last_used_from="203.0.113.7")
ClassicKey.objects.filter(holder__user__email="priya@acme.example").update(allowed_addresses="203.0.113.0/24")
names = {member.user.email.partition("@")[0]: member.pk for member in acme}
keys = {key.holder.user.email.partition("@")[0]: key.pk for key in ClassicKey.objects.select_related("holder__user")}
print(json.dumps({"member": names, "key": keys}))
"""


class Cast:
    """The people of a demo at one server, each with a browser that stays signed in.

    Script can be turned off for a while, so that what is then on the page can still be examined by script.
    """

    def __init__(self, browser: Browser, server: LiveServer, **likes: object) -> None:
        self._browser, self.server, self._likes = browser, server, likes
        self.ids = json.loads(server.run(_PREPARE))
        self._visits: dict[str, Visit] = {}
        self._switches: dict[str, CDPSession] = {}

    def visit(self, who: str, *, script: bool = True) -> Visit:
        """Return the browser of a person, signed in; that of a stranger for the name *nobody*."""
        if who not in self._visits:
            visit = self._visits[who] = Visit(self._browser, self.server, **self._likes)
            self._switches[who] = visit.context.new_cdp_session(visit.page)
            if who != "nobody":
                visit.sign_in(who, at="about:blank")
        self.let_script(who, allowed=script)
        return self._visits[who]

    def let_script(self, who: str, *, allowed: bool) -> None:
        """Allow or forbid script on the pages that the person opens from now on."""
        self._switches[who].send("Emulation.setScriptExecutionDisabled", {"value": not allowed})
        self._visits[who].script = allowed

    def close(self) -> None:
        """Close all browsers."""
        for visit in self._visits.values():
            visit.close()


@dataclass(frozen=True)
class State:
    """A page as somebody sees it: who, where, and what they do there first.

    ``path`` may name ids: ``{member[priya]}``, ``{key[priya]}``.
    """

    name: str
    who: str
    path: str
    act: Callable[[Visit], object] | None = None
    script: bool = True
    widths: tuple[int, ...] = ()  # only these, where the state exists at no other
    is_debug: bool = False
    before: str = ""  # Python statements for the server

    def reach(self, cast: Cast) -> Visit:
        """Bring the person's browser into this state."""
        visit = cast.visit(self.who, script=self.script)
        if self.before:
            visit.let_go()
            cast.server.run(self.before)
        visit.page.set_viewport_size({"width": self.widths[0] if self.widths else 1440, "height": 900})
        path = self.path.format(**cast.ids)
        assert "{" not in path, path  # a name of an id that was not put in
        visit.go(path)
        if self.act:
            self.act(visit)
        return visit

    def without_script(self) -> Self:
        """Return the same without script."""
        return replace(self, name=f"{self.name} without script", script=False)
