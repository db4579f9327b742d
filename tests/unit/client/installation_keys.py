"""Keys of an installation by ``ssh-keygen``, and bundles and certificates that tests make with them as they like."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sshjit import sshkey
from sshjit.bundle import NAMESPACE, Bundle, Provider
from tests.support.bundle_cases import CHECKPOINT, LOG_KEY, krl

EMPTY_KRL = krl()


def keygen(*words: str, data: bytes | None = None) -> bytes:
    done = subprocess.run(["ssh-keygen", *words], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def make_key(path: Path, kind: str = "ed25519") -> sshkey.PublicKey:
    keygen("-q", "-t", kind, "-N", "", "-C", "", "-f", str(path))
    return sshkey.parse_line(path.with_name(path.name + ".pub").read_text())


@dataclass(frozen=True, slots=True)
class InstallationKeys:
    """The keys of an installation, in a folder of their own."""

    folder: Path
    root: sshkey.PublicKey
    user_ca: sshkey.PublicKey
    host_ca: sshkey.PublicKey

    @classmethod
    def make(cls, folder: Path) -> InstallationKeys:
        folder.mkdir(parents=True)
        return cls(folder, *(make_key(folder / name) for name in ("root", "user_ca", "host_ca")))

    def bundle(self, issuer: str = "http://127.0.0.1:9", **changes: Any) -> Bundle:
        provider = Provider(
            id="acme",
            title="Acme",
            issuer=issuer,
            client_id="ssh-jit-cli",
            authorization_endpoint=f"{issuer}/authorize",
            token_endpoint=f"{issuer}/token",
            scopes=("openid", "email"),
        )
        now = int(time.time())
        plain = Bundle(
            bundle=1,
            installation="lab",
            root=self.root.line,
            succession=(),
            sequence=7,
            issued=now - 60,
            expires=now + 3600,
            user_ca=(self.user_ca.line,),
            host_ca=(self.host_ca.line,),
            retired=(),
            log_key=LOG_KEY,
            providers=(provider,),
            krl=EMPTY_KRL,
            ended=(),
            extended=(),
            checkpoint=CHECKPOINT,
        )
        return dataclasses.replace(plain, **changes)

    def sign(self, text: str, *, key: str = "root", namespace: str = NAMESPACE) -> str:
        """An SSHSIG over the text by one of the keys of the folder."""
        return keygen("-Y", "sign", "-q", "-n", namespace, "-f", str(self.folder / key), data=text.encode()).decode()

    def certify(
        self,
        public: str,
        principals: str,
        *,
        key_id: str = "req-00000001 sub-alice0001",
        serial: int = 5,
        seconds: int = 300,
        ca: str = "user_ca",
        options: tuple[str, ...] = (),
    ) -> str:
        """A certificate for a public key line, as one line."""
        subject = self.folder / f"subject-{serial}.pub"
        subject.write_text(public + "\n")
        keygen(
            *("-q", "-s", str(self.folder / ca), "-I", key_id, "-n", principals, "-z", str(serial)),
            *("-V", f"-1m:+{seconds}s", *options, str(subject)),
        )
        return (self.folder / f"subject-{serial}-cert.pub").read_text().strip()
