"""A real nginx, as documented: in front of an API that says what it received, and in front of Keytree itself."""

import http.client
import http.server
import ipaddress
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.journeys.live import ROOT

CONFIGURATION = ROOT / "docs" / "nginx.conf"
OPERATIONS = ROOT / "docs" / "operations.md"
# Not in the path of everybody, but where Debian puts it.
BINARY = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
needs_nginx = pytest.mark.skipif(BINARY is None, reason="nginx is not installed; get it with: apt-get install nginx")
_START_SECONDS = 20

#: What an installed nginx has around a file of conf.d; here everything it writes goes into one folder.
_AROUND = """
daemon off;
{user}
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/api.conf;
}}
"""


class Received(NamedTuple):
    """A call as it arrived at the API; a header sent twice is there twice."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for given, value in self.headers if given.lower() == name.lower()]


class Answer(NamedTuple):
    """What the client got."""

    status: int
    headers: dict[str, str]
    body: bytes


class Api(http.server.ThreadingHTTPServer):
    """The API that nginx lets calls through to."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        super().__init__(("127.0.0.1", 0), _ApiHandler)


class _ApiHandler(http.server.BaseHTTPRequestHandler):
    server: Api

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.received.append(Received(self.command, self.path, self.headers.items(), body))
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"done\n")

    do_GET = do_POST = _answer  # noqa: N815 - the names that the class looks for

    def log_message(self, *_: object) -> None:
        """Say nothing on the test's output."""


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api.example.com")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "api.pem", folder / "api.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


def configuration(substitutes: dict[str, str], text: str | None = None) -> str:
    """Return docs/nginx.conf with names, ports and certificates of this test, each of which must stand there once.

    Or ``text``, another configuration that is documented.
    """
    text = text or CONFIGURATION.read_text()
    for shown, used in substitutes.items():
        assert text.count(shown) == 1, shown
        text = text.replace(shown, used)
    return text


class Nginx:
    """A running nginx, its API, and the way to call it."""

    def __init__(self, port: int, certificate: Path, api: Api) -> None:
        self.port, self.api, self.certificate = port, api, certificate
        self._tls = ssl.create_default_context(cafile=str(certificate))

    def call(
        self,
        path: str = "/orders",
        *headers: tuple[str, str],
        method: str = "GET",
        body: bytes = b"",
        source: str = "127.0.0.1",
    ) -> Answer:
        """Call the API from ``source``, one of this machine's own addresses, and return the answer."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=self._tls, source_address=(source, 0), timeout=30
        )
        try:
            return send(connection, path, *headers, method=method, body=body)
        finally:
            connection.close()


def send(
    connection: http.client.HTTPConnection, path: str, *headers: tuple[str, str], method: str = "GET", body: bytes = b""
) -> Answer:
    """Send a request with exactly these headers, in this order and as often as they are given."""
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)
    with connection.getresponse() as response:
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


@contextmanager
def running_nginx(folder: Path, keytree_port: int, more: str = "") -> Iterator[Nginx]:
    """Start an API, and nginx in front of it which asks the Keytree at that port; stop both at the end.

    ``more`` goes into nginx's server besides.
    """
    with Api() as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        try:
            with _guard(folder, keytree_port, api, more) as nginx:
                yield nginx
        finally:
            api.shutdown()


@contextmanager
def nginx_before_the_console(folder: Path, keytree_port: int) -> Iterator[tuple[int, Path]]:
    """Start nginx as docs/operations.md shows it, in front of that Keytree; give its port and its certificate."""
    shown = re.search(
        r"^```nginx\n(upstream keytree_console .+?)^```", OPERATIONS.read_text(), re.MULTILINE | re.DOTALL
    )
    certificate, key = make_certificate(folder)
    port = _free_port()
    text = configuration(
        {
            "server unix:/run/keytree.sock;": f"server 127.0.0.1:{keytree_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/keys.example.com.pem": str(certificate),
            "/etc/ssl/private/keys.example.com.key": str(key),
        },
        shown[1],
    )
    with _nginx(folder, text, port):
        yield port, certificate


@contextmanager
def _guard(folder: Path, keytree_port: int, api: Api, more: str) -> Iterator[Nginx]:
    certificate, key = make_certificate(folder)
    port = _free_port()
    text = configuration(
        {
            "server 127.0.0.1:8000;": f"server 127.0.0.1:{keytree_port};",
            "server 127.0.0.1:9000;": f"server 127.0.0.1:{api.server_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/api.example.com.pem": str(certificate),
            "/etc/ssl/private/api.example.com.key": str(key),
            "    location / {": f"{more}    location / {{",
        }
    )
    with _nginx(folder, text, port):
        yield Nginx(port, certificate, api)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def _nginx(folder: Path, text: str, port: int) -> Iterator[None]:
    (folder / "api.conf").write_text(text)
    # Started by root, nginx would give its workers to a user who may not look into the folder.
    around = _AROUND.format(folder=folder, user="user root;" if os.geteuid() == 0 else "")
    (folder / "nginx.conf").write_text(around)
    command = [BINARY, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with (folder / "error.log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            _wait(port, process, folder / "error.log")
            yield
        finally:
            process.terminate()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        else:
            return
