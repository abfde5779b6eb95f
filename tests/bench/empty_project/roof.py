"""The least that a server can be asked to serve: what remains is the server's own work, and the load's."""

from collections.abc import Callable, Iterable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer like an accepted verification, without looking at what is asked."""
    start_response("204 No Content", [("Content-Length", "0")])
    return []
