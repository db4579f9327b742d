"""The table of decisions, asked of the front end's own copy of the policy and of a whole CA: they say the same.

The front end knows of a sign-in, of the hosts and of the policy only what the CA's messages tell it, as in the pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Invalid, SshJitError
from sshjit.policy import load
from sshjit_web import policy_preview
from tests.support import decisions
from tests.support.decisions import FOLDER, NOBODY, Row
from tests.support.installation import Installation
from tests.support.issuer import Issuer
from tests.unit.ca.test_decisions_by_the_ca import ROWS, House


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, issuers: dict[str, Issuer]) -> Iterator[House]:
    home: Path = tmp_path_factory.mktemp("decisions")
    policy = (FOLDER / "policy.toml").read_text(encoding="utf-8")
    ca = Installation(home, issuers, time=float(ROWS[0].now - 86400), policy=policy)
    for host in decisions.inventory().hosts.values():
        ca.add_host(host.name, **dict(host.labels))
    yield House(ca)
    ca.stop()


def question(running: House, row: Row) -> m.Explain:
    ask = row.ask
    return m.Explain(
        login_id=running.login(row),
        person=None,
        hosts=tuple(host.name for host in row.hosts),
        labels=(),
        login=ask.login,
        action=ask.action,
        command=ask.command,
        duration=ask.duration,
        reason=ask.reason,
        start=ask.start,
        break_glass=ask.break_glass,
        address=ask.address or "",
    )


def by_the_front_end(ca: Installation, asked: m.Explain) -> m.ExplainReply | SshJitError | None:
    """What the front end foresees, by what the CA's messages say."""
    login = ca.say(m.ReadLogin(asked.login_id or ""), m.LoginReply).login
    hosts = ca.say(m.ReadHosts(asked.login_id), m.HostsReply).hosts
    rules = load(ca.say(m.ReadPolicy(), m.PolicyReply).text)
    try:
        return policy_preview.preview(rules, login, hosts, asked, int(ca.time))
    except Invalid as error:
        return error


def by_the_ca(ca: Installation, asked: m.Explain) -> m.ExplainReply | SshJitError:
    try:
        found = ca.say(m.Explain(*(getattr(asked, name) for name in m.Explain.__slots__)), m.ExplainReply)
    except SshJitError as error:
        return error
    return replace(found, steps=tuple(replace(step, candidates=()) for step in found.steps))


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_front_end_and_ca_say_the_same(running: House, row: Row) -> None:
    running.at(row.now)
    asked = question(running, row)
    ours, theirs = by_the_front_end(running.ca, asked), by_the_ca(running.ca, asked)
    if isinstance(theirs, SshJitError):
        assert ours is None or (isinstance(ours, SshJitError) and (ours.code, str(ours)) == (theirs.code, str(theirs)))
        return
    assert isinstance(ours, m.ExplainReply)
    if theirs.code == NOBODY:  # who could approve, only the CA knows
        assert ours.verdict == "approval"
        theirs = replace(theirs, verdict="approval", code="", message="", hint="")
    assert ours == theirs


def test_the_table_has_enough_rows_of_every_verdict() -> None:
    verdicts = [row.expected["expect"] for row in ROWS]
    assert len(verdicts) >= 80
    assert {verdicts.count(each) >= 4 for each in ("allow", "approval", "step_up", "denied")} == {True}
