"""SIGHUP: what a policy's sentences prove is decided beside the thread that answers."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sshjit import ca_protocol as m
from sshjit_ca.access import policy_change
from sshjit_ca.question import Question
from sshjit_ca.service import daemon
from tests.support.installation import Installation
from tests.support.waiting import PATIENCE

NEVER = '[[never]]\nname = "no-root"\nlogin = "root"\nwithin = 2027-12-31\n'


def test_people_are_answered_while_sentences_are_decided(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    decide, began, go_on = policy_change.decide_sentences, threading.Event(), threading.Event()
    threads = []

    def slowly(*asked: object) -> object:
        threads.append(threading.current_thread())
        began.set()
        assert go_on.wait(PATIENCE)
        return decide(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(policy_change, "decide_sentences", slowly)
    (ca.home / "policy.toml").write_text(ca.policy + NEVER)
    before = ca.context.policy.digest

    async def play() -> None:
        reloading = asyncio.create_task(daemon._reload(ca.config, ca.authority, ca.context))
        assert await asyncio.to_thread(began.wait, PATIENCE)
        assert threads != [threading.main_thread()]
        (answer,) = ca.authority.answer([Question(m.Health(), "web")])
        assert isinstance(answer, m.HealthReply)
        assert ca.context.policy.digest == before
        go_on.set()
        await reloading

    asyncio.run(play())
    assert ca.context.policy.digest != before
    assert not ca.context.policy_refused


def test_sentences_are_decided_anew_if_another_policy_came_meanwhile(
    ca: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The one that came meanwhile says what must never be; the file breaks it."""
    decide, first = policy_change.decide_sentences, [True]
    guard = ca.policy + '[[never]]\nname = "no-deploy"\nlogin = "deploy"\n'
    stricter = guard.replace('logins = ["deploy"]', 'logins = ["app"]')

    def load_another_first(*asked: object) -> object:
        decided = decide(*asked)  # type: ignore[arg-type]
        if first.pop() if first else False:
            ca.authority.change_policy(ca.authority.look_at_policy(stricter))
        return decided

    monkeypatch.setattr(policy_change, "decide_sentences", load_another_first)
    asyncio.run(daemon._reload(ca.config, ca.authority, ca.context))
    assert ca.context.policy_text == stricter
    assert 'the policy gives what must never be: "no-deploy"' in caplog.text
    assert ca.context.policy_refused
