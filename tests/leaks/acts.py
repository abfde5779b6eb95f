"""What could leak: keys used in earnest, and faults that hold a value."""

import base64
from typing import Any

from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.names import PLATFORM_USERNAME
from console.middleware import ALWAYS
from keys import usage
from keys.api.application import ApiApplication
from keys.models import ClassicKey
from keys.views.verify import VerifyApplication
from tests.keys.api.calling import Reply, document, headed, send
from tests.keys.calls import basic, django


def call_with(username: str, value: str, **environ: str) -> tuple[str, list[tuple[str, str]]]:
    """Call ``/verify`` as a proxy does and return status line and headers."""
    credentials = base64.b64encode(f"{username}:{value}".encode()).decode()
    told: list[Any] = []
    request = RequestFactory().get("/verify", HTTP_AUTHORIZATION=f"Basic {credentials}", **environ)
    VerifyApplication(None)(request.environ, lambda status, headers: told.extend([status, headers]))
    return told[0], told[1]


def call_interface(username: str, value: str) -> list[Reply]:
    """Call as SoftLayer clients do, the value once in each place where it may be and once where it must not."""
    application, header = ApiApplication(django, headers=ALWAYS), {"Authorization": basic(username, value)}
    rest, xmlrpc = "/rest/v3.1/SoftLayer_Account/getCurrentUser", "/xmlrpc/v3.1/SoftLayer_Account"
    return [
        send(application, "GET", rest, headers=header),
        send(application, "GET", f"{rest}?username={username}&apiKey={value}"),
        send(application, "POST", xmlrpc, document("getCurrentUser", headed(username, value))),
        send(application, "POST", xmlrpc, document("getCurrentUser", {"headers": {}}), headers=header),
    ]


def use_in_earnest(
    people: dict[str, Client], known: dict[int, str], known_platform: dict[int, str] | None = None
) -> None:
    """Make what could leak: every creator sees and downloads their keys, and everybody calls, rightly and wrongly."""
    for key in ClassicKey.objects.select_related("holder", "creator__user"):
        client = people[key.creator.user.name.split()[0].lower()]
        for route in ("keys:classic-show", "keys:classic-download"):
            client.post(reverse(route, args=[key.pk]))
        for call in (call_with, call_interface):
            call(key.holder.api_username, known[key.pk])
            call(key.holder.api_username, known[key.pk][:-1] + "x")
            call("nobody", known[key.pk])
    for value in (known_platform or {}).values():
        for call in (call_with, call_interface):
            call(PLATFORM_USERNAME, value)
            call(PLATFORM_USERNAME, value[:-1] + "-")
            call("nobody", value)
    usage.flush()


def fails_holding(text: str):
    def fail(*_, **__):
        local_with_value = {"value": text}
        raise RuntimeError(str(len(local_with_value)))

    return fail
