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

from tests.support.release_clone import VERSION, Done, ReleaseClone
from tests.support.waiting import wait_until

QUICK = ("--skip-make-check", "--skip-make-test")
FILES = {
    "SHA256SUMS",
    "SHA256SUMS.sig",
    "ssh-jit-host.pyz",
    f"ssh_jit-{VERSION}-py3-none-any.whl",
    f"ssh_jit-{VERSION}.tar.gz",
}


def verify(repo: ReleaseClone, output: str) -> list[int]:
    """Do what the program told others to do; return the exit codes of ssh-keygen, sha256sum and git."""
    line = re.search(r"^ +(release namespaces=.*)$", output, re.MULTILINE)
    assert line
    folders = (repo.dist, repo.dist, repo.clone)
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


def test_a_release_is_signed_tagged_and_verified_by_other_programs(released: tuple[ReleaseClone, Done]) -> None:
    repo, done = released
    assert repo.log.read_text() == "check\ntest\n"
    assert {path.name for path in repo.dist.iterdir()} == FILES
    assert verify(repo, done.output) == [0, 0, 0]

    assert repo.git("log", "-1", "--format=%s", "HEAD^") == "tests: another beginning"
    assert repo.git("rev-parse", f"v{VERSION}^{{}}") == repo.git("rev-parse", "HEAD")
    assert repo.git("log", "-1", "--format=%s, %an") == f"release: {VERSION}, The tests"
    assert repo.git("status", "--porcelain") == ""
    assert "### Added\n\n- What the tests brought." in repo.git("for-each-ref", "--format=%(contents)", "refs/tags")

    today = time.strftime("%Y-%m-%d", time.gmtime())
    changelog = (repo.clone / "CHANGELOG.md").read_text()
    assert f"## [Unreleased]\n\n## [{VERSION}] - {today}\n\n### Added\n\n- What the tests brought.\n" in changelog
    assert f'\nversion = "{VERSION}"\n' in (repo.clone / "pyproject.toml").read_text()
    metadata = f"ssh_jit-{VERSION}.dist-info/METADATA"
    archive = zipfile.ZipFile(repo.dist / f"ssh_jit-{VERSION}-py3-none-any.whl")
    assert f"\nVersion: {VERSION}\n" in archive.read(metadata).decode()
    said = subprocess.run([repo.dist / "ssh-jit-host.pyz", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"ssh-jit-host {VERSION}\n"

    assert repo.state()[3] == [], "the temporary folder is gone"
    assert "SECURITY.md does not name this key yet" in done.output
    again = repo.release(VERSION, "--key", repo.key)
    assert (again.code, "is there already" in again.output) == (1, True)


def test_what_was_changed_after_the_signature_is_found(released: tuple[ReleaseClone, Done]) -> None:
    repo, done = released
    assert verify(repo, done.output) == [0, 0, 0]
    with (repo.dist / "ssh-jit-host.pyz").open("ab") as file:
        file.write(b"x")
    assert verify(repo, done.output)[:2] == [0, 1]
    with (repo.dist / "SHA256SUMS").open("a") as file:
        file.write("\n")
    assert verify(repo, done.output)[0] == 255


def test_a_key_in_an_agent_signs(repo: ReleaseClone) -> None:
    """The private half is in the agent alone, and the release names the public one."""
    socket = repo.folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        with_agent = {**repo.environment, "SSH_AUTH_SOCK": str(socket)}
        empty = 1  # the exit code for an agent that answers and holds nothing; its socket is there before it listens
        ask = ["ssh-add", "-l"]
        wait_until(lambda: subprocess.run(ask, env=with_agent, check=False, capture_output=True).returncode == empty)
        subprocess.run(["ssh-add", "-q", repo.key], env=with_agent, check=True, capture_output=True)
        repo.key.unlink()
        done = repo.release(VERSION, "--key", f"{repo.key}.pub", *QUICK, SSH_AUTH_SOCK=str(socket))
        assert done.code == 0, done.output
        assert verify(repo, done.output) == [0, 0, 0]
    finally:
        agent.terminate()
        agent.wait()


def test_a_skipped_check_is_said_where_everybody_reads_it(repo: ReleaseClone) -> None:
    done = repo.release(VERSION, "--key", repo.key, "--skip-make-test")
    assert "WITHOUT make test" in done.output
    assert repo.log.read_text() == "check\n"
    assert "\nReleased without make test.\n" in repo.git("for-each-ref", "--format=%(contents)", "refs/tags")


def test_from_the_second_release_on_it_is_tried_with_the_one_before(repo: ReleaseClone) -> None:
    for tag in ("v0.9.0", "v0.10.0"):
        repo.git("tag", tag)
    assert repo.release(VERSION, "--dry-run").code == 0
    assert repo.log.read_text() == "check\ntest\ntest-releases v0.10.0\n"
    repo.log.unlink()
    assert repo.release(VERSION, "--dry-run", *QUICK, "--skip-make-test-releases").code == 0
    assert not repo.log.exists()


@pytest.mark.parametrize("key", [True, False], ids=["with a key", "without"])
def test_a_dry_run_does_it_all_and_leaves_nothing(repo: ReleaseClone, *, key: bool) -> None:
    before = repo.state()
    done = repo.release(VERSION, "--dry-run", *(("--key", repo.key) if key else ()))
    assert done.code == 0, done.output
    assert repo.log.read_text() == "check\ntest\n"
    assert f"  ssh_jit-{VERSION}.tar.gz\n" in done.output
    assert done.output.endswith("This was a dry run: nothing was changed.\n")
    assert repo.state() == before


def test_a_key_that_security_md_names_is_not_asked_about(repo: ReleaseClone) -> None:
    (repo.clone / "SECURITY.md").write_text(Path(f"{repo.key}.pub").read_text())
    repo.git("commit", "-qam", "security: who releases")
    assert "does not name this key" not in repo.release(VERSION, "--key", repo.key, *QUICK).output


@pytest.mark.parametrize("target", ["check", "test"])
def test_a_check_that_fails_ends_it_and_leaves_nothing(repo: ReleaseClone, target: str) -> None:
    repo.commit(makefile=f"check test:\n\t@test $@ != {target}\n")
    before = repo.state()
    done = repo.release(VERSION, "--key", repo.key)
    assert done.code == 1
    assert f"release: `make {target}` failed in a clean clone" in done.output
    assert repo.state() == before


def test_a_branch_that_moves_meanwhile_is_not_released(repo: ReleaseClone) -> None:
    repo.commit(makefile=f"check test:\n\t@git -C {repo.clone} commit -q --allow-empty -m meanwhile\n")
    done = repo.release(VERSION, "--key", repo.key)
    assert "release: main changed meanwhile" in done.output
    assert repo.git("tag") == ""
    assert not repo.dist.exists()


def test_being_ended_in_the_middle_leaves_nothing(repo: ReleaseClone) -> None:
    repo.commit(makefile="check:\n\t@echo $$$$ > $(LOG); exec sleep 60\n")
    before = repo.state()
    process = subprocess.Popen(
        repo.command(VERSION, "--key", repo.key),
        cwd=repo.clone,
        env=repo.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: repo.log.exists() and repo.log.read_text().endswith("\n"))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert not Path("/proc", repo.log.read_text().strip()).exists(), "what the check started is ended too"
    assert process.returncode == 130
    assert errors.endswith("release: stopped; nothing of it is left\n")
    assert repo.state() == before


def test_a_power_cut_at_the_last_step_is_explained_and_can_be_finished_or_undone(
    released: tuple[ReleaseClone, Done],
) -> None:
    """The files and the tag were taken, and ``main`` was not moved yet."""
    repo, _ = released
    finished = repo.state()
    repo.git("reset", "-q", "--keep", "HEAD~1")
    done = repo.release(VERSION, "--key", repo.key, *QUICK)
    assert done.code == 1
    assert "a release was interrupted at its last step" in done.output
    finish, undo = re.findall(r"it with: (git .*?)(?:;|$)", done.output, re.MULTILINE)
    subprocess.run(finish, shell=True, cwd=repo.clone, env=repo.environment, check=True, capture_output=True)  # noqa: S602
    assert repo.state() == finished
    repo.git("reset", "-q", "--keep", "HEAD~1")
    subprocess.run(undo, shell=True, cwd=repo.clone, env=repo.environment, check=True, capture_output=True)  # noqa: S602
    assert repo.release(VERSION, "--key", repo.key, *QUICK).code == 0, "files without a tag are replaced"


def test_a_failure_at_the_last_step_takes_everything_back(repo: ReleaseClone) -> None:
    """Main does not move although git has already written the commit's files."""
    hook = repo.clone / ".git" / "hooks" / "reference-transaction"
    hook.write_text('#!/bin/sh\n[ "$1" != prepared ] || ! grep -q refs/heads/main\n')
    hook.chmod(0o755)
    before = repo.state()
    done = repo.release(VERSION, "--key", repo.key, *QUICK)
    assert done.code == 1
    assert "git merge" in done.output
    assert repo.state()[:2] == before[:2]
    assert not repo.dist.exists()


def test_what_it_says_about_undoing_undoes_it(released: tuple[ReleaseClone, Done]) -> None:
    repo, done = released
    undo = re.search(r"^To undo it.*\n  (.*)$", done.output, re.MULTILINE)
    assert undo
    subprocess.run(undo[1], shell=True, cwd=repo.clone, env=repo.environment, check=True, capture_output=True)  # noqa: S602
    assert repo.git("log", "-1", "--format=%s") == "tests: another beginning"
    assert (repo.git("tag"), repo.git("status", "--porcelain")) == ("", "")


def test_one_commit_gives_the_same_bytes_whoever_builds_it(repo: ReleaseClone) -> None:
    """Another folder, another umask, another time zone and another day."""
    found = []
    for number, (umask, zone) in enumerate((("022", "UTC"), ("077", "Asia/Tokyo"))):
        source = repo.folder / f"source{number}" / ("deeper" * number)
        script = f"umask {umask} && git clone -q {repo.clone} {source} && cd {source} && {sys.executable} -m"
        script += f" tools.release.artefacts {repo.folder}/out{number}"
        environment = {**repo.environment, "TZ": zone}
        done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
        found.append(done.stdout)
        time.sleep(1.1)  # zip and gzip keep times by the second or two
    assert found[0] == found[1]
    assert len(found[0].splitlines()) == 3


def test_the_source_archive_builds_the_same_wheel(released: tuple[ReleaseClone, Done]) -> None:
    repo, _ = released
    shutil.unpack_archive(repo.dist / f"ssh_jit-{VERSION}.tar.gz", repo.folder, filter="data")
    epoch = {"SOURCE_DATE_EPOCH": repo.git("log", "-1", "--format=%ct")}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(repo.folder / "wheel")]
    source = repo.folder / f"ssh_jit-{VERSION}"
    subprocess.run(command, cwd=source, env={**repo.environment, **epoch}, capture_output=True, check=True)
    (built,) = (repo.folder / "wheel").iterdir()
    assert built.read_bytes() == (repo.dist / built.name).read_bytes()


def test_a_build_that_depends_on_when_it_is_made_is_refused(repo: ReleaseClone) -> None:
    script = repo.clone / "sshjit" / "host_program.py"
    clock = "{__import__('time').time_ns()}"
    script.write_text(script.read_text().replace('f"Metadata-Version', f'f"X: {clock}\\nMetadata-Version'))
    repo.git("commit", "-qam", "hostconfig: a clock in the file")
    before = repo.state()
    done = repo.release(VERSION, "--key", repo.key, *QUICK)
    assert done.code == 1
    assert "two builds of one commit differ in ssh-jit-host.pyz" in done.output
    assert repo.state() == before
