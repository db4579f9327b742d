"""What the tests of ssh-jit-host are built from: real keys, a real HTTP server, a real sshd.

``Authority`` makes bundles as the CA would, with ``ssh-keygen`` alone, so that the program is judged by OpenSSH and not
by this project's own core. ``Front`` serves them. ``Host`` is a folder with an sshd of its own.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from demo import debian, isolate, namespace, openssh
from tests.support import warm_programs
from tests.support.bundle_cases import CHECKPOINT, LOG_KEY
from tests.support.debian_root import System
from tests.support.waiting import PATIENCE, wait_until

ME = pwd.getpwuid(os.geteuid()).pw_name
"""The account that the tests log in to: the one that runs them."""


def run(*command: str | Path, given: bytes | None = None, code: int = 0) -> str:
    """Run a program that must end with this code; return what it printed."""
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    output = done.stdout.decode()
    assert done.returncode == code, f"{command} ended with {done.returncode}: {output}"
    return output


def make_key(path: Path, *kind: str) -> Path:
    """Make a key pair without a passphrase, unless it is there already."""
    if path.exists():
        return path
    run("ssh-keygen", "-q", "-N", "", "-C", "", *(kind or ("-t", "ed25519")), "-f", path)
    return path


def line(key: Path) -> str:
    """The public key as ``type base64``."""
    return " ".join(Path(f"{key}.pub").read_text().split()[:2])


class Authority:
    """Makes and signs bundles."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = make_key(folder / "root")
        self.user_ca = make_key(folder / "user_ca")
        self.host_ca = make_key(folder / "host_ca")
        self.fingerprint = run("ssh-keygen", "-l", "-f", self.root).split()[1]

    def krl(self, specification: str = "", *, ca: Path | None = None) -> bytes:
        """A KRL made by ``ssh-keygen -k`` from lines like ``serial: 7``."""
        path, rules = self.folder / "made.krl", self.folder / "made.txt"
        rules.write_text(specification)
        named = ["-s", f"{ca or self.user_ca}.pub"] if specification.startswith(("serial", "id")) else []
        run("ssh-keygen", "-q", "-k", "-f", path, *named, *([rules] if specification else []))
        return path.read_bytes()

    def fields(self, **changes: Any) -> dict[str, Any]:
        """The fields of a bundle that is in order, but for ``changes``."""
        now = int(time.time())
        return {
            "bundle": 1,
            "installation": "lab",
            "root": line(self.root),
            "succession": [],
            "sequence": 1,
            "issued": now - 10,
            "expires": now + 3600,
            "user_ca": [line(self.user_ca)],
            "host_ca": [line(self.host_ca)],
            "retired": [],
            "log_key": LOG_KEY,
            "providers": [],
            "krl": base64.b64encode(self.krl()).decode(),
            "ended": [],
            "extended": [],
            "checkpoint": CHECKPOINT,
            **changes,
        }

    def sign(self, text: str, *, key: Path | None = None, space: str = "bundle@ssh-jit") -> str:
        """The armoured SSHSIG over the text."""
        path = self.folder / "signed"
        path.write_text(text)
        Path(f"{path}.sig").unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-Y", "sign", "-n", space, "-f", key or self.root, path)
        return Path(f"{path}.sig").read_text()

    def offer(self, **changes: Any) -> dict[str, Any]:
        """What ``GET /bundle`` answers for such a bundle."""
        fields = self.fields(**changes)
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return {"sequence": fields["sequence"], "bundle": text, "signature": self.sign(text)}

    def certificate(self, principal: str, serial: int, *, minutes: int = 5) -> Path:
        """A key with a user certificate for this principal."""
        key = make_key(self.folder / f"user-{serial}")
        times = f"-1m:+{minutes}m"
        run("ssh-keygen", "-q", "-s", self.user_ca, "-I", "test", "-n", principal, "-z", str(serial), "-V", times, key)
        return key


class Front:
    """A front end that answers ``GET /bundle`` with ``body``, with an ETag."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.body = b""
        self.status = 200
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        """Of the newest request."""
        self.refused_tags: set[str] = set()
        """Values of ``If-None-Match`` that are answered with 400."""
        self.waits = False
        """Whether a poll that wants to wait does."""
        self.cuts = 0.0
        """Seconds after which something between cuts such a poll; 0: nothing does."""

        self.posted: Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]] = lambda _path, _body: (404, {})
        """What answers to ``POST``: path and body go in, status and answer come out."""

    def serve(self, offer: dict[str, Any]) -> None:
        """From now on, answer with this offer."""
        self.status, self.body = 200, json.dumps(offer).encode()

    def refuse(self, status: int, answer: dict[str, Any]) -> None:
        """From now on, answer with this status."""
        self.status, self.body = status, json.dumps(answer).encode()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.headers = dict(handler.headers.items())
        tag = f'"{abs(hash(self.body))}"'
        fresh = handler.headers.get("If-None-Match") == tag
        status = 404 if handler.path != "/bundle" else 304 if fresh and self.status == 200 else self.status
        status = 400 if handler.headers.get("If-None-Match") in self.refused_tags else status
        prefer = handler.headers.get("Prefer", "") if self.waits else ""
        if prefer and status == 304:
            held = self.body
            until = time.monotonic() + (self.cuts or int(prefer.partition("=")[2]))
            while self.body == held and time.monotonic() < until:
                time.sleep(0.02)
            if self.body == held and self.cuts:
                self.statuses.append(0)
                handler.close_connection = True
                return
            status, tag = (304, tag) if self.body == held else (self.status, f'"{abs(hash(self.body))}"')
        self.statuses.append(status)
        body = b"" if status == 304 else self.body
        handler.send_response(status)
        handler.send_header("ETag", tag)
        if prefer:
            handler.send_header("Preference-Applied", prefer)
        handler.send_header("Location", "/bundle")
        if status != 304:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@contextlib.contextmanager
def front(listening: socket.socket | None = None) -> Iterator[Front]:
    """A front end on a free port of loopback, or on a socket that listens already."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place.answer(self)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = place.posted(self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=listening is None) as server:
        if listening is not None:
            server.socket.close()
            server.socket = listening
            server.server_port = listening.getsockname()[1]
        place = Front(server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield place
        finally:
            server.shutdown()
            thread.join()


class Host:
    """A server's files in ``folder``, which must not lie below a world-writable one, and the program run on them.

    With a ``system``, program and sshd are run in there, by its own Python and with its own OpenSSH.
    """

    def __init__(self, folder: Path, program: Path, url: str, root: str, system: System | None = None) -> None:
        self.system = system
        self.folder = folder
        self.program = program
        self.home = folder / "ssh-jit"
        self.dropins = folder / "sshd_config.d"
        self.dropin = self.dropins / "10-ssh-jit.conf"
        self.sshd_config = folder / "sshd_config"
        self.port = free_port()
        self.dropins.mkdir()
        make_key(folder / "host_key")
        self.settings: dict[str, Any] = {
            "version": 1,
            "name": "web1",
            "host_id": "web1",
            "url": url,
            "root": root,
            "logins": [ME],
            "home": str(self.home),
            "sshd": str(self._sshd()),
            "sshd_config": str(self.sshd_config),
            "dropin": str(self.dropin),
            "reload": None,
            "interval": 1,
        }
        self.write_sshd_config()

    def write_sshd_config(self, *, before: str = "", after: str = "", host_key: bool = True) -> None:
        """The owner's sshd_config, with lines around the ``Include``; without ``host_key`` sshd has its own."""
        own = "" if self.system else "\n".join(openssh.sshd().config)
        self.sshd_config.write_text(
            f"{before}\nInclude {self.dropins}/*.conf\n{own}\n"
            f"Port {self.port}\nListenAddress 127.0.0.1\n"
            + (f"HostKey {self.folder}/host_key\n" if host_key else "")
            + f"PidFile {self.folder}/sshd.pid\nAuthorizedKeysFile none\nPasswordAuthentication no\n"
            f"KbdInteractiveAuthentication no\n{after}\n",
        )

    def _sshd(self) -> Path:
        """A program that runs the real sshd: as root with an account for its separated part, as sshd insists on."""
        if self.system is not None:
            return Path("/usr/sbin/sshd")
        server = openssh.sshd()
        command: list[str] = [str(server.path)]
        if os.geteuid() == 0:
            passwd, shadow = self.folder / "passwd", self.folder / "shadow"
            passwd.write_text(f"root:x:0:0::{self.folder}:/bin/sh\nsshd:x:74:65534::/run/sshd:/bin/false\n")
            shadow.write_text("root:*:1::::::\nsshd:!:1::::::\n")
            over = ((str(passwd), "/etc/passwd"), (str(shadow), "/etc/shadow"))
            command = isolate.enter(namespace.Spec(over=over, folders=("/run/sshd",)), command)
        path = self.folder / "sshd"
        added = " ".join(shlex.quote(f"{name}={value}") for name, value in server.environment.items())
        path.write_text(f'#!/bin/sh\nexec env {added} {shlex.join(command)} "$@"\n')
        path.chmod(0o755)
        return path

    def command(self, *words: str) -> list[str]:
        """The argument list of one of the program's commands, with the settings as they are now."""
        path = self.folder / "host.json"
        path.write_text(json.dumps(self.settings))
        path.chmod(0o644)
        arguments = [str(self.program), "--config", str(path), *words]
        if self.system is not None:
            return self.inside("/usr/bin/python3", "-IS", *arguments)
        return [sys.executable, "-IS", *arguments]

    def inside(self, *command: str) -> list[str]:
        """The argument list that runs a command where this host's sshd runs."""
        return list(command) if self.system is None else self.system.inside(command, share=(self.folder,))

    def run(self, *words: str, code: int = 0) -> str:
        """Run one of the program's commands, which must end with this code; return what it prints."""
        argv = self.command(*words)
        if self.system is not None:
            return run(*argv, code=code)
        done = warm_programs.run(argv[3:], PATIENCE, program=warm_programs.host_program(self.program))
        assert done.returncode == code, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def refresh(self, code: int = 0) -> str:
        """Run ``ssh-jit-host refresh``, which must end with this code; return its lines."""
        return self.run("refresh", code=code)

    def doctor(self, *options: str, code: int = 0) -> str:
        """Run ``ssh-jit-host doctor``, which must end with this code; return what it prints."""
        return self.run("doctor", *options, code=code)

    def snapshot(self) -> dict[str, tuple[bytes, int, int, int]]:
        """Every file of the host but what says how the last refresh went: bytes, mode, inode and time of change."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path.name not in (".lock", "host.json", "problem.json"):
                status = path.stat()
                found[str(path)] = (path.read_bytes(), status.st_mode, status.st_ino, status.st_mtime_ns)
        return found

    @contextlib.contextmanager
    def sshd(self) -> Iterator[Path]:
        """sshd, running; the path is its log."""
        log = self.folder / "sshd.log"
        argv = [str(self.settings["sshd"]), "-D", "-f", str(self.sshd_config), "-E", str(log), "-o", "LogLevel=VERBOSE"]
        with subprocess.Popen(self.inside(*argv)) as process:
            try:
                wait_for_port(self.port)
                yield log
            finally:
                process.terminate()

    def login(self, key: Path) -> int:
        """Log in with a key and the certificate beside it; return ssh's exit code (255: refused)."""
        options = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
        argv = ["ssh", "-F", "none", "-i", str(key), "-p", str(self.port), "-l", ME, "-q"]
        argv += [part for option in options for part in ("-o", option)]
        return subprocess.run(
            [*argv, "127.0.0.1", "true"], stdin=subprocess.DEVNULL, check=False, timeout=30
        ).returncode


@contextlib.contextmanager
def host(authority: Authority, front: Front, program: Path, system: System | None = None) -> Iterator[Host]:
    """A host below folders that sshd trusts; pytest's own lie below ``/tmp``, which everybody can write."""
    with tempfile.TemporaryDirectory(prefix="test-host-", dir=debian.cache()) as folder:
        Path(folder).chmod(0o755)
        if system is not None:  # where it can be shared with the system
            program = Path(shutil.copy(program, folder))
        yield Host(Path(folder), program, front.url, authority.fingerprint, system)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Wait until somebody listens."""
    wait_until(functools.partial(_listens, port), "nobody listens")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
