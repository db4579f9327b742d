"""A real SSH server on loopback: asyncssh, in a thread, with a host certificate, or with its plain key alone.

It trusts a user CA for some principals, as a host of ours does, and answers every command with ``account: command``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

from tests.unit.client.installation_keys import keygen, make_key


async def _answer(process: asyncssh.SSHServerProcess[str]) -> None:
    account = process.get_extra_info("username")
    process.stdout.write(f"{account}: {process.command}\n")
    process.exit(0)


@contextmanager
def ssh_server(
    folder: Path, names: list[str], principals: list[str], host_ca: Path | None, user_ca: str
) -> Iterator[int]:
    """Runs the server under these ``names``; gives its port. ``host_ca``: a private key; ``user_ca``: a line.

    Its key is ``ssh_host_key`` in the folder. Without ``host_ca`` it shows no certificate.
    """
    path = folder / "ssh_host_key"
    make_key(path)
    shown = [(str(path), f"{path}-cert.pub")] if host_ca else [str(path)]
    if host_ca:
        keygen("-q", "-s", str(host_ca), "-h", "-I", "host", "-n", ",".join(names), "-V", "-1m:+1h", f"{path}.pub")
    trusted = folder / "authorized"
    trusted.write_text(f'cert-authority,principals="{",".join(principals)}" {user_ca}\n')
    loop = asyncio.new_event_loop()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=shown,
            authorized_client_keys=str(trusted),
            process_factory=_answer,
        )

    acceptor = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield acceptor.get_port()
    finally:
        asyncio.run_coroutine_threadsafe(_close(acceptor), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def _close(acceptor: asyncssh.SSHAcceptor) -> None:
    acceptor.close()
    await acceptor.wait_closed()
