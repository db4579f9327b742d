"""A whole installation on booted Debian roots: CA, front end and notifications by their units, from the wheel.

As ``docs/install.md`` says: ``/opt/ssh-jit``, the commented examples by ``init --example`` with this installation's
addresses in them, users, ``ssh-jit-ca init``, the units of the wheel. People sign in at the development provider, which
runs in the roots' network.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demo import browser
from demo.isolate import REPOSITORY
from demo.lab.settings import NATIVE, WEB
from tests.support import booted_root, debian_root, wheels
from tests.support.booted_root import Booted, Stage
from tests.support.waiting import wait_until

SUITE, PYTHON = "bookworm", "3.11"
"""The CA's release, and its Python."""
UNITS = ("ssh-jit-ca.service", "ssh-jit-web.service", "ssh-jit-notify.service")
URL, ISSUER_PORT, RECEIVER_PORT = "http://127.0.0.1:8080", 8090, 8091
ISSUER = f"http://127.0.0.1:{ISSUER_PORT}"
TLS_ISSUER = f"https://localhost:{ISSUER_PORT}"
SECRET = "only-for-this-test-0123456789"
"""Of the provider's web client."""
BIN = Path(sys.executable).parent
_SETTINGS = {
    "ca.toml": {'installation = "example"': 'installation = "booted"\nunsafe_development = true'},
    "web.toml": {
        "proxy_hops = 1": "proxy_hops = 0",
        "https://access.example.com": URL,
        "version = 1": "version = 1\nunsafe_http = true",
    },
}
_NOTIFY = f"""
[notify.channels.siem]
webhook = "http://127.0.0.1:{RECEIVER_PORT}/"
secret_file = "siem.secret"
[[notify.routes]]
channels = ["siem"]
topics = ["opened"]
"""
_RECEIVER = """import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[2], "ab") as file:
            file.write(data + b"\\n")
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
"""
"""Takes webhooks, and writes what comes into a file."""
PROVIDERS = f"""version = 1
[providers.acme]
title = "Acme"
issuer = "{ISSUER}"
subject_claim = "sub"
groups_claim = "groups"
email_domains = ["example.com"]
algorithms = ["RS256"]
unsafe_http = true
native = {{ client_id = "{NATIVE}", scopes = ["openid", "email", "profile", "groups"] }}
[providers.acme.web]
client_id = "{WEB}"
client_secret_file = "/etc/ssh-jit/acme-web.secret"
scopes = ["openid", "email", "profile", "groups"]
"""
_POLICY = """version = 1
[labels]
env = { values = ["prod", "staging"], required = true }
[roles]
sre = ["acme/group:SRE"]
[[allow]]
name = "staging"
roles = ["sre"]
hosts = { env = "staging" }
logins = ["deploy"]
approvals = []
grant = "1h"
certificate = "5m"
[[allow]]
name = "brief"
roles = ["sre"]
hosts = { env = "prod" }
logins = ["deploy"]
approvals = []
grant = "30s"
certificate = "30s"
"""
_INSTALL = """set -e
for user in ssh-jit-ca ssh-jit-web; do
    useradd --system --home-dir "/var/lib/$user" --shell /usr/sbin/nologin "$user"
done
python3 -m venv /opt/ssh-jit
wheel=$(ls /dist/*.whl)
/opt/ssh-jit/bin/python -m pip install --quiet --no-index --find-links /wheels "$wheel[server]"
/opt/ssh-jit/bin/ssh-jit-ca init --example /etc/ssh-jit
/opt/ssh-jit/bin/ssh-jit-web init --example /etc/ssh-jit
cp /settings/* /etc/ssh-jit/ # as somebody edits them
chown root:ssh-jit-web /etc/ssh-jit/*.secret
chmod 0640 /etc/ssh-jit/*.secret
/opt/ssh-jit/bin/ssh-jit-ca init --user ssh-jit-ca
install -m 0644 /opt/ssh-jit/share/ssh-jit/systemd/* /etc/systemd/system/
systemctl daemon-reload
"""

_NO_PENALTIES = """file=/etc/ssh/sshd_config.d/90-owner.conf
echo 'PerSourcePenalties no' >$file
sshd -t || rm $file"""
"""All people here come from one address."""


@dataclass
class Person:
    """Somebody on a computer of their own in the roots' network."""

    stage: Stage
    home: Path

    def argv(self, *words: str) -> list[str]:
        """The argument list of ``ssh-jit``."""
        environment = [f"HOME={self.home}", f"BROWSER={self.home}/browser", f"PATH={os.environ['PATH']}"]
        return self.stage.argv("env", "-i", *environment, str(BIN / "ssh-jit"), *words)

    def runs(self, *words: str, code: int = 0) -> str:
        """Run ``ssh-jit``, which must end with this code; what it prints."""
        done = subprocess.run(
            self.argv(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, f"ssh-jit {shlex.join(words)} ended with {done.returncode}: {done.stdout}"
        return done.stdout


@dataclass
class Site:
    """The CA's root, and somebody who may log in to hosts."""

    stage: Stage
    ca: Booted
    alice: Person
    hosts: int = 0
    """How many there were."""

    @contextlib.contextmanager
    def host(self, suite: str, *, by_socket: bool = False) -> Iterator[Booted]:
        """A host of that release that has not joined, with a name of its own; sshd is a service, or a socket's."""
        self.hosts += 1
        name = f"{suite}{self.hosts}"
        made = self.stage.boot(debian_root.system_with(suite, booted_root.PACKAGES), name)
        try:
            made.sh("useradd --create-home --shell /bin/sh --password '*' deploy")
            made.sh("rm /etc/ssh/ssh_host_*; ssh-keygen -A")  # the root's own are those of every other host too
            made.sh(_NO_PENALTIES)
            made.sh("systemctl restart ssh.service")
            if by_socket:
                made.sh("systemctl disable --now ssh.service; systemctl enable --now ssh.socket")
            yield made
        finally:
            booted_root.end(made)

    def join(self, host: Booted, *options: str, label: str = "env=staging") -> str:
        """Paste the line that the CA prints; what that prints."""
        (self.alice.home / ".ssh").mkdir(mode=0o700, exist_ok=True)
        words = (
            "host",
            "add",
            host.name,
            "--address",
            "127.0.0.1",
            "--label",
            label,
            "--login",
            "deploy",
            "--url",
            URL,
        )
        line = self.operator(*words).rstrip().splitlines()[-1].replace(" | sudo ", " | ")
        return host.sh(" ".join((line, *options)))

    def notified(self) -> str:
        """What notifications brought to the one channel there is."""
        path = self.stage.folder / "notified"
        return path.read_text() if path.exists() else ""

    def wait_for_front_end(self) -> None:
        """Wait until the front end answers, and the CA behind it."""
        code = f"import urllib.request; urllib.request.urlopen('{URL}/readyz', timeout=5)"
        probe = self.stage.argv("python3", "-IS", "-c", code)
        wait_until(
            lambda: subprocess.run(probe, capture_output=True, check=False).returncode == 0,
            lambda: self.ca.journal("ssh-jit-web.service"),
        )

    def operator(self, *words: str) -> str:
        """Run ``ssh-jit-ca`` as root on the CA's machine."""
        return self.ca.sh(shlex.join(("/opt/ssh-jit/bin/ssh-jit-ca", *words)))


@contextlib.contextmanager
def installed(wheel: Path) -> Iterator[Site]:
    """The installation, running, with its provider; no host has joined."""
    system = debian_root.system_with(SUITE, [*booted_root.PACKAGES, "python3-venv"])
    with booted_root.stage() as stage, provider(stage), _receiver(stage):
        etc = stage.folder / "etc"
        etc.mkdir()
        _write_settings(etc)
        binds = {wheel.parent: "/dist", wheels.server(PYTHON): "/wheels", etc: "/settings"}
        options = [f"--bind-ro={source}:{target}" for source, target in binds.items()]
        # The CA's machine is no host, and has port 22 of the network that all roots share to nobody's cost.
        prepare = "rm -f etc/systemd/system/*/ssh.service; ln -s /dev/null etc/systemd/system/ssh.service"
        ca = stage.boot(system, "ca", prepare=prepare, options=options)
        ca.sh(_INSTALL)
        ca.sh(f"systemctl enable --now {' '.join(UNITS)}")
        wait_until(lambda: all(ca.active(unit) for unit in UNITS), lambda: ca.sh("journalctl --no-pager -n 60"))
        alice = Person(stage, stage.folder / "alice")
        alice.home.mkdir(mode=0o700)
        script = alice.home / "browser"
        script.write_text(browser.script(sys.executable, "alice", alice.home / "cookies"))
        script.chmod(0o700)
        site = Site(stage, ca, alice)
        site.wait_for_front_end()
        root = next(
            key for key in json.loads(site.operator("keys", "list", "--json"))["keys"] if key["purpose"] == "bundle"
        )
        alice.runs("setup", URL, "--root", root["fingerprint"])
        yield site


def _write_settings(folder: Path) -> None:
    """The commented examples, with what this installation is."""
    for path in (REPOSITORY / "ca/etc/ca.toml", REPOSITORY / "webapp/etc/web.toml"):
        text = path.read_text()
        for old, new in _SETTINGS[path.name].items():
            assert text.count(old) >= 1, f"{path} does not say {old}"
            text = text.replace(old, new)
        (folder / path.name).write_text(text + (_NOTIFY if path.name == "web.toml" else ""))
    (folder / "providers.toml").write_text(PROVIDERS)
    (folder / "policy.toml").write_text(_POLICY)
    (folder / "siem.secret").write_text(f"whsec_{base64.b64encode(bytes(32)).decode()}\n")
    (folder / "acme-web.secret").write_text(f"{SECRET}\n")


@contextlib.contextmanager
def _receiver(stage: Stage) -> Iterator[None]:
    command = stage.argv(sys.executable, "-c", _RECEIVER, str(RECEIVER_PORT), stage.folder / "notified")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


@contextlib.contextmanager
def provider(stage: Stage, url: str = URL, *, tls: tuple[Path, Path] | None = None) -> Iterator[None]:
    """The development provider, for a front end at an address; with ``tls`` (certificate, key) by ``TLS_ISSUER``."""
    config = stage.folder / "acme.json"
    people = {"alice": {"sub": "acme-1", "name": "Alice", "email": "alice@example.com", "groups": ["SRE"]}}
    clients = [
        {"id": WEB, "secret": SECRET, "redirect_uris": [f"{url}/auth/acme/callback"]},
        {"id": NATIVE, "redirect_uris": ["http://127.0.0.1/callback"]},
    ]
    config.write_text(
        json.dumps({"id": "acme", "title": "Acme", "port": ISSUER_PORT, "people": people, "clients": clients})
    )
    program: list[str | Path] = ["demo.provider", "--config", config]
    if tls is not None:
        program = ["tests.support.tls_provider", config, *tls]
    command = stage.argv(sys.executable, "-m", *program)
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            assert b"acme" in process.stdout.readline()
            yield
        finally:
            process.kill()
