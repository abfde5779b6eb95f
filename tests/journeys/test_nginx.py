"""The whole way of a call: client, real nginx as docs/verification.md sets it up, Keytree, and the API behind."""

import http.client
from contextlib import closing

import pytest

from tests.journeys.nginx import CONFIGURATION, Nginx, needs_nginx, running_nginx, send
from tests.keys.calls import basic, forgeries

PROXY, CLIENT, OFFICE = "127.0.0.1", "127.0.0.9", "127.0.0.5"
OLIVIA = "olivia@acme.example"


def test_documentation_shows_the_configuration_that_is_tested():
    document = CONFIGURATION.with_name("verification.md").read_text()
    assert f"```nginx\n{CONFIGURATION.read_text()}```\n" in document


@pytest.fixture
def keytree(start_live):
    """A Keytree that believes the nginx in front of it, and nobody else."""
    return start_live(KEYTREE_TRUSTED_PROXIES=PROXY)


@pytest.fixture
def nginx(keytree, tmp_path):
    """nginx, which asks that Keytree."""
    with running_nginx(tmp_path, keytree.port) as nginx:
        yield nginx


@pytest.fixture
def good(keytree) -> tuple[str, str]:
    """The header that lets Olivia's calls pass."""
    return "Authorization", basic(*keytree.credentials(OLIVIA))


def is_let_through(nginx: Nginx, *headers: tuple[str, str], source: str = CLIENT) -> bool:
    """Call the API; whether the call arrived there must be what the client was told."""
    before = len(nginx.api.received)
    answer = nginx.call("/orders", *headers, source=source)
    arrived = len(nginx.api.received) > before
    assert arrived is (answer.status == 200), answer
    if not arrived:
        assert answer.status in {400, 401}
    return arrived


CHANGE_KEY = """
from accounts.origin import COMMAND_LINE
from keys import lifecycle
from keys.models import ClassicKey
key = ClassicKey.objects.get(holder__user__email="olivia@acme.example")
"""
DELETE = CHANGE_KEY + "lifecycle.delete_classic_key(key=key, by=key.holder, origin=COMMAND_LINE)"
RESTRICT = CHANGE_KEY + (
    f'lifecycle.restrict_classic_key(key=key, addresses_text="{OFFICE}", by=key.holder, origin=COMMAND_LINE)'
)


@needs_nginx
def test_call_with_a_key_arrives_with_its_identity(nginx, good):
    answer = nginx.call("/orders?from=1", good, method="POST", body=b"x" * 100_000, source=CLIENT)
    assert (answer.status, answer.body) == (200, b"done\n")
    (call,) = nginx.api.received
    assert (call.method, call.path, call.body) == ("POST", "/orders?from=1", b"x" * 100_000)
    assert call.header("X-Keytree-Account") == ["1234567"]
    assert call.header("X-Keytree-Username") == ["1234567_olivia@acme.example"]
    assert call.header("X-Keytree-User") == [OLIVIA]
    assert call.header("X-Forwarded-For") == [CLIENT]
    assert call.header("X-Forwarded-Proto") == ["https"]
    assert call.header("Authorization") == []  # the value is not the API's business


@pytest.mark.sqlite_only
@needs_nginx
def test_call_is_let_through_however_much_else_it_says(nginx, keytree, good):
    many = [(f"X-Extra-{number}", "x") for number in range(90)]
    long = [("Cookie", "c" * 7_500), ("X-Long", "x" * 7_500), ("X-Longer", "x" * 7_500)]
    assert nginx.call("/orders?filter=" + "f" * 7_000, good, *many, source=CLIENT).status == 200
    assert nginx.call("/orders", good, *long, source=CLIENT).status == 200
    assert nginx.call("/orders", *many, source=CLIENT).status == 401
    # Proxies that send all of it along, and the call's address too.
    with closing(http.client.HTTPConnection("127.0.0.1", keytree.port, timeout=10)) as connection:
        assert send(connection, "/verify/envoy/" + "f" * 7_000, good, *many).status == 200


@pytest.mark.sqlite_only
@needs_nginx
def test_call_without_a_key_that_works_does_not_arrive(nginx, keytree, good):
    for header in ("", "Basic", basic("1234567_olivia@acme.example", "wrong"), basic("nobody", "x"), good[1] + "x"):
        answer = nginx.call("/orders", ("Authorization", header))
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="Keytree", charset="UTF-8"'
    for path in ("/verify", "/_keytree", "/_keytree/", "//_keytree", "/%5fkeytree", "/login", "/../verify", "/healthz"):
        assert nginx.call(path).status in {400, 401, 404}
    assert nginx.api.received == []


@pytest.mark.sqlite_only
@needs_nginx
def test_key_that_is_deleted_is_refused_from_the_next_call_on(nginx, keytree, good):
    assert is_let_through(nginx, good)
    keytree.run(DELETE)
    assert not is_let_through(nginx, good)


@pytest.mark.sqlite_only
@needs_nginx
def test_restricted_key_works_from_its_addresses_whatever_a_client_says(nginx, keytree, good):
    assert is_let_through(nginx, good)
    keytree.run(RESTRICT)
    assert is_let_through(nginx, good, source=OFFICE)
    assert not is_let_through(nginx, good)
    assert not is_let_through(nginx, good, source=PROXY)  # no more than an address like any other
    for forgery in forgeries(OFFICE, PROXY):
        assert not is_let_through(nginx, good, *forgery.items()), forgery
    for lines in ON_THE_WIRE:
        assert not is_let_through(nginx, good, *lines), lines

    keytree.stop()
    told = keytree.run(
        "from accounts.models import Event\n"
        'for event in Event.objects.filter(outcome="refused"): print(event.address, event.facts["why"])'
    )
    assert set(told.splitlines()) == {
        f"{CLIENT} the key's address restriction",
        f"{PROXY} the key's address restriction",
    }


# What only shows on the wire: lines repeated, names that servers may read as others.
ON_THE_WIRE = [
    [("X-Forwarded-For", OFFICE), ("X-Forwarded-For", OFFICE)],
    [("X-Forwarded-For", "203.0.113.1"), ("x-forwarded-for", OFFICE)],
    [("X_Forwarded_For", OFFICE)],
    [("X-Forwarded_For", OFFICE), ("HTTP_X_FORWARDED_FOR", OFFICE)],
    [("X-Forwarded-For ", OFFICE)],
    [("Remote_Addr", OFFICE), ("REMOTE-ADDR", OFFICE)],
    [("SCRIPT_NAME", "/verify"), ("Path-Info", "/healthz")],
    [("Connection", "close, X-Forwarded-For, Authorization"), ("X-Forwarded-For", OFFICE)],
    [("Content-Length", "0"), ("Transfer-Encoding", "chunked"), ("X-Forwarded-For", OFFICE)],
]


@pytest.mark.sqlite_only
@needs_nginx
def test_identity_that_a_client_makes_up_does_not_arrive(nginx, good):
    lies = [
        (name, "olivia") for name in ("X-Keytree-User", "x-keytree-username", "X-KEYTREE-ACCOUNT", "X_Keytree_User")
    ]
    addresses = [("X-Forwarded-For", OFFICE), ("X-Real-IP", OFFICE), ("Forwarded", f"for={OFFICE}")]
    assert not is_let_through(nginx, *lies)
    assert is_let_through(nginx, good, *lies, *addresses)
    (call,) = nginx.api.received
    assert "olivia" not in {value for _, value in call.headers}
    assert OFFICE not in str(call.headers)
    assert call.header("X-Forwarded-For") == [CLIENT]


@pytest.mark.sqlite_only
@needs_nginx
def test_keytree_down_lets_nobody_through(nginx, keytree, good):
    assert is_let_through(nginx, good)
    keytree.stop()
    assert nginx.call("/orders", good).status == 500
    assert nginx.call("/orders").status == 500
    keytree.start()
    assert is_let_through(nginx, good)
    assert len(nginx.api.received) == 2


@needs_nginx
def test_database_away_lets_nobody_through(nginx, keytree, good):
    with keytree.database_away():
        assert nginx.call("/orders", good).status == 500
    assert is_let_through(nginx, good)
    assert len(nginx.api.received) == 1


@pytest.mark.sqlite_only
@pytest.mark.parametrize("proxies", ["", PROXY])
def test_forgeries_sent_directly_do_not_help(start_live, proxies):
    keytree = start_live(KEYTREE_TRUSTED_PROXIES=proxies)
    good = "Authorization", basic(*keytree.credentials(OLIVIA))
    keytree.run(RESTRICT)

    def status(*headers: tuple[str, str], source: str = CLIENT) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", keytree.port, source_address=(source, 0), timeout=30)
        try:
            return send(connection, "/verify", *headers).status
        finally:
            connection.close()

    assert status(good, source=OFFICE) == 204
    for lines in [*([*forgery.items()] for forgery in forgeries(OFFICE, PROXY)), *ON_THE_WIRE]:
        assert status(good, *lines) in {400, 401}, lines
