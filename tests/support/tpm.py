"""A TPM for tests: swtpm, with the resource manager of the TPM2 software stack, and tpm2-pkcs11 over both."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.lab.paths import free_ports
from tests.support.waiting import wait_until

PIN = "24680"


def module() -> Path:
    """The PKCS#11 library."""
    return next(Path("/usr/lib").glob("*/pkcs11/libtpm2_pkcs11.so"))


@dataclass
class Tpm:
    """A running TPM. ``environment`` leads tpm2-pkcs11, in any process, to it and its store."""

    folder: Path
    port: int
    environment: dict[str, str]
    manager: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, *command: str | Path) -> str:
        """Run a program of the stack; what it prints."""
        env = {**os.environ, **self.environment, "GNUTLS_PIN": PIN}
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout

    def start_manager(self) -> None:
        """Start the resource manager, and wait until the TPM answers by it."""
        log = (self.folder / "manager.log").open("ab")
        words = ["tpm2-abrmd", "--session", "--allow-root", f"--tcti=swtpm:host=127.0.0.1,port={self.port}"]
        with log:
            self.manager.append(subprocess.Popen(words, env={**os.environ, **self.environment}, stdout=log, stderr=log))
        wait_until(self._answers, (self.folder / "manager.log").read_text)

    def stop_manager(self) -> None:
        """End the resource manager; every program that spoke to it has a dead connection."""
        process = self.manager.pop()
        process.terminate()
        process.wait()

    def _answers(self) -> bool:
        env = {**os.environ, **self.environment}
        return subprocess.run(["tpm2_getrandom", "4"], env=env, check=False, capture_output=True).returncode == 0


def _is_free(port: int) -> bool:
    """The stack looks for a TPM's control channel at the port after its own."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextmanager
def tpm(folder: Path) -> Iterator[Tpm]:
    """A TPM with a token ``ca`` and its ECDSA key ``user_ca``; all of it ends with the block."""
    for name in ("state", "store"):
        (folder / name).mkdir()
    port = next(each for each in iter(lambda: free_ports(1)[0], 0) if _is_free(each + 1))
    where = ["--tpmstate", f"dir={folder}/state", "--server", f"type=tcp,port={port}"]
    where += ["--ctrl", f"type=tcp,port={port + 1}", "--flags", "not-need-init,startup-clear"]
    bus = f"unix:path={folder}/bus"
    made = Tpm(
        folder,
        port,
        {
            "DBUS_SESSION_BUS_ADDRESS": bus,
            "TPM2TOOLS_TCTI": "tabrmd:bus_type=session",
            "TPM2_PKCS11_TCTI": "tabrmd:bus_type=session",
            "TPM2_PKCS11_STORE": f"{folder}/store",
        },
    )
    with (
        subprocess.Popen(["swtpm", "socket", "--tpm2", *where]) as device,
        subprocess.Popen(["dbus-daemon", "--session", "--nofork", f"--address={bus}"]) as daemon,
    ):
        try:
            wait_until((folder / "bus").exists, "the bus does not come up")
            made.start_manager()
            store = ["--path", str(folder / "store")]
            made.run("tpm2_ptool", "init", *store)
            made.run("tpm2_ptool", "addtoken", "--pid=1", "--label=ca", f"--userpin={PIN}", "--sopin=1", *store)
            made.run(
                "tpm2_ptool", "addkey", "--algorithm=ecc256", "--label=ca", f"--userpin={PIN}",
                "--key-label=user_ca", *store,
            )  # fmt: skip
            yield made
        finally:
            for process in (*made.manager, daemon, device):
                process.terminate()
                process.wait()
