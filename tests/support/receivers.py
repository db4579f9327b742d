"""Real receivers on loopback: an SMTP server, and a webhook receiver that asks the reference library."""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError


@dataclass
class Mail:
    """One mail as the server took it."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        """The decoded subject."""
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        """The decoded text."""
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content())


@dataclass
class Mailbox:
    """What arrived. ``pause`` is asked before a mail is taken; what it answers is the SMTP status."""

    mails: list[Mail] = field(default_factory=list)
    pause: Callable[[str], str] = lambda _: "250 taken"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd
        """Takes a mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), message))
        return self.pause(envelope.rcpt_tos[0])

    def to(self, name: str) -> list[Mail]:
        """What ``name`` got."""
        return [mail for mail in self.mails if mail.recipients == (f"{name}@example.com",)]


@contextmanager
def smtp(port: int, mailbox: Mailbox) -> Iterator[None]:
    """A mail server that listens on this port."""
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, ready_timeout=10)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@dataclass
class Hooked:
    """What a webhook receiver took; what it could not believe is in ``refused``."""

    secret: str
    taken: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    status: int = 204
    """What it answers to what it believes."""
    location: str = ""
    """Where it sends the sender to."""

    def types(self) -> list[str]:
        """The types of what was taken, in order."""
        return [body["type"].removeprefix("ssh_jit.") for _, body in self.taken]


@contextmanager
def receiver(hooked: Hooked) -> Iterator[str]:
    """A webhook receiver; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                found = Webhook(hooked.secret).verify(body, dict(self.headers))
            except WebhookVerificationError as error:
                hooked.refused.append(str(error))
                self.send_response(401)
            else:
                assert found == json.loads(body)
                hooked.taken.append((self.headers["webhook-id"], found))
                self.send_response(hooked.status)
                if hooked.location:
                    self.send_header("Location", hooked.location)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
