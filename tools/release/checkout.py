"""The repository that is released from: what must be true of it before, and what it gets in the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.release.errors import ReleaseError
from tools.release.programs import clean_environment, quietly, run
from tools.release.texts import Version, tagged

BRANCH = "main"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A clone with a work tree, at its top folder."""

    top: Path

    def git(self, *words: str | Path) -> str:
        """Run git in it."""
        return run("git", *words, cwd=self.top)

    def require_ready(self, version: Version) -> str:
        """Return the commit to release, if this is a clean ``main`` without the version's tag."""
        branch = quietly("git", "symbolic-ref", "--short", "-q", "HEAD", cwd=self.top)[1] or "no branch"
        if branch != BRANCH:
            raise ReleaseError(f"this is {branch}, and releases are made from {BRANCH}", f"git switch {BRANCH}")
        base = self.git("rev-parse", "HEAD")
        self._require_no_tag(version.tag, base)
        changed = self.git("status", "--porcelain")
        if changed:
            raise ReleaseError(
                f"there are changes that are not committed:\n{changed}",
                "commit them, or put them away with git stash -u",
            )
        return base

    def _require_no_tag(self, tag: str, base: str) -> None:
        code, _ = quietly("git", "rev-parse", "-q", "--verify", f"refs/tags/{tag}", cwd=self.top)
        if code:
            return
        if quietly("git", "rev-parse", "-q", "--verify", f"{tag}^1", cwd=self.top)[1] == base:
            raise ReleaseError(
                f"the tag {tag} is there, and {BRANCH} is not at it: a release was interrupted at its last step",
                f"finish it with: git merge --ff-only '{tag}^{{}}'; or undo it with: git tag -d {tag}",
            )
        raise ReleaseError(
            f"the tag {tag} is there already", "a tag that was published never moves: take a newer version"
        )

    def versions(self) -> list[Version]:
        """Return the versions that have a tag."""
        return tagged(self.git("tag", "--list", "v*"))

    def committer(self) -> dict[str, str]:
        """Return what a clone's configuration must say, so that its commits are by the person who has this one."""
        found: dict[str, str] = {}
        for name in ("user.name", "user.email"):
            _, found[name] = quietly("git", "config", name, cwd=self.top)
            if not found[name]:
                raise ReleaseError(f"git does not know your {name}", f"git config --global {name} …")
        return found

    def read(self, base: str, name: str) -> str:
        """Return the text of a file of a commit."""
        return self.git("show", f"{base}:{name}") + "\n"

    def files(self, version: Version) -> Path:
        """Return where the files of a release go: a folder that git ignores."""
        return self.top / "dist" / str(version)

    def take(self, version: Version, base: str, clone: Path, files: Path) -> None:
        """Take files, tag and commit out of the clone, in this order, so that what is left after a power cut is plain.

        Files without a tag mean nothing, and the next try replaces them. A tag ahead of ``main`` is what
        ``require_ready`` explains. The commit comes last.
        """
        if self.git("rev-parse", "HEAD") != base or self.git("status", "--porcelain"):
            raise ReleaseError(f"{BRANCH} changed meanwhile, so this was not a release of it", "run it again")
        place = self.files(version)
        part = place.with_name(f".{place.name}.part")
        for old in (part, place):
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(files, part)
        part.rename(place)
        ref = f"refs/tags/{version.tag}"
        try:
            self.git("fetch", "-q", "--no-tags", clone, f"{ref}:{ref}")
            self.git("merge", "-q", "--ff-only", f"{version.tag}^{{}}")
        except BaseException:
            quietly("git", "tag", "-d", version.tag, cwd=self.top)
            quietly("git", "reset", "-q", "--merge", base, cwd=self.top)  # files of a commit that did not arrive
            shutil.rmtree(place, ignore_errors=True)
            raise


def find() -> Checkout:
    """Return the checkout around the current folder."""
    code, top = quietly("git", "rev-parse", "--show-toplevel", cwd=Path.cwd())
    if code:
        raise ReleaseError("this is not a git repository", "run it in a clone of the project")
    return Checkout(Path(top))


def check(clone: Path, target: str, *variables: str) -> None:
    """Run one of the Makefile's checks in a clone, on the terminal."""
    process = subprocess.Popen(
        ["make", "-C", clone, target, *variables], env=_of_nobody(), stdin=subprocess.DEVNULL, process_group=0
    )
    try:
        code = process.wait()
    except BaseException:
        _end(process)
        raise
    if code:
        raise ReleaseError(f"`make {target}` failed in a clean clone of what was to be released")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End all that a check started, as Ctrl-C would, and at last by force: its folder is about to go."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)


def _of_nobody() -> dict[str, str]:
    """Return the environment without what the calling make and virtual environment left in it."""
    left = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "VIRTUAL_ENV", "PYTHONPATH")
    return {name: value for name, value in clean_environment().items() if name not in left}
