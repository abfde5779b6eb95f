"""Reports of leaked keys: ``/leaked`` as a server calls it, and the command; values are found in any text."""

import io
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from accounts import throttle
from accounts.models import AttemptCount, Event, Mail
from console.middleware import ALWAYS
from keys import material
from keys.models import LeakedAction, PlatformKey
from keys.views import leaked
from tests.keys.reporting import report
from tests.trees import make_platform_key
from tests.visitors import visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(cast) -> PlatformKey:
    return make_platform_key(cast["priya"], "Nightly build")


def is_enabled(key: PlatformKey) -> bool:
    return PlatformKey.objects.get(pk=key.pk).is_enabled


# --- /leaked ----------------------------------------------------------------------------------------------------------


def test_reported_key_is_disabled_and_its_user_told_from_where(key):
    Mail.objects.all().delete()
    status, text, headers = report(f"password = '{key.value}'\n")
    assert (status, text) == (
        202, "Received, with 1 of the form of a key. What is a key is treated as its user chose.\n",
    )  # fmt: skip
    assert {**ALWAYS, "Cache-Control": "no-store"}.items() <= headers.items()
    assert headers["Content-Length"] == str(len(text))
    assert not is_enabled(key)
    event = Event.objects.get(action="platform_key.leaked")
    assert (event.actor_id, event.actor_label, event.subject_id) == (None, "A report", key.holder_id)
    assert (event.address, event.facts["source"], event.request_id) == (
        "192.0.2.7", "sent to /leaked", headers["X-Request-ID"],
    )  # fmt: skip
    assert [mail.recipient for mail in Mail.objects.all()] == ["priya@acme.example"]
    told = visitor(key.holder).get("/user/notifications").content.decode()
    facts = f"name: Nightly build; action: key disabled; source: sent to /leaked; key: {key.record_id}"
    assert "IBM Cloud API key reported as leaked" in told
    assert facts in told


@pytest.mark.parametrize(
    "write",
    [
        str.encode,
        lambda value: urlencode({"text": f"a b {value}&"}).encode(),
        lambda value: f'[{{"token":"{value}","type":"keytree","url":"https://code.example/x"}}]'.encode(),
        lambda value: b"\xff\xfe\x00" + value.encode() + b"\x00",
        lambda value: f"{value}{value}".encode(),
        lambda value: f"ktp_{value}abc\r\n{value}".encode(),
        lambda value: f"key={value[:50]}{value}abc".encode(),
        lambda value: f"key: {value}\r\n".encode("utf-16-le"),
        lambda value: f"\ufeffkey: {value}\r\n".encode("utf-16-be"),
    ],
    ids=["alone", "a form", "JSON", "no text", "twice", "among letters", "after a part", "UTF-16", "the other UTF-16"],
)
def test_key_is_found_in_whatever_is_sent(key, write):
    assert report(write(key.value))[0] == 202
    assert not is_enabled(key)
    assert Event.objects.filter(action="platform_key.leaked").count() == 1


def test_answer_does_not_say_whether_a_value_is_that_of_a_key(key):
    """Nor whether its checksum is right; only what has the form is counted."""
    value = key.value
    wrong = value[:-1] + ("0" if value[-1] != "0" else "1")
    answers = {report(text)[:2] for text in (value, value, material.new_platform_value().text, wrong)}
    assert len(answers) == 1
    assert report("nothing")[:2] == (
        202, "Received, with 0 of the form of a key. What is a key is treated as its user chose.\n",
    )  # fmt: skip


def test_reports_that_change_nothing_fill_no_mailbox(key):
    """Once when it becomes known, and then once a day; what does change something is told each time."""
    Mail.objects.all().delete()
    for _ in range(5):
        report(key.value)
    assert Mail.objects.count() == Event.objects.filter(action="platform_key.leaked").count() == 2
    PlatformKey.objects.filter(pk=key.pk).update(is_enabled=True)
    report(key.value)
    assert not is_enabled(key)
    assert Event.objects.filter(action="platform_key.leaked").count() == 3


def test_more_than_a_hundred_values_are_refused_together(key):
    values = [material.new_platform_value().text for _ in range(leaked.MOST_VALUES)]
    status, text, _ = report("\n".join([key.value, *values]))
    assert (status, text) == (413, "Nothing was reported: report at most 100 values at once.\n")
    assert is_enabled(key)
    assert report("\n".join([key.value, *values[1:], key.value]))[0] == 202
    assert not is_enabled(key)


def test_values_of_no_keys_cost_one_query_together(key):
    counts = []
    for number in (1, leaked.MOST_VALUES):
        values = "\n".join(material.new_platform_value().text for _ in range(number))
        with CaptureQueriesContext(connection) as asked:
            report(values)
        counts.append(len([query for query in asked if "keys_platformkey" in query["sql"]]))
    assert counts == [1, 1]


def test_body_of_more_than_a_mebibyte_is_refused_unread(key):
    status, text, _ = report(key.value, CONTENT_LENGTH=str(2**20 + 1))
    assert (status, text) == (413, "Nothing was reported: the body is larger than 1 MiB.\n")
    assert report(key.value, CONTENT_LENGTH="60")[0] == 400
    assert is_enabled(key)
    assert report(key.value.rjust(2**20))[0] == 202
    assert not is_enabled(key)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_but_post_reports(key, method):
    status, text, headers = report(key.value, method=method)
    assert (status, headers["Allow"], bool(text)) == (405, "POST", method != "HEAD")
    assert is_enabled(key)


def test_pages_of_other_sites_do_not_make_browsers_report(key):
    assert report(key.value, HTTP_SEC_FETCH_SITE="cross-site")[0] == 403
    assert is_enabled(key)
    assert report(key.value, HTTP_SEC_FETCH_SITE="none")[0] == 202


def test_value_sent_in_clear_over_a_network_is_refused_where_there_is_https(key, settings):
    settings.IS_HTTPS, settings.SECURE_HSTS_SECONDS, settings.KEYTREE_TRUSTED_PROXIES = True, 60, "10.0.0.1"
    assert report(key.value)[0] == 403
    assert report(key.value, peer="10.0.0.1", HTTP_X_FORWARDED_PROTO="http")[0] == 403
    assert is_enabled(key)
    headers = report(key.value, **{"wsgi.url_scheme": "https"})[2]
    assert headers["Strict-Transport-Security"].startswith("max-age=60")
    assert not is_enabled(key)


def test_other_paths_are_passed_on_or_nothing(key):
    for path in ("/leak", "/leakedx", "/", "/iam/apikeys"):
        assert report(path=path)[2]["X-Answered-By"] == "Django"
    assert report(path="/leaked/", method="GET")[0] == 405
    for path in ("/leaked/x", "/leaked/../x", "/leaked/..", "/leaked/leaked"):
        assert report(key.value, path=path)[:2] == (404, "There is nothing at this address.\n")
    assert is_enabled(key)
    assert report(path="", method="GET", SCRIPT_NAME="/leaked")[0] == 405


@pytest.mark.parametrize(
    ("peers", "answers"),
    [
        (["192.0.2.7"] * 3, [202, 202, 429]),
        (["192.0.2.7", "192.0.2.7", "192.0.2.8"], [202, 202, 202]),
        (["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1::3"], [202, 202, 429]),
        (["2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1", "2001:db8:0:4::1"], [202, 202, 202, 429]),
        ([None] * 3, [202, 202, 429]),
    ],
    ids=["one address", "two addresses", "one home", "one network", "unknown"],
)
def test_reports_from_one_place_are_limited(peers, answers, monkeypatch, settings):
    settings.KEYTREE_TRUSTED_PROXIES = "127.0.0.2"
    of_place, of_network = throttle.LEAKS
    assert (of_place.attempts, of_network.attempts, of_place.window) == (60, 600, timedelta(minutes=15))
    few = (throttle.Limit("a", 2, of_place.window), throttle.Limit("b", 3, of_place.window))
    monkeypatch.setattr(throttle, "LEAKS", few)
    said = [report("x", peer=peer or "127.0.0.2") for peer in peers]
    assert [status for status, *_ in said] == answers
    if answers[-1] == 429:
        assert 890 <= int(said[-1][2]["Retry-After"]) <= 900
        assert AttemptCount.objects.filter(count__gt=3).count() == 0


@pytest.mark.parametrize(("kind", "status"), [(OperationalError, 503), (RuntimeError, 500)])
def test_failure_is_told_in_words_and_logged_without_what_was_sent(key, monkeypatch, caplog, kind, status):
    def failing(*_, **__):
        raise kind(f"the words {key.value}")

    monkeypatch.setattr(leaked.throttle, "count_from", failing)
    answered, text, headers = report(key.value)
    assert (answered, headers.get("Retry-After")) == (status, "5" if status == 503 else None)
    said = {503: "cannot reach its database", 500: f"Its log has it under {headers['X-Request-ID']}"}
    assert said[status] in text
    assert kind.__name__ in caplog.text
    assert "the words" not in caplog.text
    assert is_enabled(key)


# --- The command ------------------------------------------------------------------------------------------------------


def search(capsys, *arguments: str) -> str:
    call_command("report_leaked_keys", *arguments)
    return capsys.readouterr().out


def test_command_reports_what_a_file_holds(cast, key, capsys, tmp_path):
    gone = make_platform_key(cast["priya"], leaked_action=LeakedAction.DELETE)
    left = make_platform_key(cast["noor"], leaked_action=LeakedAction.NOTHING, is_locked=True)
    path = tmp_path / "dump"
    values = [each.value for each in (key, gone, left, key)]
    path.write_text("\n".join([*values, material.new_platform_value().text]))
    said = search(capsys, str(path), "--source", "github.com/acme/robots, a commit")
    assert said == "Values found: 4; those of keys: 3 (1 disabled, 1 deleted, 1 left alone).\n"
    assert (is_enabled(key), is_enabled(left)) == (False, True)
    assert not PlatformKey.objects.filter(pk=gone.pk).exists()
    events = Event.objects.filter(action="platform_key.leaked")
    assert {event.facts["source"] for event in events} == {"github.com/acme/robots, a commit"}
    assert {event.address for event in events} == {""}


def test_command_reads_standard_input_and_finds_what_lies_across_its_parts(key, capsys, monkeypatch):
    for before in (0, 1, 30, 52, 53, 60):  # of its 53 characters all, none, and all but one lie in the first part
        PlatformKey.objects.filter(pk=key.pk).update(is_enabled=True)
        text = b"\xff" * (2**20 - before) + key.value.encode() + b"\n"
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert search(capsys).startswith("Values found: 1; those of keys: 1 (1 disabled")
        assert not is_enabled(key)


def test_command_says_what_is_wrong(capsys, tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        search(capsys, str(tmp_path / "nowhere"))
    for words in ("", "two\nlines", "x" * 201, "https://evil.example/"):
        with pytest.raises(CommandError, match="--source: must be one line of 1 to 200 characters"):
            search(capsys, f"--source={words}")


def test_documented_expression_finds_values_and_nothing_shorter(key):
    page = (Path(__file__).parents[2] / "docs" / "leaks.md").read_text()
    expression = re.search(r"^    (ktp_\S+)$", page, re.MULTILINE)[1]
    assert re.fullmatch(expression, key.value)
    assert not re.fullmatch(expression, key.value[:-1])
    assert expression == material._PLATFORM_FORM.pattern
