"""An agent that answers late: what is asked of it is asked of a real one, after a while."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass
class SlowAgent:
    """The way to the real agent. ``delay``: seconds that each question takes."""

    path: Path
    real: Path
    delay: float = 0.0
    asked: int = 0

    def serve(self, listening: socket.socket) -> None:
        """Passes one question and its answer on for each connection, until the socket is closed."""
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=self._pass_on, args=(connection,), daemon=True).start()

    def _pass_on(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, socket.socket(socket.AF_UNIX) as real:
            question = connection.recv(65536)
            self.asked += 1
            time.sleep(self.delay)
            real.connect(str(self.real))
            real.sendall(question)
            while part := real.recv(65536):
                connection.sendall(part)
                if len(part) < 65536:
                    return


@contextmanager
def before(real: Path, path: Path) -> Iterator[SlowAgent]:
    """Such an agent at ``path``, before the real one."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(64)
        found = SlowAgent(path, real)
        threading.Thread(target=found.serve, args=(listening,), daemon=True).start()
        yield found
        listening.shutdown(socket.SHUT_RDWR)
