"""Brings the system packages that tests need, or stops with the one line to type.

Standard library only. Decides which packages, and whether this machine lets us install them: as root, or by sudo
without a password. A test that lacks its program would fail; so nothing is run before everything is there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Need:
    """A program that tests start (or a file below ``/``, by its pattern), and the Debian package that brings it."""

    program: str
    package: str


NEEDS = (
    Need("psql", "postgresql"),
    Need("strace", "strace"),
    Need("debootstrap", "debootstrap"),
    Need("mount", "mount"),
    Need("ssh", "openssh-client"),
    Need("ssh-keygen", "openssh-client"),
    Need("ssh-agent", "openssh-client"),
    Need("softhsm2-util", "softhsm2"),
    Need("unshare", "util-linux"),
    Need("nsenter", "util-linux"),
    Need("dpkg-deb", "dpkg"),
    Need("chromium", "chromium"),
    Need("git", "git"),
    Need("rsync", "rsync"),
    Need("systemd-analyze", "systemd"),
)
BOOTING = (
    *NEEDS,
    Need("systemd-nspawn", "systemd-container"),
    Need("swtpm", "swtpm"),
    Need("tpm2-abrmd", "tpm2-abrmd"),
    Need("tpm2_getrandom", "tpm2-tools"),
    Need("tpm2_ptool", "libtpm2-pkcs11-tools"),
    Need("usr/lib/*/pkcs11/libtpm2_pkcs11.so", "libtpm2-pkcs11-1"),
    Need("usr/lib/*/libtss2-tcti-swtpm.so.0", "libtss2-tcti-swtpm0"),
    Need("usr/lib/*/libtss2-tcti-tabrmd.so.0", "libtss2-tcti-tabrmd0"),
    Need("p11tool", "gnutls-bin"),
    Need("dbus-daemon", "dbus-daemon"),
    Need("lintian", "lintian"),
)
"""What the tests of booted roots and of a TPM (``make test-install``) need."""


def missing(needs: tuple[Need, ...] = NEEDS) -> list[str]:
    """The packages whose programs are not on the path, each once."""
    return sorted({need.package for need in needs if not _is_there(need.program)})


def _is_there(program: str) -> bool:
    return any(Path("/").glob(program)) if "/" in program else shutil.which(program) is not None


def main(needs: tuple[Need, ...] = NEEDS) -> int:
    """Installs what is missing; returns the exit code."""
    packages = missing(needs)
    if not packages:
        return 0
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    line = " ".join([*([] if os.geteuid() == 0 else ["sudo"]), *install])
    prefix = _privilege()
    if prefix is None or shutil.which("apt-get") is None:
        print(f"tests: these packages are missing: {' '.join(packages)}\nhint: {line}", file=sys.stderr)
        return 1
    print(f"tests: installing {' '.join(packages)}", file=sys.stderr)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*prefix, "apt-get", "-q", "update"], check=False, env=quiet, stdout=sys.stderr)
    subprocess.run([*prefix, *install], check=False, env=quiet, stdout=sys.stderr)
    if missing(needs):
        print(f"tests: {' '.join(missing(needs))} could not be installed\nhint: {line}", file=sys.stderr)
        return 1
    return 0


def _privilege() -> list[str] | None:
    """What to put before a command so that root runs it; ``None`` if that would need a password."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode == 0:
        return [sudo, "-n"]
    return None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests/packages.py", description="Install the packages that tests need.")
    parser.add_argument("--booting", action="store_true", help="also those of make test-install")
    sys.exit(main(BOOTING if parser.parse_args().booting else NEEDS))
