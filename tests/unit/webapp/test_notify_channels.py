"""The ways out: what may stand in their files, what they do with a message, and what they say when it fails."""

from __future__ import annotations

import base64
import hmac
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from demo.lab.paths import free_ports
from sshjit.errors import Failed, Invalid
from sshjit_web.notify import channels, webhooks
from sshjit_web.notify.channels import Chat
from sshjit_web.notify.delivery import Channel, Message
from sshjit_web.notify_config import ChannelConfig, NotifyConfig
from tests.support.receivers import Hooked, Mailbox, receiver, smtp

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""Apprise imports it for a library that needs it, on versions of Python that have it."""
KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
MESSAGE = Message(
    "msg_1", "bob@example.com", ("ssh-jit: hello", "Who: Dana\n"), ("hello", "Who: Dana\n"), '{"a":"\u00fc"}'
)


def opened(folder: Path, channel: ChannelConfig, *, mail: bool = False) -> Channel:
    config = NotifyConfig(channels={"one": channel}, mail="one" if mail else None)
    return channels.open_all(config, folder, plain_http=True)["one"]


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_mail_goes_to_its_recipient_alone_as_plain_text(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    written(tmp_path, f"mailto://127.0.0.1:{port}?from=ssh-jit@example.com&to=everybody@example.com&format=html\n")
    way, mailbox = opened(tmp_path, ChannelConfig(apprise_file="secret"), mail=True), Mailbox()
    with smtp(port, mailbox):
        way.send(MESSAGE, 0)
    (mail,) = mailbox.mails
    assert mail.recipients == ("bob@example.com",)
    assert mail.sender == "ssh-jit@example.com"
    assert mail.subject == "ssh-jit: hello"
    assert mail.text.strip() == "Who: Dana"
    assert mail.message.get_content_type() == "text/plain"


@pytest.mark.parametrize("address", ["o'brien+ssh@example.com", "a&b=c!d@example.com", "-x@example.com"])
def test_a_mail_goes_to_an_odd_address_and_to_nobody_else(tmp_path: Path, address: str) -> None:
    (port,) = free_ports(1)
    written(tmp_path, f"mailto://127.0.0.1:{port}?from=ssh-jit@example.com")
    way, mailbox = opened(tmp_path, ChannelConfig(apprise_file="secret"), mail=True), Mailbox()
    with smtp(port, mailbox):
        way.send(replace(MESSAGE, recipient=address), 0)
    (mail,) = mailbox.mails
    assert mail.recipients == (address,)


@pytest.mark.parametrize("address", ["j\u00fcrgen@example.com", "a@example.com> <b@example.com", "nobody"])
def test_an_address_that_the_mail_service_takes_for_another_one_is_dead(tmp_path: Path, address: str) -> None:
    (port,) = free_ports(1)
    written(tmp_path, f"mailto://127.0.0.1:{port}?from=ssh-jit@example.com")
    way, mailbox = opened(tmp_path, ChannelConfig(apprise_file="secret"), mail=True), Mailbox()
    with smtp(port, mailbox), pytest.raises(Failed, match="for another one") as error:
        way.send(replace(MESSAGE, recipient=address), 0)
    assert error.value.code == "gone"
    assert mailbox.mails == []


def test_a_mail_server_that_is_down_or_says_no_is_a_failure_without_its_password(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    written(tmp_path, f"mailto://user:hunter2hunter2@127.0.0.1:{port}?from=ssh-jit@example.com")
    way = opened(tmp_path, ChannelConfig(apprise_file="secret"), mail=True)
    with pytest.raises(Failed) as down:
        way.send(MESSAGE, 0)
    mailbox = Mailbox(pause=lambda _: "451 not now")
    written(tmp_path, f"mailto://127.0.0.1:{port}?from=ssh-jit@example.com")
    way = opened(tmp_path, ChannelConfig(apprise_file="secret"), mail=True)
    with smtp(port, mailbox), pytest.raises(Failed) as refused:
        way.send(MESSAGE, 0)
    for error in (down.value, refused.value):
        assert error.code == "not_delivered"
        assert error.message
        assert "hunter2" not in error.message


def test_what_a_service_repeats_of_its_address_is_taken_out() -> None:
    address = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"
    said = "cannot post to https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    assert channels.without_secrets(said, address) == "cannot post to https://hooks.slack.com/services/…/…/…"


@pytest.mark.parametrize("text", ["", "nonsense", "unknownservice://x", "mailto://"])
def test_an_address_that_is_none_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    with pytest.raises(Invalid, match="channel one") as refused:
        opened(tmp_path, ChannelConfig(apprise_file="secret"))
    assert refused.value.code == "bad_channel"


def test_only_what_can_mail_to_single_people_is_a_mail_channel(tmp_path: Path) -> None:
    written(tmp_path, "json://127.0.0.1/")
    opened(tmp_path, ChannelConfig(apprise_file="secret"))
    with pytest.raises(Invalid, match="single people"):
        opened(tmp_path, ChannelConfig(apprise_file="secret"), mail=True)


def test_an_address_that_others_can_read_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "json://127.0.0.1/", mode=0o644)
    with pytest.raises(Invalid, match="can be read by others"):
        opened(tmp_path, ChannelConfig(apprise_file="secret"))


def test_the_reference_library_believes_a_webhook_once_and_no_changed_one(tmp_path: Path) -> None:
    body, now = MESSAGE.body.encode(), int(time.time())
    headers = webhooks.headers((KEY,), MESSAGE.id, MESSAGE.body, now)
    signature = hmac.digest(KEY, b".".join((b"msg_1", str(now).encode(), body)), "sha256")
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(signature).decode()}"
    assert Webhook(SECRET).verify(body, headers) == {"a": "ü"}
    for changed in ({"webhook-id": "msg_2"}, {"webhook-timestamp": str(now - 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, {**headers, **changed})
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, webhooks.headers((KEY,), MESSAGE.id, MESSAGE.body, now - 3600))


def test_while_a_secret_is_changed_both_are_good(tmp_path: Path) -> None:
    other = "whsec_" + base64.b64encode(b"x" * 24).decode()
    keys = webhooks.secrets(f"{SECRET}\n{other}\n", "file")
    headers = webhooks.headers(keys, "msg_1", "{}", int(time.time()))
    for secret in (SECRET, other):
        assert Webhook(secret).verify(b"{}", headers) == {}


@pytest.mark.parametrize(
    "text", ["", "\n", "secret", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ=", SECRET + "\nx", SECRET * 3]
)
def test_a_bad_secret_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        webhooks.secrets(text, "file")
    assert refused.value.code == "bad_secret"
    assert "c2hvcnQ" not in str(refused.value)


def test_a_webhook_is_taken_or_says_why_not(tmp_path: Path) -> None:
    hooked = Hooked(SECRET)
    with receiver(hooked) as url:
        written(tmp_path, SECRET)
        way = opened(tmp_path, ChannelConfig(webhook=url, secret_file="secret"))
        way.send(MESSAGE, int(time.time()))
        assert hooked.taken == [("msg_1", {"a": "ü"})]
        for status, code in ((500, "not_delivered"), (302, "not_delivered"), (404, "not_delivered"), (410, "gone")):
            hooked.status = status
            with pytest.raises(Failed, match=str(status)) as failed:
                way.send(MESSAGE, int(time.time()))
            assert failed.value.code == code
    with pytest.raises(Failed, match="cannot be reached"):
        way.send(MESSAGE, int(time.time()))


def test_a_webhook_goes_to_its_address_and_nowhere_else(tmp_path: Path) -> None:
    elsewhere = Hooked(SECRET)
    with receiver(elsewhere) as other, receiver(Hooked(SECRET, status=307, location=other)) as url:
        written(tmp_path, SECRET)
        way = opened(tmp_path, ChannelConfig(webhook=url, secret_file="secret"))
        with pytest.raises(Failed, match="307"):
            way.send(MESSAGE, int(time.time()))
    assert elsewhere.taken == []


def test_plain_http_is_for_development_only(tmp_path: Path) -> None:
    written(tmp_path, SECRET)
    config = NotifyConfig(channels={"one": ChannelConfig(webhook="http://127.0.0.1/hook", secret_file="secret")})
    with pytest.raises(Invalid):
        channels.open_all(config, tmp_path, plain_http=False)


def test_a_chat_gets_the_text_without_markup(tmp_path: Path) -> None:
    """Apprise's own JSON service stands for a chat: it posts title and text as it was told."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            channel, _ = server.accept()
            with channel:
                got.append(channel.recv(65536))
                while b"}" not in got[-1]:
                    got[-1] += channel.recv(65536)
                channel.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        message = Message("msg_1", "", ("mail", "mail"), ("a title", "a text"), "{}")
        Chat(f"json://127.0.0.1:{server.getsockname()[1]}/").send(message, 0)
        thread.join(10)
    assert b'"title": "a title"' in got[0]
    assert b'"message": "a text"' in got[0]
