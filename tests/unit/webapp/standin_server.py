"""Serves the small authority on a real Unix socket, in the real frames, and restarts it as a process would be."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from pathlib import Path
from typing import Any

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.errors import SshJitError
from tests.unit.webapp.standin import Standin


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves a ``Standin`` on a socket; ``drop`` ends every connection, as a restart of the authority does."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: Path, standin: Standin) -> None:
        self.standin = standin
        self.open: set[Any] = set()
        super().__init__(str(path), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def drop(self) -> None:
        for channel in list(self.open):
            channel.shutdown(2)

    def stop(self) -> None:
        self.shutdown()
        self.drop()
        self.server_close()


class _Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self.server.open.add(self.connection)
        try:
            while head := self.rfile.read(4):
                self._one(self.rfile.read(struct.unpack(">I", head)[0]))
        except OSError:
            pass
        finally:
            self.server.open.discard(self.connection)

    def _one(self, data: bytes) -> None:
        frame = wire.loads(data)
        message: Any = wire.decode(m.MESSAGES[frame["type"]], frame["body"])
        try:
            kind, body = "ok", wire.encode(self.server.standin.answer(message))
        except SshJitError as error:
            kind, body = "error", wire.encode(m.ErrorReply(error.family, error.code, error.message, error.hint))
        answer = json.dumps({"v": 1, "id": frame["id"], "type": kind, "body": body}).encode()
        self.wfile.write(struct.pack(">I", len(answer)) + answer)
