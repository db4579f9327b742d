"""A repository to release from: a clone of this one, with a changelog and checks of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = "check test test-releases:\n\t@echo $@ $(commit) >> $(LOG)\n"
"""Stands in for the checks, which take many minutes. It runs in the clone and writes where a test can read."""
VERSION = "90.1.0"
"""A version that this project has not reached."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended, and all that it printed."""

    code: int
    output: str


@dataclass(frozen=True, slots=True)
class ReleaseClone:
    """The clone, a key beside it, and a folder that takes the place of ``/tmp``."""

    folder: Path

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def log(self) -> Path:
        return self.folder / "checks.log"

    @property
    def dist(self) -> Path:
        return self.clone / "dist" / VERSION

    @property
    def environment(self) -> dict[str, str]:
        """No configuration of the person who runs the tests, and no agent of theirs."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONPATH": str(ROOT),
            "PYTHONSAFEPATH": "1",  # the program of this work tree, not of the commit in the clone
            "TMPDIR": str(self.folder / "tmp"),
            "LOG": str(self.log),
        }

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.clone, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, **files: str) -> None:
        """Write files of the top folder, ``changelog`` for CHANGELOG.md and so on, and commit them."""
        names = {"changelog": "CHANGELOG.md", "makefile": "Makefile", "pyproject": "pyproject.toml"}
        for name, text in files.items():
            (self.clone / names[name]).write_text(text)
        self.git("commit", "-q", "-am", "tests: another beginning")

    def command(self, *words: str | Path) -> list[str]:
        return [sys.executable, "-m", "tools.release", *map(str, words)]

    def release(self, *words: str | Path, cwd: Path | None = None, **more: str) -> Done:
        """Run the release's program as ``make release`` does, with the clone as its folder."""
        command, environment = self.command(*words), {**self.environment, **more}
        done = subprocess.run(
            command,
            cwd=cwd or self.clone,
            env=environment,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return Done(done.returncode, done.stdout.decode())

    def state(self) -> tuple[str, str, list[str], list[str]]:
        """All that a release that failed must leave as it was."""
        refs = self.git("for-each-ref") + self.git("rev-parse", "HEAD")
        dist = sorted(str(path) for path in self.dist.parent.glob("**/*")) if self.dist.parent.exists() else []
        return refs, self.git("status", "--porcelain"), dist, [path.name for path in (self.folder / "tmp").iterdir()]


def make(folder: Path) -> ReleaseClone:
    """Make one in an empty folder."""
    made = ReleaseClone(folder)
    (folder / "tmp").mkdir()
    # By its address, and not by its folder: one pack, where thousands of loose objects would be copied for each test.
    clone = ["git", "clone", "-q", "--no-tags", ROOT.as_uri(), str(made.clone)]
    subprocess.run(clone, check=True, env=made.environment)
    made.git("checkout", "-q", "-B", "main")
    made.git("remote", "remove", "origin")
    made.git("config", "user.name", "The tests")
    made.git("config", "user.email", "tests@example.com")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", made.key], check=True)
    changelog = (made.clone / "CHANGELOG.md").read_text()
    before, _, after = changelog.partition("## [Unreleased]\n")
    past = re.search(r"^## ", after, re.MULTILINE)
    unreleased = "## [Unreleased]\n\n### Added\n\n- What the tests brought.\n\n"
    made.commit(changelog=before + unreleased + (after[past.start() :] if past else ""), makefile=MAKEFILE)
    return made


def copy(made: ReleaseClone, folder: Path) -> ReleaseClone:
    """Make another one, with all that is in this one, in an empty folder."""
    subprocess.run(["cp", "-a", f"{made.folder}/.", folder], check=True)
    copied = ReleaseClone(folder)
    copied.git("status")  # git notes the times of the copied files
    return copied
