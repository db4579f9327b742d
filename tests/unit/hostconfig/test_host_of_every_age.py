"""ssh-jit-host beside the sshd of other Debian releases: whole systems, with their own Python, accounts and OpenSSH.

Every run has the newest (sid). With ``SSH_JIT_TEST_SUITES`` (``make test-matrix``) the same is asked of others.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import debian_root, host_machine
from tests.support.host_machine import Authority, Front, Host

SUITES = os.environ.get("SSH_JIT_TEST_SUITES", "sid").split()


@pytest.fixture(params=SUITES)
def host(request: pytest.FixtureRequest, authority: Authority, front: Front, program: Path) -> Iterator[Host]:
    """A host of that release."""
    system = debian_root.system(str(request.param))
    with host_machine.host(authority, front, program, system) as place:
        yield place


def inside(host: Host, *command: str) -> str:
    return subprocess.run(host.inside(*command), check=True, capture_output=True, text=True).stdout


def test_t90_the_certificate_opens_and_a_revoked_one_does_not(authority: Authority, front: Front, host: Host) -> None:
    """Whatever the spelling of ``sshd -T``: mixed case since 10.4."""
    front.serve(authority.offer())
    assert "took bundle 1" in host.refresh()
    with host.sshd() as log:
        good, revoked = authority.certificate("root@web1", 1), authority.certificate("root@web1", 7)
        other = authority.certificate("root@web2", 2)
        assert host.login(good) == 0, log.read_text()
        assert host.login(other) == 255
        assert host.login(revoked) == 0
        front.serve(authority.offer(sequence=2, krl=_base64(authority.krl("serial: 7\n"))))
        host.refresh()
        assert host.login(revoked) == 255
        assert host.login(good) == 0


def test_t90_a_match_for_a_port_an_address_or_a_routing_domain_is_no_obstacle(
    authority: Authority, front: Front, host: Host
) -> None:
    front.serve(authority.offer())
    host.write_sshd_config(
        after=f"Match LocalPort {host.port}\nX11Forwarding no\nMatch LocalAddress 10.0.0.0/8\nX11Forwarding no\n"
        "Match Address 192.168.0.0/16 Host *.example.com\nX11Forwarding no\nMatch RDomain blue\nX11Forwarding no\n"
        "Match User root,deploy\nAuthorizedKeysFile none\n"
    )
    host.refresh()
    with host.sshd() as log:
        assert host.login(authority.certificate("root@web1", 3)) == 0, log.read_text()


@pytest.mark.parametrize("criterion", ["LocalPort {port}", "LocalAddress 10.0.0.0/8", "RDomain blue", "Address 10.*"])
def test_t90_what_such_a_match_shadows_is_named(criterion: str, authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    host.write_sshd_config(after=f"Match {criterion.format(port=host.port)}\nRevokedKeys /etc/other\n")
    said = host.refresh(code=5)
    assert "sets RevokedKeys /etc/other, which counts instead of ours" in said
    assert not host.dropin.exists()


def test_the_host_keys_are_those_that_sshd_has_by_itself(authority: Authority, front: Front, host: Host) -> None:
    """Of a type that nobody certifies yet, too: it has no certificate beside it, and the others have theirs."""
    front.serve(authority.offer())
    keys = inside(host, "sh", "-c", "/usr/sbin/sshd -T -f /dev/null | grep -i '^hostkey '").split("\n")
    assert len(keys) > 3
    host.write_sshd_config(host_key=False)
    host.refresh()
    assert "HostCertificate" not in host.dropin.read_text()


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode("ascii")
