"""A host renews its certificates by itself, and takes none that is not the old one with a later end."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sshjit_ca.access import host_statements
from sshjit_host import renewal
from tests.support.host_machine import Authority, Front, Host, line, make_key, run


def certify(
    authority: Authority, key: Path, times: str, *, names: str = "web1,web1.lab", ca: Path | None = None, of: str = "-h"
) -> str:
    """A certificate beside a host key, and its line; ``of`` is ``-h`` for a host's, and ``-q`` for a person's."""
    run("ssh-keygen", "-q", of, "-s", ca or authority.host_ca, "-I", "web1", "-n", names, "-V", times, f"{key}.pub")
    return " ".join(Path(f"{key}-cert.pub").read_text().split()[:2])


class Renewing:
    """A CA that renews as it is told, and keeps what it was asked."""

    def __init__(self, authority: Authority, host: Host) -> None:
        self.authority = authority
        self.host = host
        self.asked: list[dict[str, Any]] = []
        self.how: dict[str, Any] = {}
        self.key = host.folder / "host_key"

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert path == "/api/v1/host/renew"
        self.asked.append(body)
        copy = make_key(self.host.folder / f"copy{len(self.asked)}")
        Path(f"{copy}.pub").write_text(Path(f"{self.how.pop('key', self.key)}.pub").read_text())
        change = self.how.pop("change", lambda made: made)
        made = change(certify(self.authority, copy, self.how.pop("times", "-1m:+7d"), **self.how))
        return 201, {"certificates": [made], "host": {}, "bundle_root": "", "bundle_key": "", "invitation": None}


@pytest.fixture
def renewing(authority: Authority, front: Front, host: Host) -> Renewing:
    """A host whose certificate ends tomorrow."""
    made = Renewing(authority, host)
    certify(authority, made.key, "-6d:+1d")
    front.posted = made.answer
    front.serve(authority.offer())
    return made


def test_a_certificate_is_renewed_before_it_ends_and_sshd_offers_the_new_one(
    authority: Authority, host: Host, renewing: Renewing
) -> None:
    place = Path(f"{renewing.key}-cert.pub")
    before = renewal.read(place.read_text())
    output = host.refresh()
    assert f"renewed {place}" in output
    after = renewal.read(place.read_text())
    assert after.valid_before > before.valid_before
    assert (after.key, after.principals) == (before.key, before.principals)
    (asked,) = renewing.asked
    assert (asked["name"], asked["host_keys"]) == ("web1", [line(renewing.key)])
    signed = host_statements.renew_text("lab", "web1", (line(renewing.key),), asked["time"])
    (host.folder / "signature").write_text(asked["signatures"][0])
    (host.folder / "signers").write_text(f'web1 namespaces="renew@ssh-jit" {line(renewing.key)}\n')
    command = f"ssh-keygen -Y verify -f {host.folder}/signers -I web1 -n renew@ssh-jit -s {host.folder}/signature"
    run(*command.split(), given=signed)
    assert "renewed" not in host.refresh()
    assert len(renewing.asked) == 1
    with host.sshd():
        known = host.folder / "known_hosts"
        known.write_text(f"@cert-authority web1 {line(authority.host_ca)}\n")
        scan = ["ssh-keyscan", "-c", "-T", "5", "-p", str(host.port), "127.0.0.1"]
        offered = subprocess.run(scan, capture_output=True, text=True, check=False).stdout
        assert after.line.split(" ")[1] in offered


@pytest.mark.parametrize(
    "lie",
    [
        {"names": "web1"},
        {"names": "web1,web1.lab,db1"},
        {"ca": "thief"},
        {"key": "thief"},
        {"of": "-q"},
        {"times": "-1m:+1h"},
        {"times": "+1h:+7d"},
    ],
    ids=str,
)
def test_what_a_front_end_makes_up_is_not_taken(host: Host, renewing: Renewing, lie: dict[str, Any]) -> None:
    make_key(host.folder / "thief")
    renewing.how = {name: host.folder / "thief" if value == "thief" else value for name, value in lie.items()}
    place = Path(f"{renewing.key}-cert.pub")
    before = place.read_bytes()
    output = host.refresh()
    assert "was not renewed: what came is not a new certificate for this host's key and names" in output
    assert place.read_bytes() == before


def unsigned(made: str) -> str:
    """A certificate as anybody can write it: all that a CA's has, with a signature that is none."""
    kind, text = made.split()
    blob = bytearray(base64.b64decode(text))
    blob[-1] ^= 1
    return f"{kind} {base64.b64encode(blob).decode('ascii')}"


@pytest.mark.parametrize(
    ("held", "offered"),
    [
        pytest.param({"times": "-6d:-1d"}, {"times": "-6d:-1h"}, id="it has ended"),
        pytest.param({"times": "-6d:+1d", "names": "db1"}, {"names": "db1"}, id="it does not name this host"),
        pytest.param({"times": "-6d:+1d"}, {"change": unsigned}, id="the CA did not sign it"),
    ],
)
def test_nor_what_follows_the_old_one_and_is_worth_nothing(
    authority: Authority, host: Host, renewing: Renewing, held: dict[str, Any], offered: dict[str, Any]
) -> None:
    certify(authority, renewing.key, **held)
    renewing.how = offered
    place = Path(f"{renewing.key}-cert.pub")
    before = place.read_bytes()
    output = host.refresh()
    assert "was not renewed: what came is not a new certificate for this host's key and names" in output
    assert place.read_bytes() == before


def test_a_certificate_that_nobody_renews_is_warned_about_and_asked_for_again_later(
    front: Front, host: Host, renewing: Renewing
) -> None:
    front.posted = lambda _path, _body: (
        503,
        {"error": {"family": "failed", "code": "ca_down", "message": "the CA is down", "hint": ""}},
    )
    assert "was not renewed: the CA is down" in host.refresh()
    front.posted = renewing.answer
    assert f"warning: the host certificate {renewing.key}-cert.pub ends " in host.refresh(), "ten minutes are not over"
    assert not renewing.asked
    (host.home / "renewal.tried").write_text("17\n")
    assert "renewed" in host.refresh()


def test_what_is_not_ours_or_not_due_is_left_alone(authority: Authority, host: Host, renewing: Renewing) -> None:
    own = make_key(host.folder / "own_ca")
    certify(authority, renewing.key, "-6d:+1d", ca=own)
    host.refresh()
    certify(authority, renewing.key, "-1d:+6d")
    host.refresh()
    Path(f"{renewing.key}-cert.pub").write_text("rubbish")
    host.refresh()
    assert not renewing.asked
