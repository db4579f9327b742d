"""What is not released: each case by itself, said in one line with what to do, and everything as it was."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.release_clone import VERSION, ReleaseClone
from tools.release import texts
from tools.release.errors import ReleaseError


def _a_changed_file(repo: ReleaseClone) -> None:
    (repo.clone / "README.md").write_text("changed\n")


def _a_new_file(repo: ReleaseClone) -> None:
    (repo.clone / "forgotten.py").write_text("")


def _another_branch(repo: ReleaseClone) -> None:
    repo.git("switch", "-q", "-c", "topic")


def _no_branch(repo: ReleaseClone) -> None:
    repo.git("switch", "-q", "--detach")


def _its_tag(repo: ReleaseClone) -> None:
    repo.git("tag", f"v{VERSION}")


def _a_newer_tag(repo: ReleaseClone) -> None:
    repo.git("tag", "v90.10.0")


def _a_newer_one_in_the_changelog(repo: ReleaseClone) -> None:
    """A clone without tags still knows what was released."""
    changelog = (repo.clone / "CHANGELOG.md").read_text()
    repo.commit(changelog=f"{changelog}\n## [{VERSION}] - 2030-01-01\n\n### Added\n\n- It.\n")


def _a_newer_one_in_the_project(repo: ReleaseClone) -> None:
    project = (repo.clone / "pyproject.toml").read_text()
    repo.commit(pyproject=texts.with_version(project, texts.version("91.0.0")))


def _nothing_new(repo: ReleaseClone) -> None:
    changelog = (repo.clone / "CHANGELOG.md").read_text()
    repo.commit(changelog=changelog.replace("- What the tests brought.\n\n", ""))


def _no_heading(repo: ReleaseClone) -> None:
    changelog = (repo.clone / "CHANGELOG.md").read_text()
    repo.commit(changelog=changelog.replace("## [Unreleased]\n", ""))


def _no_name(repo: ReleaseClone) -> None:
    repo.git("config", "--unset", "user.name")


def _no_key(repo: ReleaseClone) -> None:
    repo.key.unlink()


def _a_key_that_is_none(repo: ReleaseClone) -> None:
    repo.key.write_text("hello")
    Path(f"{repo.key}.pub").unlink()


def _a_private_key_that_is_elsewhere(repo: ReleaseClone) -> None:
    repo.key.unlink()
    Path(f"{repo.key}.pub").rename(repo.key)


@pytest.mark.parametrize(
    ("prepare", "says", "hint"),
    [
        (_a_changed_file, "there are changes that are not committed:\n M README.md", "git stash"),
        (_a_new_file, "there are changes that are not committed:\n?? forgotten.py", "git stash -u"),
        (_another_branch, "this is topic, and releases are made from main", "git switch main"),
        (_no_branch, "this is no branch, and releases", "git switch main"),
        (_its_tag, f"the tag v{VERSION} is there already", "take a newer version"),
        (_a_newer_tag, f"{VERSION} is not newer than 90.10.0", "above 90.10.0"),
        (_a_newer_one_in_the_changelog, f"{VERSION} is not newer than {VERSION}", f"above {VERSION}"),
        (_a_newer_one_in_the_project, f"{VERSION} is older than 91.0.0 in pyproject.toml", "91.0.0"),
        (_nothing_new, "CHANGELOG.md lists nothing under [Unreleased]", "say there what changed"),
        (_no_heading, "CHANGELOG.md has no heading `## [Unreleased]`", ""),
        (_no_name, "git does not know your user.name", "git config"),
        (_no_key, "there is no key", "name a private key"),
        (_a_key_that_is_none, "is no SSH key that ssh-keygen can read", "public half"),
        (_a_private_key_that_is_elsewhere, "the key does not sign", "ssh-add -l"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_refused(repo: ReleaseClone, prepare: Callable[[ReleaseClone], None], says: str, hint: str) -> None:
    prepare(repo)
    before = repo.state()
    done = repo.release(VERSION, "--key", repo.key)
    assert done.code == 1
    assert says in done.output
    assert "Traceback" not in done.output
    assert hint in done.output.partition("\nhint: ")[2]
    assert repo.state() == before
    assert not repo.log.exists(), "it is refused before the checks, which take long"


def test_outside_of_a_repository_it_says_so(repo: ReleaseClone) -> None:
    done = repo.release(VERSION, "--key", repo.key, cwd=repo.folder)
    assert done.output.startswith("release: this is not a git repository\nhint: ")


@pytest.mark.parametrize("text", ["", "1", "1.2", "v1.2.3", "1.2.3rc1", "01.2.3", "1.2.3\n", "1.2.-3", "١.٢.٣"])  # noqa: RUF001
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ReleaseError, match="is not a version"):
        texts.version(text)


def test_a_release_without_a_key_is_a_usage_error(repo: ReleaseClone) -> None:
    done = repo.release(VERSION)
    assert done.code == 2
    assert "a release is signed: name a key" in done.output


def test_make_hands_over_version_key_and_options() -> None:
    command = ["make", "-n", "release", "VERSION=1.2.3", "KEY=a key", "OPTIONS=--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "-m tools.release 1.2.3 --key 'a key' --dry-run\n" in done.stdout


CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Fixed\n\n- One.\n\n## [1.2.3] - 2030-01-01\n\n### Added\n\n- All.\n"


def test_the_changelog_keeps_what_was_released() -> None:
    new = texts.with_release(CHANGELOG, texts.version("1.3.0"), "2030-02-01")
    assert new == CHANGELOG.replace("## [Unreleased]", "## [Unreleased]\n\n## [1.3.0] - 2030-02-01")
    assert [str(each) for each in texts.released(new)] == ["1.3.0", "1.2.3"]
    assert texts.section(new, "1.3.0") == "### Fixed\n\n- One."
    with pytest.raises(ReleaseError, match="lists nothing"):
        texts.section(new, texts.UNRELEASED)


def test_only_the_projects_own_version_changes() -> None:
    text = '[build]\nx = 1\n[project]\nversion = "1.2.3"\n[tool.other]\ntarget-version = "py311"\n'
    assert texts.with_version(text, texts.version("1.10.0")) == text.replace("1.2.3", "1.10.0")
    with pytest.raises(ReleaseError, match="has 2 lines"):
        texts.with_version(f'{text}version = "2"\n', texts.version("1.10.0"))


def test_versions_are_compared_as_numbers() -> None:
    assert texts.version("0.10.0") > texts.version("0.9.9")
    assert texts.tagged("v0.9.0 pre8 v1.0.0-rc1 v0.10.0 0.11.0") == [texts.version("0.9.0"), texts.version("0.10.0")]
