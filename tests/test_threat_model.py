"""The threat model names tests; each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sshjit.ca_protocol.table import MAX_REPLY
from sshjit_ca import ephemeral
from sshjit_ca.service import connection, listeners, server
from sshjit_web import pending_sign_in, store
from sshjit_web.server import bodies, connections, long_polls, threads

REPOSITORY = Path(__file__).resolve().parent.parent
TEXT = (REPOSITORY / "docs" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(?:tests/[a-z/]+)?(test_\w+)(\.py|…)?`", TEXT)))
FILES = list((REPOSITORY / "tests").rglob("test_*.py"))
FUNCTIONS = {name for path in FILES for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}


def test_it_names_tests() -> None:
    assert len(NAMED) > 80


@pytest.mark.parametrize(("name", "kind"), NAMED)
def test_a_test_that_it_names_is_there(name: str, kind: str) -> None:
    if kind == ".py":
        assert name in {path.stem for path in FILES}
    elif kind == "…":
        assert any(function.startswith(name) for function in FUNCTIONS)
    else:
        assert name in FUNCTIONS


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(tests/[\w/]+\.py)`", TEXT))))
def test_a_file_that_it_names_is_there(path: str) -> None:
    assert (REPOSITORY / path).is_file()


def test_each_promise_has_its_attacks() -> None:
    sections = {
        re.sub(r"[^a-z -]", "", line[3:].lower()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("## ")
    }
    linked = set(re.findall(r"\]\(#([\w-]+)\)", TEXT))
    assert linked == sections
    assert [line[2] for line in TEXT.splitlines() if re.match(r"\| \d\. ", line)] == list("123456")


@pytest.mark.parametrize(
    ("sentence", "values"),
    [
        ("10 s for the head, 10 for the body", (bodies.HEAD_TIME, bodies.BODY_TIME)),
        ("At most 512 bodies are unfinished, 32 of one address", (bodies.MOST, bodies.MOST_OF_ONE)),
        ("ends a connection that takes nothing for 30 s", (connections.UNREAD_TIME,)),
        ("8 requests wait for each thread, 10 s each", (threads.WAITING, threads.WAIT_TIME)),
        ("The event loop refuses them after 10 s", (threads.WAIT_TIME,)),
        ("4,096 in all", (long_polls.MOST,)),
        ("6,144 connections at a time", (connections.MOST,)),
        ("idle ones for 10 s each", (bodies.HEAD_TIME,)),
        ("which opens it for 10 minutes", (pending_sign_in.LIFETIME / 60,)),
        ("one is tried every 10 s", (store.WRITE_EVERY,)),
        ("No answer of it is waited for longer than 3 s", (store.ANSWER,)),
        ("its 100 connections and its 128 sign-ins at a time", (connection.MAX_PEERS, server.MAX_PREPARING)),
        ("16 MiB at the CA's sockets", (MAX_REPLY / 1024**2,)),
        ("what still waits after 5 s", (server.FINISH,)),
        ("The CA looks every 2 s", (listeners.LOOK,)),
        ("3,600 events an hour", (ephemeral.SessionBudget().most,)),
    ],
)
def test_a_limit_that_it_states_is_the_programs(sentence: str, values: tuple[float, ...]) -> None:
    """Tests of limits make them small, so that they need not wait: none of those would notice another number."""
    assert sentence in " ".join(TEXT.split())
    assert [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", sentence)] == list(values)
