"""A release made for real, in a clone with a throw-away key, and judged by git, ``ssh-keygen`` and ``sha256sum``."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from tests.unit.release.workshop import VERSION, Workshop

QUICK = ("--skip-make-check", "--skip-make-test")
FILES = {
    "SHA256SUMS",
    "SHA256SUMS.sig",
    "ssh-jit-host.pyz",
    f"ssh_jit-{VERSION}-py3-none-any.whl",
    f"ssh_jit-{VERSION}.tar.gz",
}


def verify(shop: Workshop, output: str) -> list[int]:
    """Do what the program told others to do; return the exit codes of ssh-keygen, sha256sum and git."""
    line = re.search(r"^ +(release namespaces=.*)$", output, re.MULTILINE)
    assert line
    folders = (shop.dist, shop.dist, shop.clone)
    for folder in folders:
        (folder / "allowed_signers").write_text(f"{line[1]}\n")
    commands = re.findall(r"^ +((?:ssh-keygen|sha256sum|git -c) .*)$", output, re.MULTILINE)
    assert len(commands) == 3
    codes = [
        subprocess.run(command, shell=True, cwd=folder, capture_output=True, check=False).returncode  # noqa: S602
        for command, folder in zip(commands, folders, strict=True)
    ]
    for folder in set(folders):
        (folder / "allowed_signers").unlink()
    return codes


def test_a_release_is_signed_tagged_and_verified_by_other_programs(shop: Workshop) -> None:
    before = shop.git("rev-parse", "HEAD")
    done = shop.release(VERSION, "--key", shop.key)
    assert done.code == 0, done.output
    assert shop.log.read_text() == "check\ntest\n"
    assert {path.name for path in shop.dist.iterdir()} == FILES
    assert verify(shop, done.output) == [0, 0, 0]

    assert shop.git("rev-parse", "HEAD^") == before
    assert shop.git("rev-parse", f"v{VERSION}^{{}}") == shop.git("rev-parse", "HEAD")
    assert shop.git("log", "-1", "--format=%s, %an") == f"release: {VERSION}, The tests"
    assert shop.git("status", "--porcelain") == ""
    assert "### Added\n\n- What the tests brought." in shop.git("for-each-ref", "--format=%(contents)", "refs/tags")

    today = time.strftime("%Y-%m-%d", time.gmtime())
    changelog = (shop.clone / "CHANGELOG.md").read_text()
    assert f"## [Unreleased]\n\n## [{VERSION}] - {today}\n\n### Added\n\n- What the tests brought.\n" in changelog
    assert f'\nversion = "{VERSION}"\n' in (shop.clone / "pyproject.toml").read_text()
    metadata = f"ssh_jit-{VERSION}.dist-info/METADATA"
    archive = zipfile.ZipFile(shop.dist / f"ssh_jit-{VERSION}-py3-none-any.whl")
    assert f"\nVersion: {VERSION}\n" in archive.read(metadata).decode()
    said = subprocess.run([shop.dist / "ssh-jit-host.pyz", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"ssh-jit-host {VERSION}\n"

    assert shop.state()[3] == [], "the temporary folder is gone"
    assert "SECURITY.md does not name this key yet" in done.output
    again = shop.release(VERSION, "--key", shop.key)
    assert (again.code, "is there already" in again.output) == (1, True)


def test_what_was_changed_after_the_signature_is_found(shop: Workshop) -> None:
    done = shop.release(VERSION, "--key", shop.key, *QUICK)
    assert verify(shop, done.output) == [0, 0, 0]
    with (shop.dist / "ssh-jit-host.pyz").open("ab") as file:
        file.write(b"x")
    assert verify(shop, done.output)[:2] == [0, 1]
    with (shop.dist / "SHA256SUMS").open("a") as file:
        file.write("\n")
    assert verify(shop, done.output)[0] == 255


def test_a_key_in_an_agent_signs(shop: Workshop) -> None:
    """The private half is in the agent alone, and the release names the public one."""
    socket = shop.folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        wait_until(socket.exists)
        with_agent = {**shop.environment, "SSH_AUTH_SOCK": str(socket)}
        subprocess.run(["ssh-add", "-q", shop.key], env=with_agent, check=True, capture_output=True)
        shop.key.unlink()
        done = shop.release(VERSION, "--key", f"{shop.key}.pub", *QUICK, SSH_AUTH_SOCK=str(socket))
        assert done.code == 0, done.output
        assert verify(shop, done.output) == [0, 0, 0]
    finally:
        agent.terminate()
        agent.wait()


def test_a_skipped_check_is_said_where_everybody_reads_it(shop: Workshop) -> None:
    done = shop.release(VERSION, "--key", shop.key, "--skip-make-test")
    assert "WITHOUT make test" in done.output
    assert shop.log.read_text() == "check\n"
    assert "\nReleased without make test.\n" in shop.git("for-each-ref", "--format=%(contents)", "refs/tags")


@pytest.mark.parametrize("key", [True, False], ids=["with a key", "without"])
def test_a_dry_run_does_it_all_and_leaves_nothing(shop: Workshop, *, key: bool) -> None:
    before = shop.state()
    done = shop.release(VERSION, "--dry-run", *(("--key", shop.key) if key else ()))
    assert done.code == 0, done.output
    assert shop.log.read_text() == "check\ntest\n"
    assert f"  ssh_jit-{VERSION}.tar.gz\n" in done.output
    assert done.output.endswith("This was a dry run: nothing was changed.\n")
    assert shop.state() == before


def test_a_key_that_security_md_names_is_not_asked_about(shop: Workshop) -> None:
    (shop.clone / "SECURITY.md").write_text(Path(f"{shop.key}.pub").read_text())
    shop.git("commit", "-qam", "security: who releases")
    assert "does not name this key" not in shop.release(VERSION, "--key", shop.key, *QUICK).output


@pytest.mark.parametrize("target", ["check", "test"])
def test_a_check_that_fails_ends_it_and_leaves_nothing(shop: Workshop, target: str) -> None:
    shop.commit(makefile=f"check test:\n\t@test $@ != {target}\n")
    before = shop.state()
    done = shop.release(VERSION, "--key", shop.key)
    assert done.code == 1
    assert f"release: `make {target}` failed in a clean clone" in done.output
    assert shop.state() == before


def test_a_branch_that_moves_meanwhile_is_not_released(shop: Workshop) -> None:
    shop.commit(makefile=f"check test:\n\t@git -C {shop.clone} commit -q --allow-empty -m meanwhile\n")
    done = shop.release(VERSION, "--key", shop.key)
    assert "release: main changed meanwhile" in done.output
    assert shop.git("tag") == ""
    assert not shop.dist.exists()


def test_being_ended_in_the_middle_leaves_nothing(shop: Workshop) -> None:
    shop.commit(makefile="check:\n\t@echo $$$$ > $(LOG); exec sleep 60\n")
    before = shop.state()
    process = subprocess.Popen(
        shop.command(VERSION, "--key", shop.key),
        cwd=shop.clone,
        env=shop.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: shop.log.exists() and shop.log.read_text().endswith("\n"))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert not Path("/proc", shop.log.read_text().strip()).exists(), "what the check started is ended too"
    assert process.returncode == 130
    assert errors.endswith("release: stopped; nothing of it is left\n")
    assert shop.state() == before


def test_a_power_cut_at_the_last_step_is_explained_and_can_be_finished_or_undone(shop: Workshop) -> None:
    """The files and the tag were taken, and ``main`` was not moved yet."""
    assert shop.release(VERSION, "--key", shop.key, *QUICK).code == 0
    released = shop.state()
    shop.git("reset", "-q", "--keep", "HEAD~1")
    done = shop.release(VERSION, "--key", shop.key, *QUICK)
    assert done.code == 1
    assert "a release was interrupted at its last step" in done.output
    finish, undo = re.findall(r"it with: (git .*?)(?:;|$)", done.output, re.MULTILINE)
    subprocess.run(finish, shell=True, cwd=shop.clone, env=shop.environment, check=True, capture_output=True)  # noqa: S602
    assert shop.state() == released
    shop.git("reset", "-q", "--keep", "HEAD~1")
    subprocess.run(undo, shell=True, cwd=shop.clone, env=shop.environment, check=True, capture_output=True)  # noqa: S602
    assert shop.release(VERSION, "--key", shop.key, *QUICK).code == 0, "files without a tag are replaced"


def test_what_it_says_about_undoing_undoes_it(shop: Workshop) -> None:
    before = shop.state()
    done = shop.release(VERSION, "--key", shop.key, *QUICK)
    undo = re.search(r"^To undo it.*\n  (.*)$", done.output, re.MULTILINE)
    assert undo
    subprocess.run(undo[1], shell=True, cwd=shop.clone, env=shop.environment, check=True, capture_output=True)  # noqa: S602
    assert shop.state()[:2] == before[:2]


def test_one_commit_gives_the_same_bytes_whoever_builds_it(shop: Workshop) -> None:
    """Another folder, another umask, another time zone and another day."""
    found = []
    for number, (umask, zone) in enumerate((("022", "UTC"), ("077", "Asia/Tokyo"))):
        source = shop.folder / f"source{number}" / ("deeper" * number)
        script = f"umask {umask} && git clone -q {shop.clone} {source} && cd {source} && {sys.executable} -m"
        script += f" tools.release.artefacts {shop.folder}/out{number}"
        environment = {**shop.environment, "TZ": zone}
        done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
        found.append(done.stdout)
        time.sleep(1.1)  # zip and gzip keep times by the second or two
    assert found[0] == found[1]
    assert len(found[0].splitlines()) == 3


def test_the_source_archive_builds_the_same_wheel(shop: Workshop) -> None:
    assert shop.release(VERSION, "--key", shop.key, *QUICK).code == 0
    shutil.unpack_archive(shop.dist / f"ssh_jit-{VERSION}.tar.gz", shop.folder, filter="data")
    epoch = {"SOURCE_DATE_EPOCH": shop.git("log", "-1", "--format=%ct")}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(shop.folder / "wheel")]
    source = shop.folder / f"ssh_jit-{VERSION}"
    subprocess.run(command, cwd=source, env={**shop.environment, **epoch}, capture_output=True, check=True)
    (built,) = (shop.folder / "wheel").iterdir()
    assert built.read_bytes() == (shop.dist / built.name).read_bytes()


def test_a_build_that_depends_on_when_it_is_made_is_refused(shop: Workshop) -> None:
    script = shop.clone / "hostconfig" / "build_pyz.py"
    clock = "{__import__('time').time_ns()}"
    script.write_text(script.read_text().replace('f"Metadata-Version', f'f"X: {clock}\\nMetadata-Version'))
    shop.git("commit", "-qam", "hostconfig: a clock in the file")
    before = shop.state()
    done = shop.release(VERSION, "--key", shop.key, *QUICK)
    assert done.code == 1
    assert "two builds of one commit differ in ssh-jit-host.pyz" in done.output
    assert shop.state() == before
