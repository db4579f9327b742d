"""Which bundles are believed."""

from __future__ import annotations

import base64
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest

from sshjit import bundle, names
from sshjit.bundle import Bundle
from sshjit.errors import Failed, Invalid, Refused
from sshjit_client import trusted_bundle
from sshjit_client.console.terminal import Terminal
from sshjit_client.network import http_client, timed_socket
from sshjit_client.storage import files
from sshjit_client.storage.machine import HeldBundle, Settings
from tests.support.bad_front_end import DRIPPED, UNSENDABLE, dripping, flooding, reading_nothing
from tests.support.bundle_cases import NEW_LINE
from tests.support.client_server import ClientServer
from tests.unit.client.conftest import Laptop, here
from tests.unit.client.installation_keys import InstallationKeys
from tests.unit.client.scripted_bundles import ScriptedBundles, serving


def sealed(installation: InstallationKeys, found: Bundle, **how: str) -> HeldBundle:
    text = bundle.write(found)
    return HeldBundle(found.sequence, text, installation.sign(text, **how), '"x"')


def pinned(installation: InstallationKeys, url: str = "http://127.0.0.1:9") -> Settings:
    return Settings(1, url, "lab", installation.root.fingerprint, None)


def test_a_newer_bundle_of_the_pinned_root_is_taken(installation: InstallationKeys) -> None:
    held = installation.bundle()
    newer = dataclasses.replace(held, sequence=8)
    assert trusted_bundle.accept(sealed(installation, newer), held, pinned(installation)) == newer
    assert trusted_bundle.accept(sealed(installation, held), held, pinned(installation)) is None


def test_t49_everything_else_is_refused(installation: InstallationKeys) -> None:
    held = installation.bundle()
    newer, settings = dataclasses.replace(held, sequence=8), pinned(installation)
    good = sealed(installation, newer)
    refused = {
        "the bundle's signature is not by its root": [
            sealed(installation, newer, key="user_ca"),
            sealed(installation, newer, namespace="file"),
            dataclasses.replace(good, signature="nonsense"),
            dataclasses.replace(good, signature=sealed(installation, held).signature),
        ],
        "the bundle is signed by": [
            sealed(installation, dataclasses.replace(newer, root=installation.user_ca.line), key="user_ca")
        ],
        "the bundle is for other, not lab": [sealed(installation, dataclasses.replace(newer, installation="other"))],
        "and number 7 is held": [
            sealed(installation, dataclasses.replace(held, sequence=6)),
            sealed(installation, dataclasses.replace(held, expires=held.expires + 1)),
        ],
        "names no CA keys": [sealed(installation, dataclasses.replace(newer, user_ca=()))],
        "does not begin like one": [sealed(installation, dataclasses.replace(newer, krl=""))],
    }
    for why, bundles in refused.items():
        for one in bundles:
            with pytest.raises((Refused, Invalid), match=why):
                trusted_bundle.accept(one, held, settings)


def test_a_bundle_that_is_refused_changes_nothing_and_is_told(
    installation: InstallationKeys, bundles: ScriptedBundles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = pinned(installation, bundles.url)
    assert trusted_bundle.current(here(tmp_path), settings).bundle.sequence == 7
    bundles.sequence = 6
    assert trusted_bundle.current(here(tmp_path), settings, fresh=0).bundle.sequence == 7
    kept = "kept the old bundle (trusted keys and revocations)"
    assert f"{kept}: the bundle is number 6, and number 7 is held" in capsys.readouterr().err
    bundles.status = 503
    bundles.refusal = {"error": {"family": "failed", "code": "ca_down", "message": "can't reach the CA", "hint": ""}}
    assert trusted_bundle.current(here(tmp_path), settings, fresh=0).bundle.sequence == 7
    assert f"{kept}: the server gave no bundle: can't reach the CA\n" in capsys.readouterr().err
    bundles.refusal = None
    bundles.sequence = 9
    assert trusted_bundle.current(here(tmp_path), settings, fresh=0).bundle.sequence == 9


def test_a_fresh_bundle_is_used_without_asking(
    installation: InstallationKeys, bundles: ScriptedBundles, tmp_path: Path
) -> None:
    settings = pinned(installation, bundles.url)
    trusted_bundle.current(here(tmp_path), settings)
    bundles.calls.clear()
    trusted_bundle.current(here(tmp_path), settings)
    assert bundles.calls == []


def test_an_old_bundle_alarms_and_locks_nobody_out(
    installation: InstallationKeys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    old = sealed(installation, installation.bundle(issued=now - 100, expires=now - 10))
    files.save(files.private_folder(tmp_path / "ssh-jit" / "lab") / "bundle.json", old)
    assert trusted_bundle.current(here(tmp_path), pinned(installation)).bundle.sequence == 7
    assert "overdue for renewal" in capsys.readouterr().err


def test_the_list_that_ssh_reads_follows_the_bundle(
    installation: InstallationKeys, bundles: ScriptedBundles, tmp_path: Path
) -> None:
    settings = pinned(installation, bundles.url)
    listed = tmp_path / "ssh-jit" / "lab" / trusted_bundle.REVOKED
    trusted_bundle.current(here(tmp_path), settings)
    assert listed.read_bytes() == base64.b64decode(installation.bundle().krl)
    listed.unlink()
    bundles.calls.clear()
    trusted_bundle.current(here(tmp_path), settings)
    assert (listed.exists(), bundles.calls) == (True, [])


def test_the_newest_bundle_counts_wherever_it_is(installation: InstallationKeys, tmp_path: Path) -> None:
    """A place that could not be written has an older one still, perhaps of another root; it brings nothing back."""
    machine, settings = here(tmp_path), pinned(installation)
    best, worse = (files.private_folder(folder) for folder in machine.lasting_folders(settings)[:2])
    files.save(best / "bundle.json", sealed(installation, installation.bundle(sequence=7)))
    files.save(worse / "bundle.json", sealed(installation, installation.bundle(sequence=9)))
    kept = trusted_bundle.kept(machine, settings)
    assert kept is not None
    assert (kept.bundle.sequence, kept.revoked) == (9, worse / "revoked_host_keys")
    assert trusted_bundle.kept(machine, dataclasses.replace(settings, root=f"SHA256:{'A' * 43}")) is None
    worse.chmod(0o755)
    again = trusted_bundle.kept(machine, settings)
    assert again is not None
    assert again.folder == best, "others could have written the other one"


def test_a_redirect_is_not_followed(bundles: ScriptedBundles) -> None:
    with pytest.raises(Failed, match="a redirect"):
        trusted_bundle.download(f"{bundles.url}/elsewhere")


def test_setup_pins_the_root(stranger: Laptop, server: ClientServer) -> None:
    wrong = stranger.run("setup", server.url, "--root", server.front.ca.context.keys.public("user_ca").fingerprint)
    assert wrong.returncode == 4
    assert "is pinned" in wrong.stderr
    without = stranger.run("setup", server.url)
    assert (without.returncode, without.stderr) == (
        2,
        "ssh-jit: the root must be pinned\nhint: add --root SHA256:…; your administrator has it\n",
    )
    assert not stranger.config.exists()
    done = stranger.run("setup", server.url, "--root", server.root)
    assert done.returncode == 0
    assert done.stderr == f"ssh-jit: set up for test at {server.url}; sign in with: acme (acme)\n"


def test_setup_by_another_address_takes_no_older_bundle(
    stranger: Laptop, bundles: ScriptedBundles, installation: InstallationKeys
) -> None:
    """Nor does it under another name: what was revoked meanwhile stays revoked."""
    root = installation.root.fingerprint
    assert stranger.run("setup", bundles.url, "--root", root).returncode == 0
    with serving(ScriptedBundles(installation)) as older:
        older.sequence = 6
        for more in ((), ("--name", "other")):
            done = stranger.run("setup", older.url, "--root", root, *more)
            assert done.returncode != 0
            assert "number 6, and number 7 is held" in done.stderr
            assert (stranger.settings.url, stranger.settings.name) == (bundles.url, "lab")


def test_setup_again_takes_no_older_bundle(stranger: Laptop, bundles: ScriptedBundles) -> None:
    words = ("setup", bundles.url, "--root", bundles.installation.root.fingerprint)
    assert stranger.run(*words).returncode == 0
    bundles.sequence = 6
    again = stranger.run(*words)
    assert (again.returncode, again.stderr) == (2, "ssh-jit: the bundle is number 6, and number 7 is held\n")


@pytest.mark.parametrize("url", ["http://example.com", "https://a@example.com", "file:///etc/passwd", "-oX"])
def test_setup_takes_only_addresses_that_are_safe(stranger: Laptop, url: str) -> None:
    assert stranger.run("setup", "--root", "SHA256:" + "A" * 43, "--", url).returncode == 2


def test_one_deadline_is_over_the_whole_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "DEADLINE", 1.0)
    for first in DRIPPED:
        with dripping(first) as url:
            began = time.monotonic()
            with pytest.raises(Failed) as failed:
                http_client.exchange("GET", url)
            assert (failed.value.code, "no whole answer in 1 s" in failed.value.message) == ("unreachable", True)
            assert time.monotonic() - began < 5


def test_one_deadline_is_over_what_is_sent_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads it."""
    monkeypatch.setattr(http_client, "DEADLINE", 1.0)
    with reading_nothing() as url:
        began = time.monotonic()
        with pytest.raises(Failed, match="no whole answer in 1 s"):
            http_client.exchange("POST", url, body=b" " * 32 * 1024 * 1024)
        assert time.monotonic() - began < 6


def test_no_read_may_take_longer_than_what_is_left_of_the_whole() -> None:
    assert 0 < timed_socket.Deadline(patience=60, total=30).left() <= 30
    assert timed_socket.Deadline(patience=10, total=60).left() == 10
    for total in (0, -1):
        with pytest.raises(TimeoutError):
            timed_socket.Deadline(patience=10, total=total).left()


@pytest.mark.parametrize("tag", [*UNSENDABLE, '"poison"'])
def test_t76_no_etag_keeps_newer_bundles_away(
    tag: str, installation: InstallationKeys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is kept, by this release or an older one: the next bundle of an honest server is taken."""
    with serving(ScriptedBundles(installation)) as offers:
        settings, terminal = pinned(installation, offers.url), Terminal()
        trusted_bundle.current(here(tmp_path, terminal), settings)
        stored = files.load(tmp_path / "ssh-jit" / "lab" / "bundle.json", HeldBundle)
        assert stored is not None
        assert stored.etag == '"7"'
        files.save(tmp_path / "ssh-jit" / "lab" / "bundle.json", dataclasses.replace(stored, etag=tag))
        offers.sequence, offers.refused_tags = 8, {'"poison"'}
        assert trusted_bundle.current(here(tmp_path, terminal), settings, fresh=0).bundle.sequence == 8
        assert offers.tags == ([None, tag, None] if tag == '"poison"' else [None, None])
        assert capsys.readouterr().err == ""


def test_an_answer_without_an_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes fast, so that no deadline ends it, and no header says how long it is."""
    monkeypatch.setattr(http_client, "LIMIT", 200_000)
    with flooding() as url, pytest.raises(Failed) as failed:
        http_client.exchange("GET", url)
    assert (failed.value.code, "more than 200000 bytes" in failed.value.message) == ("bad_answer", True)


@pytest.mark.parametrize("tag", UNSENDABLE)
def test_t76_an_etag_that_cannot_be_sent_back_is_not_kept(tag: str) -> None:
    assert names.entity_tag(tag) == ""
    assert names.entity_tag('W/"12-ab"') == 'W/"12-ab"'


def test_t87_setup_says_what_it_left_out_and_never_goes_back_to_an_earlier_format(
    stranger: Laptop, installation: InstallationKeys, bundles: ScriptedBundles
) -> None:
    def offer(**changed: Any) -> None:
        fields = {**json.loads(bundle.write(installation.bundle(bundles.url))), **changed}
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        bundles.offer = HeldBundle(7, text, installation.sign(text), "")

    setup = ("setup", bundles.url, "--root", installation.root.fingerprint)
    known = list(installation.bundle(bundles.url).user_ca)
    offer(bundle=2, user_ca=[NEW_LINE, *known], version=9, oldest=9, release="9.9.9")
    done = stranger.run(*setup)
    assert done.returncode == 0, done.stderr
    assert "this ssh-jit does not know keys of the type ssh-made-up@example.com in user_ca" in done.stderr
    assert "this ssh-jit is too old for the server: upgrade it to 9.9.9 or newer" in done.stderr
    offer()
    assert stranger.run(*setup).returncode == 0
    held = files.load(next(Path(stranger.env["HOME"]).rglob("bundle.json")), HeldBundle)
    assert held is not None
    assert json.loads(held.bundle)["bundle"] == 2
