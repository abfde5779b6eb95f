"""What every test may ask for: the cast of the demo accounts, clients signed in as them, a page client."""

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import Member
from accounts.origin import Origin
from console import demo

ACME, BOREALIS = 1234567, 7654321


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """The static files collected as `make run` does it: pages name them by their hashed names."""
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture
def origin() -> Origin:
    """Where the tests' changes come from."""
    return Origin(address="127.0.0.1", request_id="test")


@pytest.fixture
def cast(db: None) -> dict[str, Member]:
    """The members of Acme Robotics by first name, in lower case; see ``console.demo`` for who is below whom."""
    demo.load()
    members = Member.objects.filter(account_id=ACME).select_related("user", "account")
    return {member.user.name.split()[0].lower(): member for member in members}


@pytest.fixture
def sign_in(cast: dict[str, Member]):
    """A function that returns a client signed in as the named member, through the login page."""

    def sign_in(name: str) -> Client:
        client = Client()
        answer = client.post("/login", {"username": f"{name}@acme.example", "password": demo.PASSWORD})
        assert answer.status_code == 302, answer.content.decode()
        return client

    return sign_in
