"""A real sshd that is enrolled at a CA of this process, set up as a test wants it: well, or badly.

Nothing of ``ssh-jit-host`` runs here: what the CA believes of a host and what the host does can differ.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import debian
from sshjit import ca_protocol as m
from sshjit_ca import config
from tests.support.host_machine import ME, Host, run
from tests.support.installation import Installation

NAME = "web9"
ALIAS = "web9.lab"


def allow(ca: Installation) -> None:
    """Writes the operator's word for probes into ``ca.toml``, and starts the CA again."""
    path = ca.home / "ca.toml"
    path.write_text(f"{path.read_text()}[probe]\nenabled = true\n")
    ca.config = config.load(path)
    ca.restart()


@dataclass
class EnrolledSshd:
    """The host ``web9``, whose account is the one that runs the tests. ``host`` has its files."""

    ca: Installation
    host: Host
    certificate: str

    @property
    def trusted(self) -> Path:
        """What it takes for the CA's keys."""
        return self.host.folder / "user_ca.pub"

    @property
    def principals(self) -> Path:
        """Whom it lets in."""
        return self.host.folder / "principals"

    @property
    def shown(self) -> Path:
        """The host certificate that it shows."""
        return self.host.folder / "host_key-cert.pub"

    def configure(self, *lines: str, certificate: bool = True) -> None:
        """Writes its sshd_config: ``lines`` come before what is right."""
        usual = [f"TrustedUserCAKeys {self.trusted}", f"AuthorizedPrincipalsFile {self.principals}"]
        usual += [f"HostCertificate {self.shown}"] if certificate else []
        self.host.write_sshd_config(before="\n".join(lines), after="\n".join(usual))

    def certify(self, *options: str, ca: Path | None = None, key_id: str = f"host {NAME}") -> None:
        """Gives it another host certificate, by ``ssh-keygen -s``."""
        signer = ca or self.ca.config.key_file("host_ca")
        made = self.host.folder / "host_key"
        words = ["-n", f"{NAME},{ALIAS}", "-V", "-1m:+1h", "-z", "9", *options]
        run("ssh-keygen", "-q", "-h", "-s", signer, "-I", key_id, *words, f"{made}.pub")


@contextmanager
def enrolled_sshd(ca: Installation, logins: Sequence[str] = (ME,)) -> Iterator[EnrolledSshd]:
    """A host that is set up as joining would; its sshd is the test's to start (``host.sshd()``)."""
    with tempfile.TemporaryDirectory(prefix="test-sshd-", dir=debian.cache()) as made:
        folder = Path(made)
        folder.chmod(0o755)
        host = Host(folder, Path("/none"), "", "")
        line = (folder / "host_key.pub").read_text().strip()
        new = m.AddHost(NAME, (ALIAS,), "127.0.0.1", host.port, (("env", "staging"),), (line,), logins=tuple(logins))
        reply = ca.say(new, m.HostReply, "admin")
        sshd = EnrolledSshd(ca, host, reply.certificates[0])
        sshd.shown.write_text(f"{sshd.certificate}\n")
        shutil.copy(f"{ca.config.key_file('user_ca')}.pub", sshd.trusted)
        sshd.principals.write_text(f"{ME}@{NAME}\n")
        sshd.configure()
        yield sshd


def colleague(sshd: EnrolledSshd) -> int:
    """Logs in by a certificate of the CA's as anybody would; ssh's exit code (255: refused)."""
    key = sshd.host.folder / "colleague"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    signer = sshd.ca.config.key_file("user_ca")
    run("ssh-keygen", "-q", "-s", signer, "-I", "c", "-n", f"{ME}@{NAME}", "-V", "-1m:+5m", "-z", "7", f"{key}.pub")
    return sshd.host.login(key)
