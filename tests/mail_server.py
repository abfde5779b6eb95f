"""A real mail server for tests: it keeps what it is sent, and refuses what it is told to."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller


class MailServer:
    """What arrived, in order, and replies for addresses (or, for "data", for every mail) that are not welcome."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refused: dict[str, str] = {}

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - the library's name
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - the library's name
        if "data" in self.refused:
            return self.refused["data"]
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert [message["To"]] == envelope.rcpt_tos
        self.mails.append(message)
        return "250 Accepted"

    def to(self, address: str) -> EmailMessage:
        """The last mail to that address."""
        return [message for message in self.mails if message["To"] == address][-1]


@contextmanager
def mail_server(settings) -> Iterator[MailServer]:
    """A mail server that the settings lead to, until the block ends; then it is down."""
    handler = MailServer()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # the library takes no port that the system chooses
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    try:
        yield handler
    finally:
        controller.stop()


def link_in(message: EmailMessage) -> str:
    """The path of the link in an invitation, which stands in both of its parts."""
    text = message.get_body(("plain",)).get_content()
    (path,) = [word.split("127.0.0.1:8000", 1)[1] for word in text.split() if "/invitations/" in word]
    assert message.get_body(("html",)).get_content().count(path) == 2
    return path
