"""Values and access tokens of calls of IBM Cloud's clients: each is in one answer, and in nothing that is kept."""

import pytest

from keys import usage
from keys.models import PlatformKey
from tests.keys.iam.asking import GRANT, KEYS, USERS, Iam, Reply
from tests.leaks.search import Seeker, everything_kept
from tests.trees import make_platform_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def priya(cast, collector) -> Iam:
    key = make_platform_key(cast["priya"])
    return Iam.of(key, key.value)


def call_in_earnest(iam: Iam) -> tuple[list[Reply], list[str]]:
    """Call in every way, rightly and wrongly; return the answers, and the secrets that two more of them gave."""
    token, made = iam.ask_token(iam.value).json["access_token"], iam.create("Made")
    value, address = made["apikey"], f"{KEYS}/{made['id']}"
    again = Iam(token, iam.key, value)
    replies = [
        iam("GET", f"{KEYS}/details", headers={"IAM-ApiKey": value}), again("GET", KEYS), again("GET", address),
        again("PUT", address, {"name": "Other"}, headers={"If-Match": "*"}),
        again("PUT", address, {"name": "Other", "apikey": value}, headers={"If-Match": "*"}),
        again("POST", KEYS, {"name": "x", "apikey": value}), iam.ask_token(value[:-1] + "-"),
        iam("POST", f"/identity/token?apikey={value}&grant_type={GRANT}", f"apikey={value}"),
        iam("POST", "/identity/token", f"grant_type={value}&apikey={value}&apikey={token}"),
        iam("GET", f"{KEYS}?access_token={token}&sort={value}"),
        iam("GET", f"{USERS}?search={token}:{value}&_start={value}"), iam("GET", f"{KEYS}/{value}"),
        iam("GET", f"/v1/{token}"), iam("GET", f"{USERS}/{value}"),
        iam("GET", KEYS, headers={"Authorization": f"Bearer {token}x"}),
        iam("GET", KEYS, headers={"Authorization": f"Bearer {value}"}),
    ]  # fmt: skip
    PlatformKey.objects.update(is_enabled=False)
    replies += [iam.ask_token(value), again("GET", KEYS)]
    usage.flush()
    return replies, [iam.value, value, iam.token, token]


def test_values_and_tokens_are_kept_nowhere_and_answered_once(priya, log):
    replies, secrets = call_in_earnest(priya)
    seeker = Seeker(secrets)
    assert [reply.status for reply in replies] == [200] * 4 + [400] * 7 + [404] * 3 + [401] * 2 + [400, 401]
    assert not [place for place, reply in enumerate(replies) if seeker.finds(reply.body) or seeker.finds(reply.headers)]
    assert not [place for place, content in everything_kept() if seeker.finds(content)]
    assert any("keys_platformkey" in line for line in log.made)  # statements of the database are among them
    assert not seeker.finds(log.printed.getvalue())


def test_an_error_in_a_call_does_not_print_the_value_or_the_token(priya, log, monkeypatch):
    seeker = Seeker([priya.value, priya.token])

    def fail(*given: object) -> None:
        raise RuntimeError(f"somebody sent {given}")

    monkeypatch.setattr("keys.verification.verify_platform", fail)
    monkeypatch.setattr("keys.access_tokens.key_of", fail)
    for reply in (priya.ask_token(priya.value), priya("GET", KEYS)):
        assert reply.status == 500
        assert not seeker.finds(reply.body)
    assert log.printed.getvalue().count("RuntimeError: somebody sent") == 2
    assert not seeker.finds(log.printed.getvalue())
