"""A post-quantum CA made by OpenSSH 10.6's own ``ssh-keygen``, and logins by the ``ssh`` of every age.

Programs of another Debian release are run by that release's own loader, in no other root. Only root can make the
releases' systems (``debian_root.py``).
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support import debian_root
from tests.support.host_machine import ME, Host, line

TYPE = "ssh-mldsa44-ed25519"
OPTIONS = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")


def program(suite: str, name: str) -> list[str]:
    """The words that run a program of a release's OpenSSH here."""
    root = debian_root.system(suite).root
    (loader,) = root.glob("usr/lib/*-linux-gnu*/ld-linux-*.so.*")
    return [str(loader), "--library-path", str(loader.parent), f"{root}/usr/bin/{name}"]


def keygen(*words: str | Path) -> str:
    """Run ``ssh-keygen`` of 10.6; what it printed."""
    done = subprocess.run(
        [*program("sid", "ssh-keygen"), *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class PostQuantumCA:
    """Its key, certificates and the part of a bundle that is about it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user_ca = self.key(folder / "pq_user_ca")
        self.host_ca = self.key(folder / "pq_host_ca")

    def key(self, path: Path, kind: str = "mldsa44-ed25519") -> Path:
        """A key pair without a passphrase; the one that is there, if there is one."""
        if not path.exists():
            keygen("-q", "-t", kind, "-N", "", "-C", "", "-f", path)
        return path

    def certify(self, ca: Path, key: Path, principal: str, serial: int, *more: str) -> Path:
        """A copy of a key with a user's certificate of five minutes beside it, by whichever CA."""
        copy = key.with_name(f"{key.name}-{ca.name}-{serial}")
        for end in ("", ".pub"):
            Path(f"{copy}{end}").write_bytes(Path(f"{key}{end}").read_bytes())
            Path(f"{copy}{end}").chmod(0o600)
        keygen("-q", "-s", ca, "-I", "test", "-n", principal, "-z", str(serial), "-V", "-1m:+5m", *more, copy)
        return copy

    def krl(self, *specifications: str) -> bytes:
        """A list of certificates by the user CA, from lines like ``serial: 7``."""
        path, rules = self.folder / "pq.krl", self.folder / "pq.txt"
        rules.write_text("".join(f"{text}\n" for text in specifications))
        keygen("-q", "-k", "-f", path, *(["-s", f"{self.user_ca}.pub", str(rules)] if specifications else []))
        return path.read_bytes()

    def part(self, *specifications: str, only: Sequence[str] = (), **changes: Any) -> dict[str, Any]:
        """The bundle's ``post_quantum``."""
        return {
            "user_ca": [line(self.user_ca)],
            "host_ca": [line(self.host_ca)],
            "retired": [],
            "krl": base64.b64encode(self.krl(*specifications)).decode(),
            "only": list(only),
            "root": "",
            **changes,
        }


def bundle(part: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    """The changes that make a bundle of format 2, with or without a post-quantum part."""
    later = {"version": 2, "oldest": 1, "release": "0.2", "critical": [], "host_keys": [], "bastions": []}
    return {"bundle": 2, **later, "post_quantum": part, **changes}


def login(host: Host, client: str, *keys: Path, more: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Log in by ``ssh`` of a release (empty: of this machine), with the keys and certificates in this order."""
    words = [*(program(client, "ssh") if client else ["ssh"]), "-v", "-F", "none", "-p", str(host.port), "-l", ME]
    words += [part for option in (*OPTIONS, *more) for part in ("-o", option)]
    for key in keys:
        words += ["-o", f"CertificateFile={key}-cert.pub", "-i", str(key)]
    return subprocess.run(
        [*words, "127.0.0.1", "true"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
