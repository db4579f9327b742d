"""A laptop beside servers of other ages: what it ignores, what it leaves out, and what it says must be upgraded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sshjit import bundle, versions, wire
from sshjit.errors import Failed, Invalid, Refused
from sshjit_client import trusted_bundle
from sshjit_client.api.basic import BasicApi, error_of
from sshjit_client.network import http_client
from sshjit_client.storage.machine import HeldBundle, Settings
from tests.support.bundle_cases import NEW_LINE
from tests.support.client_server import ClientServer
from tests.unit.client.conftest import Laptop, here
from tests.unit.client.installation_keys import InstallationKeys
from tests.unit.client.scripted_bundles import ScriptedBundles

ROOT = Path(__file__).resolve().parents[3]


def grown(value: Any) -> Any:
    """Every object with a field more."""
    if isinstance(value, dict):
        return {**{name: grown(item) for name, item in value.items()}, "weather": {"today": "fine"}}
    return [grown(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("words", [("whoami",), ("requests",), ("hosts",), ("status",), ("request", "web1")])
def test_t87_answers_of_a_newer_server_are_understood(
    server: ClientServer, laptop: Laptop, words: tuple[str, ...]
) -> None:
    laptop.set_up(server)
    server.alter = lambda _, value: grown(value)
    login = laptop.run("login")
    assert login.returncode == 0, login.stderr
    done = laptop.run(*words)
    assert done.returncode == 0, done.stderr
    assert "weather" not in done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Question:
    """A body of a later version."""

    reason: str
    ticket: str = wire.added(3, default="", weakens=True)
    mood: str = wire.added(3, default="")


def test_t87_what_an_older_server_does_not_know_is_left_out(server: ClientServer) -> None:
    api = BasicApi(server.url)
    with pytest.raises(Invalid, match="field 'action' is missing"):  # so far it came
        api.send("POST", "explain", Question("CHG-7", mood="sunny"))
    assert server.calls == ["GET /api/v1/version", "POST /api/v1/explain"]
    assert json.loads(server.bodies[-1]) == {"reason": "CHG-7"}
    assert api.version == versions.PROTOCOL


def test_t87_what_may_not_be_left_out_is_not_sent_and_the_server_is_named(server: ClientServer) -> None:
    with pytest.raises(Refused) as too_old:
        BasicApi(server.url).send("POST", "explain", Question("CHG-7", ticket="OPS-1"))
    assert too_old.value.code == "too_old"
    assert too_old.value.message.startswith("the server is too old for this: it does not know 'ticket'")
    assert "upgrade the server" in too_old.value.hint
    assert server.calls == ["GET /api/v1/version"]


def test_t87_a_bundle_of_a_later_ca_says_what_is_left_out_and_what_to_upgrade() -> None:
    fields = json.loads((ROOT / "tests/vectors/bundle-1/bundle.json").read_text())
    later = {**fields, "bundle": 2, "version": 9, "oldest": 9, "release": "9.9.9"}
    later["user_ca"] = [NEW_LINE, *later["user_ca"]]
    found = bundle.read(json.dumps(later, sort_keys=True, separators=(",", ":")), plain_http=True)
    assert trusted_bundle.warnings(found) == [
        "this ssh-jit is too old for the server: upgrade it to 9.9.9 or newer",
        "this ssh-jit does not know keys of the type ssh-made-up@example.com in user_ca; it goes by the rest",
    ]


def test_t87_an_error_of_a_newer_server_is_understood(server: ClientServer, laptop: Laptop) -> None:
    laptop.set_up(server)
    assert laptop.run("login").returncode == 0
    expected = laptop.run("show", "req-00000000")
    server.alter = lambda _, value: grown(value)
    done = laptop.run("show", "req-00000000")
    assert (done.returncode, done.stderr) == (expected.returncode, expected.stderr)
    assert "HTTP" not in done.stderr
    for body in ({"error": {**ERROR, "weather": 1}}, {"error": ERROR, "weather": 1}, {**ERROR, "weather": 1}):
        error = error_of(http_client.Answer(426, json.dumps(body).encode(), "", None, 1))
        assert (error.family, error.code, error.message, error.hint) == tuple(ERROR.values())


ERROR = {
    "family": "refused",
    "code": "too_old",
    "message": "ssh-jit is too old: it speaks version 2",
    "hint": "upgrade ssh-jit to 9.9.9 or newer",
}
KEPT = (
    "kept the old bundle (trusted keys and revocations): ssh-jit is too old: it speaks version 2; "
    "upgrade ssh-jit to 9.9.9 or newer"
)


def test_t87_a_laptop_that_is_too_old_keeps_its_bundle_and_says_what_to_upgrade_to_in_one_line(
    installation: InstallationKeys, bundles: ScriptedBundles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(1, bundles.url, "lab", installation.root.fingerprint, None)
    held = trusted_bundle.current(here(tmp_path), settings)
    capsys.readouterr()
    later = {**json.loads(bundles.bundle().bundle), "bundle": 3, "sequence": 8, "release": "9.9.9"}
    text = json.dumps(later, sort_keys=True, separators=(",", ":"))
    bundles.sequence = 8
    bundles.offer = HeldBundle(8, text, installation.sign(text), "")
    assert trusted_bundle.current(here(tmp_path), settings, fresh=0) == held
    (line,) = capsys.readouterr().err.splitlines()
    assert "too old for the bundle, which is of the format 3; upgrade ssh-jit to 9.9.9 or newer" in line
    bundles.refusal = {"error": ERROR}
    assert trusted_bundle.current(here(tmp_path), settings, fresh=0) == held
    assert KEPT in capsys.readouterr().err
    with pytest.raises(Refused, match="ssh-jit is too old") as refused:
        trusted_bundle.download(bundles.url)
    assert refused.value.hint == ERROR["hint"]


def test_t87_a_bundle_that_nobody_signed_cannot_stop_a_laptop(
    installation: InstallationKeys, bundles: ScriptedBundles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(1, bundles.url, "lab", installation.root.fingerprint, None)
    held = trusted_bundle.current(here(tmp_path), settings)
    fields = json.loads(bundles.bundle().bundle)
    text = json.dumps({**fields, "user_ca": [f" {NEW_LINE}"]}, sort_keys=True, separators=(",", ":"))
    bundles.sequence = 8
    bundles.offer = HeldBundle(8, text, "", "")
    assert trusted_bundle.current(here(tmp_path), settings, fresh=0) == held
    assert "kept the old bundle" in capsys.readouterr().err


@pytest.mark.parametrize("status", [500, 502, 503])
def test_t87_a_server_that_cannot_say_its_version_is_down_and_not_too_old(
    bundles: ScriptedBundles, status: int
) -> None:
    bundles.refusal, bundles.status = {"error": {**ERROR, "family": "failed", "code": "ca_down"}}, status
    with pytest.raises(Failed) as down:
        BasicApi(bundles.url).send("POST", "explain", Question("CHG-7", ticket="OPS-1"))
    assert down.value.code == "ca_down"
    assert bundles.calls == ["/api/v1/version"]
