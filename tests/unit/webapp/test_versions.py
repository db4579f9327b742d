"""Which version each side speaks: told with every answer, heeded in every answer, refused where it is too old."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from sshjit import bundle, entries, versions, wire
from sshjit.events import BundleSigned
from sshjit_web.api import json_io
from sshjit_web.app import create_app
from sshjit_web.ca_client import CaClient
from sshjit_web.gateway import Gateway
from sshjit_web.services import services
from sshjit_web.wsgi_middleware import Middleware
from tests.support.ca_sockets import serving_sockets
from tests.support.in_process_ca import KEY, CommandLine, FrontEnd
from tests.support.installation import ALICE

NEW = {versions.HEADER: str(versions.PROTOCOL)}


def document(answer: TestResponse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.get_json()["bundle"])
    return found


def test_whoever_asks_hears_what_the_server_speaks(world: FrontEnd) -> None:
    answer = world.stranger().get("/api/v1/version")
    said = answer.get_json()
    assert said.keys() == {"version", "oldest", "release"}
    assert (said["version"], said["oldest"]) == (versions.PROTOCOL, versions.OLDEST)
    assert said["release"][0].isdigit()


def test_a_front_end_that_asked_nothing_yet_asks_the_ca_first(world: FrontEnd) -> None:
    """Else the first laptop after a start would be told that the server is too old for it."""
    with serving_sockets(world.ca, frozenset({os.geteuid()})):
        client = CaClient(world.ca.config.web_socket)
        fresh = create_app(world.config, client, world.store, {}, key=KEY, clock=lambda: world.ca.time)
        said = fresh.test_client().get("/api/v1/version")
        assert (said.get_json()["version"], said.headers[versions.HEADER]) == (
            versions.PROTOCOL,
            str(versions.PROTOCOL),
        )
        client.close()


def test_a_front_end_without_a_ca_does_not_guess(world: FrontEnd) -> None:
    world.authority.stop()
    answer = world.stranger().get("/api/v1/version")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "ca_down")


def test_every_answer_to_a_program_says_the_version(world: FrontEnd) -> None:
    alice = CommandLine(world, ALICE)
    for answer in (alice.get("whoami"), alice.get("nothing"), world.stranger().get("/bundle")):
        assert answer.headers[versions.HEADER] == str(versions.PROTOCOL)
    assert versions.HEADER not in world.stranger().get("/sign-in").headers


def test_a_front_end_never_claims_more_than_the_ca_speaks(world: FrontEnd) -> None:
    world.authority.version = 1
    assert world.stranger().get("/api/v1/version").get_json()["version"] == 1
    assert world.stranger().get("/bundle").headers[versions.HEADER] == "1"


def test_a_reader_of_version_1_gets_the_bundle_that_it_always_got(world: FrontEnd) -> None:
    first, second = world.stranger().get("/bundle"), world.stranger().get("/bundle", headers=NEW)
    assert (document(first)["bundle"], document(second)["bundle"]) == (1, 2)
    assert document(second).keys() - document(first).keys() == {
        *("version", "oldest", "release", "critical", "host_keys", "bastions", "workloads", "post_quantum", "lineage")
    }
    assert document(first)["sequence"] == document(second)["sequence"]
    for answer in (first, second):
        assert answer.headers["Vary"] == versions.HEADER
        assert bundle.write(bundle.read(answer.get_json()["bundle"], plain_http=True)) == answer.get_json()["bundle"]


def test_t45_the_log_names_what_was_signed_in_each_format(world: FrontEnd) -> None:
    texts = [world.stranger().get("/bundle", headers=headers).get_json()["bundle"] for headers in ({}, NEW)]
    signed = [event for row in world.ca.store.rows() if isinstance(event := entries.read(row.entry), BundleSigned)]
    assert [signed[-1].digest, *signed[-1].later] == [hashlib.sha256(text.encode()).hexdigest() for text in texts]


def test_a_tag_is_for_one_format(world: FrontEnd) -> None:
    first, second = world.stranger().get("/bundle"), world.stranger().get("/bundle", headers=NEW)
    assert first.headers["ETag"] != second.headers["ETag"]
    for headers, answer in (({}, first), (NEW, second)):
        tag = {"If-None-Match": answer.headers["ETag"]}
        assert world.stranger().get("/bundle", headers={**headers, **tag}).status_code == 304
    upgraded = world.stranger().get("/bundle", headers={**NEW, "If-None-Match": first.headers["ETag"]})
    assert (upgraded.status_code, document(upgraded)["bundle"]) == (200, 2)


@pytest.mark.parametrize(("agent", "program"), [("ssh-jit", "ssh-jit"), ("ssh-jit-host/0.1.0", "ssh-jit-host")])
@pytest.mark.parametrize("path", ["/api/v1/whoami", "/bundle"])
def test_a_program_that_is_too_old_is_told_what_to_upgrade_and_to_what(
    world: FrontEnd, agent: str, program: str, path: str
) -> None:
    with world.app.app_context():
        cache = services().ca_cache
    strict = Client(Middleware(world.app, Gateway(cache, https=False, oldest=2)), TestResponse)
    answer = strict.get(path, headers={"User-Agent": agent})
    assert answer.status_code == 426
    error = answer.get_json()["error"]
    assert (error["family"], error["code"]) == ("refused", "too_old")
    assert error["message"].startswith(f"{program} is too old: it speaks version 1")
    assert error["hint"] == f"upgrade {program} to 0.2.0 or newer"
    assert strict.get(path, headers={"User-Agent": agent, **NEW}).status_code != 426
    assert strict.get("/sign-in", base_url=world.origin).status_code == 200, "pages are for browsers"


@dataclass(frozen=True, slots=True)
class Grown:
    """An answer that grew."""

    old: int
    new: int = wire.added(2, default=0)


@pytest.mark.parametrize(("headers", "fields"), [({}, {"old"}), (NEW, {"old", "new"})])
def test_an_answer_of_our_own_is_what_the_reader_knows(
    world: FrontEnd, headers: dict[str, str], fields: set[str]
) -> None:
    with world.app.test_request_context("/api/v1/x", headers=headers):
        assert json_io.answer(Grown(1, 2)).get_json().keys() == fields
