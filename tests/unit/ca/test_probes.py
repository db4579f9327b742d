"""What the CA signs for probes of hosts, when it does not, and what it keeps of how they were found."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events, profile, sshcert
from sshjit.errors import Invalid, Refused
from sshjit_ca import ephemeral
from sshjit_ca.access import probe_findings
from sshjit_ca.cli import show
from sshjit_ca.log import ocsf, summaries
from sshjit_ca.routes import ROUTES
from sshjit_ca.service import alerts
from tests.support import ocsf_schema
from tests.support.enrolled_sshd import allow
from tests.support.installation import Installation, make_key
from tests.support.signatures import join, report_sessions, session_event


@pytest.fixture
def key(ca: Installation) -> Path:
    """The key of web9, which has joined, at a CA that allows probes."""
    allow(ca)
    return joined(ca, "web9")


def joined(ca: Installation, name: str, *logins: str) -> Path:
    keys = (make_key(ca.home / f"{name}-key"),)
    new = m.AddHost(name, (), "192.0.2.9", 22, (("env", "staging"),), (), logins=logins or ("root", "deploy"))
    reply = ca.say(new, m.HostReply, "admin")
    assert reply.invitation is not None
    ca.say(join(ca, name, reply.invitation.token, keys), m.HostReply, "web")
    return keys[0]


def sign(ca: Installation, *hosts: str) -> m.ProbesReply:
    public = make_key(ca.home / "prober").with_suffix(".pub").read_text()
    return ca.say(m.SignProbes(hosts, public), m.ProbesReply, "admin")


def written(ca: Installation, kind: Any) -> list[Any]:
    read = [entries.read(row.entry) for row in ca.store.rows()]
    return [each for each in read if isinstance(each, kind)]


def parsed(line: str) -> sshcert.Certificate:
    return sshcert.parse_line(line)[0]


def test_without_the_operator_s_word_nothing_is_signed_or_taken(ca: Installation) -> None:
    result = m.ProbeResult("web1", "web1", "ok", ())
    before = ca.kinds()
    for say in (lambda: sign(ca, "web1"), lambda: ca.say(m.ReportProbes((result,)), m.Done, "admin")):
        with pytest.raises(Refused) as error:
            say()
        assert error.value.code == "probe_off"
        assert "[probe]" in error.value.hint
    assert ca.kinds() == before


def test_only_the_operator_s_socket_takes_it() -> None:
    assert {socket for kind in (m.SignProbes, m.ReportProbes) for socket in ROUTES[kind].sockets} == {"admin"}


def test_a_certificate_of_a_minute_that_only_runs_true(ca: Installation, key: Path, tmp_path: Path) -> None:
    reply = sign(ca, "web9")
    (probe,) = reply.probes
    assert (probe.login, probe.host.name, probe.host_certificates) == ("deploy", "web9", True)
    assert [line.split()[:2] for line in probe.host_keys] == [key.with_suffix(".pub").read_text().split()[:2]]
    path = tmp_path / "probe-cert.pub"
    path.write_text(probe.certificate)
    said = subprocess.run(["ssh-keygen", "-L", "-f", path], capture_output=True, text=True, check=True).stdout
    options = said.partition("Critical Options:")[2].split()
    assert options[:4] == ["force-command", "true", "Extensions:", "grant@ssh-jit"]
    assert "permit" not in said
    certificate = parsed(probe.certificate)
    assert certificate.principals == ("deploy@web9",)
    assert certificate.valid_before == int(ca.time) + 60
    assert certificate.key_id.startswith("probe-")
    assert certificate.key_id.endswith(" operator probe")


def test_what_is_to_be_refused_is_worth_nothing(ca: Installation, key: Path) -> None:
    joined(ca, "web8", "root")
    reply = sign(ca, "web9", "web8")
    over, elsewhere = parsed(reply.probes[0].expired), parsed(reply.elsewhere)
    assert over.principals == ("deploy@web9",)
    assert parsed(reply.probes[1].expired).principals == ("root@web8",), "no host is told of another"
    assert over.valid_before == int(ca.time) - profile.PROBE_AGE
    assert elsewhere.principals == ("probe@probe.invalid",)
    assert elsewhere.valid_before == int(ca.time) + 60
    for certificate in (over, elsewhere):
        assert certificate.critical == (("force-command", "true"),)
        assert [name for name, _ in certificate.extensions] == ["grant@ssh-jit"]


def test_each_certificate_is_in_the_log_as_a_probe_s_where_its_serial_says(ca: Installation, key: Path) -> None:
    reply = sign(ca, "web9")
    texts = (reply.probes[0].certificate, reply.probes[0].expired, reply.elsewhere)
    issued = written(ca, events.ProbeIssued)
    assert [each.purpose for each in issued] == ["enters", "expired", "elsewhere"]
    for event, text in zip(issued, texts, strict=True):
        blob = base64.b64decode(text.split()[1])
        assert event.certificate == hashlib.sha256(blob).hexdigest()
        assert event.serial == parsed(text).serial
        row = next(row for row in ca.store.rows() if row.entry.index == event.serial % 2**40)
        assert entries.read(row.entry) == event
    line = summaries.summary(ca.context.state, issued[0])
    assert line.startswith(f"PROBE certificate {issued[0].serial} that only runs `true`: deploy@web9, until ")
    signing = next(each for each in ca.context.state.keys.values() if each.purpose == "user_ca")
    assert signing.alive_until >= issued[0].valid_before


def test_between_two_probes_of_a_host_is_a_pause(ca: Installation, key: Path) -> None:
    sign(ca, "web9")
    ca.later(ephemeral.PROBE_PAUSE - 1)
    before = len(written(ca, events.ProbeIssued))
    reply = sign(ca, "web9", "web1")
    assert reply.paused == (("web9", 1),)
    assert [probe.host.name for probe in reply.probes] == ["web1"]
    assert len(written(ca, events.ProbeIssued)) == before, "web1 has no account, so nothing is signed at all"
    assert (reply.probes[0].login, reply.probes[0].certificate, reply.probes[0].expired, reply.elsewhere) == (
        "",
        "",
        "",
        "",
    )
    ca.later(1)
    assert sign(ca, "web9").paused == ()


def test_locks_hold(ca: Installation, key: Path) -> None:
    ca.say(m.Lock(None, "host", "web9", "intruder"), m.LockReply, "admin")
    reply = sign(ca, "web9")
    assert (reply.locked, reply.probes) == (("web9",), ())
    public = make_key(ca.home / "prober").with_suffix(".pub")
    print_of = subprocess.run(["ssh-keygen", "-l", "-f", public], capture_output=True, text=True, check=True).stdout
    for kind, target in (("key", print_of.split()[1]), ("everything", None)):
        lock = ca.say(m.Lock(None, kind, target, "intruder"), m.LockReply, "admin").lock  # type: ignore[arg-type]
        with pytest.raises(Refused) as error:
            sign(ca, "web1")
        assert error.value.code == "locked"
        ca.say(m.Unlock(None, lock.id, "a drill", None, None), m.Done, "admin")
    assert not written(ca, events.ProbeIssued)


def test_a_host_that_there_is_not_is_named(ca: Installation, key: Path) -> None:
    with pytest.raises(Invalid, match="there is no host 'web7'"):
        sign(ca, "web9", "web7")


def test_no_host_may_ever_have_had_the_name_of_none(ca: Installation, key: Path) -> None:
    ca.add_host("probe.invalid", env="staging")
    ca.say(m.RemoveHost("probe.invalid", "why", None, None), m.Done, "admin")
    with pytest.raises(Refused) as error:
        sign(ca, "web9")
    assert error.value.code == "probe_name"


def test_a_session_by_a_probe_is_known_and_no_alarm_and_one_by_what_should_be_refused_is(
    ca: Installation, key: Path
) -> None:
    reply = sign(ca, "web9")
    for number, (text, login) in enumerate(
        (
            (reply.probes[0].certificate, "deploy"),
            (reply.probes[0].certificate, "root"),
            (reply.probes[0].expired, "deploy"),
            (reply.elsewhere, "deploy"),
        )
    ):
        blob = base64.b64decode(text.split()[1])
        event = session_event(
            number + 1, serial=parsed(text).serial, certificate=hashlib.sha256(blob).hexdigest(), login=login
        )
        ca.later(ephemeral.REPORT_PAUSE)
        ca.say(report_sessions(ca, key, event), m.SessionsReply, "web")
    started = written(ca, events.SessionStarted)
    assert [each.known for each in started] == ["probe", "elsewhere", "elsewhere", "elsewhere"]
    assert [alerts.kind_of(each) for each in started] == [None, *["session_elsewhere"] * 3]
    assert "by a probe of the operator" in summaries.summary(ca.context.state, started[0])
    rows = [row for row in ca.store.rows() if row.entry.kind in ("session", "probe-certificate", "probe")]
    for row in rows:
        ocsf_schema.check(ocsf.event_of(row.entry, entries.read(row.entry), ca.context.state, "x"))


def test_how_hosts_were_found_is_in_the_log_and_in_the_list(ca: Installation, key: Path) -> None:
    joined(ca, "web8")
    results = (
        m.ProbeResult("web9", "web9", "bad", ("not_let_in", "expired_accepted")),
        m.ProbeResult("web8", "web8", "ok", ()),
        m.ProbeResult("web1", "web1", "unreachable", ("no_answer",)),
        m.ProbeResult("db1", "db1~2", "ok", ()),
        m.ProbeResult("gone", "gone", "ok", ()),
    )
    ca.say(m.ReportProbes(results), m.Done, "admin")
    (event,) = written(ca, events.HostsProbed)
    assert [host.name for host in event.hosts] == ["web9", "web8", "web1"], "another machine, and none, are left out"
    line = summaries.summary(ca.context.state, event)
    assert line == ("the operator probed: 1 host enforces; web9 (not_let_in, expired_accepted); web1 (no_answer)")
    row = list(ca.store.rows())[-1]
    ocsf_schema.check(ocsf.event_of(row.entry, event, ca.context.state, "x"))
    listed = ca.say(m.ReadHosts(None), m.HostsReply, "admin")
    assert {view.name: (view.verdict, view.problems, view.time) for view in listed.probed} == {
        "web9": ("bad", ("not_let_in", "expired_accepted"), int(ca.time)),
        "web8": ("ok", (), int(ca.time)),
        "web1": ("unreachable", ("no_answer",), int(ca.time)),
    }
    rows = {words[0]: row for row in show.hosts(listed).splitlines() if (words := row.split())}
    when = show.instant(int(ca.time))
    assert rows["HOST"].endswith("PROBED")
    assert rows["web9"].endswith(f"BAD: not_let_in, expired_accepted ({when})")
    assert rows["web8"].endswith(f"ok ({when})")
    assert rows["web1"].endswith(f"unreachable: no_answer ({when})")
    assert rows["db1"].endswith("never")
    ca.restart()
    assert ca.say(m.ReadHosts(None), m.HostsReply, "admin").probed == listed.probed
    ca.say(m.RemoveHost("web9", "broken", None, None), m.Done, "admin")
    assert "web9" not in ca.context.state.probes


@pytest.mark.parametrize(
    ("verdict", "problems"),
    [("ok", ("no_answer",)), ("bad", ()), ("bad", ("no_answer",)), ("unreachable", ()), ("bad", ("\x1b[2J",))],
)
def test_a_report_says_what_a_probe_can_find(ca: Installation, key: Path, verdict: Any, problems: Any) -> None:
    with pytest.raises(Invalid):
        ca.say(m.ReportProbes((m.ProbeResult("web9", "web9", verdict, problems),)), m.Done, "admin")
    assert not written(ca, events.HostsProbed)


def test_the_codes_fit_into_a_report() -> None:
    assert max(map(len, probe_findings.SENTENCES)) <= 64
    assert len(probe_findings.SENTENCES) == len(probe_findings.BAD) + len(probe_findings.UNREACHABLE)
    assert probe_findings.post_quantum(("curve25519-sha256", "mlkem768x25519-sha256")) == ("mlkem768x25519-sha256",)
