"""What every test may ask for: the cast of the demo accounts, clients signed in as them, a page client."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.signals import setting_changed
from django.db import connection, transaction
from django.db.models import Model
from django.template import Template
from django.test import Client
from django.test.client import ClientHandler
from django.test.utils import _TestState, override_settings

from accounts import text_index
from accounts.models import Account, AuditChain, Event, Member, User
from accounts.origin import Origin
from console import demo
from keys.models import ClassicKey

ACME, BOREALIS = 1234567, 7654321


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """The static files collected as `make run` does it: pages name them by their hashed names."""
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture(scope="session", autouse=True)
def light_clients(django_test_environment: None) -> Iterator[None]:
    """Clients that share their middleware, and templates that keep no copies of what they were rendered with.

    Each client would look through all static files anew, which takes as long as a page, and each part of a page would
    have its context copied for tests that look at it: here none does. Another setting means new middleware, which may
    have read it.
    """
    made: dict[str, Any] = {}
    load = ClientHandler.load_middleware

    def load_once(handler: ClientHandler) -> None:
        known = dict(made)
        if not known:
            load(handler)
            known = {name: value for name, value in vars(handler).items() if name != "enforce_csrf_checks"}
            made.update(known)
        vars(handler).update(known)

    def forget(**_: object) -> None:
        made.clear()

    setting_changed.connect(forget)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientHandler, "load_middleware", load_once)
        patch.setattr(Template, "_render", _TestState.saved_data.template_render)
        yield
    setting_changed.disconnect(forget)


@pytest.fixture(scope="session", autouse=True)
def rows_deleted_one_by_one() -> Iterator[None]:
    """Tables emptied row by row after tests with transactions: of few rows, that is a tenth of the work of TRUNCATE."""
    with pytest.MonkeyPatch.context() as patch:
        if connection.vendor == "postgresql":
            patch.setattr(connection.ops, "sql_flush", _deletions)
        yield


def _deletions(style: Any, tables: Iterable[str], **_: object) -> list[str]:
    return [f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables]


@pytest.fixture(scope="session", autouse=True)
def quick_hashes(django_test_environment: None) -> Iterator[None]:
    """Passwords hashed quickly: people are made and sign in for most tests, and their hashes are not what is tried."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture
def origin() -> Origin:
    """Where the tests' changes come from."""
    return Origin(address="127.0.0.1", request_id="test")


class _Demo:
    """The demo accounts as the product makes them, written again as they were then: that is many times quicker.

    From rows the second time, and from then on by the statements which that took.
    """

    _MODELS = (Account, User, Member, ClassicKey, Event, AuditChain)

    def __init__(self) -> None:
        self._rows: dict[type[Model], list[dict[str, object]]] = {}
        self._statements: list[tuple[str, Any]] = []

    def write(self) -> None:
        with transaction.atomic(savepoint=False):
            if self._statements:
                with connection.cursor() as cursor:
                    for statement in self._statements:
                        cursor.execute(*statement)
            elif self._rows:
                with connection.execute_wrapper(self._keep):
                    for model, rows in self._rows.items():
                        model.objects.bulk_create(model(**row) for row in rows)
                    text_index.catch_up()
            else:
                demo.load(platform_keys=False)  # tests make those that they are about
                for model in self._MODELS:
                    names = [field.attname for field in model._meta.concrete_fields if not field.generated]
                    self._rows[model] = list(model.objects.order_by("pk").values(*names))

    def _keep(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self._statements.append((sql, params))
        return execute(sql, params, many, context)


@pytest.fixture(scope="session")
def demos() -> dict[object, _Demo]:
    """The demo accounts by the key ring they are sealed with."""
    return defaultdict(_Demo)


@pytest.fixture
def load_cast(demos: dict[object, _Demo], settings) -> Callable[[], dict[str, Member]]:
    """A function that writes the demo accounts into an empty database and returns ``cast``."""

    def load_cast() -> dict[str, Member]:
        demos[settings.KEYTREE_KEY_RING, settings.KEYTREE_KEY_RING_FILE].write()
        members = Member.objects.filter(account_id=ACME).select_related("user", "account")
        return {member.user.name.split()[0].lower(): member for member in members}

    return load_cast


@pytest.fixture
def cast(db: None, load_cast: Callable[[], dict[str, Member]]) -> dict[str, Member]:
    """The members of Acme Robotics by first name, in lower case; see ``console.demo`` for who is below whom."""
    return load_cast()


@pytest.fixture
def sign_in(cast: dict[str, Member]):
    """A function that returns a client signed in as the named member, through the login page."""

    def sign_in(name: str) -> Client:
        client = Client()
        answer = client.post("/login", {"username": f"{name}@acme.example", "password": demo.PASSWORD})
        assert answer.status_code == 302, answer.content.decode()
        return client

    return sign_in
