"""Agents that are restarted, hang, or lie: it costs their time and a clear error, and nothing else."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from sshjit import sshkey
from sshjit.errors import Failed
from sshjit_ca.keys import agents, files
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.locations import KeyLocations
from tests.support import devices
from tests.support.installation import make_key
from tests.support.waiting import PATIENCE


def fingerprint(path: Path) -> str:
    return sshkey.parse_line(path.with_suffix(".pub").read_text()).fingerprint


def test_an_agent_that_was_restarted_is_used_again(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    with devices.agent(tmp_path / "socket") as first:
        first.run(key)
        signer = KeyStore(KeyLocations(agent=first.socket)).open(f"agent:{fingerprint(key)}")
        signer.sign(b"x")
    with pytest.raises(Failed) as gone:
        signer.sign(b"x")
    assert gone.value.code == "not_signing"
    with devices.agent(tmp_path / "socket") as second:
        with pytest.raises(Failed, match="refused the request"):
            signer.sign(b"x")  # it runs, and does not hold the key yet
        second.run(key)
        signer.sign(b"x")
        second.run("-D")
        with pytest.raises(Failed) as removed:
            signer.sign(b"x")
        assert "was the key removed?" in removed.value.hint
    with devices.agent(tmp_path / "socket") as third:
        third.run(key)
        signer.sign(b"x")


class Odd:
    """A thing at a socket that speaks as the test says: each connection is answered by ``answers``, in turn."""

    def __init__(self, path: Path, *answers: bytes) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._open: list[socket.socket] = []
        self._answers = answers
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self._answers:
            connection, _ = self._socket.accept()
            self._open.append(connection)
            connection.recv(65536)
            connection.sendall(answer)

    def close(self) -> None:
        self._socket.close()
        for connection in self._open:
            connection.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "did not answer within"),
        (b"\0\0", "did not answer within"),
        (b"\xff\xff\xff\xff", "an answer of"),
        (b"\0\0\0\0", "an answer of 0 bytes"),
        (b"\0\0\0\1\5", "refused the request"),
    ],
)
def test_an_agent_that_hangs_or_speaks_oddly_costs_its_time_and_no_more(
    answer: bytes, said: str, tmp_path: Path
) -> None:
    odd = Odd(tmp_path / "socket", answer)
    began = time.monotonic()
    with pytest.raises(Failed, match=said) as failed:
        agents.Agent(odd.path, patience=0.2).sign(b"blob", b"data", 0)
    assert failed.value.code == "not_signing"
    assert time.monotonic() - began < PATIENCE
    odd.close()


def test_a_signature_by_another_key_is_thrown_away(tmp_path: Path) -> None:
    right, wrong = (files.load(make_key(tmp_path / name)) for name in ("right", "wrong"))

    class Swapped(agents.Agent):
        def held(self) -> list[bytes]:
            return [right.public.blob]

        def sign(self, blob: bytes, data: bytes, flags: int) -> bytes:
            assert (blob, flags) == (right.public.blob, 0)
            return wrong.sign(data)

    key = agents.AgentKey(Swapped(tmp_path), right.public.fingerprint)
    with pytest.raises(Failed, match="discarded") as failed:
        key.sign(b"x")
    assert failed.value.code == "not_signing"
