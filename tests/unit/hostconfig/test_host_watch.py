"""``watch``: it keeps up, survives what goes wrong, says things once, and ends when told."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sshjit_host.alarms import STALE
from sshjit_host.front_end.fetch import CUT, WAIT, Offer, Poll
from sshjit_host.watch import REMINDER, Reminders, pause, rest
from tests.support.host_machine import Authority, Front, Host, line, run
from tests.support.waiting import PATIENCE, wait_until


@contextlib.contextmanager
def _watching(host: Host) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[str], int]]]:
    """``watch``, running, and a way to ask how many of its lines hold a text."""
    log = host.folder / "watch.log"
    with log.open("wb") as file, subprocess.Popen(host.command("watch"), stderr=file) as process:
        try:
            yield process, lambda text: sum(text in line for line in log.read_text().splitlines())
        finally:
            process.kill()


def test_it_takes_new_bundles_and_outlives_a_front_end_that_lies_or_fails(
    authority: Authority, front: Front, host: Host
) -> None:
    front.status = 503
    with _watching(host) as (process, lines):
        wait_until(lambda: lines("answers with status 503"), "no failure was told")
        assert not (host.home / "bundle.json").exists()
        front.serve(authority.offer(sequence=2))
        front.status = 200
        wait_until(lambda: lines("took bundle 2"), "the first bundle was not taken")
        wait_until(lambda: lines("all is well again"), "it was not told that all is well")
        front.serve(authority.offer(sequence=1))
        wait_until(lambda: lines("the bundle is older (1) than the one held (2)"), "the lie was not told")
        front.serve(authority.offer(sequence=3))
        wait_until(lambda: lines("took bundle 3"), "the next bundle was not taken")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0
        assert lines("status 503") == 1


def test_it_waits_for_the_next_bundle_and_takes_it_at_once(authority: Authority, front: Front, host: Host) -> None:
    """Its interval is an hour, so only the front end can have told it."""
    host.settings["interval"] = 3600
    front.waits = True
    front.serve(authority.offer(sequence=1))
    with _watching(host) as (_, lines):
        for sequence in range(2, 5):
            wait_until(lambda: lines(f"took bundle {sequence - 1} "), "it was not taken")  # noqa: B023 - called at once
            wait_until(lambda: front.headers.get("Prefer") == f"wait={WAIT}", "it did not ask to wait")
            front.serve(authority.offer(sequence=sequence))
        wait_until(lambda: lines("took bundle 4 "), "it was not taken")
        assert front.statuses.count(304) <= 1
        assert not lines("hint: ")


def test_a_proxy_that_cuts_what_waits_is_no_failure(authority: Authority, front: Front, host: Host) -> None:
    front.waits, front.cuts = True, CUT + 1
    front.serve(authority.offer(sequence=1))
    with _watching(host) as (_, lines):
        wait_until(lambda: front.statuses.count(0) == 1, "nothing was cut")
        wait_until(lambda: front.statuses.count(304) >= 1, "after a cut it did not ask without waiting")
        front.serve(authority.offer(sequence=2))
        wait_until(lambda: lines("took bundle 2"), "it was not taken")
        assert not lines("cannot reach")
        assert not lines("all is well again")


def test_with_something_wrong_here_it_does_not_wait(authority: Authority, front: Front, host: Host) -> None:
    front.waits = True
    front.serve(authority.offer(sequence=1))
    (host.folder / "other").touch()
    host.write_sshd_config(before=f"RevokedKeys {host.folder}/other")
    with _watching(host) as (_, lines):
        wait_until(lambda: lines("which counts instead of ours"), "it was not told")
        wait_until(lambda: len(front.statuses) >= 3, "it did not look again")
        assert "Prefer" not in front.headers


@pytest.mark.parametrize(
    ("poll", "took", "seconds"),
    [
        (Poll(None, waits=True), 40, 0),
        (Poll(None, waits=True), 0.1, 30),
        (Poll(None, waits=False), 0.1, 30),
        (Poll(None, waits=False), 40, 30),
        (Poll(Offer(1, "", "", ""), waits=True), 0.4, 0.6),
        (Poll(Offer(1, "", "", ""), waits=True), 3, 0),
        (Poll(Offer(1, "", "", ""), waits=False), 3, 30),
        (Poll(None, waits=True, cut=True), 30, 0),
    ],
)
def test_the_next_question_follows_at_once_only_where_the_front_end_waited(
    poll: Poll, took: float, seconds: float
) -> None:
    """A front end that claims to wait and answers at once is asked no more often than one that does not know it."""
    assert rest(poll, took, 30) == pytest.approx(seconds)


def test_the_ca_is_told_what_is_wrong_and_that_it_is_over(authority: Authority, front: Front, host: Host) -> None:
    """In the words of docs/protocol.md, signed by a host key, once for each change."""
    reports: list[dict[str, Any]] = []

    def take(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert path == "/api/v1/host/report"
        reports.append(body)
        return 200, {}

    front.posted = take
    front.serve(authority.offer(issued=int(time.time()) - STALE - 60))
    with _watching(host):
        wait_until(lambda: reports and reports[-1]["problems"], "the problem was not reported")
        front.serve(authority.offer(sequence=2))
        wait_until(lambda: reports[-1]["problems"] == [], "it was not reported that it is over")
        wait_until(lambda: not (host.home / "reported.json").exists(), "it still holds what the CA was told before")
        time.sleep(2)
    assert [bool(report["problems"]) for report in reports] == [True, False], "what is no news is not reported"
    report = next(report for report in reports if report["problems"])
    assert "no newer bundle since" in report["problems"][0]
    signature = report.pop("signature")
    said = json.dumps(report, sort_keys=True, separators=(",", ":"))
    assert (report["name"], report["bundle"]) == ("web1", 1)
    (host.folder / "signers").write_text(f"web1 {line(host.folder / 'host_key')}\n")
    (host.folder / "signature").write_text(signature)
    command = f"ssh-keygen -Y verify -f {host.folder}/signers -I web1 -n report@ssh-jit -s {host.folder}/signature"
    run(*command.split(), given=f"ssh-jit report v1\nlab\n{said}\n".encode())


def test_the_ca_is_told_once_that_only_certificates_count(authority: Authority, front: Front, host: Host) -> None:
    """By which a probe knows that passwords there are wrong; a CA that is too old for the word is not told."""
    reports: list[dict[str, Any]] = []

    def take(_: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        reports.append(body)
        return 200, {}

    front.posted = take
    host.settings["only_certificates"] = True
    front.serve(authority.offer())
    with _watching(host):
        wait_until(lambda: len(front.statuses) >= 3, "it did not look again")
        assert reports == []
        front.serve(authority.offer(sequence=2, bundle=2))
        wait_until(lambda: reports, "it was not reported")
        wait_until((host.home / "reported.json").exists, "it does not hold what the CA was told")
    with _watching(host):
        looked = len(front.statuses)
        wait_until(lambda: len(front.statuses) >= looked + 3, "it did not look again")
    (report,) = reports
    assert (report["only_certificates"], report["problems"]) == (True, [])
    host.settings["only_certificates"] = False
    with _watching(host):
        wait_until(lambda: len(reports) == 2, "it was not reported that they do no more")
        wait_until(lambda: not (host.home / "reported.json").exists(), "it still holds what the CA was told before")
    assert "only_certificates" not in reports[1]


def test_refresh_by_a_timer_tells_the_ca_the_same_and_each_thing_once(
    authority: Authority, front: Front, host: Host
) -> None:
    reports: list[dict[str, Any]] = []

    def take(_: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        reports.append(body)
        return 200, {}

    front.posted = take
    host.settings["only_certificates"] = True
    front.serve(authority.offer(bundle=2, issued=int(time.time()) - STALE - 60))
    for _ in range(2):
        host.refresh()
    (report,) = reports
    assert (report["only_certificates"], len(report["problems"])) == (True, 1)
    host.settings["reload"] = ["/bin/false"]
    host.dropin.unlink()
    for _ in range(2):
        host.refresh(code=1)
    assert [len(report["problems"]) for report in reports] == [1, 2], "what failed is told as well"
    assert "refreshing fails since" in host.doctor()
    del host.settings["reload"]
    host.settings["only_certificates"] = False
    front.serve(authority.offer(sequence=2, bundle=2))
    host.refresh()
    assert "refreshing fails" not in host.doctor()
    assert (reports[-1]["problems"], "only_certificates" in reports[-1]) == ([], False)
    kept = host.home / "reported.json"
    assert not kept.exists()
    kept.write_text(json.dumps({"problems": reports[0]["problems"], "closed": False, "when": 4_000_000_000}))
    front.serve(authority.offer(sequence=3, bundle=2, issued=int(time.time()) - STALE - 60))
    count = len(reports)
    host.refresh()
    assert len(reports) == count + 1, "a time that is to come keeps nothing back"


def test_sigterm_ends_it_at_once_even_while_the_front_end_is_silent(front: Front, host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host.settings["url"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with _watching(host) as (process, _):
            connection, _peer = silent.accept()
            with connection:
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=PATIENCE) == 0


def test_it_outlives_a_missing_sshd(authority: Authority, front: Front, host: Host, tmp_path: Path) -> None:
    real, host.settings["sshd"] = host.settings["sshd"], str(tmp_path / "sshd")
    front.serve(authority.offer())
    with _watching(host) as (_, lines):
        wait_until(lambda: lines("cannot run"), "no failure was told")
        (tmp_path / "sshd").symlink_to(real)
        wait_until(lambda: lines(f"wrote {host.dropin}"), "the drop-in was not written")


@pytest.mark.parametrize(
    ("interval", "failures", "longest"),
    [(5, 0, 5), (5, 1, 10), (5, 2, 20), (5, 9, 60), (5, 10**6, 60), (300, 0, 300), (300, 7, 300)],
)
def test_pauses_grow_with_failures_up_to_a_minute(interval: int, failures: int, longest: int) -> None:
    assert pause(interval, failures, 0.0) == longest
    assert pause(interval, failures, 1.0) == pytest.approx(longest * 0.8)


def test_what_stays_true_is_said_once_an_hour_and_changes_every_time() -> None:
    lines: list[str] = []
    now = [0.0]
    reminders = Reminders(lines.append, lambda: now[0])
    for _ in range(3):
        reminders.change("warning: old")
        reminders.change("wrote it")
        reminders.still_true("failed", "hint: do something")
    assert lines == ["warning: old", "wrote it", "failed", "hint: do something", "wrote it", "wrote it"]
    now[0] = REMINDER
    reminders.change("warning: old")
    reminders.still_true("failed")
    reminders.recovered()
    reminders.still_true("failed")
    assert lines[6:] == ["warning: old", "failed", "failed"]
