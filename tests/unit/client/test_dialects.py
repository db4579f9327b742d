"""Which of two certificates a host is shown, by the ssh of 9.2 and of 10.6, at sshd of 9.2 and of 10.6.

With ``SSH_JIT_TEST_SUITES`` (``make test-matrix``) the same is asked of other releases.
"""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit import sshcert, sshkey
from sshjit.api.views import BastionView, CertificateView, PostQuantumView, PostQuantumWord, RouteView
from sshjit.bundle import Bundle
from sshjit.errors import Failed
from sshjit.post_quantum import PostQuantum
from sshjit_client.connecting import certificate
from sshjit_client.ssh import agent_certificates, certificate_index, connection_args, private_key, sshconfig
from sshjit_client.ssh import known_hosts as known
from sshjit_client.ssh.agent import Agent, Destination
from sshjit_client.ssh.private_key import PrivateKey
from tests.support import debian_root, host_machine
from tests.support.host_machine import ME, Authority, Host, line, make_key
from tests.support.post_quantum import PostQuantumCA, program
from tests.unit.client.installation_keys import InstallationKeys
from tests.unit.client.real_agent import ssh_agent

PRINCIPAL = f"{ME}@web1"
OWN = "of this machine"


class Keys:
    """Both CAs, a person's keys, and what the server would send of them."""

    def __init__(self, folder: Path, installation: InstallationKeys) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.pq = PostQuantumCA(folder)
        self.person = make_key(folder / "person")
        self.numbers = iter(range(100, 999))
        apart = PostQuantum((line(self.pq.user_ca),), (line(self.pq.host_ca),), (), _empty(self.pq), (), "")
        self.bundle: Bundle = dataclasses.replace(
            installation.bundle(),
            user_ca=(line(self.authority.user_ca),),
            host_ca=(line(self.authority.host_ca),),
            post_quantum=apart,
        )

    def text(self, ca: Path, principal: str = PRINCIPAL, *, times: str = "20260101Z:20360101Z") -> str:
        copy = self.pq.certify(ca, self.person, principal, next(self.numbers), "-V", times)
        return Path(f"{copy}-cert.pub").read_text().strip()

    def view(self, word: PostQuantumWord, port: int = 22, *, first: str = "", beside: str = "") -> CertificateView:
        """The answer of a server: by default what it draws for a host of that word."""
        ed, pq = self.text(self.authority.user_ca), self.text(self.pq.user_ca)
        first = first or (pq if word in ("yes", "only") else ed)
        beside = beside or (pq if word == "unknown" else "")
        read = sshcert.parse_line(first)[0]
        return CertificateView(
            text=first,
            serial=read.serial,
            key_id=read.key_id,
            principals=read.principals,
            valid_after=read.valid_after,
            valid_before=read.valid_before,
            request="req-00000001",
            login=ME,
            action="shell",
            grant_ends=read.valid_before,
            routes=(RouteView("web1", "web1", (), "127.0.0.1", port, post_quantum=word),),
            post_quantum=PostQuantumView(beside, 1) if beside not in ("", "none") else None,
        )

    def check(self, view: CertificateView) -> certificate.CheckedCertificate:
        return certificate.check(view, line(self.person), "web1", None, self.bundle)


def _empty(pq: PostQuantumCA) -> str:
    return str(pq.part()["krl"])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Both CAs."""
    folder = tmp_path_factory.mktemp("keys")
    return Keys(folder, InstallationKeys.make(folder / "installation"))


def by(keys: Keys, written: str) -> str:
    """Which CA signed a line: ``ED``, ``PQ`` or none."""
    if not written:
        return ""
    blob = sshcert.parse_line(written)[0].ca_blob
    return "PQ" if blob == sshkey.parse_line(line(keys.pq.user_ca), post_quantum=True).blob else "ED"


@pytest.mark.parametrize(
    ("word", "shown"),
    [("no", ("ED", "")), ("unknown", ("PQ", "ED")), ("yes", ("PQ", "")), ("only", ("PQ", ""))],
)
def test_what_a_host_takes_decides_what_it_is_shown(keys: Keys, word: PostQuantumWord, shown: tuple[str, str]) -> None:
    checked = keys.check(keys.view(word))
    assert (by(keys, checked.line), by(keys, checked.second)) == shown
    if word == "no":
        both = keys.check(keys.view(word, beside=keys.text(keys.pq.user_ca)))
        assert (by(keys, both.line), both.second) == ("ED", ""), "drawn for another host of the request"
    alone = checked.alone()
    assert (by(keys, alone.line), alone.second) == ("ED" if word in ("no", "unknown") else "PQ", "")


@pytest.mark.parametrize("word", ["no", "unknown"])
def test_a_host_that_is_not_known_to_take_it_is_shown_no_post_quantum_one_alone(
    keys: Keys, word: PostQuantumWord
) -> None:
    with pytest.raises(Failed, match="not known to take it"):
        keys.check(keys.view(word, first=keys.text(keys.pq.user_ca), beside="none"))


def test_both_must_say_the_same_and_be_by_two_cas(keys: Keys) -> None:
    ed = keys.authority.user_ca
    for beside, why in (
        (keys.text(ed), "not the same by two CAs"),
        (keys.text(keys.pq.user_ca, times="20260101Z:20350101Z"), "its end differs"),
        (keys.text(keys.pq.user_ca, f"{PRINCIPAL},root@web2"), "not the same by two CAs"),
        (keys.text(keys.pq.host_ca), "does not name its CA"),
        ("x", "unusable"),
    ):
        with pytest.raises(Failed, match=why):
            keys.check(keys.view("unknown", beside=beside))


def test_a_bastion_has_a_word_of_its_own(keys: Keys) -> None:
    passing = "via/web1@gate"
    ed, pq = (keys.text(ca, passing) for ca in (keys.authority.user_ca, keys.pq.user_ca))
    route = RouteView("gate", "gate", (), "192.0.2.1", 22, post_quantum="unknown")
    plain = keys.view("no")
    bastion = BastionView("web1", ed, 1, plain.valid_before, "jump", route, PostQuantumView(pq, 2))
    view = dataclasses.replace(plain, routes=(dataclasses.replace(plain.routes[0], via="gate"),), bastions=(bastion,))
    checked = keys.check(view)
    assert checked.bastion is not None
    assert (by(keys, checked.line), checked.second) == ("ED", "")
    assert (by(keys, checked.bastion.line), by(keys, checked.bastion.second)) == ("PQ", "ED")


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A running sshd, and what it takes: ``no``, or ``yes``."""

    host: Host
    takes: bool
    log: Path

    def offers(self, done: subprocess.CompletedProcess[str]) -> int:
        return done.stderr.count("Offering public key")


@pytest.fixture(scope="module", params=[OWN, *debian_root.SUITES])
def server(request: pytest.FixtureRequest, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An sshd of that release with both CAs, as ``ssh-jit-host`` writes them, and host certificates."""
    system = None if request.param == OWN else debian_root.system(str(request.param))
    takes = system is not None and debian_root.OPENSSH[system.suite] >= (10, 6)
    dummy = tmp_path_factory.mktemp("dist") / "none"
    dummy.write_text("")
    with host_machine.front() as front, host_machine.host(keys.authority, front, dummy, system) as host:
        folder, authority = host.folder, keys.authority
        cas = [line(authority.user_ca), *([line(keys.pq.user_ca)] if takes else [])]
        (folder / "cas").write_text("".join(f"{ca}\n" for ca in cas))
        (folder / "cas").chmod(0o644)
        (folder / "principals").write_text(f"{PRINCIPAL}\n")
        certified = [("host_key", authority.host_ca)]
        if takes:
            keys.pq.key(folder / "pq_host_key")
            certified.append(("pq_host_key", keys.pq.host_ca))
        text = [f"TrustedUserCAKeys {folder}/cas", f"AuthorizedPrincipalsFile {folder}/principals", "MaxAuthTries 3"]
        text += ["CASignatureAlgorithms +ssh-*ed25519"]
        for name, ca in certified:
            subprocess.run(
                [*program("sid", "ssh-keygen"), "-q", "-h", "-s", ca, "-I", "web1", "-n", "web1", folder / name],
                check=True,
            )
            text += [f"HostKey {folder}/{name}", f"HostCertificate {folder}/{name}-cert.pub"]
        host.write_sshd_config(after="\n".join(text), host_key=False)
        with host.sshd() as log:
            yield Server(host, takes, log)


@pytest.fixture(params=["", "sid"], ids=["by 9.2", "by 10.6"])
def laptop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The release of the ``ssh`` that is first in ``PATH``; empty: this machine's."""
    suite = str(request.param)
    if suite:
        script = tmp_path / "bin" / "ssh"
        script.parent.mkdir()
        words = " ".join(program(suite, "ssh"))
        script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(script.parent), prepend=":")
    return suite


def connect(
    keys: Keys, server: Server, folder: Path, view: CertificateView, *more: str
) -> subprocess.CompletedProcess[str]:
    """Keeps what a server sent, and connects by it."""
    (folder / "own").write_text("")
    args = connection_args.read(["-F", str(folder / "own"), "web1"])
    revoked = folder / "revoked_host_keys"
    revoked.write_bytes(keys.authority.krl())
    revoked.with_name(f"{revoked.name}{known.APART}").write_bytes(keys.pq.krl(*more))
    kept = sshconfig.Files(keys.person, revoked, folder)
    checked = keys.check(view)
    path = certificate.keep(checked, args, keys.bundle, own=sshconfig.own(args), kept=kept, until=2**40)
    words = ["ssh", *certificate_index.STRICT, "-v", "-F", str(path), "-o", "BatchMode=yes", "web1", "true"]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("word", ["no", "unknown", "yes"])
def test_the_right_one_gets_in_and_costs_no_try_but_where_nobody_knows(
    keys: Keys, server: Server, laptop: str, word: PostQuantumWord, tmp_path: Path
) -> None:
    if word == "yes" and not server.takes:
        return  # never said of such a host
    port = server.host.port
    if laptop:
        view = keys.view(word, port)
    else:  # a laptop that reads none is sent none
        view = keys.view(word, port, first=keys.text(keys.authority.user_ca), beside="none")
    done = connect(keys, server, tmp_path, view)
    assert done.returncode == 0, done.stderr + server.log.read_text()
    assert server.offers(done) == (2 if laptop and word == "unknown" and not server.takes else 1)
    shown = "MLDSA44-ED25519-CERT" if laptop and server.takes else "ssh-ed25519-cert-v01@openssh.com"
    host_key = [text for text in done.stderr.splitlines() if "Server host certificate:" in text]
    assert shown.lower().replace("mldsa44", "ssh-mldsa44") in host_key[0].lower(), host_key


def test_nothing_is_left_of_the_second_one(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "own").write_text("")
    args = connection_args.read(["-F", str(tmp_path / "own"), "web1"])
    kept = sshconfig.Files(keys.person, tmp_path / "revoked", tmp_path)
    for word, count in (("unknown", 2), ("no", 1), ("unknown", 2)):
        checked = keys.check(keys.view(word))  # type: ignore[arg-type]
        certificate.keep(checked, args, keys.bundle, own=sshconfig.own(args), kept=kept, until=2**40)
        assert len(list((tmp_path / "open").glob("*-cert.pub"))) == count
    certificate.forget(tmp_path / "open", 2**41)
    assert list((tmp_path / "open").iterdir()) == [tmp_path / "open" / ".lock"] or not any(
        path.name.startswith("web1") for path in (tmp_path / "open").iterdir()
    )


class Asked(Agent):
    """An agent, and for which destinations it was asked to take a certificate."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.only: list[Destination | None] = []

    def add(
        self, certificate: bytes, key: PrivateKey, comment: str, seconds: int, destination: Destination | None
    ) -> bool:
        self.only.append(destination)
        return super().add(certificate, key, comment, seconds, destination)


@pytest.mark.parametrize("suite", ["", "sid"], ids=["9.2", "10.6"])
def test_an_agent_of_any_age_gets_what_it_takes(keys: Keys, tmp_path: Path, suite: str) -> None:
    """An older one refuses a post-quantum CA's certificate, and a destination with such a key: that it gets without."""
    key = private_key.read(keys.person)
    only = Destination(ME, "web1", tuple((ca, True) for ca in known.host_cas(keys.bundle)))
    agent = tmp_path / "ssh-agent"
    agent.write_text(f'#!/bin/sh\nexec {" ".join(program(suite, "ssh-agent") if suite else ["ssh-agent"])} "$@"\n')
    agent.chmod(0o755)
    with ssh_agent(tmp_path, str(agent)) as address:
        there = Asked(address)

        def put(text: str) -> None:
            agent_certificates.put(there, text, key, comment="x", seconds=60, destination=only)

        put(keys.text(keys.authority.user_ca))
        assert there.only == ([only] if suite else [only, only.classical()])
        if suite:
            put(keys.text(keys.pq.user_ca))
            assert len(there.held()) == 2
        else:
            with pytest.raises(Failed, match="takes no certificate"):
                put(keys.text(keys.pq.user_ca))
            assert len(there.held()) == 1
