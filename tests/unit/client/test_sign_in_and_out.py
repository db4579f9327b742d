"""``login``, ``logout``, ``whoami`` and ``setup``: what each says where it cannot do all of its work."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.client_server import ClientServer
from tests.unit.client.conftest import Laptop
from tests.unit.client.installation_keys import keygen
from tests.unit.client.real_agent import ssh_agent
from tests.unit.client.test_sign_in_at_provider import Screen


def test_whoami_before_setup_and_signed_out_says_what_to_type(stranger: Laptop, server: ClientServer) -> None:
    for words in (("whoami",), ("whoami", "--json"), ("requests",), ("logout",), ("login",), ("web1", "x")):
        before = stranger.run(*words)
        assert before.returncode == 2
        assert before.stderr == "ssh-jit: this machine is not set up\nhint: ssh-jit setup URL --root SHA256:…\n"
    stranger.set_up(server)
    done = stranger.run("whoami")
    assert (done.returncode, done.stderr) == (7, "ssh-jit: you are not signed in\nhint: ssh-jit login\n")


def test_whoami_prints_json(laptop: Laptop) -> None:
    laptop.run("login")
    login = json.loads(laptop.run("whoami", "--json").stdout)
    assert (login["person"]["email"], login["roles"]) == ("alice@example.com", ["dba", "sre"])


def test_logout_does_its_part_where_the_server_is_away(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("web1", "true")
    folder = laptop.state
    server.away()
    done = laptop.run("logout")
    assert (done.returncode, folder.exists()) == (8, False), done.stderr
    assert "signed out on this machine" in done.stderr
    again = laptop.run("logout")
    assert (again.returncode, again.stderr) == (0, "ssh-jit: you are not signed in\n")


def test_logout_of_a_sign_in_that_the_server_has_ended_is_no_error(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("login")
    path = laptop.state / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"token": "sj_unknown"}))
    done = laptop.run("logout")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "ssh-jit: signed out on this machine; the server had ended the sign-in already\n"


def test_non_interactive_asks_nobody_and_opens_no_browser(laptop: Laptop, server: ClientServer, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    screen_env = {**laptop.env, "BROWSER": f"touch {opened}"}
    needed = "you are not signed in"
    for words in (("web1", "x"), ("request", "web1"), ("requests",), ("status",), ("hosts",)):
        for screen in (False, True):
            typed = (
                (*words[:1], "--non-interactive", *words[1:]) if words[0] != "web1" else ("--non-interactive", *words)
            )
            if screen:
                shown = Screen(Laptop(screen_env), *typed)
                shown.until(needed)
                shown.until("hint: ssh-jit login")
                assert shown.close() == 7
            else:
                done = Laptop(screen_env).run(*typed)
                assert (done.returncode, done.stderr) == (7, f"ssh-jit: {needed}\nhint: ssh-jit login\n")
    assert not opened.exists()


def test_non_interactive_keeps_ssh_from_asking_too(laptop: Laptop) -> None:
    laptop.run("login")
    done = laptop.run("-v", "--non-interactive", "web1", "x")
    assert done.stdout == "deploy: x\n", done.stderr
    asked = laptop.run("--non-interactive", "guest@web1", "x")
    assert asked.returncode == 255
    assert "password" not in asked.stderr


@contextmanager
def agent(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a shell that has a real ssh-agent."""
    with ssh_agent(folder) as address:
        yield {"SSH_AUTH_SOCK": address}


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name leaves room for a socket's."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


def with_env(laptop: Laptop, env: dict[str, str]) -> Laptop:
    return Laptop({**laptop.env, **env})


def listed(env: dict[str, str]) -> list[str]:
    done = subprocess.run(["ssh-add", "-l"], env={**os.environ, **env}, capture_output=True, text=True, check=False)
    return [] if done.returncode else done.stdout.splitlines()


def test_no_connection_of_ours_puts_a_key_into_the_agent(laptop: Laptop, short: Path) -> None:
    home = Path(laptop.env["HOME"], ".ssh")
    home.mkdir(parents=True)
    (home / "config").write_text("AddKeysToAgent yes\n")
    with agent(short) as env:
        (short / "config").write_text("AddKeysToAgent yes\n")
        assert with_env(laptop, env).run("-F", str(short / "config"), "web1", "x").stdout == "deploy: x\n"
        assert listed(env) == []


def test_logout_takes_keys_and_certificates_of_the_sign_in_out_of_the_agent(laptop: Laptop, short: Path) -> None:
    """A plain ssh with ``AddKeysToAgent yes`` puts both there; the person's own key stays."""
    keygen("-q", "-t", "ed25519", "-N", "", "-f", str(short / "own"))
    laptop.run("web1", "x")
    with agent(short) as env:
        certificate = next(laptop.state.glob("open/*-cert.pub"))
        shutil.copy(laptop.state / "id_ed25519", short / "key")
        shutil.copy(certificate, short / "key-cert.pub")
        for key in ("key", "own"):
            subprocess.run(["ssh-add", "-q", str(short / key)], env={**os.environ, **env}, check=True)
        assert len(listed(env)) == 3
        assert with_env(laptop, env).run("logout").returncode == 0
        (left,) = listed(env)
        assert "own" in left or keygen("-l", "-f", str(short / "own")).decode().split()[1] in left


def test_the_end_of_a_sign_in_takes_its_key_out_of_the_agent(laptop: Laptop, short: Path) -> None:
    laptop.run("login")
    with agent(short) as env:
        subprocess.run(["ssh-add", "-q", str(laptop.state / "id_ed25519")], env={**os.environ, **env}, check=True)
        assert len(listed(env)) == 1
        assert with_env(laptop, env).run("login").returncode == 0
        assert listed(env) == []


def test_a_key_in_an_agent_signs_in_and_connects(laptop: Laptop, short: Path) -> None:
    """By its public key: the private one is nowhere else."""
    keygen("-q", "-t", "ed25519", "-N", "", "-f", str(short / "own"))
    with agent(short) as env:
        subprocess.run(["ssh-add", "-q", str(short / "own")], env={**os.environ, **env}, check=True)
        (short / "own").unlink()
        there = with_env(laptop, env)
        done = there.run("login", "--key", str(short / "own.pub"))
        assert done.returncode == 0, done.stderr
        assert there.run("web1", "x").stdout == "deploy: x\n"
        assert not laptop.state.joinpath("id_ed25519").exists()
        gone = laptop.run("login", "--key", str(short / "own.pub"))
        assert gone.returncode == 8, "there is no agent any more"


def test_t59_a_key_for_some_hosts_only_is_refused_with_what_to_do(laptop: Laptop, short: Path) -> None:
    keygen("-q", "-t", "ed25519", "-N", "", "-f", str(short / "own"))
    keygen("-q", "-t", "ed25519", "-N", "", "-f", str(short / "host"))
    (short / "known").write_text(f"web1 {(short / 'host.pub').read_text()}")
    with agent(short) as env:
        only = ["ssh-add", "-q", "-H", str(short / "known"), "-h", "web1", str(short / "own")]
        subprocess.run(only, env={**os.environ, **env}, check=True)
        (short / "own").unlink()
        done = with_env(laptop, env).run("login", "--key", str(short / "own.pub"))
    assert done.returncode == 8
    assert "the agent does not sign with this key, so no sign-in can be bound to it" in done.stderr
    assert "hint: a key that was added for some hosts only (ssh-add -h) signs nothing else" in done.stderr


def test_an_agent_that_is_gone_keeps_nobody_signed_in(laptop: Laptop) -> None:
    laptop.run("login")
    assert laptop.run("logout", SSH_AUTH_SOCK="/nonexistent").returncode == 0


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><title>It works</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web_page() -> Iterator[str]:
    """The address of a server that answers everything with a page."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


PIN = f"SHA256:{'A' * 43}"


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("http://jit.example.org", 2, "'http://jit.example.org' must begin with https://"),
        ("jit.example.org", 2, "jit.example.org"),
        ("https://127.0.0.1:1", 8, "can't reach https://127.0.0.1:1: Connection refused"),
    ],
)
def test_setup_by_a_wrong_address_says_what_is_wrong(stranger: Laptop, url: str, code: int, said: str) -> None:
    done = stranger.run("setup", url, "--root", PIN)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not stranger.config.exists()


def test_setup_by_another_servers_address_says_that_it_is_none_of_ours(stranger: Laptop, web_page: str) -> None:
    done = stranger.run("setup", web_page, "--root", PIN)
    assert done.returncode == 8
    assert "the server's answer is not a bundle" in done.stderr
    assert "hint: is this an ssh-jit server?" in done.stderr


@pytest.mark.parametrize("root", ["", "SHA256:short", "MD5:aa:bb", f"SHA256:{'A' * 44}", f"{PIN}="])
def test_setup_takes_whole_fingerprints_alone(stranger: Laptop, server: ClientServer, root: str) -> None:
    done = stranger.run("setup", server.url, "--root", root)
    assert (done.returncode, "is not a fingerprint" in done.stderr) == (2, True), done.stderr


def test_setup_by_another_root_names_both(stranger: Laptop, server: ClientServer) -> None:
    done = stranger.run("setup", server.url, "--root", PIN)
    assert done.returncode == 4
    assert server.root in done.stderr
    assert PIN in done.stderr
    assert not stranger.config.exists()


def test_nothing_that_macos_or_windows_lacks_is_loaded_by_a_connection() -> None:
    """Modules of Linux alone are not there at all; those of POSIX only where Windows takes another way."""
    code = (
        "import importlib.abc, sys\n"
        "class Lacks(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('fcntl', 'pwd', 'grp', 'termios', 'tty', 'resource', 'syslog'):\n"
        "            raise ImportError(name)\n"
        "import http.server, ssl, subprocess, tempfile, zoneinfo\n"
        "sys.meta_path.insert(0, Lacks())\n"
        "sys.platform = 'win32'\n"
        "import pkgutil, sshjit_client\n"
        "for found in pkgutil.walk_packages(sshjit_client.__path__, 'sshjit_client.'):\n"
        "    if found.name != 'sshjit_client.__main__': __import__(found.name)\n"
        "print(len([n for n in sys.modules if n.startswith('sshjit_client.')]) > 60)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


def test_a_post_quantum_key_needs_programs_that_make_and_show_it(laptop: Laptop, tmp_path: Path) -> None:
    """Those of this machine (9.2) do neither: nobody is sent to a browser for it, and the sign-in of before stays."""
    before = laptop.run("whoami").stdout
    made = laptop.run("login", "--new-key", "mldsa44-ed25519")
    assert "this machine's ssh-keygen makes no mldsa44-ed25519 keys" in made.stderr
    assert "hint: OpenSSH 10.6 and newer do; without --new-key the key is Ed25519" in made.stderr
    public = Path(__file__).resolve().parents[2] / "vectors" / "post-quantum" / "mldsa44-ed25519.pub"
    shown = laptop.run("login", "--key", str(public))
    assert "this machine's ssh knows no post-quantum keys" in shown.stderr
    both = laptop.run("login", "--key", str(public), "--new-key", "ed25519")
    assert (both.returncode, "goes without --new-key" in both.stderr) == (2, True)
    assert (made.returncode, shown.returncode) != (0, 0)
    assert laptop.run("whoami").stdout == before
    assert laptop.run("login", "--new-key", "ed25519").returncode == 0
