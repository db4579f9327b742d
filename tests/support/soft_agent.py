"""An ssh-agent in this process: each message is answered by a function, over a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sshjit.sshwire import Reader, string, u32
from tests.support.softkey import SoftKey

FAILURE = b"\x05"
_LAST = b"\xff"
Answer = Callable[[bytes], bytes]


@contextmanager
def answering(address: Path, answer: Answer) -> Iterator[str]:
    """Listens at ``address``; gives it as text. Connections are served one at a time, each for all of its messages."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        thread = threading.Thread(target=_serve, args=(listener, answer))
        thread.start()
        try:
            yield str(address)
        finally:
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(address))
                last.sendall(string(_LAST))
            thread.join()


def _serve(listener: socket.socket, answer: Answer) -> None:
    while True:
        channel, _ = listener.accept()
        with channel, channel.makefile("rb") as incoming:
            while len(head := incoming.read(4)) == 4:
                message = incoming.read(int.from_bytes(head, "big"))
                if message == _LAST:
                    return
                channel.sendall(string(answer(message)))


def with_key(key: SoftKey) -> Answer:
    """The answers of an agent that holds a hardware key, whose device is touched at once."""

    def answer(message: bytes) -> bytes:
        if message == b"\x0b":  # what is held
            return b"\x0c" + u32(1) + string(key.blob) + string(b"device")
        if message[0] == 13:  # sign
            reader = Reader(message[1:])
            _, data = reader.string(), reader.string()
            return b"\x0e" + string(key.sign(data))
        return FAILURE

    return answer
