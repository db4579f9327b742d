"""The CA on another machine, as ``docs/high-availability.md`` says: its web socket by OpenSSH, no more."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo import isolate, namespace, openssh
from demo.lab.paths import free_ports
from sshjit import ca_protocol as m
from sshjit.errors import Failed, Refused
from sshjit_ca.operations import admin_client
from sshjit_web.ca_client import CaClient
from tests.support.ca_process import CaProcess
from tests.support.host_machine import wait_for_port
from tests.support.installation import ALICE, Installation, make_key
from tests.support.issuer import serving
from tests.support.waiting import PATIENCE, wait_until

ROOT = os.geteuid() == 0
USER = "nobody" if ROOT else pwd.getpwuid(os.geteuid()).pw_name
"""The account of the tunnel on the CA's machine, which ``web_users`` names; without root there is only our own."""
SETTINGS = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
StrictModes no
PasswordAuthentication no
AuthorizedKeysFile {folder}/authorized_keys
AllowStreamLocalForwarding local
AllowTcpForwarding local
"""


@dataclass
class Far:
    """The CA's machine: a CA, and an sshd."""

    ca: Installation
    sockets: Path
    port: int
    folder: Path

    @contextmanager
    def tunnel(self, here: Path, there: str) -> Iterator[None]:
        """``ssh -N -L``, as the unit on the front end's machine runs it."""
        options = ["BatchMode=yes", "IdentitiesOnly=yes", "ExitOnForwardFailure=yes", "StreamLocalBindUnlink=yes"]
        options += ["StrictHostKeyChecking=yes", f"UserKnownHostsFile={self.folder}/known_hosts"]
        words = ["ssh", "-F", "none", "-N", "-p", str(self.port), "-l", USER, "-i", str(self.folder / "tunnel")]
        words += [part for option in options for part in ("-o", option)]
        words += ["-L", f"{here}:{self.sockets / there}", "127.0.0.1"]
        with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
            try:
                wait_until(here.exists, "there is no tunnel")
                yield
            finally:
                process.terminate()
        here.unlink(missing_ok=True)


@pytest.fixture
def far() -> Iterator[Far]:
    """It is up."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="test-tunnel-")))
        folder.chmod(0o755)
        home, sockets = folder / "installation", folder / "run"
        home.mkdir()
        sockets.mkdir(mode=0o755)
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        ca = Installation(home, issuers, time=time.time(), boot=time.time())
        ca.add_host("web1", env="staging")
        ca.stop()
        config = home / "ca.toml"
        config.write_text(config.read_text().replace(f"{home}/web.sock", f"{sockets}/web.sock"))
        config.write_text(config.read_text().replace(f"{home}/admin.sock", f"{sockets}/admin.sock"))
        process = CaProcess.start(config, sockets / "admin.sock")
        stack.callback(process.end)
        process.notification()
        (port,) = free_ports(1)
        far = Far(ca, sockets, port, folder)
        stack.enter_context(_sshd(far))
        yield far


@contextmanager
def _sshd(far: Far) -> Iterator[None]:
    for name in ("host_key", "tunnel"):
        make_key(far.folder / name)
    public = (far.folder / "tunnel.pub").read_text()
    (far.folder / "authorized_keys").write_text(f"restrict,port-forwarding {public}")
    (far.folder / "known_hosts").write_text(f"[127.0.0.1]:{far.port} {(far.folder / 'host_key.pub').read_text()}")
    found = openssh.sshd()
    text = SETTINGS.format(port=far.port, folder=far.folder) + "".join(f"{line}\n" for line in found.config)
    (far.folder / "sshd_config").write_text(text)
    program = [str(found.path)]
    if ROOT:  # with an account for its separated part, as sshd insists on
        passwd, shadow = far.folder / "passwd", far.folder / "shadow"
        number = pwd.getpwnam(USER).pw_uid
        passwd.write_text(
            f"root:x:0:0::/:/bin/sh\nsshd:x:74:65534::/run/sshd:/bin/false\n{USER}:x:{number}:{number}::/:/bin/false\n"
        )
        shadow.write_text(f"root:*:1::::::\nsshd:!:1::::::\n{USER}:*:1::::::\n")
        over = ((str(passwd), "/etc/passwd"), (str(shadow), "/etc/shadow"))
        program = isolate.enter(namespace.Spec(over=over, folders=("/run/sshd",)), program)
    words = [*program, "-D", "-f", str(far.folder / "sshd_config"), "-E", str(far.folder / "sshd.log")]
    with subprocess.Popen(words, env={**os.environ, **found.environment}) as process:
        try:
            wait_for_port(far.port)
            yield
        finally:
            process.terminate()


def test_a_front_end_reaches_its_ca_through_ssh_as_a_web_peer_and_not_as_the_operator(far: Far, tmp_path: Path) -> None:
    web, admin = tmp_path / "web.sock", tmp_path / "admin.sock"
    away = tmp_path / "the-other-ca.sock"
    with far.tunnel(web, "web.sock"), closing(CaClient(away, web)) as client:
        login = client.call(far.ca.native_message(ALICE), m.LoginReply).login
        ask = m.Ask(login.id, ("web1",), None, "shell", None, None, "CHG-7", certificate=True, address="192.0.2.7")
        assert client.call(ask, m.AskReply).certificate is not None
        with pytest.raises((Failed, Refused)):
            client.call(m.ReadKeys(), m.KeysReply)  # a message for the admin socket alone
        assert client.call(m.Health(), m.HealthReply).ready
    with closing(CaClient(web)) as client, pytest.raises(Failed) as found:
        client.call(m.Health(), m.HealthReply)  # the tunnel is down
    assert found.value.code == "ca_down"
    with far.tunnel(web, "web.sock"), closing(CaClient(web)) as client:
        assert client.call(m.Health(), m.HealthReply).ready
    if ROOT:  # else the tunnel's account is the CA's own, which is the operator here
        with far.tunnel(admin, "admin.sock"), pytest.raises(Failed):
            admin_client.call(admin, m.Status(), m.StatusReply)


def test_a_tunnel_at_whose_end_the_ca_stands_by_is_passed_over(far: Far, tmp_path: Path) -> None:
    standing_by, web = tmp_path / "standby.sock", tmp_path / "web.sock"
    with (
        far.tunnel(standing_by, "nobody-listens.sock"),
        far.tunnel(web, "web.sock"),
        closing(CaClient(standing_by, web)) as client,
    ):
        began = time.monotonic()
        assert client.call(m.Health(), m.HealthReply).ready
        assert time.monotonic() - began < PATIENCE / 4
