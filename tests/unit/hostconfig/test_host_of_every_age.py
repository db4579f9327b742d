"""ssh-jit-host beside the sshd of other Debian releases: whole systems, with their own Python, accounts and OpenSSH.

Every run has the newest (sid). With ``SSH_JIT_TEST_SUITES`` (``make test-matrix``) the same is asked of others.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit import sshkey
from sshjit_ca.operations import sshd_lines
from tests.support import debian_root, host_machine
from tests.support.bundle_cases import krl_section
from tests.support.host_machine import Authority, Front, Host


@pytest.fixture(params=debian_root.SUITES)
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
    told = [line for line in map(sshd_lines.read, log.read_text().splitlines()) if line is not None]
    heard = {(line.meaning, line.serial) for line in told}
    ca = sshkey.parse_line(host_machine.line(authority.user_ca)).fingerprint
    assert {("somebody logged in", 1), ("somebody logged in", 7), ("it was refused", 2), ("it was refused", 7)} <= heard
    assert {line.ca for line in told if line.serial is not None} == {ca}
    assert {line.key_id for line in told if line.serial is not None} == {"test"}
    assert {"it is for another host or account", "its serial, or its CA's key, is on the revocation list"} <= {
        line.meaning for line in told
    }
    key = sshkey.parse_line(revoked.with_suffix(".pub").read_text()).fingerprint
    assert [line.key for line in told if "revocation list" in line.meaning] == [key]


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


def test_t89_a_ca_of_a_type_that_only_the_newest_knows_shuts_nobody_out_anywhere(
    authority: Authority, front: Front, host: Host
) -> None:
    """A post-quantum CA, named first, with revoked certificates: an sshd of before would refuse everybody by either."""
    made = subprocess.run(
        debian_root.system("sid").inside(["sh", "-c", _MAKE_KEY]), check=True, capture_output=True, text=True
    ).stdout.split("\n")
    key, certificate = " ".join(made[0].split()[:2]), made[1]
    krl = authority.krl("serial: 7\n") + krl_section(key)
    front.serve(authority.offer(user_ca=[key, host_machine.line(authority.user_ca)], krl=_base64(krl)))
    said = host.refresh()
    newest = host.system is not None and host.system.suite == "sid"
    expected = [host_machine.line(authority.user_ca)] + ([key] if newest else [])
    assert (host.home / "user_ca.pub").read_text().splitlines() == expected
    assert (f"does not know keys of the type {key.split()[0]} in user_ca" in said) is not newest
    with host.sshd() as log:
        assert host.login(authority.certificate("root@web1", 3)) == 0, log.read_text()
        assert host.login(authority.certificate("root@web1", 7)) == 255
    if newest:
        path = host.folder / "revoked-cert.pub"
        path.write_text(f"{certificate}\n")
        asked = subprocess.run(
            host.inside("ssh-keygen", "-Q", "-f", str(host.home / "krl"), str(path)),
            check=False,
            capture_output=True,
            text=True,
        )
        assert "REVOKED" in asked.stdout


_MAKE_KEY = (
    "cd /run && ssh-keygen -q -t mldsa44-ed25519 -N '' -f ca && ssh-keygen -q -t ed25519 -N '' -f user && "
    "ssh-keygen -q -s ca -I x -n root@web1 -z 7 -V +5m user && cat ca.pub user-cert.pub"
)


def test_the_owners_revoked_keys_go_on_counting(authority: Authority, front: Front, host: Host) -> None:
    revoked = host_machine.make_key(host.folder / "theirs")
    own = host.folder / "owners_revoked"
    own.write_text(f"{host_machine.line(revoked)}\n")
    host.write_sshd_config(after=f"RevokedKeys {own}\n")
    front.serve(authority.offer(krl=_base64(authority.krl("serial: 7\n"))))
    host.refresh()
    for key, code in ((f"{revoked}.pub", 1), (f"{authority.user_ca}.pub", 0)):
        asked = host.inside("ssh-keygen", "-Q", "-f", str(host.home / "krl"), "/dev/stdin")
        done = subprocess.run(asked, check=False, capture_output=True, input=Path(key).read_bytes())
        assert done.returncode == code, done
    with host.sshd() as log:
        assert host.login(authority.certificate("root@web1", 3)) == 0, log.read_text()
        assert host.login(authority.certificate("root@web1", 7)) == 255


def test_t91_doctor_says_whether_refusals_shut_an_address_out(authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    host.refresh()
    assert host.system is not None
    knows = debian_root.OPENSSH[host.system.suite] >= (9, 8)
    assert ("five quick refusals shut a whole address out" in host.doctor()) is knows
    if knows:
        host.write_sshd_config(after="PerSourcePenaltyExemptList 192.0.2.0/24\n")
        assert "sshd has PerSourcePenalties, but for 192.0.2.0/24" in host.doctor()
        host.write_sshd_config(after="PerSourcePenalties no\n")
        assert "PerSourcePenalties" not in host.doctor()


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
