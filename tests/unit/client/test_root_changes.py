"""A bundle's root that follows another: the laptop moves its pin along signatures, and never back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from sshjit import bundle, sshkey
from sshjit.bundle import Bundle, Succession
from sshjit.errors import Refused, SshJitError
from sshjit_client import trusted_bundle
from sshjit_client.storage import settings as settings_of
from sshjit_client.storage.machine import HeldBundle, Settings
from tests.unit.client.conftest import Laptop, here
from tests.unit.client.installation_keys import InstallationKeys, make_key
from tests.unit.client.scripted_bundles import ScriptedBundles


@dataclasses.dataclass
class Roots:
    """An installation whose root changes: the keys by the names of their files."""

    installation: InstallationKeys
    lines: dict[str, str]

    def change(self, old: str, new: str, *, by: str = "", space: str = bundle.SUCCESSION) -> Succession:
        signature = self.installation.sign(self.lines[new], key=by or old, namespace=space)
        return Succession(self.lines[old], self.lines[new], signature)

    def sealed(self, root: str, *changes: Succession, **other: Any) -> HeldBundle:
        found = self.installation.bundle(root=self.lines[root], succession=changes, **other)
        text = bundle.write(found)
        return HeldBundle(found.sequence, text, self.installation.sign(text, key=root), '"x"')


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    installation = InstallationKeys.make(tmp_path / "installation")
    lines = {"root": installation.root.line}
    for name, kind in (("second", "ecdsa"), ("third", "ed25519"), ("thief", "ed25519")):
        lines[name] = make_key(installation.folder / name, kind).line
    return Roots(installation, lines)


def settings(roots: Roots, root: str = "root", url: str = "http://127.0.0.1:9") -> Settings:
    return Settings(1, url, "lab", sshkey.parse_line(roots.lines[root]).fingerprint, None)


def test_a_root_is_followed_over_every_change(roots: Roots) -> None:
    changes = (roots.change("root", "second"), roots.change("second", "third"))
    for pin in ("root", "second", "third"):
        found = trusted_bundle.accept(roots.sealed("third", *changes), None, settings(roots, pin))
        assert found is not None
        assert trusted_bundle.pinned(settings(roots, pin), found).root == settings(roots, "third").root


def test_t49_a_root_that_does_not_follow_is_refused(roots: Roots) -> None:
    good = roots.change("root", "second")
    refused = {
        "another key signed the change": (roots.change("root", "thief", by="thief"),),
        "for another purpose": (roots.change("root", "thief", space="file"),),
        "the signature of another change": (dataclasses.replace(good, new=roots.lines["thief"]),),
        "a gap": (roots.change("second", "thief"),),
        "backwards": (roots.change("thief", "root"),),
        "none at all": (),
        "no signature": (Succession(roots.lines["root"], roots.lines["thief"], ""),),
    }
    for why, changes in refused.items():
        offer = roots.sealed("thief", *changes)
        try:
            trusted_bundle.accept(offer, None, settings(roots))
        except Refused:
            continue
        pytest.fail(f"taken: {why}")


def test_an_older_root_counts_no_more_once_another_is_pinned(roots: Roots) -> None:
    with pytest.raises(Refused) as older:
        trusted_bundle.accept(roots.sealed("root", sequence=99), None, settings(roots, "second"))
    assert older.value.code == "other_root"
    back = roots.sealed("root", roots.change("root", "second"), sequence=99)
    with pytest.raises(Refused):
        trusted_bundle.accept(back, None, settings(roots, "second"))


def test_a_change_that_leads_in_a_circle_ends(roots: Roots) -> None:
    circle = (roots.change("root", "second"), roots.change("second", "root"))
    found: Bundle | None = trusted_bundle.accept(roots.sealed("root", *circle), None, settings(roots))
    assert found is not None
    with pytest.raises(SshJitError):
        trusted_bundle.accept(roots.sealed("root", *(circle * 51)), None, settings(roots))


def test_the_laptop_writes_down_which_root_is_pinned_now(
    roots: Roots, bundles: ScriptedBundles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = settings(roots, url=bundles.url)
    settings_of.save(here(tmp_path).environ, before)
    bundles.offer = roots.sealed("second", roots.change("root", "second"))
    trusted_bundle.current(here(tmp_path), before, fresh=0)
    (after,) = settings_of.listed(here(tmp_path).environ).values()
    assert after == settings(roots, "second", bundles.url)
    assert f"new root, signed by the one before it: {after.root}" in capsys.readouterr().err
    bundles.offer, bundles.sequence = roots.sealed("root", sequence=9), 9
    assert trusted_bundle.current(here(tmp_path), after, fresh=0).bundle.sequence == 7
    assert "kept the old bundle" in capsys.readouterr().err


def test_setup_by_an_older_root_pins_the_newest(roots: Roots, stranger: Laptop, bundles: ScriptedBundles) -> None:
    bundles.offer = roots.sealed("second", roots.change("root", "second"))
    done = stranger.run("setup", bundles.url, "--root", settings(roots).root)
    assert done.returncode == 0, done.stderr
    assert stranger.settings.root == settings(roots, "second").root
