"""A host renews its certificates by itself, and takes none that is not the old one with a later end."""

from __future__ import annotations

import base64
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sshjit_ca.access import host_statements
from sshjit_host.front_end import renewal
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


def away(_path: str, _body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 503, {"error": {"family": "failed", "code": "ca_down", "message": "the CA is down", "hint": ""}}


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
    again = host.refresh()
    assert "renewed" not in again
    assert "reloaded" not in again, "sshd was told at once, and not by the next refresh"
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
        {"ca": "user_ca"},
        {"key": "thief"},
        {"of": "-q"},
        {"times": "-1m:+1h"},
        {"times": "+1h:+7d"},
    ],
    ids=str,
)
def test_what_a_front_end_makes_up_is_not_taken(
    authority: Authority, host: Host, renewing: Renewing, lie: dict[str, Any]
) -> None:
    keys = {"thief": make_key(host.folder / "thief"), "user_ca": authority.user_ca}
    renewing.how = {name: keys.get(value, value) for name, value in lie.items()}
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
    front.posted = away
    assert "was not renewed: the CA is down" in host.refresh()
    front.posted = renewing.answer
    assert f"warning: the host certificate {renewing.key}-cert.pub ends " in host.refresh(), "ten minutes are not over"
    assert not renewing.asked
    (host.home / "renewal.tried").write_text("17\n")
    assert f"renewed {renewing.key}-cert.pub" in host.refresh()


@pytest.mark.parametrize(
    ("certificates", "problem"),
    [
        (None, "the front end's answer to the host keys is not the CA's: it holds no certificates"),
        ("one", "the front end's answer to the host keys is not the CA's: it holds no certificates"),
        ([], "the answer holds another number of certificates than was asked for"),
        (["MADE", "MADE"], "the answer holds another number of certificates than was asked for"),
        ([""], "what came is no certificate"),
        (["ssh-ed25519-cert-v01@openssh.com !!!"], "what came is no certificate"),
        (["ssh-ed25519-cert-v01@openssh.com AAAA"], "what came is no certificate"),
    ],
    ids=str,
)
def test_an_answer_of_another_form_is_a_line_and_leaves_the_old_certificate(
    front: Front, host: Host, renewing: Renewing, certificates: Any, problem: str
) -> None:
    def answer(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        status, right = renewing.answer(path, body)
        (made,) = right.pop("certificates")
        given = (
            [each.replace("MADE", made) for each in certificates] if isinstance(certificates, list) else certificates
        )
        return status, {**right, **({} if certificates is None else {"certificates": given})}

    front.posted = answer
    place = Path(f"{renewing.key}-cert.pub")
    before = place.read_bytes()
    assert f"was not renewed: {problem}" in host.refresh()
    assert place.read_bytes() == before


def test_a_key_that_cannot_sign_is_named(host: Host, renewing: Renewing) -> None:
    renewing.key.write_text("damaged\n")
    assert f"was not renewed: {renewing.key} cannot sign: " in host.refresh(code=5), "nor does sshd start"
    assert not renewing.asked


def test_the_last_three_days_are_warned_about_without_a_try_and_the_end_is_called_one(
    authority: Authority, front: Front, host: Host, renewing: Renewing
) -> None:
    """The tries themselves say what went wrong; between them nothing is said that is not urgent."""
    front.posted = away
    certify(authority, renewing.key, "-5d:+4d")
    assert "was not renewed: the CA is down" in host.refresh()
    assert "certificate" not in host.refresh(), "four days are left, and the next try is in ten minutes"
    certify(authority, renewing.key, "-5d:+2d")
    assert f"{renewing.key}-cert.pub ends " in host.refresh()
    certify(authority, renewing.key, "-5d:-1h")
    assert f"{renewing.key}-cert.pub ended " in host.refresh()


@pytest.mark.parametrize("kept", ["tomorrow", "damaged\n", ""])
def test_a_time_of_the_last_try_that_cannot_be_holds_no_try_up(host: Host, renewing: Renewing, kept: str) -> None:
    """The clock was set back, or the file is damaged."""
    host.home.mkdir(exist_ok=True)
    (host.home / "renewal.tried").write_text(str(int(time.time()) + 24 * 3600) if kept == "tomorrow" else kept)
    assert f"renewed {renewing.key}-cert.pub" in host.refresh()


def test_a_renewal_that_is_answered_slowly_holds_up_no_other_run(front: Front, host: Host, renewing: Renewing) -> None:
    others: list[str] = []

    def answer(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        others.append(host.refresh())
        return renewing.answer(path, body)

    front.posted = answer
    assert f"renewed {renewing.key}-cert.pub" in host.refresh()
    assert len(others) == 1


def test_what_is_not_ours_or_not_due_is_left_alone(authority: Authority, host: Host, renewing: Renewing) -> None:
    own = make_key(host.folder / "own_ca")
    certify(authority, renewing.key, "-6d:+1d", ca=own)
    host.refresh()
    certify(authority, renewing.key, "-6d:+1d", of="-q")
    host.refresh()
    certify(authority, renewing.key, "-1d:+6d")
    host.refresh()
    Path(f"{renewing.key}-cert.pub").write_text("rubbish")
    host.refresh()
    assert not renewing.asked
