"""A post-quantum CA beside the other one, on sshd of this machine (9.2) and of sid (10.6): nobody is locked out.

With ``SSH_JIT_TEST_SUITES`` (``make test-matrix``) the same is asked of other releases.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import debian_root, host_machine
from tests.support.host_machine import Authority, Front, Host, line
from tests.support.post_quantum import TYPE, PostQuantumCA, bundle, keygen, login

PRINCIPAL = f"{host_machine.ME}@web1"
ADDED = "CASignatureAlgorithms +ssh-*ed25519"
OWN = "of this machine"


@pytest.fixture(scope="module")
def pq(authority: Authority) -> PostQuantumCA:
    """A post-quantum CA."""
    return PostQuantumCA(authority.folder)


@pytest.fixture(params=[OWN, *debian_root.SUITES])
def host(request: pytest.FixtureRequest, authority: Authority, front: Front, program: Path) -> Iterator[Host]:
    """A host of that release."""
    suite = str(request.param)
    with host_machine.host(authority, front, program, None if suite == OWN else debian_root.system(suite)) as place:
        yield place


def reads(host: Host) -> bool:
    """Whether this host's sshd knows the type."""
    return host.system is not None and debian_root.OPENSSH[host.system.suite] >= (10, 6)


def unpunished(host: Host) -> str:
    """A line by which sshd takes every connection of a test that is refused often; from 9.8 on it knows the word."""
    known = host.system is not None and debian_root.OPENSSH[host.system.suite] >= (9, 8)
    return "PerSourcePenalties no\n" if known else ""


class Fleet:
    """One host, its front end, and bundles that follow each other."""

    def __init__(self, authority: Authority, front: Front, host: Host) -> None:
        self.authority = authority
        self.front = front
        self.host = host
        self.sequence = 0
        self.reports: list[dict[str, Any]] = []
        front.posted = self._posted

    def _posted(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path != "/api/v1/host/report":
            return 404, {}
        self.reports.append(body)
        return 200, {}

    def tell(self, part: dict[str, Any] | None, **changes: Any) -> str:
        self.sequence += 1
        self.front.serve(self.authority.offer(sequence=self.sequence, **bundle(part, **changes)))
        return self.host.refresh()

    @property
    def trusted(self) -> list[str]:
        return (self.host.home / "user_ca.pub").read_text().splitlines()


@pytest.fixture
def fleet(authority: Authority, front: Front, host: Host) -> Fleet:
    """A fleet of one."""
    return Fleet(authority, front, host)


def test_every_step_in_and_out_keeps_everybody_in(authority: Authority, pq: PostQuantumCA, fleet: Fleet) -> None:
    """Add a post-quantum CA, go by it, revoke, retire it, go back; clients of 9.2 and 10.6; three tries each time."""
    host, ed = fleet.host, line(authority.user_ca)
    host.write_sshd_config(after=f"MaxAuthTries 3\n{unpunished(host)}")
    person = pq.key(authority.folder / "person", "ed25519")
    by_ed = pq.certify(authority.user_ca, person, PRINCIPAL, 11)
    by_pq = pq.certify(pq.user_ca, person, PRINCIPAL, 12)
    revoked = pq.certify(pq.user_ca, person, PRINCIPAL, 13)
    key_by_pq = pq.certify(pq.user_ca, pq.key(authority.folder / "pq_person"), PRINCIPAL, 14)

    def outcome() -> dict[str, bool]:
        tries = {
            "9.2 ED": login(host, "", by_ed),
            "10.6 ED": login(host, "sid", by_ed),
            "10.6 PQ then ED": login(host, "sid", by_pq, by_ed),
            "10.6 PQ": login(host, "sid", by_pq),
            "10.6 PQ key": login(host, "sid", key_by_pq),
            "revoked PQ": login(host, "sid", revoked),
        }
        return {name: done.returncode == 0 for name, done in tries.items()}

    always = {"9.2 ED": True, "10.6 ED": True, "10.6 PQ then ED": True}
    without = {**always, "10.6 PQ": False, "10.6 PQ key": False, "revoked PQ": False}
    with_both = {**without, "10.6 PQ": True, "10.6 PQ key": True} if reads(host) else without
    fleet.tell(None)
    with host.sshd() as log:
        assert outcome() == without, log.read_text()
    assert ADDED not in host.dropin.read_text()
    fleet.tell(pq.part("serial: 13"))
    assert fleet.trusted == ([ed, line(pq.user_ca)] if reads(host) else [ed])
    assert (ADDED in host.dropin.read_text()) is reads(host)
    with host.sshd() as log:
        assert outcome() == with_both, log.read_text()
        fleet.tell(pq.part("serial: 13", "serial: 12"))
        assert login(host, "sid", by_pq).returncode == 255, "the list counts at once"
        assert login(host, "", by_ed).returncode == 0
    retired = pq.part("serial: 13", user_ca=[], retired=[line(pq.user_ca)])
    fleet.tell(retired)
    assert fleet.trusted == [ed]
    with host.sshd() as log:
        assert outcome() == without, log.read_text()
    fleet.tell(None)
    assert ADDED not in host.dropin.read_text()
    with host.sshd() as log:
        assert login(host, "", by_ed).returncode == 0, log.read_text()


def test_a_host_trusts_the_post_quantum_ca_alone_by_the_operators_word(
    authority: Authority, pq: PostQuantumCA, fleet: Fleet
) -> None:
    host = fleet.host
    person = pq.key(authority.folder / "person", "ed25519")
    by_ed, by_pq = (pq.certify(ca, person, PRINCIPAL, 21) for ca in (authority.user_ca, pq.user_ca))
    host.write_sshd_config(after=unpunished(host))
    said = fleet.tell(pq.part(only=["web1"]))
    doctor = host.doctor(code=0 if reads(host) else 1)
    with host.sshd() as log:
        alone = [login(host, "sid", key).returncode for key in (by_ed, by_pq)]
        assert alone == ([255, 0] if reads(host) else [0, 255]), log.read_text()
        assert login(host, "sid", by_pq, by_ed).returncode == 0
    if reads(host):
        assert fleet.trusted == [line(pq.user_ca)]
        assert "takes post-quantum certificates, and no others" in doctor
        assert "post-quantum certificates: taken" in " ".join(host.run("status").split())
    else:
        assert "is to take post-quantum certificates alone, and takes the others as well" in said
        assert "BAD   this host is to take post-quantum certificates alone" in doctor
    fleet.tell(pq.part(only=["web2"]))
    assert fleet.trusted[0] == line(authority.user_ca)


@pytest.mark.parametrize("place", ["before", "after", "match"])
def test_where_the_owner_says_which_signatures_are_taken_that_is_left(
    place: str, authority: Authority, pq: PostQuantumCA, fleet: Fleet
) -> None:
    """The host stays with the other CA, and says which line it is."""
    host = fleet.host
    text = "CASignatureAlgorithms ssh-ed25519,rsa-sha2-512"
    after = {"before": "", "after": text, "match": f"Match User {host_machine.ME}\n{text}"}[place]
    host.write_sshd_config(before="" if after else text, after=after)
    said = fleet.tell(pq.part("serial: 3"))
    assert fleet.trusted == [line(authority.user_ca)]
    assert ADDED not in host.dropin.read_text()
    named = "sets CASignatureAlgorithms, which refuses what a post-quantum CA signs"
    assert (named in said) is reads(host)
    assert (named in host.doctor()) is reads(host)
    if reads(host):
        assert fleet.reports[-1]["reads"] == []
        host.write_sshd_config(before="CASignatureAlgorithms +ssh-*ed25519")
        host.refresh()
        assert fleet.trusted == [line(authority.user_ca), line(pq.user_ca)]


def test_the_ca_hears_what_this_sshd_takes_and_when_that_changes(pq: PostQuantumCA, fleet: Fleet) -> None:
    fleet.tell(None)
    assert all("reads" not in report for report in fleet.reports), "nothing is said while there is no such CA"
    fleet.tell(pq.part())
    expected = [TYPE] if reads(fleet.host) else []
    assert fleet.reports[-1]["reads"] == expected
    count = len(fleet.reports)
    fleet.host.refresh()
    assert len(fleet.reports) == count
    fleet.tell(None)
    if reads(fleet.host):
        assert fleet.reports[-1]["reads"] == []


def test_another_openssh_is_another_answer(
    authority: Authority, front: Front, program: Path, pq: PostQuantumCA
) -> None:
    """The same files under sshd of 10.6, then of this machine, then of 10.6 again, as packages go up and down."""
    with host_machine.host(authority, front, program, debian_root.system("sid")) as new:
        fleet = Fleet(authority, front, new)
        fleet.tell(pq.part("serial: 3"))
        assert len(fleet.trusted) == 2
        was = new.dropin.read_bytes()
        with host_machine.host(authority, front, program) as old:
            new.system, sshd = None, new.settings["sshd"]
            new.settings["sshd"] = old.settings["sshd"]
            certificate = authority.certificate(PRINCIPAL, 31)
            new.write_sshd_config()
            assert was == new.dropin.read_bytes()
            new.refresh()
            assert fleet.trusted == [line(authority.user_ca)]
            assert fleet.reports[-1]["reads"] == []
            with new.sshd() as log:
                assert new.login(certificate) == 0, log.read_text()
        new.system, new.settings["sshd"] = debian_root.system("sid"), sshd
        new.write_sshd_config()
        new.refresh()
        assert len(fleet.trusted) == 2


def test_a_configuration_that_is_broken_changes_nothing(pq: PostQuantumCA, fleet: Fleet) -> None:
    fleet.tell(pq.part("serial: 3"))
    before, listed = fleet.trusted, (fleet.host.home / "krl").read_bytes()
    fleet.host.write_sshd_config(after="NoSuchKeyword yes")
    fleet.host.refresh(code=5)
    assert (fleet.trusted, (fleet.host.home / "krl").read_bytes()) == (before, listed)


def test_a_key_that_is_not_post_quantum_does_not_stand_among_them(
    authority: Authority, pq: PostQuantumCA, front: Front, program: Path
) -> None:
    with host_machine.host(authority, front, program) as host:
        for changes in ({"user_ca": [line(authority.user_ca)]}, {"retired": "x"}, {"krl": "!"}):
            front.serve(authority.offer(**bundle(pq.part(**changes))))
            assert "the bundle is not sound" in host.refresh(code=4)


def test_a_post_quantum_host_key_is_certified_beside_the_others_and_never_alone(
    authority: Authority, pq: PostQuantumCA, fleet: Fleet
) -> None:
    """Where sshd reads it: asked for once, shown to who prefers it, and gone with its CA."""
    host = fleet.host
    own, key = host.folder / "host_key", pq.key(host.folder / "pq_host_key")
    place, asked = Path(f"{key}-cert.pub"), list[list[str]]()
    reports = fleet.front.posted

    def certified(public: str, ca: Path) -> str:
        copy = host.folder / "copy"
        Path(f"{copy}.pub").write_text(public)
        keygen("-q", "-h", "-s", ca, "-I", "host web1", "-n", "web1", "-V", "-1m:+7d", f"{copy}.pub")
        return " ".join(Path(f"{copy}-cert.pub").read_text().split()[:2])

    def posted(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path != "/api/v1/host/renew":
            return reports(path, body)
        asked.append(body["host_keys"])
        cas = [pq.host_ca if text.startswith(TYPE) else authority.host_ca for text in body["host_keys"]]
        lines = [certified(text, ca) for text, ca in zip(body["host_keys"], cas, strict=True)]
        return 201, {"certificates": lines, "host": {}, "bundle_root": "", "bundle_key": "", "invitation": None}

    fleet.front.posted = posted
    host.write_sshd_config(after=f"HostKey {key}\n{unpunished(host)}")
    fleet.tell(pq.part())
    assert asked == [], "a post-quantum certificate stands beside another one"
    Path(f"{own}-cert.pub").write_text(f"{certified(line(own), authority.host_ca)}\n")
    host.refresh()
    assert asked == ([[line(own), line(key)]] if reads(host) else [])
    assert place.exists() is reads(host)
    if reads(host):
        with host.sshd() as log:
            for order, kind in (([f"HostKeyAlgorithms=^{TYPE}-cert"], f"{TYPE}-cert"), ([], "ssh-ed25519-cert-v01")):
                done = login(host, "sid", own, more=order)
                assert f"Server host certificate: {kind}" in done.stderr, done.stderr + log.read_text()
    host.refresh()
    assert len(asked) == reads(host), "once"
    said = fleet.tell(pq.part(host_ca=[], retired=[line(pq.host_ca)]))
    assert not place.exists()
    assert ("its CA is no longer trusted" in said) is reads(host)
    assert "pq_host_key-cert" not in host.dropin.read_text()
    assert "host_key-cert" in host.dropin.read_text()
