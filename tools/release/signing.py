"""Signatures by OpenSSH alone: SSHSIG over the digests, and over the tag by git. Each is verified as it is made.

The key is a file that ``ssh-keygen`` understands: a private key, or a public one whose private half an agent or a
hardware key holds. What is asked for on the way (passphrase, touch) is between the person and ``ssh-keygen``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.release.errors import ReleaseError
from tools.release.programs import quietly, run

NAMESPACE = "release@ssh-jit"
IDENTITY = "release"
"""The name by which ``allowed_signers`` calls whoever releases."""


@dataclass(frozen=True, slots=True)
class Key:
    """Who signs. ``public`` is ``type base64``."""

    path: Path
    public: str

    @property
    def allowed_signers(self) -> str:
        """The line with which others verify digests and tag."""
        return f'{IDENTITY} namespaces="{NAMESPACE},git" {self.public}'


def find(path: Path) -> Key:
    """Read who signs from a key's file.

    Raises:
        ReleaseError: if it is none.

    """
    path = path.expanduser().resolve()
    if not path.is_file():
        raise ReleaseError(
            f"there is no key {path}", "name a private key, or the .pub of one that your ssh-agent holds"
        )
    beside = path.with_name(f"{path.name}.pub")
    for each in (path, beside):
        words = each.read_text(errors="replace").split() if each.is_file() else []
        if len(words) > 1 and words[0].startswith(("ssh-", "ecdsa-", "sk-")):
            return Key(path, " ".join(words[:2]))
    code, line = quietly("ssh-keygen", "-y", "-f", path, cwd=path.parent)
    if code:
        raise ReleaseError(f"{path} is no SSH key that ssh-keygen can read", f"put its public half into {beside}")
    return Key(path, " ".join(line.split()[:2]))


def sign(key: Key, file: Path) -> None:
    """Write the signature beside the file, as ``NAME.sig``, and verify it."""
    signature = file.with_name(f"{file.name}.sig")
    signature.unlink(missing_ok=True)
    try:
        run("ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", key.path, file, cwd=file.parent)
    except ReleaseError as error:
        raise ReleaseError(
            f"the key does not sign: {error}",
            "is it in your agent (ssh-add -l), or plugged in, and was the passphrase right?",
        ) from None
    signers = file.with_name("allowed_signers")
    signers.write_text(f"{key.allowed_signers}\n")
    command = ("ssh-keygen", "-Y", "verify", "-f", signers, "-I", IDENTITY, "-n", NAMESPACE, "-s", signature)
    run(*command, cwd=file.parent, stdin=file)
    signers.unlink()


def tag(key: Key, repository: Path, name: str, message: str) -> None:
    """Make an annotated tag of the commit that is checked out, signed by the same key, and verify it."""
    signers = repository / ".git" / "allowed_signers"
    signers.write_text(f"{key.allowed_signers}\n")
    by_ssh = (
        "-c",
        "gpg.format=ssh",
        "-c",
        f"user.signingkey={key.path}",
        "-c",
        f"gpg.ssh.allowedSignersFile={signers}",
    )
    run("git", *by_ssh, "tag", "-s", "--cleanup=verbatim", "-m", message, name, cwd=repository)
    code, _ = quietly("git", *by_ssh, "verify-tag", name, cwd=repository)
    if code:
        raise ReleaseError(f"git does not verify the tag {name} that it just signed")
