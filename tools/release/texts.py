"""What a release reads and writes in ``pyproject.toml`` and ``CHANGELOG.md``. No input or output: text in, text out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tools.release.errors import ReleaseError

_NUMBER = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
_PROJECT = re.compile(r'(?<=\n)version = "([^"\n]*)"\n')
_HEADING = re.compile(r"^## \[([^\]\n]+)\].*$", re.MULTILINE)
UNRELEASED = "Unreleased"


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version by Semantic Versioning, without a pre-release or build part."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """The name of its git tag."""
        return f"v{self}"


def version(text: str) -> Version:
    """Read ``x.y.z``.

    Raises:
        ReleaseError: if it is anything else.

    """
    found = _NUMBER.fullmatch(text)
    if not found:
        raise ReleaseError(f"{text!r} is not a version", "write three numbers, as in VERSION=0.2.0")
    return Version(*map(int, found.groups()))


def tagged(tags: str) -> list[Version]:
    """Return the versions among the names of tags, one name a line. Tags of another form are not ours."""
    return [version(name[1:]) for name in tags.split() if name.startswith("v") and _NUMBER.fullmatch(name[1:])]


def project_version(pyproject: str) -> Version:
    """Return the version that ``pyproject.toml`` says."""
    return version(_one_line(pyproject)[1])


def with_version(pyproject: str, new: Version) -> str:
    """Return the text of ``pyproject.toml`` with another version."""
    line = _one_line(pyproject)
    return f'{pyproject[: line.start()]}version = "{new}"\n{pyproject[line.end() :]}'


def _one_line(pyproject: str) -> re.Match[str]:
    lines = list(_PROJECT.finditer(pyproject))
    if len(lines) != 1:
        raise ReleaseError(f'pyproject.toml has {len(lines)} lines `version = "…"`, and must have one')
    return lines[0]


def released(changelog: str) -> list[Version]:
    """Return the versions that the changelog describes."""
    return [version(name) for name in _HEADING.findall(changelog) if name != UNRELEASED]


def section(changelog: str, name: str) -> str:
    """Return what stands under a version's heading, without the heading.

    Raises:
        ReleaseError: if there is no such heading, or nothing is listed under it.

    """
    heading = next((found for found in _HEADING.finditer(changelog) if found[1] == name), None)
    if heading is None:
        raise ReleaseError(f"CHANGELOG.md has no heading `## [{name}]`")
    after = _HEADING.search(changelog, heading.end())
    text = changelog[heading.end() : after.start() if after else len(changelog)].strip()
    if not re.search(r"^- ", text, re.MULTILINE):
        raise ReleaseError(
            f"CHANGELOG.md lists nothing under [{name}]", "say there what changed, a line for each change"
        )
    return text


def with_release(changelog: str, new: Version, date: str) -> str:
    """Return the changelog with what was unreleased under the new version, and nothing unreleased."""
    section(changelog, UNRELEASED)
    return changelog.replace(f"## [{UNRELEASED}]\n", f"## [{UNRELEASED}]\n\n## [{new}] - {date}\n", 1)


def require_newer(new: Version, *, project: Version, known: list[Version]) -> None:
    """Raise unless ``new`` follows every version that was released, and is not below the one in ``pyproject.toml``."""
    newest = max(known, default=None)
    if newest is not None and new <= newest:
        raise ReleaseError(f"{new} is not newer than {newest}, which is released", f"choose a version above {newest}")
    if new < project:
        raise ReleaseError(f"{new} is older than {project} in pyproject.toml", f"choose {project} or a later version")
