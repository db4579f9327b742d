"""The line that ``ssh-jit-ca host add`` prints, in a shell and against real parts, up to the start of the program.

Root's part is played in a namespace of its own, where nothing can be written but ``/usr/local/sbin``, which is empty.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sshjit import sshcert
from sshjit_ca.cli import join_line
from sshjit_client.ssh import openssh
from tests.support import processes
from tests.support.processes import Processes

BUILD = Path(__file__).resolve().parents[2] / "hostconfig" / "build_pyz.py"
MOUNTS = "mount -t tmpfs none /usr/local/sbin && mount -t tmpfs none /etc/ssh && mount -o remount,bind,ro / || exit 90"
ADD = ("--address", "192.0.2.9", "--label", "env=staging", "--login", "deploy")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A CA and a front end, running."""
    with processes.build(tmp_path_factory.mktemp("parts")) as started:
        yield started


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The program as anybody builds it from the sources."""
    path = tmp_path_factory.mktemp("dist") / "ssh-jit-host.pyz"
    subprocess.run([sys.executable, BUILD, path], check=True, capture_output=True)
    return path.read_bytes()


@dataclass(frozen=True)
class Ran:
    """What became of a line: its exit code, what was printed, and what was installed."""

    code: int
    error: str
    installed: list[str]


def run(line: str, shell: str = "sh") -> Ran:
    """Runs the very line as root of a namespace, without the word ``sudo``."""
    assert line.count(" | sudo ") == 1
    script = f"{MOUNTS}\n{line.replace(' | sudo ', ' | ')}\ncode=$?\ncd /usr/local/sbin || exit 91\n"
    script += 'ls -A; [ ! -e ssh-jit-host ] || { stat -c "%a %u" ssh-jit-host; sha256sum <ssh-jit-host; }\nexit $code\n'
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", shell, "-c", script],
        cwd="/",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode not in (90, 91), done.stderr
    return Ran(done.returncode, done.stderr, done.stdout.splitlines())


def line_of(parts: Processes, name: str, *options: str) -> str:
    """The line for a new host, as the operator's terminal shows it: the last line of all."""
    text = parts.operator("host", "add", name, *ADD, *options, "--url", parts.url)
    line = text.rstrip("\n").splitlines()[-1]
    assert f"Paste this line into a shell on {name}, within the hour and once (as root, leave out `sudo` where" in text
    return line


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_line_installs_the_program_of_the_front_end_and_runs_it(
    parts: Processes, program: bytes, shell: str
) -> None:
    ran = run(line_of(parts, f"{shell}9"), shell)
    digest = hashlib.sha256(program).hexdigest()
    assert ran.installed[:3] == ["ssh-jit-host", "755 0", f"{digest}  -"], ran
    assert "ssh-jit-host" in ran.error, "what the program says, whatever it thinks of this machine"
    assert not ran.error.startswith("ssh-jit: "), "what the line says"


def test_the_line_names_what_a_host_must_not_take_from_the_front_end(parts: Processes) -> None:
    said = json.loads(parts.operator("host", "add", "web7", *ADD, "--login", "root", "--url", parts.url, "--json"))
    line, token = said["line"], said["invitation"]["token"]
    assert line.startswith(f"printf '%s\\n' {token} | sudo python3 -I -c '")
    assert line.endswith(
        f" join --url {parts.url} --root {said['bundle_root']} --name web7 --login deploy --login root --token-file -"
    )
    assert line.count(token) == 1
    assert ["web7", ["deploy", "root"]] in json.loads(parts.operator("host", "list", "--json"))["logins"]
    again = json.loads(parts.operator("host", "invite", "web7", "--url", parts.url, "--no-host-certificates", "--json"))
    assert again["line"].endswith(" --login deploy --login root --no-host-certificates --token-file -")
    assert token not in again["line"]


def test_without_an_address_or_an_account_there_is_no_line_and_both_are_named(parts: Processes) -> None:
    config = parts.paths.etc / "ca.toml"
    before = config.read_text()
    named = f'front_end = "{parts.url}"\n'
    assert named in before, "the lab says where its front end is"
    config.write_text(before.replace(named, ""))
    try:
        text = parts.operator("host", "add", "web6", *ADD[:4])
    finally:
        config.write_text(before)
    assert "There is no line to paste yet:" in text
    assert "--login deploy" in text
    assert "front_end in ca.toml, or --url https://" in text
    assert text.endswith("Then: ssh-jit-ca host invite web6\n")
    assert f" --url {parts.url} --root " in parts.operator("host", "invite", "web6", "--login", "deploy")


@pytest.mark.parametrize("url", ["ftp://front", "https://front/sub", "http://front", "https://a b", "https://front/?"])
def test_an_address_that_is_none_is_refused_before_the_host_is_added(parts: Processes, url: str) -> None:
    with pytest.raises(AssertionError, match=r"is not|must begin"):
        parts.operator("host", "add", "web5", *ADD, "--url", url)
    assert "web5" not in parts.operator("host", "list")


FLEET = ("--pattern", "auto-*", "--uses", "2", "--label", "env=staging", "--login", "deploy")


@pytest.mark.parametrize("command", ["add", "invite"])
def test_the_line_of_a_fleet_names_its_invitation_and_no_host(parts: Processes, program: bytes, command: str) -> None:
    processes.allow_by_token(parts)
    until = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
    options = (*FLEET, "--until", until, "--url", parts.url)
    said = json.loads(parts.operator("host", command, *options, "--json"))
    made, line = said["invitation"], said["line"]
    root = f"join --url {parts.url} --root {said['bundle_root']}"
    assert line.endswith(f" {root} --invitation {made['id']} --login deploy --token-file -")
    assert "--name" not in line
    assert run(line).installed[2].startswith(hashlib.sha256(program).hexdigest())
    text = parts.operator("host", command, *options)
    assert f"Run this line as root on each host: 2 times, until {until}" not in text, "the day itself still counts"
    assert "Run this line as root on each host: 2 times, until " in text
    listed = json.loads(parts.operator("host", "invitations", "--json"))["invitations"]
    assert made in listed
    assert (made["pattern"], made["uses"], made["used"], made["over"]) == ("auto-*", 2, 0, "")
    assert said["token"] not in parts.operator("host", "invitations")
    assert "REVOKED" in parts.operator("host", "invitations", "--revoke", made["id"], "--reason", "leaked")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("add", "web5", *FLEET, "--until", "2099-01-01"), "not with --pattern: name"),
        (("add", *FLEET, "--address", "192.0.2.1", "--until", "2099-01-01"), "not with --pattern: address"),
        (("add", *FLEET), "say how many hosts may join, and until when"),
        (("add", *FLEET, "--until", "2099-01-01"), "an invitation ends in the future, within 366 d"),
        (("invite", *FLEET, "--until", "tomorrow"), "'tomorrow' is not a date like 2026-12-31"),
        (("add", "web5", "--address", "192.0.2.1", "--uses", "3"), "--uses: only for several hosts"),
        (("add", "--address", "192.0.2.1"), "give the host's name and its --address"),
        (("add", "web5"), "give the host's name and its --address"),
        (("invite",), "give the name of the host"),
        (("invitations", "--revoke", "web5"), "there is no open invitation 'web5'"),
    ],
)
def test_what_makes_no_invitation_is_told(parts: Processes, options: tuple[str, ...], told: str) -> None:
    processes.allow_by_token(parts)
    with pytest.raises(AssertionError, match=re.escape(told)):
        parts.operator("host", *options)
    assert "web5" not in parts.operator("host", "list")


def test_an_inventory_is_applied_with_lines_in_a_file_of_the_operator_alone(parts: Processes, tmp_path: Path) -> None:
    inventory, lines = tmp_path / "hosts.toml", tmp_path / "lines"
    one = '[[host]]\nname = "inv-{0}"\naddress = "192.0.2.{0}"\nlabels = {{ env = "staging" }}\nlogins = ["deploy"]\n'
    inventory.write_text("".join(one.format(number) for number in range(100, 103)))
    trial = parts.operator("host", "apply", str(inventory), "--dry-run")
    assert trial.startswith(
        "nothing was changed: this is what it would do\n3 added, 0 changed, 0 removed, 0 unchanged\n"
    )
    assert "+ inv-100  address: 192.0.2.100 port 22; labels: env=staging; accounts: deploy" in trial
    assert "inv-100" not in parts.operator("host", "list")
    text = parts.operator("host", "apply", str(inventory), "--lines", str(lines), "--url", parts.url)
    assert f"3 lines to paste within the hour: {lines}" in text
    assert stat.S_IMODE(lines.stat().st_mode) == 0o600
    found = lines.read_text().splitlines()
    assert found[::2] == ["# inv-100", "# inv-101", "# inv-102"]
    assert run(found[1]).installed[0] == "ssh-jit-host"
    assert "0 added, 0 changed, 0 removed, 3 unchanged" in parts.operator("host", "apply", str(inventory))
    with pytest.raises(AssertionError, match="exists, so nothing was changed"):
        parts.operator("host", "apply", str(inventory), "--lines", str(lines), "--url", parts.url)
    with pytest.raises(AssertionError, match="give a reason"):
        parts.operator("host", "apply", str(inventory), "--prune")
    assert lines.read_text().splitlines() == found


def test_new_hosts_whose_keys_the_inventory_names_get_certificates_when_asked(parts: Processes, tmp_path: Path) -> None:
    inventory, out = tmp_path / "keyed.toml", tmp_path / "certificates"
    for name in ("a", "b"):
        openssh.make_key(tmp_path / name)
    keys = [" ".join((tmp_path / f"{name}.pub").read_text().split()[:2]) for name in ("a", "b")]
    one = '[[host]]\nname = "KEYED-{0}"\naddress = "192.0.2.{0}"\nlabels = {{ env = "staging" }}\nhost_keys = ["{1}"]\n'
    inventory.write_text("".join(one.format(number, key) for number, key in enumerate(keys, 110)))
    for wrong in (("--dry-run",), ("--lines", str(out), "--url", parts.url)):
        with pytest.raises(AssertionError, match=r"nothing to write|exists"):
            parts.operator("host", "apply", str(inventory), "--certificates", str(out), *wrong)
    parts.operator("host", "apply", str(inventory), "--certificates", str(out))
    lines = [line.partition(" ") for line in out.read_text().splitlines()]
    assert [name for name, _, _ in lines] == ["keyed-110", "keyed-111"]
    for (name, _, certificate), key in zip(lines, keys, strict=True):
        read = sshcert.parse_line(certificate)[0]
        assert (read.principals, read.key.line) == ((name,), key)
    again = tmp_path / "again"
    parts.operator("host", "apply", str(inventory), "--certificates", str(again))
    assert again.read_text() == "", "only new hosts"


class Liar:
    """A front end that serves what it likes as the host program."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805 - there is a self already
                handler.send_response(self.status)
                handler.send_header("Content-Length", str(len(self.body)))
                handler.end_headers()
                handler.wfile.write(self.body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def liar() -> Iterator[Liar]:
    """A front end that deceives."""
    place = Liar()
    with place.server:
        thread = threading.Thread(target=place.server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield place
        place.server.shutdown()
        thread.join()


@pytest.mark.parametrize("body", [b"", b"#!/bin/sh\ntouch /tmp/owned\n", b"\0" * (join_line.MOST_BYTES + 2)])
def test_a_front_end_that_serves_another_program_gets_nothing_installed(
    parts: Processes, program: bytes, liar: Liar, body: bytes
) -> None:
    line = line_of(parts, f"host-{len(body)}").replace(parts.url, liar.url)
    liar.body = body
    ran = run(line)
    assert (ran.code, ran.installed) == (1, [])
    assert "is not the ssh-jit-host that the CA named" in ran.error
    assert "Nothing was installed" in ran.error
    liar.body = program
    assert run(line).installed[0] == "ssh-jit-host", "the digest decides, wherever the program comes from"


def test_a_front_end_that_is_away_is_one_sentence(parts: Processes, liar: Liar) -> None:
    line = line_of(parts, "host-away").replace(parts.url, liar.url)
    liar.status = 404
    ran = run(line)
    assert (ran.code, ran.installed) == (1, [])
    assert ran.error == (
        f"ssh-jit: cannot install ssh-jit-host from {liar.url}/host/ssh-jit-host.pyz: HTTP Error 404: Not Found\n"
    )


def test_the_front_end_serves_the_program_to_anybody_and_once(parts: Processes, program: bytes) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", parts.ports.web)) as connection:
        connection.request("GET", "/host/ssh-jit-host.pyz")
        answer = connection.getresponse()
        assert answer.read() == program
        tag = answer.headers["ETag"]
        assert tag == f'"{hashlib.sha256(program).hexdigest()}"'
        connection.request("GET", "/host/ssh-jit-host.pyz", headers={"If-None-Match": tag})
        unchanged = connection.getresponse()
        assert (unchanged.status, unchanged.read()) == (304, b"")
