"""A leaked key is reported to a real server, as a secret scanner would: the next call with it is refused."""

import http.client

from tests.journeys.live import LiveServer
from tests.keys.calls import basic

MAKE = """
from accounts.models import Member
from tests.trees import make_platform_key
print(make_platform_key(Member.objects.get(user__email="priya@acme.example")).value)
"""


def ask(server: LiveServer, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_reported_key_is_refused_from_the_next_call_on(live: LiveServer):
    value = live.run(MAKE).strip()
    call = {"Authorization": basic("apikey", value)}
    assert ask(live, "GET", "/verify", **call)[0] == 204
    before = ask(live, "POST", "/leaked", b"nothing of the kind " * 50_000)
    status, text = ask(live, "POST", "/leaked", f"token: {value}\n".encode().rjust(2**20))
    assert (before[0], status) == (202, 202)
    assert text.startswith(b"Received, with 1 of the form of a key.")
    assert value.encode() not in text
    assert ask(live, "GET", "/verify", **call)[0] == 401
    assert ask(live, "POST", "/leaked", value.encode().rjust(2**20 + 1))[0] == 413
    assert ask(live, "GET", "/leaked")[0] == 405
