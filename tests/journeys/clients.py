"""The clients that exist for SoftLayer's API, as they come from the package index, pointed at a server of ours."""

import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import SoftLayer

from tests import nursery
from tests.journeys.live import LiveServer

#: What the clients choose their transport by.
ADDRESSES = {"rest": "/rest/v3.1/", "xmlrpc": "/xmlrpc/v3.1/"}
#: What a value of a key looks like.
A_VALUE = re.compile(r"[0-9a-f]{64}")
#: What slcli prints when its key is refused, whatever the reason.
DENIED = "Authentication Failed: To update your credentials, use 'slcli config setup'"
_SLCLI = Path(sys.executable).with_name("slcli")


class Login(NamedTuple):
    """Whom a client calls as."""

    name: str
    value: str


@dataclass(frozen=True)
class Cast:
    """The people of Acme Robotics at one server: whom to call as, and the numbers of users and keys by name."""

    logins: dict[str, Login]
    users: dict[str, int]
    keys: dict[str, int]


_LOOK_UP = """
import json
from accounts.models import Member
from keys import material
from keys.models import ClassicKey
members = Member.objects.filter(account_id=1234567).select_related("user")
names = {member.pk: member.user.name.partition(" ")[0].lower() for member in members}
keys = ClassicKey.objects.filter(holder__in=members).select_related("holder")
print(json.dumps({
    "users": {names[member.pk]: member.pk for member in members},
    "keys": {names[key.holder_id]: key.pk for key in keys},
    "logins": {names[key.holder_id]: [key.holder.api_username, material.take(key).text] for key in keys},
}))
"""


def cast_of(server: LiveServer) -> Cast:
    """Return the people of a server's demo."""
    found = json.loads(server.run(_LOOK_UP))
    logins = {name: Login(*login) for name, login in found["logins"].items()}
    return Cast(logins, found["users"], found["keys"])


def rename(server: LiveServer, email: str, name: str) -> None:
    """Give a user another name, as accepting an invitation does: with the copy that lists are sorted and found by."""
    server.run(
        "from accounts.models import Member, User\nfrom accounts.names import sort_name\n"
        f"User.objects.filter(email={email!r}).update(name={name!r})\n"
        f"Member.objects.filter(user__email={email!r}).update(sort_name=sort_name({name!r}))"
    )


def library(url: str, transport: str, login: Login, *, verify: str | bool = True) -> SoftLayer.API.BaseClient:
    """Return the Python library's client, as scripts make it; ``verify`` is the file of a certificate to trust."""
    client = SoftLayer.Client(
        username=login.name,
        api_key=login.value,
        endpoint_url=url + ADDRESSES[transport],
        timeout=30,
        verify=verify,
    )
    client.transport.client.trust_env = False  # proxies and certificates that this machine names
    return client


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    text: str

    @property
    def whole(self) -> tuple[int, list[str]]:
        """The exit status with all lines."""
        return self.status, self.lines

    @property
    def lines(self) -> list[str]:
        """The lines without space around them."""
        return [line.strip() for line in self.text.strip().splitlines()]

    @property
    def values(self) -> list[Any]:
        """What was printed as JSON, one value after the other."""
        assert self.status == 0, self.text
        found, text, decoder = [], self.text.strip(), json.JSONDecoder()
        while text:
            value, end = decoder.raw_decode(text)
            found.append(value)
            text = text[end:].strip()
        return found

    @property
    def value(self) -> Any:
        """The one value that was printed as JSON."""
        (value,) = self.values
        return value


class Slcli:
    """The command ``slcli`` with a configuration of its own; a process each time.

    All is as if it had been started for it, but the width of its help: that is settled while it is imported.
    """

    def __init__(self, folder: Path, url: str, login: Login | None = None) -> None:
        self.home, self.config, self.url = folder, folder / "softlayer", url
        if login:
            self.config.write_text(
                f"[softlayer]\nusername = {login.name}\napi_key = {login.value}\nendpoint_url = {url}\ntimeout = 30\n"
            )

    def __call__(self, *arguments: object, form: str = "json", typed: Iterable[str] = ()) -> Said:
        """Run a command, and return what it printed; nothing may have gone to standard error."""
        command = [str(_SLCLI), "--config", str(self.config), "--format", form, *map(str, arguments)]
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
        done = nursery.run(
            nursery.script,
            *command,
            env={**kept, "HOME": str(self.home), "COLUMNS": "300"},
            typed="".join(f"{line}\n" for line in typed),
        )
        assert "Traceback" not in done.stdout + done.stderr, done
        assert not done.stderr or typed, done.stderr  # a prompt for something hidden says that it cannot hide it
        return Said(done.returncode, done.stdout)


def failure(transport: str, status: int, code: str, text: str) -> tuple[int, list[str]]:
    """Return exit status and lines of a command that an error ended: over REST the client keeps but the HTTP status."""
    return 1, [f"SoftLayerAPIError({status if transport == 'rest' else code}): {text}"]
