"""The clock: what it may do, and what happens when it does something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import events, sshkey
from sshjit.errors import Failed, Invalid, Refused
from sshjit_ca.log import pages, verification
from sshjit_ca.machine.clock import TOLERANCE, Clock, Kept
from sshjit_ca.machine.system import UNKNOWN
from sshjit_ca.routes import DESPITE, ROUTES
from tests.support.installation import ALICE, CAROL, Installation


def confirm(ca: Installation) -> m.ClockReply:
    return ca.say(m.ConfirmClock("the time server was wrong"), m.ClockReply, "admin")


@pytest.mark.parametrize("jump", [TOLERANCE + 1, 10 * 365 * 86400, -TOLERANCE - 1, -86400])
def test_t66_a_clock_that_jumps_stops_signing_until_it_is_confirmed(ca: Installation, jump: int) -> None:
    login = ca.native(ALICE)
    before = ca.context.state.size
    ca.time += jump
    with pytest.raises(Failed) as stopped:
        ca.ask(login, "web1")
    assert stopped.value.code == "clock"
    assert "confirm-clock" in stopped.value.hint
    assert not ca.say(m.Health(), m.HealthReply).ready
    assert ca.context.state.size == before
    assert confirm(ca).drift == jump
    assert ca.kinds()[-1] == "clock"
    assert ca.say(m.Health(), m.HealthReply).ready
    assert ca.say(m.Health(), m.HealthReply).time == int(ca.time)
    issued = ca.ask(ca.native(ALICE), "web1").certificate
    assert issued is not None
    assert issued.valid_before <= ca.time + 900


@pytest.mark.parametrize("jump", [TOLERANCE - 1, -2])
def test_a_clock_that_is_only_corrected_goes_on(ca: Installation, jump: int) -> None:
    login = ca.native(ALICE)
    ca.later(10)
    ca.time += jump
    assert ca.ask(login, "web1").certificate is not None


def test_t10_a_clock_before_the_last_entry_stops_signing_until_it_is_confirmed(ca: Installation) -> None:
    """Also over a restart of the machine, when nothing is known of its boot clock."""
    login = ca.native(ALICE)
    (ca.home / "ca" / "clock").unlink()
    ca.time -= 3600
    ca.boot = 1.0
    ca.restart()
    with pytest.raises(Failed) as stopped:
        ca.ask(login, "web1")
    assert "behind the log's last entry" in stopped.value.message
    times = [row.entry.time for row in ca.store.rows()]
    assert times == sorted(times)
    confirm(ca)
    assert ca.ask(ca.native(ALICE), "web1").certificate is not None


@pytest.mark.parametrize("back", [20, 3600, 40 * 86400])
def test_t84_a_clock_that_was_confirmed_to_go_back_is_no_alarm_and_its_entries_are_found(
    ca: Installation, back: int
) -> None:
    """The remedy that the hint names must not make ``log verify`` say "not whole" for ever."""
    login = ca.native(ALICE)
    ca.ask(login, "web1")
    ahead = int(ca.time)
    ca.time -= back
    confirm(ca)
    request = ca.ask(ca.native(ALICE), "web1").request
    ca.later(60)
    ca.ask(ca.native(ALICE), "web1")
    verdict = verification.verify(ca.store, ca.context.keys.public("log"))
    assert verdict.problems == ()
    ca.restart()
    times = [row.entry.time for row in ca.store.rows()]
    assert times != sorted(times)
    for since, until in ((ahead - back, ahead - back + 30), (ahead, ahead + 1), (0, ahead - back), (ahead - 10, None)):
        wanted = [at for at, when in enumerate(times) if since <= when and (until is None or when < until)]
        page = pages.oldest_first(ca.store, pages.Filter(since=since, until=until), -1, 1000)
        assert [row.entry.index for row in page.rows] == wanted
        newest = pages.newest_first(ca.store, pages.Filter(since=since, until=until), None, 1000)
        assert [row.entry.index for row in newest.rows] == wanted[::-1]
    assert request.state in {"approved", "ended"}


def test_t84_no_other_entry_may_be_earlier_than_the_one_before_it(ca: Installation) -> None:
    ca.native(ALICE)
    ca.context.journal.record(events.ClockConfirmed(ca.context.state.time + 5, 0, "x"), int(ca.time) - 100)
    ca.context.journal.commit()
    (problem,) = verification.verify(ca.store, ca.context.keys.public("log")).problems
    assert "earlier than the entry before it" in problem


def test_t84_nor_an_entry_that_confirms_no_clock(ca: Installation) -> None:
    login = ca.native(ALICE)
    over = events.LoginClosed(login, ca.logins[login].person.id, None, "x")
    ca.context.journal.record(over, int(ca.time) - 100)
    ca.context.journal.commit()
    (problem,) = verification.verify(ca.store, ca.context.keys.public("log")).problems
    assert "earlier than the entry before it" in problem


def test_a_clock_that_is_a_little_behind_need_not_be_confirmed(ca: Installation) -> None:
    login = ca.native(ALICE)
    ca.time -= TOLERANCE - 10
    with pytest.raises(Failed) as stopped:
        ca.ask(login, "web1")
    assert stopped.value.hint == "wait: signing continues by itself in 20 s"
    ca.later(20)
    assert ca.ask(login, "web1").certificate is not None


def test_a_restart_does_not_make_a_jump_forgotten(ca: Installation) -> None:
    login = ca.native(ALICE)
    ca.stop()
    ca.time += 3600
    ca.start()
    with pytest.raises(Failed):
        ca.ask(login, "web1")
    confirm(ca)
    ca.restart()
    assert ca.say(m.Health(), m.HealthReply).ready


def test_access_is_taken_away_whatever_the_clock_says(ca: Installation) -> None:
    request = ca.ask(ca.native(ALICE), "web1").request
    known = ca.context.now
    ca.later(7)
    ca.time += 10 * 365 * 86400
    reply = ca.say(m.Revoke(None, request.id, None, None, "laptop lost"), m.RevokeReply, "admin")
    assert reply.requests[0].closing is not None
    assert ca.context.state.time == known + 7  # as the boot clock counts on
    assert ca.say(m.ReadBundle(None), m.BundleReply).bundle is not None


def test_t68_what_is_refused_meanwhile_writes_nothing(ca: Installation) -> None:
    """Nor on a full disk, whose reserve is for what takes access away."""
    request, somebody = ca.ask(ca.native(ALICE), "web1").request, ca.web(CAROL)
    ca.time += 3600
    with pytest.raises(Refused) as refused:
        ca.say(m.Revoke(somebody, request.id, None, None, "out of spite"), m.RevokeReply, "web")
    assert refused.value.code == "not_permitted"
    assert "refusal" not in ca.kinds()
    confirm(ca)
    with pytest.raises(Refused):
        ca.say(m.Revoke(ca.web(CAROL), request.id, None, None, "out of spite"), m.RevokeReply, "web")
    assert ca.kinds()[-1] == "refusal"


def test_what_gives_somebody_something_waits_also_in_an_emergency(ca: Installation) -> None:
    ca.time += 3600
    line = ca.key(ALICE).with_suffix(".pub").read_text()
    for message in (
        m.SignEmergency("root", ("web1",), line, "the pager rang", 60),
        m.AddHost("web9", (), "127.0.0.1", 22, (("env", "staging"),), ()),
    ):
        (answer,) = ca.say_all([message], "admin")
        assert isinstance(answer, Failed)
        assert answer.code == "clock"
    given = {m.LoginWeb, m.LoginNative, m.Ask, m.Approve, m.SignUser, m.Unlock, m.AddHost, m.SignHost, m.JoinHost}
    assert given.isdisjoint(DESPITE)


def test_an_emergency_certificate_is_revoked_like_any_other(ca: Installation) -> None:
    line = ca.key(ALICE).with_suffix(".pub").read_text()
    reply = ca.say(m.SignEmergency("root", ("web1",), line, "the pager rang", 60), m.EmergencyReply, "admin")
    ca.restart()
    revoke = m.Revoke(None, None, reply.serial, None, "over")
    assert ca.say(revoke, m.RevokeReply, "admin").certificates == 1
    assert reply.serial in ca.context.state.revoked
    with pytest.raises(Invalid):
        ca.say(revoke, m.RevokeReply, "admin")
    ca.restart()
    assert reply.serial in ca.context.state.revoked


def test_locks_on_everything_and_on_a_key_reach_emergency_certificates(ca: Installation) -> None:
    line = ca.key(ALICE).with_suffix(".pub").read_text()
    message = m.SignEmergency("root", ("web1",), line, "the pager rang", 60)
    serial = ca.say(message, m.EmergencyReply, "admin").serial
    ca.say(m.Lock(None, "everything", None, "stolen"), m.LockReply, "admin")
    assert serial in ca.context.state.revoked
    ca.say(m.Lock(None, "key", sshkey.parse_line(line).fingerprint, "stolen"), m.LockReply, "admin")
    with pytest.raises(Refused):
        ca.say(message, m.EmergencyReply, "admin")


def test_only_the_operator_confirms_and_says_why(ca: Installation) -> None:
    assert "web" not in ROUTES[m.ConfirmClock].sockets
    with pytest.raises(Invalid) as refused:
        ca.say(m.ConfirmClock(""), m.ClockReply, "admin")
    assert refused.value.code == "no_reason"


def test_what_is_kept_counts_for_one_start_of_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    first = Clock(lambda: 1000.0, lambda: 10.0, Kept(file, "one"))
    assert Clock(lambda: 5000.0, lambda: 10.0, Kept(file, "one")).offset == first.offset == 990
    assert Clock(lambda: 5000.0, lambda: 10.0, Kept(file, "two", writes=False)).offset == 4990
    assert Kept(file, "one").recall() == 990
    assert Kept(file, "?").recall() is None
    Kept(file, UNKNOWN).keep(990)
    assert Kept(file, UNKNOWN).recall() is None, "two starts that nobody can tell apart are two"
    Kept(file, "one").keep(990)
    for damaged in ("nonsense", "", "one 99", "\0" * 20):
        file.write_text(damaged)
        with pytest.raises(Failed) as refused:
            Kept(file, "one").recall()
        assert refused.value.code == "no_memory", "a damaged file must not forget a jump"
        assert refused.value.hint.endswith(f"rm {file}")
