"""What the server's hooks do and its settings say, asked one by one: no server is started."""

import os
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from accounts import emails
from console import demo, server

pytestmark = pytest.mark.sqlite_only


def test_a_port_that_was_in_use_just_now_is_free() -> None:
    """As when a server is started again: its last connections are closed, and remembered by the system."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address):
            listener.accept()[0].close()  # first, so that it is this end that is remembered
    server._refuse_taken_addresses(SimpleNamespace(cfg=SimpleNamespace(address=[address])))


def test_a_server_whose_backlog_is_full_is_there(tmp_path: Path) -> None:
    path = tmp_path / "keytree.sock"
    with ExitStack() as stack:
        stack.enter_context(socket.socket(socket.AF_UNIX)).bind(str(path))
        assert server._why_no_socket(path) == ""  # nobody listens: left behind
        path.unlink()
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        listener.listen(0)
        stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
        assert server._why_no_socket(path) == "another program listens there"


@pytest.mark.parametrize(
    ("denied", "why"),
    [
        (os.W_OK, "the folder {} is not writable"),
        (os.X_OK, "the folder {} is not writable"),
        (os.R_OK, ""),
    ],
)
def test_a_folder_that_takes_no_socket_is_told_by_name(tmp_path: Path, monkeypatch, denied: int, why: str) -> None:
    # The suite may run as root, to whom no mode says no.
    monkeypatch.setattr(server.os, "access", lambda path, mode: not (path == tmp_path and mode & denied))
    assert server._why_no_socket(tmp_path / "keytree.sock") == why.format(tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_why_not_names_the_variable(host: str) -> None:
    assert "Set PORT or KEYTREE_BIND" in server._why_not(host, 80, PermissionError(13, "Permission denied"))


def test_gunicorn_believes_no_header() -> None:
    # Left to itself it would take scheme and path from loopback peers, and from any peer on a unix socket.
    assert (server.forwarded_allow_ips, server.secure_scheme_headers, server.forwarder_headers) == ("", {}, "")
    assert server.header_map == "drop"


@pytest.mark.parametrize(
    ("listens", "told"),
    [
        (("0.0.0.0", 8000), "http://localhost:8000/"),
        (("::", 8000, 0, 0), "http://localhost:8000/"),
        (("::1", 8000, 0, 0), "http://[::1]:8000/"),
        (("192.0.2.1", 8000), "http://192.0.2.1:8000/"),
    ],
)
def test_links_in_mails_lead_to_where_people_reach_the_server(monkeypatch, settings, capsys, listens, told) -> None:
    settings.KEYTREE_PUBLIC_URL = ""
    monkeypatch.setattr(emails.site, "listening_at", "")
    monkeypatch.setattr(server.connections, "close_all", lambda: None)
    monkeypatch.setattr(server, "_welcome", lambda address: address)
    server.when_ready(SimpleNamespace(LISTENERS=[SimpleNamespace(getsockname=lambda: listens)]))
    assert capsys.readouterr().out == f"{told}\n"
    assert emails.site.listening_at == told


@pytest.mark.django_db
def test_people_are_named_only_where_they_are(monkeypatch) -> None:
    """Whoever serves another database as a demo is told no names that nobody there has."""
    told = server._welcome("http://127.0.0.1:8000/")
    assert "accounts of its own" in told
    assert demo.PASSWORD not in told
    demo.load()
    told = server._welcome("http://127.0.0.1:8000/")
    for line in (
        "olivia@acme.example      Olivia Reyes, owner of Acme Robotics",
        "priya@acme.example       Priya Raman, invited by Marcus Lindqvist",
        "sam@acme.example         Sam Okafor, invited by Olivia Reyes",
        "dmitri@acme.example      Dmitri Volkov, invited by Sam Okafor, suspended",
    ):
        assert f"  {line}\n" in told
    assert demo.PASSWORD in told


def test_a_worker_does_what_is_due_each_hour_even_if_it_only_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may open a page for days: mails about keys that are about to expire go out nevertheless."""
    from console import hourly, wsgi

    done, begun = threading.Event(), []
    monkeypatch.setattr(wsgi, "hourly", hourly.HourlyApplication(wsgi.called))
    monkeypatch.setattr(hourly, "_always", lambda: begun.append(threading.current_thread().name) or done.set())
    server.post_worker_init(None)
    assert done.wait(10)
    assert begun == ["keytree-hourly"]


def test_the_end_of_a_worker_writes_last_used_and_closes_what_its_threads_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from keys import usage

    done: list[str] = []
    of_a_thread = SimpleNamespace(connection=SimpleNamespace(close=lambda: done.append("close")))
    monkeypatch.setattr(usage, "flush", lambda: done.append("flush"))
    monkeypatch.setattr(server.connections, "close_all", lambda: done.append("close its own"))
    monkeypatch.setattr(server, "_opened", [of_a_thread, SimpleNamespace(connection=None)])
    server.worker_exit(None, None)
    assert done == ["flush", "close its own", "close"]
