"""A root that follows another: the host moves its pin along signatures, keeps it, and never goes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import host_machine
from tests.support.host_machine import Authority, Front, Host, line, make_key


class Roots:
    """Bundles by roots that follow the authority's own."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.keys = {"root": authority.root}
        for name, kind in (("second", ("-t", "ecdsa", "-b", "384")), ("third", ("-t", "rsa", "-b", "3072"))):
            self.keys[name] = make_key(authority.folder / name, *kind)
        self.keys["thief"] = make_key(authority.folder / "thief")

    def change(self, old: str, new: str, *, by: str = "", space: str = "root@ssh-jit") -> dict[str, str]:
        signature = self.authority.sign(line(self.keys[new]), key=self.keys[by or old], space=space)
        return {"old": line(self.keys[old]), "new": line(self.keys[new]), "signature": signature}

    def offer(self, root: str, sequence: int, *changes: dict[str, Any]) -> dict[str, Any]:
        fields = self.authority.fields(root=line(self.keys[root]), sequence=sequence, succession=list(changes))
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return {"sequence": sequence, "bundle": text, "signature": self.authority.sign(text, key=self.keys[root])}

    def pin(self, root: str) -> str:
        return host_machine.run("ssh-keygen", "-l", "-f", f"{self.keys[root]}.pub").split()[1]


@pytest.fixture
def roots(authority: Authority) -> Roots:
    return Roots(authority)


def pinned(host: Host) -> Any:
    path = host.home / "root.json"
    return json.loads(path.read_text()) if path.exists() else None


def test_a_host_follows_and_keeps_what_it_followed(roots: Roots, front: Front, host: Host) -> None:
    front.serve(roots.offer("root", 1))
    host.refresh()
    assert pinned(host) is None
    first, second = roots.change("root", "second"), roots.change("second", "third")
    front.serve(roots.offer("second", 2, first))
    assert "signed by the one before it" in host.refresh()
    assert pinned(host) == {"joined": roots.pin("root"), "now": roots.pin("second")}
    front.serve(roots.offer("third", 3, first, second))
    host.refresh()
    assert pinned(host)["now"] == roots.pin("third")
    host.refresh()  # what it holds is what it believes, also when it has nothing new to ask for
    for stale in (roots.offer("root", 4), roots.offer("second", 4, first), roots.offer("root", 4, first, second)):
        front.serve(stale)
        assert "is pinned to" in host.refresh(code=4)
    assert json.loads((host.home / "bundle.json").read_text())["sequence"] == 3


def test_a_new_host_with_an_old_joining_line_follows_over_every_change(roots: Roots, front: Front, host: Host) -> None:
    front.serve(roots.offer("third", 7, roots.change("root", "second"), roots.change("second", "third")))
    host.refresh()
    assert pinned(host)["now"] == roots.pin("third")


def test_t49_a_root_that_does_not_follow_is_refused(roots: Roots, front: Front, host: Host) -> None:
    front.serve(roots.offer("root", 1))
    host.refresh()
    before = host.snapshot()
    good = roots.change("root", "second")
    cases: list[list[Any]] = [
        [],
        [roots.change("root", "thief", by="thief")],
        [roots.change("root", "thief", space="bundle@ssh-jit")],
        [{**good, "new": line(roots.keys["thief"])}],
        [{**roots.change("root", "thief"), "signature": ""}],
        [roots.change("second", "thief")],
        [{**good, "more": ""}],
        [[]],
    ]
    for changes in cases:
        front.serve(roots.offer("thief", 2, *changes))
        host.refresh(code=4)
        assert host.snapshot() == before, changes


def test_a_host_that_joins_anew_goes_by_its_new_joining_line(roots: Roots, front: Front, host: Host) -> None:
    front.serve(roots.offer("second", 2, roots.change("root", "second")))
    host.refresh()
    host.settings["root"] = roots.pin("third")
    (host.home / "bundle.json").unlink()
    (host.home / "bundle.etag").unlink()
    assert "is pinned to" in host.refresh(code=4)
    front.serve(roots.offer("third", 1))
    host.refresh()


def test_a_retired_ca_key_may_be_refused_whole(
    roots: Roots, authority: Authority, front: Front, host: Host, tmp_path: Path
) -> None:
    import base64

    old = make_key(tmp_path / "old_ca")
    krl = base64.b64encode(authority.krl(f"key: {line(old)}\n")).decode()
    front.serve(authority.offer(sequence=2, krl=krl))
    assert "revokes a key that is not a CA's" in host.refresh(code=4)
    front.serve(authority.offer(sequence=3, krl=krl, retired=[line(old)]))
    host.refresh()
    host_machine.run("ssh-keygen", "-Q", "-f", host.home / "krl", f"{old}.pub", code=1)
