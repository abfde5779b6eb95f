"""What people do on a page to bring it into a state, and what is done on the server before."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.journeys.visit import Visit

# When somebody proved who they are: what shows a value asks for it again after five minutes, which a slow run takes.
PROVED = """
import time
from accounts.models import Session
from accounts.sessions import SessionStore
for row in Session.objects.filter(user__email="{}@acme.example"):
    row.session_data = SessionStore().encode({{**row.get_decoded(), "proved_at": {}}})
    row.save()
"""
AGE_OLIVIAS_PROOF = PROVED.format("olivia", 0)
RENEW_MARCUS_PROOF = PROVED.format("marcus", "time.time()")
_BEGAN = PROVED.replace("proved_at", "started_at")
AGE_PRIYAS_SESSION = _BEGAN.format("priya", "time.time() - 12 * 3600 + 110")
RENEW_PRIYAS_SESSION = _BEGAN.format("priya", "time.time()")
TAKE_NOORS_KEY = """
from keys.models import ClassicKey
ClassicKey.objects.filter(holder__user__email="noor@acme.example").delete()
""" + PROVED.format("noor", "time.time()")
ALLOW_EVERYTHING = """
from accounts.models import Account
Account.objects.update(
    allowed_addresses="", user_domains="", restrict_user_domains=False, restrict_key_creation=False
)
"""
RESTRICT_EVERYTHING = """
from accounts.models import Account
patterns = "**\\n*.acme.example\\n" + "long" * 20 + ".example"
Account.objects.update(
    allowed_addresses="127.0.0.0/8, ::1", user_domains=patterns, restrict_user_domains=True, restrict_key_creation=True
)
"""
FREEZE_PRIYA = """
from accounts.memberships import freeze_branch
from accounts.models import Member
from accounts.origin import COMMAND_LINE
member = Member.objects.get(user__email="priya@acme.example", account_id=1234567)
freeze_branch(member=member, reason="Until we know who has the laptop", by=member.parent, origin=COMMAND_LINE)
"""
THAW_PRIYA = """
from accounts.models import BranchFreeze
BranchFreeze.objects.all().delete()
"""
RENDER = """
from django.template.loader import render_to_string
print(render_to_string({template!r}))
"""


#: Berlin's office signs in for once, with a second factor and no more; the link of a reset of Noor's password.
GIVE_FACTORS = """
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
GIVE_BERLIN_FACTORS, GIVE_NOOR_FACTORS = (GIVE_FACTORS.format(name) for name in ("vpn-berlin", "noor"))
TAKE_NOORS_FACTORS = """
from accounts.models import Passcode, Passkey
for model in (Passcode, Passkey):
    model.objects.filter(user__email="noor@acme.example").delete()
"""
LET_BERLIN_BE = """
from accounts.models import Member
Member.objects.filter(user__email="vpn-berlin@acme.example").update(status="vpn_only")
"""
RESET_NOOR = """
from accounts import resets, tokens
from accounts.origin import COMMAND_LINE
reset = resets.make("noor@acme.example", COMMAND_LINE)
resets.bind(reset)
print("/reset/" + tokens.reset_token_of(reset))
"""
REQUIRE_A_FACTOR = """
from accounts.models import Account
Account.objects.filter(pk=7654321).update(require_second_factor={})
"""
#: An invitation to Acme from Marcus, of somebody who is new or has a user elsewhere; its path.
INVITE = """
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


def fill(visit: Visit, **fields: str) -> None:
    for label, text in fields.items():
        visit.page.get_by_label(re.compile(f"^{label.replace('_', ' ')}")).fill(text)


def log_in(email: str, password: str, times: int = 1) -> Callable[[Visit], None]:
    def act(visit: Visit) -> None:
        for _ in range(times):
            fill(visit, Email=email, Password=password)
            with visit.page.expect_navigation():
                visit.button("Log in").click()

    return act


def menu(name: str) -> Callable[[Visit], object]:
    return lambda visit: visit.open_menu(name)


def opened(button: str) -> Callable[[Visit], None]:
    return lambda visit: visit.button(button).click()


def unfold(visit: Visit) -> None:
    """Open the first of what is folded in a table."""
    visit.page.locator("summary", has_text="rights").first.click()


def chosen(name: str, entry: str, title: str) -> Callable[[Visit], None]:
    def act(visit: Visit) -> None:
        visit.choose(name, entry)
        expect(visit.dialog(title)).to_be_visible()

    return act


def thawed(visit: Visit) -> None:
    """Undo on the server what the page shows: the states after it know nothing of it."""
    visit.server.run(THAW_PRIYA)


def asked_to_stay(visit: Visit) -> None:
    """As if it had not been used for long: the page asks the server, which tells it what it would then."""
    visit.page.evaluate(
        """async () => {
          const page = new DOMParser().parseFromString(await (await fetch("/user/session_end")).text(), "text/html");
          const dialog = page.querySelector("dialog");
          dialog.removeAttribute("open");
          document.body.append(dialog);
          dialog.showModal();
        }"""
    )
    expect(visit.page.get_by_role("alertdialog", name="Stay logged in?")).to_be_visible()


def make_vpn_only(visit: Visit) -> None:
    visit.page.get_by_role("combobox", name="User status").select_option("VPN-only")
    visit.button("Apply").click()
    expect(visit.dialog("Change user status")).to_be_visible()


def renewed(visit: Visit) -> None:
    """Undo on the server what the page shows, as ``thawed`` does."""
    visit.server.run(RENEW_PRIYAS_SESSION)


def revoke_wrongly(visit: Visit) -> None:
    visit.page.get_by_label("Revoke the key of Priya Raman").uncheck()
    fill(visit, Reason="The laptop was stolen")
    with visit.page.expect_navigation():
        visit.button("Revoke keys").click()


def freeze_wrongly(visit: Visit) -> None:
    visit.button("Freeze").click()
    expect(visit.page.get_by_text("This field is required.")).to_be_visible()


def shown(name: str, title: str) -> Callable[[Visit], None]:
    def act(visit: Visit) -> None:
        visit.choose(name, "View details")
        visit.dialog("API key details").get_by_role("button", name="Show").click()
        shown = visit.dialog(title)
        expect(shown.locator("[data-value-text]") if "details" in title else shown).to_be_visible()

    return act


def create(visit: Visit) -> None:
    visit.button("Create a classic infrastructure key").click()
    expect(visit.dialog("API key successfully created")).to_be_visible()


def restrict_wrongly(visit: Visit) -> None:
    dialog = visit.dialog("Edit IP address restrictions")
    dialog.get_by_label("Classic infrastructure").fill("17.5.7.8.0/16, 192.0.2.7, next door")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_label("Classic infrastructure")).to_have_attribute("aria-invalid", "true")


def edit_from_details(visit: Visit) -> None:
    visit.choose("Priya Raman", "View details")
    visit.dialog("API key details").get_by_role("link", name="Edit").click()
    expect(visit.dialog("Edit IP address restrictions")).to_be_visible()


def save_wrongly(visit: Visit) -> None:
    visit.page.get_by_label("Cloud platform").fill("17.5.7.8.0/16, here")
    visit.page.get_by_label("Classic infrastructure").fill("192.0.2.300")
    with visit.page.expect_navigation():
        visit.button("Save").click()


def lock_out(visit: Visit) -> None:
    visit.page.get_by_label("Cloud platform").fill("192.0.2.0/24")
    with visit.page.expect_navigation():
        visit.button("Save").click()


def vpn_dialog(visit: Visit) -> None:
    visit.link("Edit the VPN password").click()
    expect(visit.dialog("Edit VPN password")).to_be_visible()


def vpn_wrongly(visit: Visit) -> None:
    dialog = visit.dialog("Edit VPN password")
    dialog.get_by_label("Password").fill("short")
    dialog.get_by_role("button", name="Update password").click()
    expect(dialog.get_by_label("Password")).to_have_attribute("aria-invalid", "true")


def save_well(visit: Visit) -> None:
    with visit.page.expect_navigation():
        visit.button("Save").click()


def switch_to_borealis(visit: Visit) -> None:
    visit.button("1234567 - Acme Robotics").click()
    visit.button("7654321 - Borealis Labs").click()
    visit.expect_page("Address not allowed")


def post_without_token(visit: Visit) -> None:
    visit.context.clear_cookies(name="keytree_csrf")
    fill(visit, Email="olivia@acme.example", Password="keytree-demo")
    visit.button("Log in").click()
    visit.expect_page("Page out of date")


def reset_link(visit: Visit) -> None:
    visit.go(visit.server.run(RESET_NOOR).strip())


def ask_for_link(visit: Visit) -> None:
    fill(visit, Email="nobody@acme.example")
    with visit.page.expect_navigation():
        visit.button("Send link").click()


def second_stage(visit: Visit) -> None:
    log_in("vpn-berlin@acme.example", "keytree-demo")(visit)
    visit.page.get_by_label("Code").fill("000000")
    with visit.page.expect_navigation():
        visit.button("Continue").click()
    visit.server.run(LET_BERLIN_BE)


def second_stage_by_passkey(visit: Visit) -> None:
    log_in("vpn-berlin@acme.example", "keytree-demo")(visit)
    with visit.page.expect_navigation():
        visit.button("Use a passkey").click()
    visit.server.run(LET_BERLIN_BE)


def change_password_wrongly(visit: Visit) -> None:
    visit.link("Change password").click()
    dialog = visit.dialog("Change password")
    dialog.get_by_label("Current password").fill("not this one")
    dialog.get_by_label("New password").fill("short")
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog.locator("[aria-invalid=true]")).to_be_visible()


def show_seed(visit: Visit) -> None:
    visit.link("Set up one-time passcodes").click()
    dialog = visit.dialog("Set up one-time passcodes")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_role("img", name="QR code of the secret")).to_be_visible()


def without_factors(visit: Visit) -> None:
    """Take away on the server what the page shows: the states after it know nothing of it."""
    visit.server.run(TAKE_NOORS_FACTORS)


def begin_passkey(visit: Visit) -> None:
    visit.button("Add a passkey").click()
    expect(visit.dialog("Add a passkey")).to_be_visible()


def switch_to_requiring(visit: Visit) -> None:
    """Go to an account that requires a second factor, which they lack; the states after it know nothing of it."""
    visit.button("1234567 - Acme Robotics").click()
    visit.button("7654321 - Borealis Labs").click()
    visit.expect_page("Login security")
    visit.server.run(REQUIRE_A_FACTOR.format(False))


def link(email: str, account: int = 1234567, *, is_expired: bool = False) -> Callable[[Visit], None]:
    """Open the link of an invitation to that address."""

    def act(visit: Visit) -> None:
        visit.go(visit.server.run(INVITE.format(email=email, account=account, is_expired=is_expired)).strip())

    return act


def invite(addresses: str) -> Callable[[Visit], None]:
    def act(visit: Visit) -> None:
        visit.page.get_by_label("Email addresses").fill(addresses)
        with visit.page.expect_navigation():
            visit.button("Invite").click()

    return act


FORGET_IMPORTS = """
from accounts.models import ImportJob
ImportJob.objects.all().delete()
"""
_IMPORT = (
    FORGET_IMPORTS
    + """
import json, uuid, zlib
from datetime import timedelta
from django.utils import timezone
from accounts.models import Member
rows = [[line, f"b{line}@new.example", "", ""] for line in range(2, 202)]
ImportJob.objects.create(
    member=Member.objects.get(user__email="marcus@acme.example"), created_at=timezone.now(), content=b"",
    file_name="Everybody who works in the north.csv", entries=100_000, report=zlib.compress(json.dumps(rows).encode()),
    STATE,
)
"""
)
_AT_WORK = "round=uuid.uuid4(), seen_at=timezone.now() + timedelta(days=1), people=100_000, done=34_000"
IMPORT_BEING_CHECKED = _IMPORT.replace("STATE", f"state='checking', {_AT_WORK}")
IMPORT_BEING_CARRIED_OUT = _IMPORT.replace("STATE", f"state='inviting', {_AT_WORK}")
IMPORT_INTERRUPTED = _IMPORT.replace("STATE", "state='inviting', people=100_000")
IMPORT_OF_TOO_MANY = _IMPORT.replace("STATE", "state='checked', people=100_001")


def import_file(text: str, *, confirm: bool = False) -> Callable[[Visit], None]:
    def act(visit: Visit) -> None:
        file = {"name": "users.csv", "mimeType": "text/csv", "buffer": text.encode()}
        visit.page.locator("#id_file").set_input_files(file)
        with visit.page.expect_navigation():
            visit.button("Check file").click()
        if confirm:
            with visit.page.expect_navigation():
                visit.button("Invite 1 user").click()

    return act


def add_nobody(visit: Visit) -> None:
    fill(visit, Name="", Email="nonsense", VPN_password="short")
    visit.page.locator("form.uni-form, #main form").first.evaluate("form => (form.noValidate = true)")
    with visit.page.expect_navigation():
        visit.button("Add").click()


def switched(setting: str) -> Callable[[Visit], None]:
    """Press the switch of a setting of the account, which asks first."""

    def act(visit: Visit) -> None:
        visit.page.get_by_role("switch", name=setting).click()
        expect(visit.dialog(setting)).to_be_visible()

    return act


def grant_to_oneself(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Give yourself the permission").click()
    expect(visit.dialog("User API key creator")).to_be_visible()


def answer_wrongly(setting: str, field: str, text: str) -> Callable[[Visit], None]:
    """Fill in what the question about a setting asks for, so that it asks again."""

    def act(visit: Visit) -> None:
        switched(setting)(visit)
        visit.dialog(setting).get_by_label(field).fill(text)
        visit.dialog(setting).get_by_role("button", name="Yes").click()
        expect(visit.dialog(setting).locator("[aria-invalid=true]")).to_be_visible()

    return act


def add_domain_wrongly(visit: Visit) -> None:
    """Add what is no pattern to the list on the page."""
    visit.page.get_by_label("Domain", exact=True).fill("a@b@c, x y")
    visit.page.get_by_role("button", name="Add", exact=True).click()
    expect(visit.page.locator("[aria-invalid=true]")).to_be_visible()


def end_session(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Actions for").first.click()
    visit.page.get_by_role("link", name="End session", exact=True).first.click()
    expect(visit.dialog("End session")).to_be_visible()


def limit_sessions_wrongly(visit: Visit) -> None:
    dialog = visit.dialog("Login session")
    dialog.get_by_label("Active sessions: hours").fill("721")
    dialog.get_by_role("group", name="Sign out due to inactivity").get_by_label("Minutes").fill("1")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator("[aria-invalid=true]")).to_have_count(3)


def plain(template: str) -> Callable[[Visit], None]:
    """Show a page that only a failure would show, as the server renders it."""

    def act(visit: Visit) -> None:
        page = visit.server.run(RENDER.format(template=template))
        address = f"{visit.server.url}/plain"
        visit.page.route(address, lambda route: route.fulfill(body=page, content_type="text/html; charset=utf-8"))
        visit.go("/plain")
        visit.page.unroute(address)

    return act
