"""Makes the vectors again: public keys, certificates, and what OpenSSH says about them.

Run it as ``python tests/vectors/make.py`` and commit the result. Everything is made by ``ssh-keygen``, with keys that
are thrown away, so only public parts are kept. Hardware keys cannot be made without hardware: theirs are the points
of ordinary keys in the format of OpenSSH's PROTOCOL.u2f, which is all that a CA ever sees of one.

``NAME.pub``            a public key
``NAME-user-cert.pub``  a user certificate over it, with every option that we use; each CA type signs some
``NAME-host-cert.pub``  a host certificate over it, with two names
``*.txt``               what ``ssh-keygen -l`` (keys) and ``ssh-keygen -L`` (certificates) print
"""

from __future__ import annotations

import argparse
import base64
import os
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
KINDS = {
    "ed25519": ("ed25519",),
    "ecdsa-256": ("ecdsa", "-b", "256"),
    "ecdsa-384": ("ecdsa", "-b", "384"),
    "ecdsa-521": ("ecdsa", "-b", "521"),
    "rsa-3072": ("rsa", "-b", "3072"),
}
HARDWARE = {"ed25519": "sk-ssh-ed25519@openssh.com", "ecdsa-256": "sk-ecdsa-sha2-nistp256@openssh.com"}
WINDOW = "20240102030405:20240102031405"
USER_OPTIONS = (
    "clear",
    "permit-pty",
    "permit-port-forwarding",
    "force-command=/opt/app/bin/migrate --all",
    "source-address=192.0.2.0/24,2001:db8::/32",
    "extension:grant@ssh-jit=req-0123456789 1704165245",
)


def keygen(*arguments: str | Path) -> str:
    """What ``ssh-keygen`` prints, with times in UTC."""
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C"}
    done = subprocess.run(["ssh-keygen", *arguments], check=True, capture_output=True, text=True, env=environment)
    return done.stdout


def string(value: bytes) -> bytes:
    """``string`` of RFC 4251."""
    return len(value).to_bytes(4, "big") + value


def hardware(line: str, kind: str) -> str:
    """The line of a hardware key that has the point of an ordinary key."""
    blob = base64.b64decode(line.split()[1])
    body = blob[4 + int.from_bytes(blob[:4], "big") :]
    made = string(kind.encode()) + body + string(b"ssh:")
    return f"{kind} {base64.b64encode(made).decode()}\n"


def certify(folder: Path, name: str, number: int) -> None:
    """One user and one host certificate over the key ``name``, by CAs of changing types."""
    cas = [folder / kind for kind in KINDS]
    work = folder / "work.pub"
    work.write_text((HERE / f"{name}.pub").read_text())
    signed = folder / "work-cert.pub"
    options = [*USER_OPTIONS, *(["verify-required"] if name.startswith("sk-") else [])]
    wanted = [part for option in options for part in ("-O", option)]
    keygen("-q", "-s", cas[number % len(cas)], "-I", f"req-0123456789 sub-0123456789 acme/{name}", "-z", f"{2**41 + 7}",
           "-n", "deploy@web1,deploy@web2~2", "-V", WINDOW, *wanted, work)  # fmt: skip
    (HERE / f"{name}-user-cert.pub").write_text(signed.read_text())
    keygen("-q", "-s", cas[(number + 1) % len(cas)], "-h", "-I", "host web1", "-z", f"{number + 1}",
           "-n", "web1,web1.example.com", "-V", WINDOW, work)  # fmt: skip
    (HERE / f"{name}-host-cert.pub").write_text(signed.read_text())


def main() -> None:
    """Replaces every vector."""
    argparse.ArgumentParser(prog="tests/vectors/make.py", description="Replace every vector by a new one.").parse_args()
    for old in (*HERE.glob("*.pub"), *HERE.glob("*.txt")):
        old.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, kind in KINDS.items():
            keygen("-q", "-N", "", "-C", name, "-t", *kind, "-f", folder / name)
            (HERE / f"{name}.pub").write_text((folder / f"{name}.pub").read_text())
        for name, hard in HARDWARE.items():
            (HERE / f"sk-{name}.pub").write_text(hardware((HERE / f"{name}.pub").read_text(), hard))
        for number, name in enumerate((*KINDS, *(f"sk-{name}" for name in HARDWARE))):
            certify(folder, name, number)
    for path in sorted(HERE.glob("*.pub")):
        shown = keygen("-L" if path.stem.endswith("-cert") else "-l", "-f", path)
        path.with_suffix(".txt").write_text(shown.replace(f"{path}:\n", f"{path.name}:\n"))


if __name__ == "__main__":
    main()
