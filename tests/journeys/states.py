"""Every page of the console in every state that looks different: for the accessibility tests, and for photographs."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from playwright.sync_api import Browser, CDPSession, expect

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
# When somebody proved who they are: what shows a value asks for it again after five minutes, which a slow run takes.
_PROVED = """
import time
from accounts.models import Session
from accounts.sessions import SessionStore
for row in Session.objects.filter(user__email="{}@acme.example"):
    session = SessionStore(row.session_key)
    session["proved_at"] = {}
    session.save()
"""
_AGE_OLIVIAS_PROOF = _PROVED.format("olivia", 0)
_RENEW_MARCUS_PROOF = _PROVED.format("marcus", "time.time()")
_TAKE_NOORS_KEY = """
from keys.models import ClassicKey
ClassicKey.objects.filter(holder__user__email="noor@acme.example").delete()
""" + _PROVED.format("noor", "time.time()")
_ALLOW_EVERYTHING = """
from accounts.models import Account
Account.objects.update(allowed_addresses="", user_domains="", restrict_user_domains=False)
"""
_RESTRICT_EVERYTHING = """
from accounts.models import Account
patterns = "**\\n*.acme.example\\n" + "long" * 20 + ".example"
Account.objects.update(allowed_addresses="127.0.0.0/8, ::1", user_domains=patterns, restrict_user_domains=True)
"""
_FREEZE_PRIYA = """
from accounts.memberships import freeze_branch
from accounts.models import Member
from accounts.origin import COMMAND_LINE
member = Member.objects.get(user__email="priya@acme.example")
freeze_branch(member=member, reason="Until we know who has the laptop", by=member.parent, origin=COMMAND_LINE)
"""
_THAW_PRIYA = """
from accounts.models import BranchFreeze
BranchFreeze.objects.all().delete()
"""
_RENDER = """
from django.template.loader import render_to_string
print(render_to_string({template!r}))
"""


#: Berlin's office signs in for once, with a second factor and no more; the link of a reset of Noor's password.
_GIVE_FACTORS = """
from django.utils import timezone
from accounts import passcodes
from accounts.models import Member, Passcode, Passkey, User
user = User.objects.get(email="{}@acme.example")
if not user.has_usable_password():
    user.set_password("keytree-demo")
    user.save()
Member.objects.filter(user=user).update(status="active")
Passcode.objects.filter(user=user).delete()
passcodes.begin(user)
now = timezone.now()
Passcode.objects.filter(user=user).update(confirmed_at=now)
Passkey.objects.filter(user=user).delete()
Passkey.objects.create(
    user=user, credential_id=user.email.encode(), public_key=b"", sign_count=0, name="Key ring " * 6, created_at=now
)
"""
_GIVE_BERLIN_FACTORS, _GIVE_NOOR_FACTORS = (_GIVE_FACTORS.format(name) for name in ("vpn-berlin", "noor"))
_TAKE_NOORS_FACTORS = """
from accounts.models import Passcode, Passkey
for model in (Passcode, Passkey):
    model.objects.filter(user__email="noor@acme.example").delete()
"""
_LET_BERLIN_BE = """
from accounts.models import Member
Member.objects.filter(user__email="vpn-berlin@acme.example").update(status="vpn_only")
"""
_RESET_NOOR = """
from accounts import resets, tokens
from accounts.origin import COMMAND_LINE
reset = resets.make("noor@acme.example", COMMAND_LINE)
resets.bind(reset)
print("/reset/" + tokens.reset_token_of(reset))
"""
_REQUIRE_A_FACTOR = """
from accounts.models import Account
Account.objects.filter(pk=7654321).update(require_second_factor={})
"""
#: An invitation to Acme from Marcus, of somebody who is new or has a user elsewhere; its path.
_INVITE = """
from datetime import timedelta
from accounts import invitations, tokens
from accounts.enums import Permission
from accounts.invitees import read
from accounts.models import Invitation, Member
from accounts.origin import COMMAND_LINE
owner = Member.objects.get(account_id={account}, parent=None)
invitations.invite(invitees=read("{email}"), granted=Permission(0), by=owner, origin=COMMAND_LINE)
invitation = Invitation.objects.get(member__account_id={account}, member__user__email="{email}")
if {is_expired}:
    invitation.expires_at -= timedelta(days=31)
    invitation.save()
print("/invitations/" + tokens.token_of(invitation))
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
            if who == "dmitri":
                visit.sign_in(who, lands_on="Suspended")
            elif who != "nobody":
                visit.sign_in(who)
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
            cast.server.run(self.before)
        visit.page.set_viewport_size({"width": self.widths[0] if self.widths else 1440, "height": 900})
        visit.go(self.path.format(**cast.ids))
        if self.act:
            self.act(visit)
        return visit

    def without_script(self) -> Self:
        """Return the same without script."""
        return replace(self, name=f"{self.name} without script", script=False)


def _fill(visit: Visit, **fields: str) -> None:
    for label, text in fields.items():
        visit.page.get_by_label(label.replace("_", " ")).fill(text)


def _log_in(email: str, password: str, times: int = 1) -> Callable[[Visit], None]:
    def act(visit: Visit) -> None:
        for _ in range(times):
            _fill(visit, Email=email, Password=password)
            with visit.page.expect_navigation():
                visit.button("Log in").click()

    return act


def _menu(name: str) -> Callable[[Visit], object]:
    return lambda visit: visit.open_menu(name)


def _opened(button: str) -> Callable[[Visit], None]:
    return lambda visit: visit.button(button).click()


def _chosen(name: str, entry: str, title: str) -> Callable[[Visit], None]:
    def act(visit: Visit) -> None:
        visit.choose(name, entry)
        expect(visit.dialog(title)).to_be_visible()

    return act


def _thawed(visit: Visit) -> None:
    """Undo on the server what the page shows: the states after it know nothing of it."""
    visit.server.run(_THAW_PRIYA)


def _revoke_wrongly(visit: Visit) -> None:
    visit.page.get_by_label("Revoke the key of Priya Raman").uncheck()
    _fill(visit, Reason="The laptop was stolen")
    with visit.page.expect_navigation():
        visit.button("Revoke keys").click()


def _freeze_wrongly(visit: Visit) -> None:
    visit.button("Freeze").click()
    expect(visit.page.get_by_text("This field is required.")).to_be_visible()


def _shown(name: str, title: str) -> Callable[[Visit], None]:
    def act(visit: Visit) -> None:
        visit.choose(name, "View details")
        visit.dialog("API key details").get_by_role("button", name="Show").click()
        shown = visit.dialog(title)
        expect(shown.locator("[data-value-text]") if "details" in title else shown).to_be_visible()

    return act


def _create(visit: Visit) -> None:
    visit.button("Create a classic infrastructure key").click()
    expect(visit.dialog("API key successfully created")).to_be_visible()


def _restrict_wrongly(visit: Visit) -> None:
    dialog = visit.dialog("Edit IP address restrictions")
    dialog.get_by_label("Classic infrastructure").fill("17.5.7.8.0/16, 192.0.2.7, next door")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_label("Classic infrastructure")).to_have_attribute("aria-invalid", "true")


def _edit_from_details(visit: Visit) -> None:
    visit.choose("Priya Raman", "View details")
    visit.dialog("API key details").get_by_role("link", name="Edit").click()
    expect(visit.dialog("Edit IP address restrictions")).to_be_visible()


def _save_wrongly(visit: Visit) -> None:
    visit.page.get_by_label("Cloud platform").fill("17.5.7.8.0/16, here")
    visit.page.get_by_label("Classic infrastructure").fill("192.0.2.300")
    with visit.page.expect_navigation():
        visit.button("Save").click()


def _lock_out(visit: Visit) -> None:
    visit.page.get_by_label("Cloud platform").fill("192.0.2.0/24")
    with visit.page.expect_navigation():
        visit.button("Save").click()


def _vpn_dialog(visit: Visit) -> None:
    visit.link("Edit the VPN password").click()
    expect(visit.dialog("Edit VPN password")).to_be_visible()


def _vpn_wrongly(visit: Visit) -> None:
    dialog = visit.dialog("Edit VPN password")
    dialog.get_by_label("Password").fill("short")
    dialog.get_by_role("button", name="Update password").click()
    expect(dialog.get_by_label("Password")).to_have_attribute("aria-invalid", "true")


def _save_well(visit: Visit) -> None:
    with visit.page.expect_navigation():
        visit.button("Save").click()


def _switch_to_borealis(visit: Visit) -> None:
    visit.button("1234567 - Acme Robotics").click()
    visit.button("7654321 - Borealis Labs").click()
    visit.expect_page("Address not allowed")


def _post_without_token(visit: Visit) -> None:
    visit.context.clear_cookies(name="keytree_csrf")
    _fill(visit, Email="olivia@acme.example", Password="keytree-demo")
    visit.button("Log in").click()
    visit.expect_page("Page out of date")


def _reset_link(visit: Visit) -> None:
    visit.go(visit.server.run(_RESET_NOOR).strip())


def _ask_for_link(visit: Visit) -> None:
    _fill(visit, Email="nobody@acme.example")
    with visit.page.expect_navigation():
        visit.button("Send link").click()


def _second_stage(visit: Visit) -> None:
    _log_in("vpn-berlin@acme.example", "keytree-demo")(visit)
    visit.page.get_by_label("Code").fill("000000")
    with visit.page.expect_navigation():
        visit.button("Continue").click()
    visit.server.run(_LET_BERLIN_BE)


def _second_stage_by_passkey(visit: Visit) -> None:
    _log_in("vpn-berlin@acme.example", "keytree-demo")(visit)
    with visit.page.expect_navigation():
        visit.button("Use a passkey").click()
    visit.server.run(_LET_BERLIN_BE)


def _change_password_wrongly(visit: Visit) -> None:
    visit.link("Change password").click()
    dialog = visit.dialog("Change password")
    dialog.get_by_label("Current password").fill("not this one")
    dialog.get_by_label("New password").fill("short")
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog.locator("[aria-invalid=true]")).to_be_visible()


def _show_seed(visit: Visit) -> None:
    visit.link("Set up one-time passcodes").click()
    dialog = visit.dialog("Set up one-time passcodes")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_role("img", name="QR code of the secret")).to_be_visible()


def _without_factors(visit: Visit) -> None:
    """Take away on the server what the page shows: the states after it know nothing of it."""
    visit.server.run(_TAKE_NOORS_FACTORS)


def _begin_passkey(visit: Visit) -> None:
    visit.button("Add a passkey").click()
    expect(visit.dialog("Add a passkey")).to_be_visible()


def _switch_to_requiring(visit: Visit) -> None:
    """Go to an account that requires a second factor, which they lack; the states after it know nothing of it."""
    visit.button("1234567 - Acme Robotics").click()
    visit.button("7654321 - Borealis Labs").click()
    visit.expect_page("Login security")
    visit.server.run(_REQUIRE_A_FACTOR.format(False))


def _link(email: str, account: int = 1234567, *, is_expired: bool = False) -> Callable[[Visit], None]:
    """Open the link of an invitation to that address."""

    def act(visit: Visit) -> None:
        visit.go(visit.server.run(_INVITE.format(email=email, account=account, is_expired=is_expired)).strip())

    return act


def _invite(addresses: str) -> Callable[[Visit], None]:
    def act(visit: Visit) -> None:
        visit.page.get_by_label("Email addresses").fill(addresses)
        with visit.page.expect_navigation():
            visit.button("Invite").click()

    return act


def _import(text: str, *, confirm: bool = False) -> Callable[[Visit], None]:
    def act(visit: Visit) -> None:
        file = {"name": "users.csv", "mimeType": "text/csv", "buffer": text.encode()}
        visit.page.locator("#id_file").set_input_files(file)
        with visit.page.expect_navigation():
            visit.button("Check file").click()
        if confirm:
            with visit.page.expect_navigation():
                visit.button("Invite 1 user").click()

    return act


def _add_nobody(visit: Visit) -> None:
    _fill(visit, Name="", Email="nonsense", VPN_password="short")
    visit.page.locator("form.uni-form, #main form").first.evaluate("form => (form.noValidate = true)")
    with visit.page.expect_navigation():
        visit.button("Add").click()


def _switched(setting: str) -> Callable[[Visit], None]:
    """Press the switch of a setting of the account, which asks first."""

    def act(visit: Visit) -> None:
        visit.page.get_by_role("switch", name=setting).click()
        expect(visit.dialog(setting)).to_be_visible()

    return act


def _answer_wrongly(setting: str, field: str, text: str) -> Callable[[Visit], None]:
    """Fill in what the question about a setting asks for, so that it asks again."""

    def act(visit: Visit) -> None:
        _switched(setting)(visit)
        visit.dialog(setting).get_by_label(field).fill(text)
        visit.dialog(setting).get_by_role("button", name="Yes").click()
        expect(visit.dialog(setting).locator("[aria-invalid=true]")).to_be_visible()

    return act


def _end_session(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Actions for").first.click()
    visit.page.get_by_role("link", name="End session", exact=True).first.click()
    expect(visit.dialog("End session")).to_be_visible()


def _limit_sessions_wrongly(visit: Visit) -> None:
    dialog = visit.dialog("Login session")
    dialog.get_by_label("Active sessions: hours").fill("721")
    dialog.get_by_label("Sign out due to inactivity: minutes").fill("1")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator("[aria-invalid=true]")).to_have_count(2)


def _plain(template: str) -> Callable[[Visit], None]:
    """Show a page that only a failure would show, as the server renders it."""

    def act(visit: Visit) -> None:
        page = visit.server.run(_RENDER.format(template=template))
        address = f"{visit.server.url}/plain"
        visit.page.route(address, lambda route: route.fulfill(body=page, content_type="text/html; charset=utf-8"))
        visit.go("/plain")
        visit.page.unroute(address)

    return act


KEYS, USERS, ACTIVITY, SETTINGS = "/iam/apikeys", "/iam/users", "/iam/activity", "/iam/settings"
INACTIVE = "/iam/inactive"
SESSIONS, SECURITY = "/user/sessions", "/user/security"
KEY, USER = KEYS + "/classic/{{key[{}]}}", USERS + "/{{member[{}]}}"

STATES = (
    # Signed out.
    State("login", "nobody", "/login"),
    State("login with nothing filled in", "nobody", "/login", _log_in("", "")),
    State("login refused", "nobody", "/login", _log_in("olivia@acme.example", "wrong")),
    State("login throttled", "nobody", "/login", _log_in("guess@acme.example", "wrong", times=6)),
    State("page out of date", "nobody", "/login", _post_without_token),
    State("not found, signed out", "nobody", "/nowhere"),
    State("request not understood", "nobody", "/login", _plain("400.html")),
    State("something went wrong", "nobody", "/login", _plain("500.html")),
    State("busy", "nobody", "/login", _plain("503.html")),
    State("reset", "nobody", "/reset"),
    State("reset, asked", "nobody", "/reset", _ask_for_link),
    State("reset, another password", "nobody", "/reset", _reset_link),
    State("reset gone", "nobody", "/reset/nobodys"),
    State("second stage, wrong code", "nobody", "/login", _second_stage, before=_GIVE_BERLIN_FACTORS),
    State("second stage, passkey", "nobody", "/login", _second_stage_by_passkey, before=_GIVE_BERLIN_FACTORS),
    # API keys.
    State("keys", "marcus", KEYS),
    State("keys sorted by name", "marcus", f"{KEYS}?sort=-created_by"),
    State("keys, nothing matches", "marcus", f"{KEYS}?q=zzz"),
    State("keys, none", "noor", KEYS, before=_TAKE_NOORS_KEY),
    State("keys, menu", "marcus", KEYS, _menu("Priya Raman")),
    State("keys, details of another's", "marcus", KEYS, _chosen("Priya Raman", "View details", "API key details")),
    State("keys, details of one's own", "marcus", KEYS, _chosen("Marcus Lindqvist", "View details", "API key details")),
    State(
        "keys, value shown",
        "marcus",
        KEYS,
        _shown("Marcus Lindqvist", "API key details"),
        before=_RENEW_MARCUS_PROOF,
    ),
    State("keys, restriction", "marcus", KEYS, _edit_from_details),
    State("keys, deletion", "marcus", KEYS, _chosen("Priya Raman", "Delete", "Delete API key")),
    State("keys, deletion of one's own", "marcus", KEYS, _chosen("Marcus Lindqvist", "Delete", "Delete API key")),
    State("keys, created", "noor", KEYS, _create, before=_TAKE_NOORS_KEY),
    State("keys, proof", "olivia", KEYS, _shown("Olivia Reyes", "Confirm that it is you"), before=_AGE_OLIVIAS_PROOF),
    State("page of a key's details", "marcus", KEY.format("priya")),
    State("page of one's own key's details", "marcus", KEY.format("marcus")),
    State("page of a key that is refused", "sam", KEY.format("dmitri")),
    State("page of a key's deletion", "marcus", KEY.format("priya") + "/delete"),
    State("page of a key's restriction", "marcus", KEY.format("priya") + "/restriction"),
    State("page of a key's restriction, mistakes", "marcus", KEY.format("priya") + "/restriction", _restrict_wrongly),
    # Users.
    State("users", "marcus", USERS),
    State("users, menu", "marcus", USERS, _menu("Priya Raman")),
    State("users, nobody matches", "marcus", f"{USERS}?status=invalid"),
    State("hierarchy", "olivia", f"{USERS}?view=hierarchy"),
    State("hierarchy filtered", "olivia", f"{USERS}?view=hierarchy&q=a"),
    State("hierarchy folded", "olivia", f"{USERS}?view=hierarchy&folded={{member[marcus]}}"),
    State("picture of the hierarchy", "olivia", f"{USERS}?view=picture"),
    State("picture of a branch below", "olivia", f"{USERS}?view=picture&root={{member[priya]}}"),
    State("user: oneself", "marcus", USER.format("marcus")),
    State("user: oneself without a key", "noor", USER.format("noor"), before=_TAKE_NOORS_KEY),
    State("user: the owner on themselves", "olivia", USER.format("olivia")),
    State("user: a descendant", "marcus", USER.format("priya")),
    State("user: a descendant, key menu", "marcus", USER.format("priya"), _menu("Priya Raman")),
    State("user: a descendant, key's restriction", "marcus", USER.format("priya"), _edit_from_details),
    State("user: a VPN-only descendant", "marcus", USER.format("vpn-berlin")),
    State("user: a pending descendant", "marcus", USER.format("lena")),
    State("user: somebody unrelated", "sam", USER.format("priya")),
    State("user: an ancestor", "priya", USER.format("olivia")),
    State("user: restrictions saved", "marcus", USER.format("priya"), _save_well),
    State("user: restrictions, mistakes", "marcus", USER.format("priya"), _save_wrongly),
    State("user: restrictions that lock out", "olivia", USER.format("olivia"), _lock_out),
    State("user: who can manage", "marcus", USER.format("priya") + "?tab=manage"),
    State("user: VPN password", "marcus", USER.format("priya"), _vpn_dialog),
    State("page of the VPN password", "marcus", USER.format("priya") + "/vpn_password"),
    State("page of the VPN password, mistakes", "marcus", USER.format("priya") + "/vpn_password", _vpn_wrongly),
    State("user: actions", "marcus", USER.format("priya"), _opened("Actions")),
    State("user: access", "marcus", USER.format("priya") + "?tab=access"),
    State("user: another parent, choice", "olivia", USER.format("priya") + "/parent"),
    State("user: another parent, nobody fits", "olivia", USER.format("priya") + "/parent?q=zzz"),
    State("user: another parent, preview", "olivia", USER.format("priya") + "/parent?parent={{member[sam]}}"),
    State("user: keys in branch", "marcus", USER.format("marcus") + "/revoke_keys"),
    State("user: keys in branch, mistakes", "marcus", USER.format("marcus") + "/revoke_keys", _revoke_wrongly),
    State("user: keys in branch, none", "noor", USER.format("noor") + "/revoke_keys", before=_TAKE_NOORS_KEY),
    State("users, frozen branch", "marcus", USERS, _thawed, before=_FREEZE_PRIYA),
    State("user: a frozen branch", "marcus", USER.format("priya"), _thawed, before=_FREEZE_PRIYA),
    State("page of freezing", "marcus", USER.format("priya") + "/freeze"),
    State("page of freezing, mistakes", "marcus", USER.format("priya") + "/freeze", _freeze_wrongly),
    State("page of thawing", "marcus", USER.format("priya") + "/thaw"),
    State("page of a removal", "marcus", USER.format("priya") + "/remove"),
    State("page of leaving", "noor", USER.format("noor") + "/remove"),
    # Bringing users in.
    State("invite users", "marcus", f"{USERS}/invite_users"),
    State("invite users, mistakes", "marcus", f"{USERS}/invite_users", _invite(",")),
    State("invite users, result", "marcus", f"{USERS}/invite_users", _invite("a1@new.example, priya@acme.example, x")),
    State("import users", "marcus", f"{USERS}/import"),
    State("import users, no file", "marcus", f"{USERS}/import", _import("email")),
    State("import users, mistakes", "marcus", f"{USERS}/import", _import("email,parent\nx,\npriya@acme.example,")),
    State("import users, report", "marcus", f"{USERS}/import", _import("email\nb1@new.example")),
    State("import users, done", "marcus", f"{USERS}/import", _import("email\nb2@new.example", confirm=True)),
    State("add VPN-only user", "marcus", f"{USERS}/add_vpn_user"),
    State("add VPN-only user, mistakes", "marcus", f"{USERS}/add_vpn_user", _add_nobody),
    State("user: a pending descendant, actions", "marcus", USER.format("lena"), _opened("Actions")),
    State("page of resending", "marcus", USER.format("lena") + "/resend_invite"),
    State("page of cancelling", "marcus", USER.format("lena") + "/cancel_invite"),
    State("invitation", "nobody", "/login", _link("a2@new.example")),
    State("invitation of a user", "nobody", "/login", _link("dmitri@acme.example", 7654321)),
    State("invitation of oneself", "priya", KEYS, _link("priya@acme.example", 7654321)),
    State("invitation of somebody else", "priya", KEYS, _link("a3@new.example")),
    State("invitation expired", "nobody", "/login", _link("a4@new.example", is_expired=True)),
    State("invitation gone", "nobody", "/invitations/nobodys"),
    # Settings and sessions.
    State("settings", "olivia", SETTINGS),
    State("settings, everything restricted", "olivia", SETTINGS, before=_RESTRICT_EVERYTHING),
    State("settings, question", "olivia", SETTINGS, _switched("Restrict user list visibility")),
    State("settings, domains off", "olivia", SETTINGS, _switched("Restrict user domains"), before=_RESTRICT_EVERYTHING),
    State(
        "settings, addresses that lock out",
        "olivia",
        SETTINGS,
        _answer_wrongly("Restrict IP address access", "Allowed IP addresses", "192.0.2.0/24"),
        before=_ALLOW_EVERYTHING,
    ),
    State(
        "settings, domains, mistakes",
        "olivia",
        SETTINGS,
        _answer_wrongly("Restrict user domains", "Allowed domains", "a@b@c, x y"),
        before=_ALLOW_EVERYTHING,
    ),
    State("page of login session settings, mistakes", "olivia", f"{SETTINGS}/login_session", _limit_sessions_wrongly),
    State("login sessions", "marcus", SESSIONS),
    State("login sessions, ending one", "marcus", SESSIONS, _end_session),
    State("page of ending all sessions", "marcus", f"{SESSIONS}/end_all"),
    State("page of ending a user's sessions", "marcus", USER.format("priya") + "/end_sessions"),
    State("login security", "noor", SECURITY, _without_factors, before=_GIVE_NOOR_FACTORS),
    State("login security, changing the password", "noor", SECURITY, _change_password_wrongly),
    State("login security, secret", "noor", SECURITY, _show_seed, before=_PROVED.format("noor", "time.time()")),
    State("login security, passkey", "noor", SECURITY, _begin_passkey, before=_PROVED.format("noor", "time.time()")),
    State(
        "login security, required",
        "noor",
        KEYS,
        _switch_to_requiring,
        before=_REQUIRE_A_FACTOR.format(True),
    ),
    # What is not used.
    State("inactive users", "olivia", INACTIVE),
    State("inactive users, none", "marcus", f"{INACTIVE}?as_of=1000000000"),
    State("inactive keys", "marcus", f"{INACTIVE}?tab=keys"),
    State("inactive keys, none", "marcus", f"{INACTIVE}?tab=keys&as_of=1000000000"),
    State("keys, filtered by use in a branch", "olivia", f"{KEYS}?used=30days&branch={{member[marcus]}}"),
    # The rest.
    State("activity", "olivia", ACTIVITY),
    State("activity, nothing matches", "olivia", f"{ACTIVITY}?q=zzz"),
    State("manage menu", "olivia", KEYS, _opened("Manage"), widths=(1440,)),
    State("account menu", "noor", KEYS, _opened("1234567 - Acme Robotics")),
    State("theme menu", "olivia", KEYS, _opened("Theme")),
    State("profile menu", "olivia", KEYS, _opened("Profile")),
    State("navigation on a phone", "olivia", KEYS, _opened("Menu"), widths=(390, 320)),
    State("search on a phone", "olivia", KEYS, _opened("Open search"), widths=(390, 320)),
    State("not found", "olivia", f"{KEYS}/classic/999999"),
    State("not allowed", "sam", KEY.format("dmitri") + "/restriction"),
    State("suspended", "dmitri", KEYS),
    State("frozen", "priya", KEYS, _thawed, before=_FREEZE_PRIYA),
    State("address not allowed", "sam", KEYS, _switch_to_borealis),
    # Components in states that no page has yet.
    State("style guide", "nobody", "/styleguide", is_debug=True),
    State("style guide, details", "nobody", "/styleguide?dialog=details", is_debug=True),
    State("style guide, deletion", "nobody", "/styleguide?dialog=delete", is_debug=True),
    State("style guide, created", "nobody", "/styleguide?dialog=created", is_debug=True),
)
_ALSO_WITHOUT_SCRIPT = {
    "login",
    "login with nothing filled in",
    "keys",
    "keys, menu",
    "keys, details of one's own",
    "keys, value shown",
    "keys, deletion",
    "keys, created",
    "keys, proof",
    "users",
    "hierarchy",
    "user: a descendant",
    "user: restrictions, mistakes",
    "user: another parent, preview",
    "page of a removal",
    "settings, addresses that lock out",
    "login sessions",
    "activity",
}
ALL_STATES = (*STATES, *(state.without_script() for state in STATES if state.name in _ALSO_WITHOUT_SCRIPT))
