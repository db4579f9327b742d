"""What a host tells the CA: signed by the first of its keys that the CA knows, and asked once of whoever is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sshjit_host import alarms
from sshjit_host import config as configuration
from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.formats.bundle import Bundle
from sshjit_host.front_end import enrolment, fetch, host_report
from sshjit_host.joining import join
from sshjit_host.refresh import Refresher
from sshjit_host.sessions import reports
from sshjit_host.sessions.spool import Spool
from tests.support.host_machine import Authority, Front, Host, line, make_key, run

Answer = tuple[int, dict[str, Any]]


def report_state(config: Config, bundle: Bundle) -> None:
    """Tell the CA that something is wrong here."""
    alarms.note(config, "it does not work", time.time())
    host_report.Reporter(config).report(bundle, time.time())


def report_sessions(config: Config, _: Bundle) -> None:
    """Tell the CA of a session."""
    spool = Spool(config.home / "reports")
    spool.prepare()
    spool.add({"kind": "start"}, time.time())
    reports.Reporter(config, spool, lambda _: None).send(int(time.time()))


def leave(config: Config, bundle: Bundle) -> None:
    """Tell the CA that this host leaves."""
    enrolment.leave(config, bundle, int(time.time()))


@pytest.fixture(params=[report_state, report_sessions, leave])
def tell(request: pytest.FixtureRequest, authority: Authority, front: Front, host: Host) -> Callable[[], None]:
    """Tells the CA one of these, as a host with three keys of which the first is encrypted."""
    keys = [host.folder / name for name in ("encrypted", "stranger", "host_key")]
    for key in keys:
        make_key(key)
    _encrypt(keys[0])
    host.write_sshd_config(host_key=False, after="".join(f"HostKey {key}\n" for key in keys[1:]))
    front.serve(authority.offer())
    host.refresh()
    # sshd itself does not start with a key that it cannot read; a key may be locked afterwards.
    host.write_sshd_config(host_key=False, after="".join(f"HostKey {key}\n" for key in keys))
    config = configuration.load(host.folder / "host.json")
    bundle = Refresher(config, lambda _: None).held()
    assert bundle is not None
    return lambda: request.param(config, bundle)


def _encrypt(key: Path) -> None:
    run("ssh-keygen", "-q", "-p", "-N", "secret", "-f", key)


def refusal(code: str, message: str) -> Answer:
    return 403, {"error": {"code": code, "message": message, "hint": ""}}


def test_a_key_that_cannot_sign_or_is_unknown_makes_room_for_the_next(
    tell: Callable[[], None], front: Front, host: Host
) -> None:
    """Whatever words the CA says it with."""
    known, asked = line(host.folder / "host_key"), []

    def answer(_path: str, body: dict[str, Any]) -> Answer:
        asked.append(body["host_key"])
        taken = {"taken": body["events"][-1]["number"]} if "events" in body else {}
        return (200, taken) if body["host_key"] == known else refusal("unknown_host_key", "never heard of it")

    front.posted = answer
    tell()
    assert asked == [line(host.folder / "stranger"), known]


@pytest.mark.parametrize(
    "answer",
    [(503, {}), refusal("not_fresh", "the clock is wrong"), refusal("too_soon", "enrolled with this key")],
    ids=["away", "refused", "refused in the words of an unknown key"],
)
def test_whatever_else_is_wrong_is_not_asked_again_with_every_key(
    tell: Callable[[], None], answer: Answer, front: Front
) -> None:
    asked = []

    def count(path: str, _body: dict[str, Any]) -> Answer:
        asked.append(path)
        return answer

    front.posted = count
    with pytest.raises(HostError):
        tell()
    assert len(asked) == 1


def test_the_ca_is_told_again_what_it_hears_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain keys, and certificates again within the minute: it would else take this host for one without, for ever."""
    asked: list[bool] = []
    said: list[str] = []

    def renew(*_: object, shows: bool) -> None:
        asked.append(shows)
        if len(asked) == 1:
            raise fetch.Refusal("the host sent this less than 60 s ago", "too_soon")

    monkeypatch.setattr(enrolment, "renew", renew)
    monkeypatch.setattr(join, "AGAIN", 0)
    nothing: Any = SimpleNamespace(offered=())
    join._say_that_they_are_shown(nothing, nothing, nothing, said.append)
    assert (asked, said) == ([True, True], ["the CA hears this once a minute: trying again in 0 s"])


@pytest.mark.parametrize("number", [1, 2])
def test_t64_a_host_where_something_is_wrong_says_which_checkpoint_it_holds(
    authority: Authority, front: Front, host: Host, number: int
) -> None:
    """The CA may have been put back to an older state: then it hears of what it forgot."""
    front.serve(authority.offer(**({"bundle": 2} if number > 1 else {})))
    host.refresh()
    config = configuration.load(host.folder / "host.json")
    bundle = Refresher(config, lambda _: None).held()
    assert bundle is not None
    told: list[dict[str, Any]] = []

    def answer(_path: str, body: dict[str, Any]) -> Answer:
        told.append(body)
        return 200, {}

    front.posted = answer
    report_state(config, bundle)
    assert told[0].get("checkpoint") == (authority.fields()["checkpoint"] if number > 1 else None)
