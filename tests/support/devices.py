"""Where the CA's keys can live, for tests: real agents, and a real token (SoftHSM)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.installation import make_key

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "24680"
KINDS = ("ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-3072")
_CURVES = {"ecdsa-p256": "secp256r1", "ecdsa-p384": "secp384r1", "ecdsa-p521": "secp521r1"}
_ED25519 = bytes.fromhex("130c656477617264733235353139")  # PrintableString "edwards25519", as PKCS#11 3.0 names it


def ssh_key(path: Path, kind: str) -> Path:
    """A key file of one of ``KINDS``, by ssh-keygen."""
    if kind.startswith("ecdsa-p"):
        return make_key(path, "ecdsa", int(kind.removeprefix("ecdsa-p")))
    return make_key(path, *(("rsa", 3072) if kind == "rsa-3072" else (kind, None)))


@dataclass
class Agent:
    """A running ssh-agent, at a socket in a folder."""

    socket: Path
    process: subprocess.Popen[bytes]

    def run(self, *command: str | Path) -> None:
        """Runs ssh-add with these arguments."""
        env = {**os.environ, "SSH_AUTH_SOCK": str(self.socket)}
        subprocess.run(["ssh-add", "-q", *command], env=env, check=True, stdin=subprocess.DEVNULL, capture_output=True)


@contextmanager
def agent(socket: Path) -> Iterator[Agent]:
    """An agent in the foreground, ended with the block."""
    socket.unlink(missing_ok=True)
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # it says where it listens, once it does
    try:
        yield Agent(socket, process)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
        socket.unlink(missing_ok=True)


@dataclass(frozen=True)
class Token:
    """A token of SoftHSM below a folder; its keys are objects named by their kind."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What SoftHSM must be told in the process that loads it."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    @property
    def pin(self) -> Path:
        """The file that holds the PIN."""
        return self.folder / "pin"

    def reference(self, label: str) -> str:
        """The reference to a key of the token."""
        return f"pkcs11:token=ssh-jit;object={label}?module-path={MODULE}&pin-source={self.pin}"

    @classmethod
    def make(cls, folder: Path) -> Token:
        """Sets up a token without keys."""
        (folder / "tokens").mkdir(parents=True)
        found = cls(folder)
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
        found.pin.write_text(f"{PIN}\n")
        found.pin.chmod(0o600)
        command = ["softhsm2-util", "--init-token", "--free", "--label", "ssh-jit", "--so-pin", "13579", "--pin", PIN]
        subprocess.run(command, env={**os.environ, **found.environment}, check=True, capture_output=True)
        return found

    def session(self) -> Any:
        """A session that may write. The first who logs in does so for the whole process."""
        import pkcs11

        token = pkcs11.lib(str(MODULE)).get_token(token_label="ssh-jit")
        try:
            return token.open(user_pin=PIN, rw=True)
        except pkcs11.UserAlreadyLoggedIn:
            return token.open(rw=True)

    def remove(self, label: str) -> None:
        """Takes a key off the token."""
        with self.session() as session:
            for each in list(session.get_objects({_label(): label})):
                each.destroy()

    def add(self, kind: str, label: str) -> None:
        """Makes a key on the token; SOFTHSM2_CONF must name it in this process."""
        import pkcs11

        with self.session() as session:
            if kind == "rsa-3072":
                session.generate_keypair(pkcs11.KeyType.RSA, 3072, store=True, label=label)
                return
            parameters, extra = _curve(kind)
            domain = session.create_domain_parameters(
                pkcs11.KeyType.EC_EDWARDS if kind == "ed25519" else pkcs11.KeyType.EC,
                {pkcs11.Attribute.EC_PARAMS: parameters},
                local=True,
            )
            domain.generate_keypair(store=True, label=label, **extra)


def _label() -> Any:
    import pkcs11

    return pkcs11.Attribute.LABEL


def _curve(kind: str) -> tuple[bytes, dict[str, Any]]:
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    if kind == "ed25519":
        return _ED25519, {"mechanism": pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN}
    return encode_named_curve_parameters(_CURVES[kind]), {}
