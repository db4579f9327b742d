"""The front end carries a challenge to whoever can sign it, and its pages say what came unsigned."""

from __future__ import annotations

from typing import Any

from sshjit import signed_actions, versions, wire
from sshjit.api.ask import AskReply
from tests.support.in_process_ca import CommandLine, FrontEnd
from tests.support.installation import BOB, DANA, ssh_sign
from tests.support.signatures import DB1

ASK: dict[str, Any] = {
    "hosts": ["db1"],
    "login": None,
    "action": "shell",
    "command": None,
    "duration": None,
    "reason": "CHG-7 add index",
    "certificate": False,
}
MARK = ">not signed</span>"


def asked(line: CommandLine, version: int | None, **more: Any) -> tuple[int, dict[str, Any]]:
    """The answer to an ask of a program of this version, which may say none."""
    headers = line.headers if version is None else {**line.headers, versions.HEADER: str(version)}
    answer = line.client.post("/api/v1/requests", headers=headers, json={**ASK, **more})
    return answer.status_code, answer.get_json()


def signature(world: FrontEnd, answer: dict[str, Any]) -> dict[str, str]:
    """What ``ssh-jit`` sends after a challenge."""
    shown = wire.decode_answer(AskReply, answer)
    text = signed_actions.ask_text(shown.request, DB1, shown.challenge or "", world.ca.config.installation)
    return {
        "challenge": shown.challenge or "",
        "signature": ssh_sign(world.ca.key(DANA), signed_actions.ASK_NAMESPACE, text),
    }


def test_a_program_that_can_sign_gets_a_challenge_and_an_older_one_a_request(world: FrontEnd) -> None:
    world.browser(BOB)
    line = CommandLine(world, DANA)
    status, answer = asked(line, versions.PROTOCOL)
    assert (status, answer["request"]["id"], bool(answer["challenge"])) == (200, "", True)
    assert not world.ca.context.state.requests
    status, made = asked(line, versions.PROTOCOL, consent=signature(world, answer))
    assert (status, made["request"]["signed"], made["challenge"]) == (201, True, None)
    line.post(f"requests/{made['request']['id']}/cancel")
    for version in (None, 1):
        status, older = asked(line, version)
        assert (status, "challenge" in older, "signed" in older["request"]) == (201, False, False)
        assert not world.ca.context.state.requests[older["request"]["id"]].asked.signed
        line.post(f"requests/{older['request']['id']}/cancel")


def test_a_key_that_cannot_sign_gets_no_challenge(world: FrontEnd) -> None:
    world.browser(BOB)
    status, answer = asked(CommandLine(world, DANA), versions.PROTOCOL, unsigned=True)
    assert (status, answer["request"]["signed"], answer["challenge"]) == (201, False, None)


def test_pages_mark_what_came_unsigned(world: FrontEnd) -> None:
    """From the pages themselves, and from a front end that asks with the token of a command line."""
    world.browser(BOB)
    forged = world.ask(DANA, "db1", action="migrate")
    assert MARK in world.page(BOB, "/approvals")
    page = world.page(BOB, f"/requests/{forged}")
    assert MARK in page
    assert "by a web sign-in, not signed" in page
    form = world.post(BOB, f"/requests/{forged}/approve", digest=world.view(BOB, forged).digest)
    assert MARK in form.text
    world.post(BOB, f"/requests/{forged}/approve", digest=world.view(BOB, forged).digest, confirmed="yes")
    assert "<strong>not signed</strong>, by a web sign-in" in world.page(BOB, f"/requests/{forged}")


def test_and_what_was_signed_has_no_mark(world: FrontEnd) -> None:
    world.browser(BOB)
    line = CommandLine(world, DANA)
    _, answer = asked(line, versions.PROTOCOL)
    _, made = asked(line, versions.PROTOCOL, consent=signature(world, answer))
    page = world.page(BOB, f"/requests/{made['request']['id']}")
    assert "on the command line, signed with the requester's key" in page.replace("&#39;", "'")
    assert MARK not in page
    assert MARK not in world.page(BOB, "/approvals")


def test_the_form_says_that_a_rule_wants_a_signature(world: FrontEnd) -> None:
    world.browser(BOB)
    world.ca.change_policy('use_by = "15m"', 'signed_request = true\nuse_by = "15m"')
    answer = world.post(DANA, "/requests/new", host=["db1"], reason="CHG-7 add index")
    assert "signature_needed" in answer.text
    assert "ssh-jit request db1" in answer.text
    preview = world.post(DANA, "/requests/new", host=["db1"], reason="CHG-7 add index", preview="yes")
    assert "request it with <code>ssh-jit</code>" in preview.text
    assert not world.ca.context.state.requests
