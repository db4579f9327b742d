"""``python -m bench.ssh_servers FILE``: many SSH servers in one process, each at its own address with its own key.

They are asyncssh's, and enforce what a certificate says as sshd does: whom it is for, how long, the one command, no
terminal, no forwarding. FILE is JSON: port, the user CA's line, and for each server address, principal, key and
certificate.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import asyncssh


def _answer(process: Any) -> None:
    """Runs nothing: all that is ever forced here is ``true``."""
    process.exit(0 if process.command == "true" else 1)


async def serve(told: dict[str, Any]) -> None:
    """Listens at every address until the process is ended."""
    listening = []
    for server in told["servers"]:
        entry = f'cert-authority,principals="{server["principal"]}" {told["user_ca"]}'
        key = asyncssh.import_private_key(server["key"])
        listening.append(
            await asyncssh.listen(
                server["address"],
                told["port"],
                server_host_keys=[(key, asyncssh.import_certificate(server["certificate"]))],
                authorized_client_keys=asyncssh.import_authorized_keys(entry),
                process_factory=_answer,
            )
        )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text(encoding="ascii"))))
