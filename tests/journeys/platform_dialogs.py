"""The dialogs of IBM Cloud API keys as people bring them up, and the keys that they are about."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.journeys.acts import RENEW_MARCUS_PROOF, chosen
from tests.journeys.cast import State
from tests.journeys.platform_keys import FORGET
from tests.journeys.visit import Visit

CREATE, CREATED, EDIT = "Create IBM Cloud API key", "API key successfully created", "Edit IBM Cloud API key"
CREATE_BUTTON = "Create an IBM Cloud API key"
LOCKED, LEAKED, LONG = "Deployment", "Found in a repository", ("Nightly backup of all accounts. " * 4).strip()
#: Marcus has keys in each state that a dialog is another in, and nobody else has one; he has just proved who he is.
KEYS_OF_MARCUS = (
    FORGET
    + f"""
from datetime import timedelta
from django.utils import timezone
from accounts.models import Member
from accounts.origin import COMMAND_LINE
from keys.platform.lifecycle import Description, create_platform_key
now = timezone.now()
marcus = Member.objects.get(user__email="marcus@acme.example")
for name, text, changes in (
    ("Build server", "Builds the robots", dict(last_used_at=now - timedelta(minutes=3), last_used_from="203.0.113.7")),
    ({LOCKED!r}, "", dict(is_locked=True)),
    ({LEAKED!r}, "", dict(is_enabled=False, leaked_at=now)),
    ({LONG!r}, "y" * 500, dict(expires_at=now + timedelta(days=30))),
):
    key, _ = create_platform_key(description=Description(name, text), by=marcus, origin=COMMAND_LINE)
    PlatformKey.objects.filter(pk=key.pk).update(**changes)
"""
    + RENEW_MARCUS_PROOF
)
RENAME = """
from keys.models import PlatformKey
PlatformKey.objects.filter(name="Build server").update(name="Renamed by Olivia", leaked_action="delete")
"""


def create(visit: Visit) -> None:
    """Open the form of a new key."""
    visit.link(CREATE_BUTTON).click()
    expect(visit.dialog(CREATE)).to_be_visible()


def create_wrongly(visit: Visit) -> None:
    create(visit)
    dialog = visit.dialog(CREATE)
    dialog.get_by_label("Name").fill("https://robots.example")
    dialog.get_by_label("Description").fill("x" * 501)
    dialog.get_by_label("Expires").fill("2020-01-01")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.locator("[aria-invalid=true]")).to_have_count(3)


def created(visit: Visit) -> None:
    """Create a key, and see its answer."""
    create(visit)
    visit.dialog(CREATE).get_by_label("Name").fill("Staging")
    visit.dialog(CREATE).get_by_role("button", name="Create").click()
    expect(visit.dialog(CREATED)).to_be_visible()


def edit_meanwhile(visit: Visit) -> None:
    """Edit what somebody else has just edited."""
    visit.choose("Build server", "Edit")
    dialog = visit.dialog(EDIT)
    dialog.get_by_label("Name").fill("Renamed by me")
    dialog.get_by_label("Nothing").check()
    visit.server.run(RENAME)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator("[aria-invalid=true]").first).to_be_visible()


def opened_of(name: str, shown: str, action: str) -> Callable[[Visit], None]:
    """Open the page of a dialog of the key of this name: by way of a dialog that its menu has."""

    def act(visit: Visit) -> None:
        address = visit.open_menu(name).get_by_role("link", name=shown, exact=True).get_attribute("href")
        path, _, query = address.partition("?")
        visit.go(f"{path.rpartition('/')[0]}/{action}?{query}")

    return act


_MINE = {"who": "marcus", "path": "/iam/apikeys?view=my", "before": KEYS_OF_MARCUS}
_OF_ALL = {**_MINE, "who": "olivia", "path": "/iam/apikeys?view=all"}
STATES = (
    State("IBM Cloud key, creation", act=create, **_MINE),
    State("IBM Cloud key, creation, mistakes", act=create_wrongly, **_MINE),
    State("IBM Cloud key, created", act=created, **_MINE),
    State("page of the creation of an IBM Cloud key", **{**_MINE, "path": "/iam/users/{member[marcus]}/platform_key"}),
    State("IBM Cloud key, edit", act=chosen(LONG, "Edit", EDIT), **_MINE),
    State("IBM Cloud key, edit, changed meanwhile", act=edit_meanwhile, **_MINE),
    State("IBM Cloud key, lock", act=chosen("Build server", "Lock", "Lock API key"), **_MINE),
    State("IBM Cloud key, unlock", act=chosen(LOCKED, "Unlock", "Unlock API key"), **_MINE),
    State("IBM Cloud key, deletion", act=chosen(LONG, "Delete", "Delete API key"), **_MINE),
    State("page of disabling an IBM Cloud key", act=opened_of("Build server", "Edit", "disable"), **_MINE),
    State("page of enabling a leaked IBM Cloud key", act=opened_of(LEAKED, "Edit", "enable"), **_MINE),
    State("page of deleting a locked IBM Cloud key", act=opened_of(LOCKED, "Unlock", "delete"), **_MINE),
    State("page of deleting somebody's IBM Cloud key", act=opened_of("Build server", "Edit", "delete"), **_OF_ALL),
    State("page of editing somebody's IBM Cloud key", act=opened_of("Build server", "Edit", "edit"), **_OF_ALL),
)
