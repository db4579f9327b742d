"""What ``ssh-keygen`` does for us: it signs, and verifies signatures and certificates."""

from __future__ import annotations

from pathlib import Path

from sshjit_host.errors import BundleRefused, HostError
from sshjit_host.formats import bundle as rules
from sshjit_host.formats.bundle import NAMESPACE, SUCCESSION, Bundle, Succession
from sshjit_host.formats.sshkey import PublicKey
from sshjit_host.machine import files
from sshjit_host.machine.programs import run

LONGEST_SIGNATURE = 16 * 1024


def check_signature(ssh_keygen: Path, text: bytes, signature: str, root: PublicKey) -> None:
    """Raise ``BundleRefused`` unless ``root`` signed exactly ``text`` in the bundle's namespace."""
    if not signed(ssh_keygen, text, signature, root, NAMESPACE):
        raise BundleRefused("the bundle is not signed by the key that this host is pinned to")


def check_changes(ssh_keygen: Path, changes: tuple[Succession, ...]) -> None:
    """Raise ``BundleRefused`` unless every new root was signed by the one before it."""
    for change in changes:
        if not signed(ssh_keygen, change.new.line.encode("ascii"), change.signature, change.old, SUCCESSION):
            raise BundleRefused("a root of the bundle is not signed by the one before it")


def signed(ssh_keygen: Path, text: bytes, signature: str, key: PublicKey, space: str) -> bool:
    """Whether ``key`` signed exactly ``text`` in a namespace; a malformed signature raises ``BundleRefused``."""
    if len(signature) > LONGEST_SIGNATURE or not signature.isascii():
        raise BundleRefused("the bundle's signature is malformed")
    line = f'bundle namespaces="{space}" {key.line}\n'
    with files.scratch({"signers": line.encode("ascii"), "signature": signature.encode("ascii")}) as folder:
        names = ("-f", folder / "signers", "-I", "bundle", "-n", space, "-s", folder / "signature")
        outcome = run(ssh_keygen, "-Y", "verify", *names, given=text)
    return outcome.code == 0


def verify(ssh_keygen: Path, bundle: Bundle, signature: str, pinned: str) -> tuple[Succession, ...]:
    """The changes of the root from the pinned one (``SHA256:…``) to the bundle's, each signed, as the bundle is.

    Raises ``BundleRefused`` otherwise.
    """
    changes = rules.way(bundle, pinned)
    check_changes(ssh_keygen, changes)
    check_signature(ssh_keygen, bundle.text.encode("ascii"), signature, bundle.root)
    return changes


def sign(ssh_keygen: Path, key: Path, message: bytes, space: str) -> str:
    """The armoured SSHSIG over ``message`` by a host key (its private file). Raises ``HostError`` if it cannot sign."""
    with files.scratch({"message": message}) as folder:
        outcome = run(ssh_keygen, "-Y", "sign", "-q", "-n", space, "-f", key, folder / "message")
        signature = files.read(folder / "message.sig")
    if outcome.code != 0 or signature is None:
        raise HostError(f"{key} cannot sign: {outcome.output or f'status {outcome.code}'}")
    return signature.decode("ascii")


def is_signed(ssh_keygen: Path, certificate: str) -> bool:
    """Whether a certificate's line is whole, and signed by the CA that it names: ``-L`` verifies what it shows."""
    with files.scratch({"key-cert.pub": f"{certificate}\n".encode("ascii")}) as folder:
        return run(ssh_keygen, "-L", "-f", folder / "key-cert.pub").code == 0
