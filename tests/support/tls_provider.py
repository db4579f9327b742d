"""The development provider over TLS, at ``https://localhost:PORT``: for programs that take nothing else.

python -m tests.support.tls_provider CONFIG CERTIFICATE KEY
"""

from __future__ import annotations

import dataclasses
import ssl
import sys
from pathlib import Path

from demo.provider.__main__ import Listener, QuietHandler
from demo.provider.app import create_app
from demo.provider.config import Config, read


class TlsConfig(Config):
    """A provider whose issuer begins with ``https``."""

    @property
    def issuer(self) -> str:
        """By the name that its certificate has."""
        return f"https://localhost:{self.port}"


def main() -> None:
    """Serves until it is killed; says so by one line."""
    config = read(Path(sys.argv[1]))
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    with Listener((config.address, config.port), QuietHandler) as listener:
        listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
        listener.set_app(create_app(TlsConfig(**values)))
        print(f"{config.id} is ready", flush=True)
        listener.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
