"""The server as `make run` and production start it: real gunicorn, real sockets, a database of its own."""

import http.client
import json
import re
import select
import shutil
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from accounts.hashers import Argon2Hasher
from console import demo, server
from console.middleware import ALWAYS
from tests.console.programs import ROOT, SERVER, Server, environment, prepare_demo, run, serving

# Processes and files: the second database has nothing to add. One worker, so that the installation is made once.
pytestmark = [pytest.mark.sqlite_only, pytest.mark.xdist_group("server")]

VALUE = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a demo that has all but the server running, and a home of its own."""
    return {**prepare_demo(tmp_path_factory.mktemp("demo")), "HOME": str(tmp_path_factory.mktemp("home"))}


@pytest.fixture(scope="module")
def standing(installation: dict[str, str]) -> Iterator[Server]:
    """A server that tests only ask; it listens where it does if it is told nothing."""
    with serving(**installation) as running:
        yield running


@pytest.fixture
def make_run(tmp_path: Path) -> list[str]:
    """`make run` with the environment that the suite runs in, instead of one installed anew."""
    stamps = tmp_path / "stamps"
    stamps.mkdir()
    (stamps / ".runtime").touch()
    return ["make", "--no-print-directory", "run", f"PY={sys.executable}", f"VENV={stamps}"]


def get(address: tuple[str, int], path: str, **headers: str) -> http.client.HTTPResponse:
    """Ask the server, and return its answer with the body in ``text``."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    connection.close()
    return answer


def test_make_run_says_where_and_as_whom_without_a_warning_and_twice_keeps_what_is_there(
    make_run: list[str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with serving(make_run, KEYTREE_DATA_DIR=str(data)) as running:
        assert get(running.address, "/healthz").text == "ok\n"
        assert get(running.address, "/readyz").status == 200
        assert "olivia@acme.example" in running.output
        assert "vpn-berlin@acme.example" not in running.output
        assert demo.PASSWORD in running.output
        assert not re.search("warn|error|traceback|{", running.output, re.IGNORECASE), running.output
        running.stop()
    ring = (data / "key_ring").read_text()
    rename_account(data, "Renamed")
    with serving(make_run, KEYTREE_DATA_DIR=str(data)) as running:
        assert get(running.address, "/readyz").status == 200
    assert (data / "key_ring").read_text() == ring
    assert account_names(data) == ["Borealis Labs", "Renamed"]


def rename_account(data: Path, name: str) -> None:
    with sqlite3.connect(data / "keytree.sqlite3") as database:
        database.execute("UPDATE accounts_account SET name = ? WHERE id = 1234567", [name])
    database.close()


def account_names(data: Path) -> list[str]:
    with sqlite3.connect(data / "keytree.sqlite3") as database:
        names = [name for (name,) in database.execute("SELECT name FROM accounts_account ORDER BY name")]
    database.close()
    return names


def test_a_busy_port_is_refused_by_name_and_the_first_server_goes_on(
    installation: dict[str, str], standing: Server
) -> None:
    port = str(standing.address[1])
    second = run(*SERVER, **{**installation, "PORT": port})
    assert second.returncode == 1
    assert f"Port {port} of 127.0.0.1 is in use" in second.stderr
    assert f"such as PORT={int(port) + 1}." in second.stderr
    assert "Traceback" not in second.stderr
    assert get(standing.address, "/healthz").status == 200


def test_nothing_is_put_into_anybodys_home(installation: dict[str, str], standing: Server) -> None:
    assert get(standing.address, "/healthz").status == 200
    assert list(Path(installation["HOME"]).iterdir()) == []


def test_what_proxies_pass_on_fits(standing: Server) -> None:
    headers = {"X-Long": "a" * 8_000, **{f"X-{number}": "a" for number in range(250)}}
    assert get(standing.address, f"/healthz?{'a' * 8_000}", **headers).status == 200


def test_two_servers_run_side_by_side(installation: dict[str, str], standing: Server, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(installation["KEYTREE_DATA_DIR"], copy)
    with serving(**{**installation, "KEYTREE_DATA_DIR": str(copy)}) as other:
        assert standing.address != other.address
        assert get(standing.address, "/readyz").status == get(other.address, "/readyz").status == 200


def test_two_servers_share_no_cookie(installation: dict[str, str], standing: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with serving(**{**installation, "PORT": str(port)}) as other:
        names = [
            {cookie.partition("=")[0] for cookie in get(address, "/login").headers.get_all("Set-Cookie")}
            for address in (standing.address, other.address)
        ]
    assert names == [{"keytree_csrf"}, {f"{port}_keytree_csrf"}]


@pytest.mark.parametrize("wanted", ["::1", "[::1]", "127.0.0.1"])
def test_listens_where_it_is_told(installation: dict[str, str], wanted: str) -> None:
    with serving(KEYTREE_BIND=wanted, **installation) as running:
        host, port = running.address
        assert host.strip("[]") == wanted.strip("[]")
        assert get((wanted.strip("[]"), port), "/healthz").status == 200


def test_listens_on_a_unix_socket_of_its_group(installation: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "keytree.sock"
    with serving(KEYTREE_BIND=f"unix:{path}", **installation) as running:
        assert running.url == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o770
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_unix_socket_that_another_server_has_is_left_to_it(installation: dict[str, str], tmp_path: Path) -> None:
    """Gunicorn would put its own in place: the first goes on, unreached, and takes the second's away as it ends."""
    path = tmp_path / "keytree.sock"
    with serving(KEYTREE_BIND=f"unix:{path}", **installation):
        second = run(*SERVER, **{**installation, "KEYTREE_BIND": f"unix:{path}"})
        assert second.returncode == 1
        assert second.stderr.startswith(f"Keytree cannot listen at {path}: another program listens there. ")
        assert second.stderr.count("\n") == 1
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    with serving(KEYTREE_BIND=f"unix:{path}", **installation) as running:
        assert running.url == f"unix:{path}"


def test_where_there_can_be_no_unix_socket_is_told_by_name(installation: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path, why in [
        (file, "that is no socket"),
        (tmp_path / "nowhere" / "keytree.sock", f"the folder {tmp_path / 'nowhere'} does not exist"),
        (tmp_path / ("long" * 40), "AF_UNIX path too long"),
    ]:
        done = run(*SERVER, **{**installation, "KEYTREE_BIND": f"unix:{path}"})
        assert done.returncode == 1
        assert done.stderr.startswith(f"Keytree cannot listen at {path}: {why}. Set KEYTREE_BIND")
        assert done.stderr.count("\n") == 1


def test_a_server_that_is_stopped_as_soon_as_it_is_started_ends(installation: dict[str, str], tmp_path: Path) -> None:
    """A worker that does not listen to signals yet must not miss them: the server would wait until it may kill it."""
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import time\nfrom console import server\nfrom console.server import *\n"
        "def post_fork(arbiter, worker):\n    server.post_fork(arbiter, worker)\n    time.sleep(3)\n"
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        command = [*SERVER[:-3], "--config", str(slow), SERVER[-1]]
        with serving(command, **installation, KEYTREE_LOG_LEVEL="INFO") as running:
            wait_for(lambda running=running: running.output.count("Booting worker") == 2)
            running.process.send_signal(number)
            assert running.process.wait(timeout=60) == 0
        assert "Shutting down: Master" in running.output
        assert "SIGKILL" not in running.output


def test_a_request_under_way_is_finished_before_the_end(installation: dict[str, str]) -> None:
    body = b"csrfmiddlewaretoken=" + b"a" * 32
    with serving(KEYTREE_LOG_LEVEL="INFO", **installation) as running:
        with socket.create_connection(running.address, timeout=15) as client:
            client.sendall(
                b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                b"Cookie: keytree_csrf=" + b"b" * 32 + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:10]
            )
            time.sleep(0.5)
            running.process.send_signal(signal.SIGTERM)
            wait_for(lambda: "Handling signal: term" in running.output)
            client.sendall(body[10:])
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert answer.rstrip().endswith(b"</html>")
        assert running.process.wait(timeout=15) == 0


def test_a_restart_behind_a_socket_of_systemd_refuses_no_call(installation: dict[str, str], tmp_path: Path) -> None:
    # What systemd does: it holds the socket, and hands it to each server as its file 3.
    variables = {**installation, "LISTEN_FDS": "1", "KEYTREE_BIND": "unix:/nowhere"}
    hand_over = "import os; os.dup2(int(os.environ['HELD']), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
    command = [sys.executable, "-c", hand_over + f"os.set_inheritable(3, True); os.execv(*{(SERVER[0], SERVER)!r})"]
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(tmp_path / "held.sock"))
        held.listen()
        variables["HELD"] = str(held.fileno())
        with serving(command, pass_fds=[held.fileno()], **variables) as running:
            assert running.stop() == 0
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(held.getsockname())  # while nobody is there
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with serving(command, pass_fds=[held.fileno()], **variables):
                assert client.recv(100).startswith(b"HTTP/1.1 200 ")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_line_is_json_and_holds_no_key(installation: dict[str, str]) -> None:
    with serving(KEYTREE_LOG_LEVEL="INFO", **installation) as running:
        with socket.create_connection(running.address, timeout=10) as client:
            client.sendall(f"GET /{VALUE} nonsense ktp_{VALUE}\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")
        get(running.address, f"/{VALUE}")
        running.stop()
    welcome, logs = [], []
    for line in running.output.splitlines():
        (logs if line.startswith("{") else welcome).append(line)
    assert {json.loads(line)["logger"] for line in logs} >= {"gunicorn.error"}
    assert f"Keytree is running at {running.url}" in welcome
    assert "Invalid" in running.output
    assert VALUE not in running.output


#: Each is all that a client says of a request.
UNFINISHED = (
    b"GET /lo", b"GET /login HTTP/1.1\r\nHost: loc",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nusername=",
)  # fmt: skip


def test_unfinished_requests_keep_nobody_from_being_answered(installation: dict[str, str]) -> None:
    with serving(**installation, WEB_CONCURRENCY="1", KEYTREE_LOG_LEVEL="INFO") as running, ExitStack() as clients:

        def connect(beginning: bytes) -> socket.socket:
            client = clients.enter_context(socket.create_connection(running.address, timeout=20))
            client.sendall(beginning)
            return client

        def is_given_up(client: socket.socket) -> bool:
            try:
                return client.recv(1) == b""
            except ConnectionResetError:
                return True

        unfinished = [connect(beginning) for beginning in UNFINISHED for _ in range(server.threads)]
        silent = [connect(b"") for _ in range(2 * server.threads)]
        slow = connect(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        assert get(running.address, "/healthz").status == 200
        slow.sendall(b"Connection: close\r\n\r\n")
        assert slow.recv(100).startswith(b"HTTP/1.1 200 ")
        # Not only passed over: given up. A browser's connection that has not said anything yet is not.
        assert all(map(is_given_up, unfinished))
        silent[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert silent[-1].recv(100).startswith(b"HTTP/1.1 200 ")
        large = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000
        waiting = [connect(large) for _ in range(server.threads + 1)]
        assert get(running.address, "/healthz").status == 200
        assert select.select(waiting, [], [], 0) == ([], [], [])  # it was answered before any of these was given up
        for client in waiting:
            client.sendall(b"x" * 50_000)
        for client in waiting:
            assert client.recv(100).startswith(b"HTTP/1.1 403 ")  # no token for its cookie: it was read to its end
        # Its client does not close it, and nobody waits for that but the server itself, for all of them together.
        ended = [connect(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") for _ in range(9)]
        for client in ended:
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        # Nor do those that are open keep the server from ending: it gives running requests 20 seconds.
        running.process.terminate()
        assert running.process.wait(timeout=10) == 0
        assert not re.search("ERROR|Traceback", running.output), running.output
        assert running.output.count("Booting worker") == 1


def test_client_that_waits_to_be_asked_for_the_body_is_asked(standing: Server) -> None:
    with socket.create_connection(standing.address, timeout=10) as client:
        head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
        client.sendall(head + b"Connection: close\r\n\r\n")
        asked = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert client.recv(len(asked), socket.MSG_WAITALL) == asked  # no more: the answer may follow at once
        client.sendall(b"a=b")
        assert client.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 403"


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells what a process holds in memory")
def test_memory_that_hashing_takes_goes_back_to_the_system(installation: dict[str, str]) -> None:
    with serving(**installation, WEB_CONCURRENCY="1") as running:
        master = running.process.pid
        worker = Path(f"/proc/{master}/task/{master}/children").read_text().split()[-1]

        def held() -> int:
            return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())[1]) // 1024

        def sign_in(number: int) -> None:
            form = f"csrfmiddlewaretoken={'a' * 32}&username=nobody{number}@acme.example&password=wrong"
            kind = "application/x-www-form-urlencoded"
            headers = {"Content-Type": kind, "Cookie": f"keytree_csrf={'a' * 32}"}
            with closing(http.client.HTTPConnection(*running.address, timeout=30)) as connection:
                connection.request("POST", "/login", form, headers)
                answer = connection.getresponse()
                assert (answer.status, b"password" in answer.read()) == (200, True)

        with ThreadPoolExecutor(server.threads) as threads:
            list(threads.map(get, [running.address] * 20, ["/login"] * 20))
            before = held()
            list(threads.map(sign_in, range(3 * server.threads)))
        grown = held() - before
        assert grown < Argon2Hasher.memory_cost // 1024, f"{grown} MiB"  # what one hash takes, not one for each thread


@pytest.mark.parametrize(
    ("request_line", "status"),
    [("GET / HTTP/9.9", 400), ("G\0T / HTTP/1.1", 400), (f"GET /{'a' * 9_000} HTTP/1.1", 414)],
)
def test_answers_to_what_is_no_request_have_the_headers_of_all_others(
    standing: Server, request_line: str, status: int
) -> None:
    with socket.create_connection(standing.address, timeout=10) as client:
        client.sendall(f"{request_line}\r\nHost: localhost\r\n\r\n".encode())
        with http.client.HTTPResponse(client) as answer:
            answer.begin()
            assert (answer.status, answer.getheader("Cache-Control")) == (status, "no-store")
            assert {name: answer.getheader(name) for name in ALWAYS} == ALWAYS
            assert answer.read().rstrip().endswith(b"</html>")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", ("Host: localhost", "Host: elsewhere.example"), 400),
        ("POST", ("Host: localhost", "Content-Length: 5", "Transfer-Encoding: chunked"), 400),
        ("POST", ("Host: localhost", "Content-Length: 5", "Content-Length: 6"), 400),
        ("POST", ("Host: localhost", "Transfer-Encoding: chunked, chunked"), 400),
        ("TRACE", ("Host: localhost", "X-Secret: of-a-proxy"), 405),
    ],
)
def test_what_a_server_in_front_could_read_otherwise_is_refused(
    standing: Server, method: str, headers: tuple[str, ...], status: int
) -> None:
    """Nor is anything behind it taken for a request of its own, or said back."""
    behind = (
        "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" if method == "POST" else ""
    )
    head = "\r\n".join([f"{method} /login HTTP/1.1", *headers, "Connection: close"])
    with socket.create_connection(standing.address, timeout=10) as client, client.makefile("rb") as answers:
        client.sendall(f"{head}\r\n\r\n{behind}".encode())
        said = answers.read()
    assert said.startswith(f"HTTP/1.1 {status} ".encode())
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"of-a-proxy" not in said


def test_answers_do_not_tell_versions(standing: Server) -> None:
    told = "\n".join(f"{name}: {value}" for name, value in get(standing.address, "/healthz").getheaders())
    assert not re.search(r"\d+\.\d+|python|django", told, re.IGNORECASE)


def test_static_files_are_served_for_good(standing: Server) -> None:
    page = get(standing.address, "/login")
    assert page.status == 200
    sheets = re.findall(r'<link rel="stylesheet" href="(/static/[^"]+)"', page.text)
    assert sheets
    for path in sheets:
        answer = get(standing.address, path)
        assert answer.status == 200
        assert "immutable" in answer.getheader("Cache-Control")
        assert answer.getheader("Content-Type").startswith("text/css")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PORT": "http"}, "PORT: Not a valid integer."),
        ({"PORT": "70000"}, "PORT: "),
        ({"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY: "),
        ({"KEYTREE_ENV": "staging"}, "KEYTREE_ENV: Must be one of: production, demo."),
        ({"KEYTREE_SESSION_HOURS": "soon"}, "KEYTREE_SESSION_HOURS: Not a valid integer."),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    done = run(*SERVER, **{"KEYTREE_ENV": "demo", "KEYTREE_DATA_DIR": str(tmp_path), **variables})
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_make_help_lists_every_target() -> None:
    listed = run("make", "help").stdout
    declared = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert sorted(re.findall(r"^  make ([a-z-]+) ", listed, re.MULTILINE)) == sorted(declared)
    assert environment().keys().isdisjoint({"MAKEFLAGS", "MAKELEVEL"})
