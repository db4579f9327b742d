"""``python -m demo.provider --config FILE``: serves one development provider until it is told to stop."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from types import FrameType
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from demo.provider.app import create_app
from demo.provider.config import Config, ConfigError, read


class QuietHandler(WSGIRequestHandler):
    """Addresses carry codes, so none is written down."""

    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Says nothing."""


class Listener(ThreadingMixIn, WSGIServer):
    """The standard library's server with a thread per connection: one process, up at once, enough for a lab."""

    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        """Binds without asking the name service what loopback is called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


def serve(config: Config) -> None:
    """Listens, says so by one line of JSON, and serves until SIGTERM or SIGINT."""
    with Listener((config.address, config.port), QuietHandler) as listener:
        listener.set_app(create_app(config))
        print("development provider: never use it in production", file=sys.stderr, flush=True)
        print(json.dumps({"id": config.id, "issuer": config.issuer}), flush=True)
        listener.serve_forever(poll_interval=0.1)


def stop(signum: int, frame: FrameType | None) -> None:
    """Ends the process from within its own loop."""
    del signum, frame
    sys.exit(0)


def main() -> int:
    """Reads the configuration and serves."""
    parser = argparse.ArgumentParser(prog="demo.provider", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML or JSON: people and clients")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        serve(read(arguments.config))
    except (ConfigError, OSError) as error:
        print(f"demo.provider: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
