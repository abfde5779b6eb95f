"""What people do with a second factor: set up an app, give password and code."""

import re
from datetime import timedelta
from html import unescape

import pyotp
from django.test import Client

from accounts.models import Event
from console import demo


def text_of(answer) -> str:
    return unescape(answer.content.decode())


def shown(answer) -> str:
    """The one secret that an answer shows."""
    (value,) = re.findall(r"data-value-text>([^<]+)<", answer.content.decode())
    return value


def is_open(client: Client) -> bool:
    return client.get("/iam/apikeys").status_code == 200


class App:
    """An authenticator app."""

    def __init__(self, seed: str, clock) -> None:
        self._totp, self._clock = pyotp.TOTP(seed.replace(" ", "")), clock

    def code(self, **ahead: float) -> str:
        return self._totp.at(self._clock() + timedelta(**ahead))


def set_up(client: Client, clock) -> tuple[App, list[str]]:
    """Turn one-time passcodes on for the client's user; the app, and the recovery codes."""
    app = App(shown(client.post("/user/security/passcode")), clock)
    answer = client.post("/user/security/passcode", {"code": app.code()})
    clock(seconds=30)  # that code is used up
    return app, shown(answer).split("\n")


def give_password(name: str = "noor") -> Client:
    client = Client()
    answer = client.post("/login?next=/iam/users", {"username": f"{name}@acme.example", "password": demo.PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/login/code?next=%2Fiam%2Fusers")
    return client


def give_code(client: Client, code: str) -> bool:
    """Whether the code logs the client in."""
    return client.post("/login/code?next=/iam/users", {"code": code}).status_code == 302 and is_open(client)


def actions(action: str) -> int:
    return Event.objects.filter(action=action).count()
