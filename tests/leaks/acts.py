"""What could leak: keys used in earnest, and faults that hold a value."""

import base64
from typing import Any

from django.test import Client, RequestFactory
from django.urls import reverse

from keys import usage
from keys.models import ClassicKey
from keys.views.verify import VerifyApplication


def call_with(username: str, value: str, **environ: str) -> tuple[str, list[tuple[str, str]]]:
    """Call ``/verify`` as a proxy does and return status line and headers."""
    credentials = base64.b64encode(f"{username}:{value}".encode()).decode()
    told: list[Any] = []
    request = RequestFactory().get("/verify", HTTP_AUTHORIZATION=f"Basic {credentials}", **environ)
    VerifyApplication(None)(request.environ, lambda status, headers: told.extend([status, headers]))
    return told[0], told[1]


def use_in_earnest(people: dict[str, Client], known: dict[int, str]) -> None:
    """Make what could leak: every creator sees and downloads their keys, and everybody calls, rightly and wrongly."""
    for key in ClassicKey.objects.select_related("holder", "creator__user"):
        client = people[key.creator.user.name.split()[0].lower()]
        for route in ("keys:classic-show", "keys:classic-download"):
            client.post(reverse(route, args=[key.pk]))
        call_with(key.holder.api_username, known[key.pk])
        call_with(key.holder.api_username, known[key.pk][:-1] + "x")
        call_with("nobody", known[key.pk])
    usage.flush()


def fails_holding(text: str):
    def fail(*_, **__):
        local_with_value = {"value": text}
        raise RuntimeError(str(len(local_with_value)))

    return fail
