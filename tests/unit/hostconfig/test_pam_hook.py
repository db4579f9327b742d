"""Where our line stands in PAM, and that the file around it is as it was after each step, also of a run that died."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit_host import config as configuration
from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.formats import bundle as bundles
from sshjit_host.machine import control_groups, files, processes
from sshjit_host.machine.control_groups import Fence
from sshjit_host.openssh import pam_hook
from sshjit_host.refresh import Refresher
from tests.support.host_machine import Authority, run

DEBIAN = """# PAM configuration for the Secure Shell service
@include common-auth
account    required     pam_nologin.so
session [success=ok ignore=ignore module_unknown=ignore default=bad]        pam_selinux.so close
session    required     pam_loginuid.so
@include common-session
"""
FEDORA = """#%PAM-1.0
auth       substack     password-auth
account    required     pam_sepermit.so
# pam_selinux.so close should be the first session rule
session    required     pam_selinux.so close
session    include      password-auth
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A host's settings, with a folder of PAM services."""
    for folder in ("pam.d", "home"):
        (tmp_path / folder).mkdir()
    fields = {
        "version": 1,
        "name": "web1",
        "host_id": "web1",
        "url": "https://access.example.com",
        "root": "SHA256:" + "A" * 43,
        "logins": ["deploy"],
        "home": str(tmp_path / "home"),
        "pam": str(tmp_path / "pam.d"),
        "run": str(tmp_path / "run"),
    }
    return configuration.parse(json.dumps(fields), tmp_path / "host.json")


def silent(_: str) -> None:
    """For what is said to people."""


@pytest.mark.parametrize("text", [DEBIAN, FEDORA, DEBIAN.rstrip("\n"), DEBIAN.replace("\n", "\r\n")])
def test_one_line_comes_in_before_every_session_rule_and_out_again(text: str, config: Config) -> None:
    path = config.pam / "sshd"
    path.write_bytes(text.encode())
    path.chmod(0o640)
    pam_hook._put_in(config, path, silent)
    assert pam_hook.order(config, path) == ""
    added = [each for each in path.read_bytes().splitlines() if each not in text.encode().splitlines()]
    assert len(added) == 1
    assert path.stat().st_mode & 0o777 == 0o640
    once = path.read_bytes()
    pam_hook._put_in(config, path, silent)
    assert path.read_bytes() == once
    pam_hook._take_out(path, silent)
    assert path.read_bytes() == text.encode()


def test_t36_a_run_that_died_is_undone_by_the_next(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config.pam / "sshd"
    path.write_text(DEBIAN)

    def die(_config: Config, _path: Path) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pam_hook, "order", die)
        with pytest.raises(KeyboardInterrupt):
            pam_hook._put_in(config, path, silent)
    assert path.read_text() != DEBIAN
    lines: list[str] = []
    pam_hook.recover(config, lines.append)
    assert path.read_text() == DEBIAN
    assert "put" in lines[0]
    pam_hook.recover(config, lines.append)
    assert len(lines) == 1


def test_t36_what_others_changed_since_a_run_died_stays(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade of a package, say, between the loss of power and the next run."""
    path = config.pam / "sshd"
    path.write_text(DEBIAN)
    with monkeypatch.context() as patch:
        patch.setattr(pam_hook, "order", lambda *_: "it does not count")
        patch.setattr(pam_hook, "recover", lambda *_: None)
        with pytest.raises(HostError, match="does not count"):
            pam_hook._put_in(config, path, silent)
    path.write_text(path.read_text() + "session optional pam_new.so\n")
    pam_hook.recover(config, silent)
    assert path.read_text() == DEBIAN + "session optional pam_new.so\n"
    assert list(config.home.iterdir()) == []


def test_a_service_that_is_a_link_stays_one(config: Config, tmp_path: Path) -> None:
    """It may lead out of the folder, to a file of another name; the rules that count are read there."""
    real = tmp_path / "vendor-sshd"
    real.write_text(DEBIAN)
    path = config.pam / "sshd"
    path.symlink_to(real)
    pam_hook._put_in(config, path, silent)
    assert pam_hook.order(config, path) == ""
    assert real.read_text() != DEBIAN
    pam_hook._take_out(path, silent)
    assert path.is_symlink()
    assert real.read_text() == DEBIAN


def test_the_hook_goes_without_asking_sshd_from_every_file_that_has_our_line(config: Config) -> None:
    """Sshd may not answer any more, or use another service by now."""
    assert not config.sshd.with_name("sshd.gone").exists()
    config = dataclasses.replace(config, sshd=config.sshd.with_name("sshd.gone"))
    for name in ("sshd", "remote"):
        (config.pam / name).write_text(DEBIAN)
        pam_hook._put_in(config, config.pam / name, silent)
    pam_hook.remove(config, silent)
    assert {path.name: path.read_text() for path in config.pam.iterdir()} == {"sshd": DEBIAN, "remote": DEBIAN}


def test_a_service_of_somebody_elses_is_left_alone(
    authority: Authority, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    (config.pam / pam_hook.SERVICE).write_text("auth required pam_deny.so\n")
    monkeypatch.setattr(pam_hook, "way", lambda _: "service")
    with pytest.raises(HostError, match="is not ours"):
        pam_hook.install(config, bundles.read(str(authority.offer()["bundle"])), silent)
    assert (config.pam / pam_hook.SERVICE).read_text() == "auth required pam_deny.so\n"
    assert list(config.home.iterdir()) == [], "neither the stub nor a mark that the drop-in goes by"


def test_what_comes_before_our_rule_is_named_through_every_include(config: Config) -> None:
    path = config.pam / "sshd"
    (config.pam / "common-session").write_text("session optional pam_umask.so\n")
    for before, module in (
        ("session optional pam_env.so user_readenv=1\n", "pam_env.so"),
        ("@include common-session\n", "pam_umask.so"),
        ("session include common-session\n", "pam_umask.so"),
        ("-session optional \\\n  pam_systemd.so\n", "pam_systemd.so"),
    ):
        path.write_text(DEBIAN)
        pam_hook._put_in(config, path, silent)
        path.write_text(before + path.read_text())
        assert f"{module} comes before our rule" in pam_hook.order(config, path)
    path.write_text(DEBIAN.replace("session", f"session optional pam_exec.so {pam_hook.stub_path(config)}\nsession", 1))
    assert "is not `required`" in pam_hook.order(config, path)


def test_a_service_without_a_session_rule_is_left_as_it_is(config: Config) -> None:
    path = config.pam / "sshd"
    path.write_text("auth required pam_unix.so\n")
    with pytest.raises(HostError, match="has no session rule"):
        pam_hook._put_in(config, path, silent)
    assert path.read_text() == "auth required pam_unix.so\n"


def test_the_stub_lets_other_cas_pass_and_asks_for_ours(authority: Authority, config: Config, tmp_path: Path) -> None:
    """With nothing there to be asked, ours do not open; and a session closes whatever the answer."""
    bundle = bundles.read(str(authority.offer()["bundle"]))
    files.write(
        pam_hook.stub_path(config), pam_hook.stub(config, bundle).replace(b"sshjit_host.sessions.hook", b"gone")
    )
    other = tmp_path / "other"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other)
    for ca, kind, opens in (
        (authority.user_ca, "open", False),
        (other, "open", True),
        (authority.user_ca, "close", True),
    ):
        key = tmp_path / f"key-{ca.name}-{kind}"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        run("ssh-keygen", "-q", "-s", ca, "-I", "x", "-n", "deploy@web1", key)
        text = " ".join(Path(f"{key}-cert.pub").read_text().split()[:2])
        rule = pam_hook.line(config).partition("[")[2].removesuffix("]")
        variables = (f"SSH_AUTH_INFO_0=publickey {text}\n", f"PAM_TYPE={kind}_session")
        done = subprocess.run(["env", "-i", *variables, "/bin/sh", "-c", rule], check=False, capture_output=True)
        assert (done.returncode == 0) is opens, done.stderr


@pytest.mark.parametrize(
    ("auth_info", "code"),
    [
        ("", 0),
        ("password", 0),
        ("publickey ssh-ed25519 AAAA", 0),
        ("publickey ssh-mldsa44-ed25519 AAAA", 0),
        ("gssapi-with-mic deploy-cert@EXAMPLE.COM", 0),
        ("publickey ssh-rsa-cert-v01@openssh.com AAAA", 2),
        ("publickey ssh-mldsa44-ed25519-cert AAAA", 2),
    ],
)
def test_the_rule_needs_nothing_but_sh_where_there_is_no_certificate(auth_info: str, code: int, config: Config) -> None:
    """Whatever became of our files: with a certificate, and no stub, it does not open."""
    rule = pam_hook.line(config).partition("[")[2].rstrip("]")
    command = ["env", "-i", f"SSH_AUTH_INFO_0={auth_info}", "sh", "-c", rule]
    assert bool(subprocess.run(command, check=False, capture_output=True).returncode) == bool(code)


OLDER = "(*-cert-v01@*) exec"
"""The pattern of releases that knew no post-quantum certificate."""


def older(config: Config) -> str:
    """The rule as those releases wrote it."""
    return re.sub(r"\(\*-cert.*?\) exec", OLDER, pam_hook.line(config))


def test_the_rule_of_an_older_release_is_brought_up_to_date_at_its_place(config: Config) -> None:
    """In sshd's file and in our own; a file of somebody else's stays as it is."""
    ours, own = config.pam / "sshd", config.pam / pam_hook.SERVICE
    ours.write_text(DEBIAN)
    pam_hook._put_in(config, ours, silent)
    whole = ours.read_text()
    own.write_bytes(pam_hook._service(config))
    assert pam_hook.is_current(config)
    ours.write_text(whole.replace(pam_hook.line(config), older(config)))
    own.write_text(own.read_text().replace(pam_hook.line(config), older(config)))
    assert ours.read_text() != whole
    assert not pam_hook.is_current(config)
    files.write(pam_hook.stub_path(config), b"exit 0\n")
    lines: list[str] = []
    pam_hook.bring_up_to_date(config, lines.append)
    assert len(lines) == 2
    assert ours.read_text() == whole
    assert own.read_bytes() == pam_hook._service(config)
    assert pam_hook.is_current(config)
    pam_hook.bring_up_to_date(config, lines.append)
    assert len(lines) == 2
    ours.write_text(DEBIAN)
    own.write_text("session required pam_deny.so\n")
    assert pam_hook.is_current(config), "where the hook is not in PAM, that is said elsewhere"


def test_the_hook_knows_a_new_ca_key_before_sshd_does(authority: Authority, config: Config) -> None:
    bundle = bundles.read(str(authority.offer()["bundle"]))
    refresher = Refresher(config, silent)
    assert pam_hook.stub_path(config) not in refresher._files(bundle, frozenset()), "a host without the hook gets none"
    files.write(pam_hook.stub_path(config), b"of an older bundle")
    written = list(refresher._files(bundle, frozenset()))
    assert written.index(pam_hook.stub_path(config)) < written.index(config.home / "user_ca.pub")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_a_scope_of_systemd_is_the_fence_unless_the_server_is_in_it(sleeper: subprocess.Popen[bytes]) -> None:
    """A control group of the kernel's under a name of systemd's."""
    assert os.geteuid() == 0, "only root can make control groups: run these tests as root"
    root = control_groups.mounted()
    assert root is not None
    scope = root / f"session-{sleeper.pid}.scope"
    fence, before = Fence(Path("/run/test")), processes.control_group(sleeper.pid)
    assert fence.scope(sleeper.pid, before) == ""
    scope.mkdir()
    try:
        (scope / "cgroup.procs").write_text(str(sleeper.pid))
        assert fence.scope(sleeper.pid, before) == str(scope)
        assert fence.scope(sleeper.pid, f"/{scope.name}") == ""
        assert control_groups.members(str(scope)) == {sleeper.pid}
        assert control_groups.kill(str(scope))
        assert sleeper.wait(60) == -9
    finally:
        sleeper.kill()
        sleeper.wait()
        control_groups.remove(str(scope))
    assert not scope.exists()


def test_a_process_number_that_was_used_again_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    known = processes.look(sleeper.pid)
    assert known is not None
    earlier = processes.Process(known.pid, known.parent, known.started - 1, known.terminal, known.uid, known.name)
    processes.kill([earlier])
    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.wait(0.5)
    processes.kill([known])
    assert sleeper.wait(60) == -9
