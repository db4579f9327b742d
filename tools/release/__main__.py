"""``make release VERSION=x.y.z KEY=file``: the command line, and the steps in their order.

Exit codes: 0 done, 1 no release (and nothing of one is left), 2 usage.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from tools.release import artefacts, checkout, signing, texts
from tools.release.checkout import Checkout
from tools.release.errors import ReleaseError
from tools.release.programs import run

CHECKS = ("check", "test", "test-releases")
"""Targets of the Makefile that must succeed; the last one with the release before this one, once there is one."""


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    top = argparse.ArgumentParser(
        prog="release",
        description="Makes a release of a clean main: version, changelog, checks, files, signatures, tag. "
        "Everything happens in a clone; this repository gets all of it at the end, or nothing. Nothing is published.",
        epilog="docs/release.md explains every step.",
    )
    top.add_argument("version", metavar="VERSION", help="three numbers, newer than every release: 0.2.0")
    top.add_argument(
        "--key",
        type=Path,
        help="SSH key that signs: a private key's file, or the .pub of one in an agent or on a device",
    )
    top.add_argument("--dry-run", action="store_true", help="do all of it in the clone, and then throw it away")
    for target in CHECKS:
        top.add_argument(f"--skip-make-{target}", action="store_true", help=f"release without `make {target}`")
    return top


def main() -> int:
    """Run the command line; return its exit code."""
    arguments = parser().parse_args()
    if not arguments.key and not arguments.dry_run:
        parser().error("a release is signed: name a key (KEY=~/.ssh/id_ed25519); only --dry-run does without")
    signal.signal(signal.SIGTERM, _leave)
    os.umask(0o022)
    try:
        _release(arguments)
    except ReleaseError as error:
        print(f"release: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"release: {error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("release: stopped; nothing of it is left", file=sys.stderr)
        return 130
    return 0


def _release(arguments: argparse.Namespace) -> None:
    version = texts.version(arguments.version)
    repository = checkout.find()
    base = repository.require_ready(version)
    pyproject, changelog = (repository.read(base, name) for name in ("pyproject.toml", "CHANGELOG.md"))
    project, known = texts.project_version(pyproject), [*repository.versions(), *texts.released(changelog)]
    texts.require_newer(version, project=project, known=known)
    texts.section(changelog, texts.UNRELEASED)
    key = signing.find(arguments.key) if arguments.key else None
    with tempfile.TemporaryDirectory(prefix="ssh-jit-release-") as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)  # the front end of the tests runs as another user, and reads the program in here
        if key:
            _step("trying the key")
            signing.sign(key, _written(scratch / "trial", "can this key sign?\n"))
        clone = _commit(repository, base, version, scratch / "source", repository.committer())
        _step("building twice")
        files = scratch / "files"
        digests = artefacts.build_twice(clone, scratch, files)
        skipped = _checks(arguments, clone, scratch / "checked", max(repository.versions(), default=None))
        _written(files / artefacts.SUMS, digests)
        if key:
            _step("signing digests and tag")
            signing.sign(key, files / artefacts.SUMS)
            notes = texts.section((clone / "CHANGELOG.md").read_text(encoding="utf-8"), str(version))
            signing.tag(key, clone, version.tag, f"ssh-jit {version}\n\n{skipped}{notes}\n")
        if arguments.dry_run:
            print(f"\n{digests}\n{version} could be released. This was a dry run: nothing was changed.")
        elif key:
            repository.take(version, base, clone, files)
            print(_report(repository, version, key))


def _commit(repository: Checkout, base: str, version: texts.Version, clone: Path, committer: dict[str, str]) -> Path:
    """Make the release's commit in a clone that shares nothing with the repository."""
    _step(f"committing {version} in a clone")
    run("git", "clone", "-q", "--no-hardlinks", repository.top, clone, cwd=clone.parent)
    run("git", "checkout", "-q", "-B", checkout.BRANCH, base, cwd=clone)
    for name, value in committer.items():
        run("git", "config", name, value, cwd=clone)
    project, changelog = clone / "pyproject.toml", clone / "CHANGELOG.md"
    _written(project, texts.with_version(project.read_text(encoding="utf-8"), version))
    today = time.strftime("%Y-%m-%d", time.gmtime())
    _written(changelog, texts.with_release(changelog.read_text(encoding="utf-8"), version, today))
    message = f"release: {version}"
    run("git", "commit", "-q", "--no-verify", "-am", message, cwd=clone)
    return clone


def _checks(arguments: argparse.Namespace, source: Path, clone: Path, previous: texts.Version | None) -> str:
    """Run what is not skipped in a clone of its own; return a line for the tag on what was skipped, or nothing."""
    due = CHECKS if previous else CHECKS[:-1]
    skipped = [target for target in due if getattr(arguments, f"skip_make_{target.replace('-', '_')}")]
    run("git", "clone", "-q", source, clone, cwd=clone.parent)
    for target in due:
        if target in skipped:
            _step(f"WITHOUT make {target}")
        else:
            _step(f"make {target}, in a clean clone")
            with_it = (f"commit={previous.tag}",) if previous and target == CHECKS[-1] else ()
            checkout.check(clone, target, *with_it)
    return f"Released without make {' and '.join(skipped)}.\n\n" if skipped else ""


def _report(repository: Checkout, version: texts.Version, key: signing.Key) -> str:
    files = repository.files(version)
    names = "\n".join(f"  {path.name}" for path in sorted(files.iterdir()))
    published = (repository.top / "SECURITY.md").read_text(encoding="utf-8")
    verify = (
        f"ssh-keygen -Y verify -f allowed_signers -I {signing.IDENTITY} -n {signing.NAMESPACE} -s {{0}}.sig < {{0}}"
    )
    note = (
        ""
        if key.public in published
        else "\nSECURITY.md does not name this key yet: add the line below to it before you publish."
    )
    return f"""
ssh-jit {version} is made, and nothing is published. {files.relative_to(repository.top)}/ holds
{names}
{note}
To publish it: put these files where people get them, and
  git push --atomic origin {checkout.BRANCH} {version.tag}
To undo it, as long as nothing is pushed:
  git tag -d {version.tag} && git reset --keep HEAD~1

To verify the files, others put this line into a file allowed_signers
  {key.allowed_signers}
and run, where the files are,
  {verify.format(artefacts.SUMS)}
  sha256sum --strict -c {artefacts.SUMS}
To verify the tag, with the same file in the top folder of a clone:
  git -c gpg.ssh.allowedSignersFile=allowed_signers verify-tag {version.tag}"""


def _step(text: str) -> None:
    print(f"release: {text}", file=sys.stderr, flush=True)


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _leave(_number: int, _frame: FrameType | None) -> None:
    """End by SIGTERM as by Ctrl-C: the temporary folder goes, and the repository is as it was."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
