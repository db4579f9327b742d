"""What makes a folder look like a small server: accounts, PAM, sshd_config, and the one program that runs there.

Decides the contents of files; starting and stopping is ``demo/hosts.py``'s. As root the files are laid over the
machine's own in a mount namespace; else only sshd_config, the host key and the program are used.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo import debian
from demo.openssh import Sshd

SHELL = "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"
LAID_OVER = {
    "etc/passwd": "/etc/passwd",
    "etc/group": "/etc/group",
    "etc/shadow": "/etc/shadow",
    "etc/nsswitch.conf": "/etc/nsswitch.conf",
    "etc/pam.d": "/etc/pam.d",
    "log/lastlog": "/var/log/lastlog",
    "log/wtmp": "/var/log/wtmp",
    "log/utmp": "/run/utmp",
    "opt/app": "/opt/app",
}
"""What a host has of its own when it has a namespace: below its folder, and where it appears."""


@dataclass(frozen=True, slots=True)
class Account:
    """A Unix account that exists on lab hosts only. Its group has its name and number."""

    name: str
    number: int
    shell: str = SHELL


PRIVSEP = Account("sshd", 59000, "/usr/sbin/nologin")
"""Whom sshd becomes before anybody is signed in."""
ACCOUNTS = (Account("deploy", 59001), Account("postgres", 59002))

MIGRATE = """\
#!/bin/sh
# The lab's stand-in for an application's migration: moves the schema's version on by one.
state=$(dirname "$0")/../var/schema_version
from=$(cat "$state")
echo $((from + 1)) >"$state"
echo "migrated the schema from version $from to $((from + 1))"
"""

PAM = """\
auth     required pam_deny.so
account  required pam_unix.so
session  required pam_unix.so
"""


def make_folders(folder: Path) -> None:
    """Makes the folders, the host key and the program of a host that has none of its own accounts."""
    for part in ("sshd_config.d", "ssh-jit", "opt/app/bin", "opt/app/var"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    key = folder / "ssh_host_ed25519_key"
    if not key.exists():
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", folder.name, "-f", str(key)]
        subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    program = folder / "opt/app/bin/migrate"
    program.write_text(MIGRATE)
    program.chmod(0o755)
    (folder / "opt/app/var/schema_version").write_text("1\n")


def add_accounts(folder: Path) -> None:
    """Adds accounts, homes and PAM. Only root can: homes belong to their accounts."""
    etc = folder / "etc"
    (etc / "pam.d").mkdir(parents=True, exist_ok=True)
    for service in ("sshd", "other"):
        (etc / "pam.d" / service).write_text(PAM)
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
    homes = {account: folder / "home" / account.name for account in ACCOUNTS}
    everybody = [Account("root", 0), PRIVSEP, *ACCOUNTS, Account("nobody", 65534, "/usr/sbin/nologin")]
    places = {"root": "/root", "sshd": "/run/sshd", **{account.name: str(home) for account, home in homes.items()}}
    _write(
        etc / "passwd", [f"{a.name}:x:{a.number}:{a.number}::{places.get(a.name, '/')}:{a.shell}" for a in everybody]
    )
    _write(etc / "group", [f"{a.name}:x:{a.number}:" for a in everybody])
    _write(etc / "shadow", [f"{a.name}:*:19000:0:99999:7:::" for a in everybody], mode=0o600)
    (folder / "log").mkdir(exist_ok=True)
    for name in ("lastlog", "wtmp", "utmp"):
        (folder / "log" / name).touch()
    for account, home in homes.items():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(home, account.number, account.number)
    state = folder / "opt/app/var"
    for path in (state, state / "schema_version"):
        os.chown(path, ACCOUNTS[1].number, ACCOUNTS[1].number)


def nss_environment(folder: Path) -> Mapping[str, str]:
    """An environment in which root's sshd believes that its own user exists.

    For root without namespaces, as in most containers: sshd does not start without the account ``sshd``, and the real
    ``/etc/passwd`` is not ours to change. The library is Debian's libnss-wrapper, made for this; sshd gives sessions an
    environment of their own, so that only sshd sees it. Raises ``debian.NotFetched``.
    """
    (library,) = (debian.tree("libnss-wrapper") / "usr/lib").glob("*/libnss_wrapper.so")
    etc = folder / "etc"
    etc.mkdir(exist_ok=True)
    _write(
        etc / "passwd", ["root:x:0:0::/root:" + SHELL, f"sshd:x:{PRIVSEP.number}:{PRIVSEP.number}::/:{PRIVSEP.shell}"]
    )
    _write(etc / "group", ["root:x:0:", f"sshd:x:{PRIVSEP.number}:"])
    _write(etc / "shadow", ["root:*:19000:0:99999:7:::", "sshd:*:19000:0:99999:7:::"], mode=0o600)
    files = {f"NSS_WRAPPER_{name.upper()}": str(etc / name) for name in ("passwd", "group", "shadow")}
    return {"LD_PRELOAD": str(library), **files}


def sshd_config(
    folder: Path, *, address: str, port: int, server: Sshd, own_accounts: bool, penalties: bool = False
) -> str:
    """The host's sshd_config. The drop-in folder comes first, as Debian ships it: the first value wins.

    No way in is left open here: certificates come in by the drop-in that ``ssh-jit-host`` writes. ``penalties``: sshd
    shuts an address out after several refusals, as it does by itself from 9.8 on.
    """
    lines = [
        f'Include "{folder}/sshd_config.d/*.conf"',
        f"ListenAddress {address}:{port}",
        f'HostKey "{folder}/ssh_host_ed25519_key"',
        f'HostCertificate "{folder}/ssh_host_ed25519_key-cert.pub"',
        "PidFile none",
        "LogLevel VERBOSE",
        f"UsePAM {'yes' if own_accounts else 'no'}",
        "AuthorizedKeysFile none",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        f"PermitRootLogin {'no' if own_accounts else 'prohibit-password'}",
        "X11Forwarding no",
        "PrintMotd no",
        "MaxStartups 100:30:200",
        "Subsystem sftp internal-sftp",
        *server.config,
    ]
    if server.version >= (9, 8) and not penalties:  # all lab clients have one address: one refused shuts out others
        lines.append("PerSourcePenalties no")
    return "\n".join(lines) + "\n"


def _write(path: Path, lines: list[str], *, mode: int = 0o644) -> None:
    path.write_text("\n".join(lines) + "\n")
    path.chmod(mode)
