"""What the operator is told when the CA does not answer: whether the command may have been carried out."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed
from sshjit_ca.operations import admin_client

LOCK = m.Lock(None, "everything", None, "a drill")
NOT_KNOWN = {"family": "invalid", "code": "bad_message", "message": "", "hint": ""}
"""What a CA of version 1 answers to the first question."""


@contextmanager
def deaf(path: Path, *, closes: bool) -> Iterator[Path]:
    """A CA that hears a message, and closes the connection or says nothing."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as heard:
            heard.read(int.from_bytes(heard.read(4), "big"))
            answer = json.dumps({"v": 1, "id": 1, "type": "error", "body": NOT_KNOWN}).encode()
            connection.sendall(len(answer).to_bytes(4, "big") + answer)
            heard.read(int.from_bytes(heard.read(4), "big"))
            if not closes:
                over.wait(10)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize(("message", "code"), [(LOCK, "outcome_unknown"), (m.Status(), "ca_down")])
def test_a_command_that_was_sent_and_not_answered_may_have_been_done(
    message: m.Message, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, closes: bool
) -> None:
    monkeypatch.setattr(admin_client, "TIMEOUT", 0.5)
    with deaf(tmp_path / "admin.sock", closes=closes) as path, pytest.raises(Failed) as failed:
        admin_client.call(path, message, m.Reply)
    assert failed.value.code == code
    assert ("may have been done" in failed.value.hint) is (code == "outcome_unknown")


def test_a_ca_that_is_not_there_has_done_nothing(tmp_path: Path) -> None:
    with pytest.raises(Failed) as failed:
        admin_client.call(tmp_path / "admin.sock", LOCK, m.Reply)
    assert failed.value.code == "ca_down"
    assert "systemctl status ssh-jit-ca" in failed.value.hint, "what to type, and no question"
