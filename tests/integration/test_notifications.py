"""``ssh-jit-web notify`` as real processes, between a real CA, a real SMTP server and a receiver of webhooks."""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Engine

from demo.lab.paths import free_ports
from sshjit import ca_protocol as m
from sshjit_ca.sockets import Socket
from sshjit_web import migrate
from sshjit_web.ca_client import CaClient
from sshjit_web.notify import command, status
from sshjit_web.store import open_engine
from tests.support.break_glass import break_glass
from tests.support.ca_sockets import serving_sockets
from tests.support.installation import ALICE, BOB, DANA, Installation
from tests.support.issuer import serving
from tests.support.notified import ERIN, POLICY_WITH_GLASS
from tests.support.receivers import Hooked, Mailbox, receiver, smtp
from tests.support.waiting import PATIENCE, wait_until

R = TypeVar("R")
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PROGRAM = (sys.executable, "-m", "sshjit_web", "notify")


class Spoken(Installation):
    """A CA whose sockets are real, once ``open`` is set."""

    open = False

    def say(self, message: m.Message, reply: type[R], where: Socket = "web") -> R:
        if not self.open:
            return super().say(message, reply, where)
        client = CaClient(self.home / f"{where}.sock")
        try:
            return client.call(message, reply)
        finally:
            client.close()


@dataclass
class Notifier:
    """Everything of one test."""

    ca: Spoken
    port: int
    mailbox: Mailbox
    hooked: Hooked
    engine: Engine
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.ca.home / "web.toml"

    def start(self) -> subprocess.Popen[bytes]:
        with (self.ca.home / "notify.log").open("ab") as log:
            process = subprocess.Popen([*PROGRAM, "--config", str(self.config)], stderr=log)
        self.running.append(process)
        return process

    def kill(self) -> None:
        """As the power cord would."""
        for process in self.running:
            process.kill()
            process.wait(10)
        self.running.clear()

    def say(self, *words: str) -> str:
        done = subprocess.run(
            [*PROGRAM, *words, "--config", str(self.config)],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> str:
        """What ``notify status`` says, without starting it."""
        return "\n".join(command.shown(status.overview(self.engine), None, int(time.time())))

    def log(self) -> str:
        return (self.ca.home / "notify.log").read_text()

    def wait(self, there: Callable[[], object]) -> None:
        wait_until(there, lambda: (self.log(), [(mail.recipients, mail.subject) for mail in self.mailbox.mails]))

    def ask(self) -> m.RequestView:
        return self.ca.ask(self.ca.native(DANA), "db1").request

    def subjects(self, name: str) -> list[str]:
        return [mail.subject for mail in self.mailbox.to(name)]


def settings(ca: Installation, port: int, url: str) -> str:
    return f"""version = 1
address = "127.0.0.1"
port = 8080
public_url = "http://127.0.0.1:8080"
ca_socket = "{ca.home}/web.sock"
database = "sqlite:///{ca.home}/web.db"
providers = "providers.toml"
session_key_file = "session.key"
unsafe_http = true
[notify]
mail = "mail"
takeover = "3s"
[notify.channels.mail]
apprise_file = "mail.url"
[notify.channels.pager]
webhook = "{url}"
secret_file = "pager.secret"
[[notify.routes]]
channels = ["pager"]
rules = ["database"]
labels = {{ env = "prod" }}
[[notify.routes]]
channels = ["pager"]
topics = ["locked", "emergency"]
"""


@contextmanager
def built(folder: Path) -> Iterator[Notifier]:
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        ca = Spoken(folder, issuers, time=time.time(), policy=POLICY_WITH_GLASS)
        stack.callback(ca.stop)
        ca.add_host("db1", env="prod", role="db")
        ca.web(BOB)
        ca.web(ERIN)
        (port,) = free_ports(1)
        hooked = Hooked(SECRET)
        url = stack.enter_context(receiver(hooked))
        for name, text in (
            ("web.toml", settings(ca, port, url)),
            ("mail.url", f"mailto://127.0.0.1:{port}?from=ssh-jit@example.com"),
            ("pager.secret", SECRET),
        ):
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        stack.enter_context(serving_sockets(ca, frozenset({os.getuid()})))
        ca.open = True
        engine = open_engine(f"sqlite:///{folder}/web.db")
        stack.callback(engine.dispose)
        migrate.upgrade(engine)
        notifier = Notifier(ca, port, Mailbox(), hooked, engine)
        stack.callback(notifier.kill)
        yield notifier


@pytest.fixture
def notifier(tmp_path: Path) -> Iterator[Notifier]:
    with built(tmp_path) as notifier:
        yield notifier


def test_from_the_ask_to_the_answer_everybody_is_told_once_by_mail_and_webhook(notifier: Notifier) -> None:
    with smtp(notifier.port, notifier.mailbox):
        process = notifier.start()
        request = notifier.ask()
        notifier.wait(lambda: notifier.mailbox.to("bob") and notifier.mailbox.to("erin") and notifier.hooked.taken)
        (mail,) = notifier.mailbox.to("bob")
        assert mail.subject == "ssh-jit: d-4 requests postgres@db1"
        for part in ("d-4 (partner, dana@example.com)", "CHG-7 add index", "Expires: 20"):
            assert part in mail.text
        assert re.findall(r"https?://\S+", mail.text) == [f"http://127.0.0.1:8080/requests/{request.id}"]
        notifier.ca.approve(notifier.ca.web(BOB), request)
        notifier.wait(
            lambda: (
                notifier.subjects("dana") and len(notifier.subjects("erin")) == 2 and len(notifier.hooked.taken) == 2
            )
        )
        break_glass(notifier.ca, notifier.ca.native(ALICE))
        notifier.wait(lambda: len(notifier.hooked.taken) == 3 and len(notifier.subjects("erin")) == 3)
        notifier.wait(lambda: notifier.subjects("alice"))
        notifier.ca.say(m.Lock(None, "host", "db1", "odd traffic"), m.LockReply, "admin")
        notifier.wait(lambda: len(notifier.hooked.taken) == 5)
        notifier.wait(lambda: len(notifier.subjects("dana")) == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert notifier.hooked.types()[:3] == ["asked", "opened", "broken_glass"]
    assert sorted(notifier.hooked.types()[3:]) == ["locked", "revoked"]
    assert notifier.hooked.refused == []
    assert notifier.subjects("dana") == [
        "ssh-jit: Approved: postgres@db1 for d-4",
        "ssh-jit: Revoked: postgres@db1 for d-4",
    ]
    assert notifier.subjects("bob") == [mail.subject, "ssh-jit: EMERGENCY ACCESS (break-glass): a-1 to root@db1"]
    assert "notifications are off" in notifier.status()
    assert "5 sent" in notifier.say("status")


def test_a_mail_server_that_is_down_loses_nothing_not_even_when_the_notifier_is_killed(notifier: Notifier) -> None:
    """Killed between the commit of what is owed and its delivery, and the webhook is not held up by the mail."""
    notifier.start()
    notifier.ask()
    notifier.wait(lambda: notifier.hooked.types() == ["asked"])
    notifier.wait(lambda: "failing since" in notifier.status())
    notifier.kill()
    assert notifier.mailbox.mails == []
    with smtp(notifier.port, notifier.mailbox):
        notifier.start()
        notifier.wait(lambda: notifier.mailbox.to("bob") and notifier.mailbox.to("erin"))
        notifier.wait(lambda: "mail: 2 sent" in notifier.status().replace(", 2 waiting", ""))
    assert [len(notifier.mailbox.to(name)) for name in ("bob", "erin")] == [1, 1]
    # Killed between the receiver's answer and the note of it, the hook is told again, by the same webhook-id.
    assert {(number, body["type"]) for number, body in notifier.hooked.taken} == {
        (notifier.hooked.taken[0][0], "ssh_jit.asked")
    }


def test_a_mail_server_that_says_nothing_holds_up_no_webhook(notifier: Notifier) -> None:
    with socket.create_server(("127.0.0.1", notifier.port)):
        notifier.start()
        notifier.ask()
        notifier.wait(lambda: notifier.hooked.types() == ["asked"])
        notifier.ca.say(m.Lock(None, "host", "db1", "odd traffic"), m.LockReply, "admin")
        notifier.wait(lambda: notifier.hooked.types() == ["asked", "locked"])
    assert notifier.mailbox.mails == []


def test_killed_between_a_delivery_and_its_mark_that_one_comes_twice_and_no_other(notifier: Notifier) -> None:
    killed: list[str] = []

    def kill_at_the_first(recipient: str) -> str:
        if not killed:
            killed.append(recipient)
            notifier.running[0].kill()
        return "250 taken"

    notifier.mailbox.pause = kill_at_the_first
    with smtp(notifier.port, notifier.mailbox):
        notifier.ask()
        process = notifier.start()
        process.wait(20)
        notifier.running.clear()
        notifier.start()
        notifier.wait(lambda: notifier.mailbox.to("bob") and notifier.mailbox.to("erin"))
        notifier.wait(lambda: "2 sent" in notifier.status())
    twice = killed[0].partition("@")[0]
    assert len(notifier.mailbox.to(twice)) == 2
    other = {"bob", "erin"} - {twice}
    assert len(notifier.mailbox.to(other.pop())) in (1, 2)  # it may have been under way as well
    assert len(notifier.mailbox.mails) <= 4


def test_of_two_notifiers_one_works_and_the_other_goes_on_when_it_is_killed(notifier: Notifier) -> None:
    with smtp(notifier.port, notifier.mailbox):
        first = notifier.start()
        notifier.wait(lambda: "active:" in notifier.status())
        second = notifier.start()
        notifier.ask()
        notifier.wait(lambda: notifier.mailbox.to("bob") and notifier.mailbox.to("erin"))
        notifier.wait(lambda: "stands by" in notifier.log())
        first.kill()
        first.wait(10)
        notifier.ca.say(m.Lock(None, "host", "db1", "odd traffic"), m.LockReply, "admin")
        notifier.wait(lambda: notifier.hooked.types() == ["asked", "locked"])
        assert second.poll() is None
    assert [len(notifier.mailbox.to(name)) for name in ("bob", "erin")] == [1, 1]


def test_what_is_dead_is_seen_and_tried_again_when_the_operator_says_so(notifier: Notifier) -> None:
    notifier.hooked.status = 410
    notifier.start()
    notifier.ca.say(m.Lock(None, "host", "db1", "odd traffic"), m.LockReply, "admin")
    notifier.wait(lambda: "dead msg_" in notifier.status())
    assert "after 1 tries: the receiver wants no more messages (410)" in notifier.status()
    notifier.hooked.status = 204
    assert notifier.say("retry") == "1 will be retried\n"
    notifier.wait(lambda: "pager: 1 sent" in notifier.status())
    (first, _), (second, _) = notifier.hooked.taken
    assert first == second


def test_without_a_table_it_says_so_and_a_wrong_channel_is_named(notifier: Notifier) -> None:
    notifier.config.write_text(notifier.config.read_text().replace('"mail.url"', '"missing.url"'))
    done = subprocess.run([*PROGRAM, "--config", str(notifier.config)], capture_output=True, text=True, check=False)
    assert (done.returncode, "missing.url" in done.stderr) == (2, True)
    notifier.config.write_text(notifier.config.read_text().partition("[notify]")[0])
    done = subprocess.run([*PROGRAM, "--config", str(notifier.config)], capture_output=True, text=True, check=False)
    assert (done.returncode, "has no table [notify]" in done.stderr) == (2, True)
