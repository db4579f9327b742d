"""Probes of real hosts: what is well is called so, and each thing that is wrong is found, and nothing else with it."""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from demo import debian
from sshjit import ca_protocol as m
from sshjit import entries, events, sshcert
from sshjit.errors import Failed, Invalid
from sshjit_ca import config
from sshjit_ca.access import probe_findings, session_reports
from sshjit_ca.cli import probe as command
from sshjit_ca.ephemeral import ProbePauses
from sshjit_ca.log import fast_reader, summaries
from sshjit_ca.operations import host_probe, probe_connection
from sshjit_ca.operations.host_probe import HostProbe
from sshjit_ca.operations.probe_judgement import WRONG, Sighting, Verdict, judge
from sshjit_ca.state import hosts
from tests.support.ca_sockets import serving_sockets
from tests.support.enrolled_sshd import NAME, EnrolledSshd, allow, colleague, enrolled_sshd
from tests.support.host_machine import ME, Host, free_port, line, make_key, run
from tests.support.installation import Installation
from tests.support.issuer import Issuer


@pytest.fixture
def serving(tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[Installation]:
    """A CA by sshd's clock that allows probes, and answers at its sockets."""
    ca = Installation(tmp_path, issuers, time=time.time())
    allow(ca)
    ca.add_host("web1", env="staging")
    ca.add_host("db1", env="prod", role="db")
    with serving_sockets(ca, frozenset({os.getuid()})):
        yield ca
    ca.stop()


@pytest.fixture
def sshd(serving: Installation) -> Iterator[EnrolledSshd]:
    """A host that is set up well; a test makes it worse before it starts it."""
    with enrolled_sshd(serving) as made:
        yield made


def probe(ca: Installation, *names: str, **how: Any) -> Verdict:
    """The verdict on one host, by a run of its own."""
    (verdict,) = HostProbe(ca.config.admin_socket, **how).run(names or (NAME,)).hosts
    return verdict


def again(sshd: EnrolledSshd) -> None:
    """Lets the pause between two probes be over."""
    sshd.ca.context.probe_pauses = ProbePauses()


def found(sshd: EnrolledSshd, **how: Any) -> tuple[str, ...]:
    """What is wrong with the host as it is set up now."""
    with sshd.host.sshd():
        return probe(sshd.ca, **how).problems


def test_a_host_that_enforces_is_ok_and_says_what_it_speaks(sshd: EnrolledSshd) -> None:
    sshd.configure("KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256")
    with sshd.host.sshd() as log:
        verdict = probe(sshd.ca)
        said = log.read_text()
    assert (verdict.verdict, verdict.problems, verdict.login) == ("ok", (), ME), said
    assert verdict.key_exchanges == ("sntrup761x25519-sha512@openssh.com", "curve25519-sha256")
    assert verdict.post_quantum == ("sntrup761x25519-sha512@openssh.com",)
    assert set(verdict.key_types) == {"ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"}
    assert verdict.methods == ("publickey",)
    assert verdict.host_key == sshd.certificate
    assert verdict.banner.startswith("SSH-2.0-OpenSSH_")
    assert said.count("Accepted publickey") == 1
    assert said.count("Connection from") == 1 + 1, "one to see it listen; all in one, which ends with a login"
    assert "Certificate invalid: expired" in said
    assert " operator probe (serial " in said, "sshd's own log names it"
    last = entries.read(list(sshd.ca.store.rows())[-1].entry)
    assert last == events.HostsProbed((events.ProbedHost(NAME, NAME, "ok", ()),))


@pytest.fixture
def gate(sshd: EnrolledSshd) -> Iterator[Host]:
    """A bastion before the host, whose sshd a test starts; it opens the host's port alone."""
    with tempfile.TemporaryDirectory(prefix="test-gate-", dir=debian.cache()) as made:
        Path(made).chmod(0o755)
        gate = Host(Path(made), Path("/none"), "", "")
        keys = (line(gate.folder / "host_key"),)
        new = m.AddHost("gate", (), "127.0.0.1", gate.port, (("env", "staging"),), keys, jump_login=ME)
        sshd.ca.say(new, m.HostReply, "admin")
        sshd.ca.say(m.ChangeHost(NAME, via="gate", jump_login=None, dry_run=False), m.HostReply, "admin")
        opens(gate, sshd.host.port)
        usual = (f"TrustedUserCAKeys {sshd.trusted}", f"AuthorizedPrincipalsFile {gate.folder}/principals")
        gate.write_sshd_config(after="\n".join(usual))
        yield gate


def opens(gate: Host, port: int) -> None:
    """What the host program writes there."""
    row = f'restrict,port-forwarding,permitopen="127.0.0.1:{port}" via/{NAME}@gate\n'
    (gate.folder / "principals").write_text(row)


def test_a_host_behind_a_bastion_is_probed_through_it(sshd: EnrolledSshd, gate: Host) -> None:
    with sshd.host.sshd() as log, gate.sshd() as passed:
        verdict = probe(sshd.ca)
        assert (verdict.verdict, verdict.problems, verdict.via) == ("ok", (), "gate"), verdict.detail
        assert "Accepted publickey" in passed.read_text()
        assert "probe-" in passed.read_text()
        assert "Accepted publickey" in log.read_text()
        again(sshd)
        opens(gate, sshd.host.port + 1)
        verdict = probe(sshd.ca)
        assert (verdict.verdict, verdict.problems) == ("unreachable", ("no_bastion",))
        again(sshd)
        opens(gate, sshd.host.port)
        shut = sshd.host.sshd_config
    with gate.sshd():
        assert (shut.exists(), probe(sshd.ca).problems) == (True, ("no_connection",)), "nobody listens behind it"
    again(sshd)
    with sshd.host.sshd():
        verdict = probe(sshd.ca)
    assert (verdict.problems, verdict.detail.partition(":")[0]) == (("no_bastion",), "gate"), "it is down itself"
    assert command.text(host_probe.Outcome((verdict,), ())).splitlines()[1].split()[0] == NAME
    again(sshd)
    sshd.ca.say(m.Lock(None, "host", "gate", "intruder"), m.LockReply, "admin")
    assert HostProbe(sshd.ca.config.admin_socket).run((NAME,)).locked == (NAME,)


def test_a_certificate_that_passes_a_probe_opens_nothing_else(sshd: EnrolledSshd, gate: Host) -> None:
    key = make_key(sshd.host.folder / "probing")
    message = m.SignProbes((NAME,), line(sshd.host.folder / "probing"))
    (signed,) = sshd.ca.say(message, m.ProbesReply, "admin").probes
    assert signed.way is not None
    certificate = sshcert.parse_line(signed.way.certificate)[0]
    assert certificate.principals == (f"via/{NAME}@gate",)
    assert certificate.critical == (("force-command", "true"),)
    assert [name for name, _ in certificate.extensions] == ["grant@ssh-jit", "permit-port-forwarding"]
    assert 0 < certificate.valid_before - time.time() <= 60
    (sshd.host.folder / "probing-cert.pub").write_text(signed.way.certificate)
    with sshd.host.sshd():
        assert sshd.host.login(key) == 255, "it is not for the host itself"
    hosts_of_it, known = sshd.ca.context.state.hosts, []
    digest = hashlib.sha256(base64.b64decode(signed.way.certificate.split()[1])).hexdigest()
    for name, login in (("gate", ME), ("gate", "other"), (NAME, ME)):
        said = ("ses-0123456789", login, "192.0.2.7", "", certificate.serial, digest, certificate.key_id)
        event = m.SessionEvent(1, "start", 1, *said, emergency=False, why="")
        known.append(session_reports.judge(sshd.ca.context, hosts_of_it[name], event).known)
    assert known == ["probe", "elsewhere", "elsewhere"]
    told = [summaries.summary(sshd.ca.context.state, each) for each in probes_issued(sshd.ca)]
    assert sum(f"only passes through a bastion: via/{NAME}@gate" in each for each in told) == 1


def probes_issued(ca: Installation) -> list[events.ProbeIssued]:
    found = (fast_reader.read(entry) for entry in ca.store.of_kinds(("probe-certificate",)))
    return [event for event in found if isinstance(event, events.ProbeIssued)]


def test_a_host_that_does_not_believe_our_ca(sshd: EnrolledSshd) -> None:
    sshd.trusted.write_text("")
    assert found(sshd) == ("not_let_in",)


def by(other: Ed25519PrivateKey) -> str:
    """The public half, as one line."""
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return other.public_key().public_bytes(*form).decode("ascii") + "\n"


@pytest.mark.parametrize("beside", [True, False])
def test_a_host_that_believes_another_ca(sshd: EnrolledSshd, *, beside: bool) -> None:
    other = Ed25519PrivateKey.generate()
    sshd.trusted.write_text(f"{sshd.trusted.read_text() if beside else ''}{by(other)}")
    assert found(sshd, other_ca=other) == (*(() if beside else ("not_let_in",)), "other_ca_accepted")


def test_a_host_that_takes_certificates_for_other_hosts(sshd: EnrolledSshd) -> None:
    sshd.principals.write_text(f"{ME}@{NAME}\nprobe@probe.invalid\n")
    with sshd.host.sshd() as log:
        assert probe(sshd.ca).problems == ("elsewhere_accepted",)
        assert log.read_text().count("Accepted publickey") == 2, "what it takes besides is looked at all the same"


def test_a_host_whose_clock_is_behind_takes_what_ran_out(sshd: EnrolledSshd) -> None:
    sshd.ca.later(630)
    assert found(sshd) == ("not_let_in", "expired_accepted", "host_certificate_over")[:2]


@pytest.mark.parametrize(
    ("certify", "problems"),
    [
        (lambda sshd: sshd.certify("-V", "-2h:-1h"), ("host_certificate_over",)),
        (lambda sshd: sshd.certify("-V", "+1h:+2h"), ("host_certificate_over",)),
        (lambda sshd: sshd.certify(ca=make_key(sshd.host.folder / "other_ca")), ("host_certificate_foreign",)),
        (lambda sshd: sshd.certify("-n", NAME), ("host_certificate_name",)),
        (lambda sshd: sshd.certify("-n", "web9.lab,db1"), ("host_certificate_name",)),
        (lambda sshd: sshd.certify(key_id=f"host {NAME}~2"), ("host_certificate_name",)),
        (lambda sshd: sshd.certify(key_id="host web"), ("host_certificate_name",)),
        (lambda sshd: sshd.certify("-z", "0"), ("host_certificate_foreign",)),
        (lambda sshd: sshd.configure(certificate=False), ("host_certificate_missing",)),
    ],
    ids=[
        "over",
        "not yet",
        "other ca",
        "alias missing",
        "name missing",
        "machine before",
        "cut id",
        "serial 0",
        "plain",
    ],
)
def test_a_host_whose_certificate_is_not_right(
    sshd: EnrolledSshd, certify: Callable[[EnrolledSshd], None], problems: tuple[str, ...]
) -> None:
    certify(sshd)
    assert found(sshd) == problems


def test_a_host_with_another_key_than_it_joined_with(sshd: EnrolledSshd) -> None:
    for name in ("host_key", "host_key.pub"):
        (sshd.host.folder / name).unlink()
    make_key(sshd.host.folder / "host_key")
    sshd.certify()
    assert found(sshd) == ("host_key_unknown",)
    again(sshd)
    sshd.configure(certificate=False)
    assert found(sshd) == ("host_certificate_missing", "host_key_unknown")


def test_a_host_without_host_certificates_is_known_by_its_plain_keys(sshd: EnrolledSshd) -> None:
    state = sshd.ca.context.state
    state.hosts[NAME] = replace(state.hosts[NAME], host_certificates=False)
    sshd.configure(certificate=False)
    assert found(sshd) == ()


def test_ways_of_signing_in_are_named_and_wrong_only_where_certificates_alone_count(sshd: EnrolledSshd) -> None:
    sshd.configure("PasswordAuthentication yes")
    with sshd.host.sshd():
        verdict = probe(sshd.ca)
        assert (verdict.verdict, verdict.methods) == ("ok", ("publickey", "password"))
        again(sshd)
        reported = events.HostReported(1, 0, 1, NAME, NAME, (), (), only_certificates=True)
        sshd.ca.context.journal.state.reports.clear()
        hosts.host_reported(sshd.ca.context.state, reported, int(sshd.ca.time))
        assert probe(sshd.ca).problems == ("other_ways",)


@pytest.mark.parametrize(("tries", "problems"), [(4, ()), (3, ()), (2, ()), (1, ("not_all_tried",))])
def test_a_host_that_ends_connections_early_is_asked_again_but_not_for_ever(
    sshd: EnrolledSshd, tries: int, problems: tuple[str, ...]
) -> None:
    sshd.configure(f"MaxAuthTries {tries}")
    with sshd.host.sshd() as log:
        assert probe(sshd.ca).problems == problems
        said = log.read_text()
    assert said.count("Accepted publickey") == 1
    assert said.count("Connection from") <= 1 + 3, "one to see it listen; two without a login are the most"


def test_a_host_that_asks_for_more_than_a_certificate(sshd: EnrolledSshd) -> None:
    sshd.configure("AuthenticationMethods publickey,password", "PasswordAuthentication yes")
    assert found(sshd) == ("not_let_in",)


def test_a_host_that_runs_more_than_true(sshd: EnrolledSshd) -> None:
    sshd.configure('ForceCommand eval "$SSH_ORIGINAL_COMMAND"')
    assert found(sshd) == ("not_true",)
    again(sshd)
    sshd.configure("ForceCommand exit 7")
    assert found(sshd) == ("no_session",)


def test_a_host_whose_sessions_hang(sshd: EnrolledSshd) -> None:
    sshd.configure("ForceCommand sleep 60")
    assert found(sshd, seconds=4.0) == ("no_session",), "it answered, and opens no session: that is not unreachable"


def test_what_a_certificate_should_not_permit_is_seen(tmp_path: Path) -> None:
    """By a server that permits everything, since no sshd can be told to."""

    async def look() -> list[str]:
        async def answer(process: Any) -> None:
            process.stdout.write(f"{process.command}\n")
            process.exit(0)

        class Lax(asyncssh.SSHServer):
            def begin_auth(self, _: str) -> bool:
                return False

            def connection_requested(self, *_: Any) -> bool:
                return True

        key = asyncssh.generate_private_key("ssh-ed25519")
        server = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Lax, server_host_keys=[key], process_factory=answer
        )
        port = server.get_port()
        client = await asyncssh.connect("127.0.0.1", port, known_hosts=None, config=None, client_keys=None)
        try:
            return await probe_connection._beyond(client, port)
        finally:
            client.abort()
            server.close()
            await server.wait_closed()

    assert asyncio.run(look()) == ["not_true", "terminal", "forwarding"]


@contextmanager
def server_of(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Something on a port of loopback that is no sshd; what each connection gets is done in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    held.append(connection)
                    handle(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for connection in held:
            connection.close()


def enrol(ca: Installation, name: str, port: int, *logins: str) -> None:
    key = make_key(ca.home / f"{name}-key").with_suffix(".pub").read_text()
    new = m.AddHost(name, (), "127.0.0.1", port, (("env", "staging"),), (key,), logins=logins or (ME,))
    ca.say(new, m.HostReply, "admin")


@pytest.mark.parametrize(
    ("handle", "problem"),
    [
        (lambda _: None, "no_answer"),
        (lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n"), "no_answer"),
        (lambda connection: connection.close(), "dropped"),
        (lambda connection: (connection.sendall(b"Not allowed at this time\r\n"), connection.close()), "dropped"),
        (lambda connection: (connection.sendall(b"HTTP/1.0 400 Bad\r\n" * 3000), connection.close()), "no_ssh"),
        (lambda connection: connection.sendall(b"SSH-2.0-x\r\n" + b"\xff" * 200), "no_ssh"),
        (lambda connection: connection.sendall(b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x14" + b"\0" * 10), "no_ssh"),
    ],
    ids=["silent", "banner only", "closes", "refuses", "http", "garbage", "cut offer"],
)
def test_of_what_is_no_sshd_nothing_is_said(
    serving: Installation, handle: Callable[[socket.socket], None], problem: str
) -> None:
    with server_of(handle) as port:
        enrol(serving, NAME, port)
        verdict = probe(serving, seconds=1.0)
    assert (verdict.verdict, verdict.problems) in (("unreachable", (problem,)), ("unreachable", ("dropped",)))
    if problem == "no_answer":
        assert verdict.problems == ("no_answer",)
    listed = {view.name: view for view in serving.say(m.ReadHosts(None), m.HostsReply, "admin").probed}
    assert listed[NAME].verdict == "unreachable"


def test_where_nobody_listens(serving: Installation) -> None:
    enrol(serving, NAME, free_port())
    assert probe(serving).problems == ("no_connection",)


def test_a_slow_host_holds_up_no_other(sshd: EnrolledSshd) -> None:
    with server_of(lambda _: None) as port, sshd.host.sshd():
        enrol(sshd.ca, "slow", port)
        began = time.monotonic()
        outcome = HostProbe(sshd.ca.config.admin_socket, seconds=2.0).run(("slow", NAME))
        took = time.monotonic() - began
    assert {host.name: host.verdict for host in outcome.hosts} == {NAME: "ok", "slow": "unreachable"}
    assert took < 30
    assert host_probe.SECONDS == 10
    assert host_probe.AT_ONCE == 100


def test_a_host_that_lets_everybody_in(serving: Installation) -> None:
    class Open(asyncssh.SSHServer):
        def begin_auth(self, _: str) -> bool:
            return False

    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncssh.listen("127.0.0.1", 0, server_factory=Open, server_host_keys=[key]))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        enrol(serving, NAME, server.get_port())
        assert "open_to_all" in probe(serving).problems
    finally:
        server.close()
        asyncio.run_coroutine_threadsafe(server.wait_closed(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_a_host_whose_accounts_nobody_knows(serving: Installation) -> None:
    with enrolled_sshd(serving, ()) as sshd:
        assert found(sshd) == ("no_account",)


def test_a_host_that_was_probed_a_moment_ago_waits_and_a_locked_one_is_left_alone(sshd: EnrolledSshd) -> None:
    enrol(sshd.ca, "web8", free_port())
    sshd.ca.say(m.Lock(None, "host", "web8", "intruder"), m.LockReply, "admin")
    told: list[str] = []

    def say(sentence: str) -> None:
        told.append(sentence)
        again(sshd)

    with sshd.host.sshd():
        assert probe(sshd.ca).verdict == "ok"
        sshd.ca.later(29)
        outcome = HostProbe(sshd.ca.config.admin_socket, say=say).run((NAME, "web8"))
    assert told == ["1 of these hosts were probed a moment ago: going on with them in 1 s"]
    assert ([host.verdict for host in outcome.hosts], outcome.locked) == (["ok"], ("web8",))


def test_the_command_prints_a_table_or_json_and_ends_with_what_a_timer_needs(
    sshd: EnrolledSshd, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*names: str, as_json: bool = False, every: bool = False) -> tuple[int, str]:
        again(sshd)
        options = argparse.Namespace(names=list(names), all=every, json=as_json)
        code = command.probe(config.load(sshd.ca.home / "ca.toml"), options)
        return code, capsys.readouterr().out

    enrol(sshd.ca, "gone", free_port())
    with sshd.host.sshd():
        code, text = run(NAME)
        assert code == 0
        assert text.splitlines()[1].split() == [NAME, ME, "ok", *text.splitlines()[1].split()[3:]]
        code, text = run(NAME, "gone")
        assert code == command.UNREACHABLE
        assert f"gone: {probe_findings.UNREACHABLE['no_connection']}" in text
        code, text = run(as_json=True, every=True)
        assert code == command.UNREACHABLE
        said = {host["name"]: host for host in json.loads(text)["hosts"]}
        assert said.keys() == {NAME, "gone", "web1", "db1"}
        assert (said[NAME]["verdict"], said[NAME]["methods"]) == ("ok", ["publickey"])
        sshd.trusted.write_text("")
        code, text = run(NAME, "gone")
        assert code == command.BAD
        assert f"{NAME}: {probe_findings.BAD['not_let_in']}" in text
    for words in ([], [NAME]):
        with pytest.raises(Invalid):
            run(*words, every=bool(words))


def test_without_asyncssh_it_says_what_to_install(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sshjit_ca.operations.probe_connection", None)
    with pytest.raises(Failed) as error:
        HostProbe(ca.config.admin_socket).run((NAME,))
    assert (error.value.code, error.value.hint) == ("no_asyncssh", "pip install 'ssh-jit[fleet]'")


def test_a_colleague_gets_in_after_two_runs(sshd: EnrolledSshd) -> None:
    with sshd.host.sshd():
        for _ in range(2):
            assert probe(sshd.ca).verdict == "ok"
            again(sshd)
        assert colleague(sshd) == 0


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        (("-h",), ()),
        ((), ("host_certificate_foreign",)),
        (("-h", "-O", "critical:weather@example.com=fine"), ("host_certificate_over",)),
    ],
    ids=["a host's", "a user's", "with a condition"],
)
def test_what_no_sshd_would_show_is_no_host_certificate_either(
    tmp_path: Path, options: tuple[str, ...], problems: tuple[str, ...]
) -> None:
    key, signer = make_key(tmp_path / "key"), make_key(tmp_path / "ca")
    words = ("-I", f"host {NAME}", "-n", NAME, "-V", "-1m:+1h", "-z", "9")
    run("ssh-keygen", "-q", "-s", signer, *options, *words, f"{key}.pub")
    shown = " ".join((tmp_path / "key-cert.pub").read_text().split()[:2])
    host = m.HostView(NAME, NAME, (), "127.0.0.1", 22, ())
    asked = m.ProbeView(
        host, (line(key),), host_certificates=True, only_certificates=False, login=ME, certificate="", expired=""
    )
    seen = Sighting(host_key=shown, taken={"enters"}, refused=set(WRONG))
    assert judge(asked, (line(signer),), seen, int(time.time())).problems == problems
