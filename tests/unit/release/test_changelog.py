"""The changelog is for people who look for one thing: one line for a change, in its place."""

from __future__ import annotations

import re

from tests.support.release_clone import ROOT
from tools.release import texts

LONGEST = 120
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_entry_is_one_short_line_under_a_known_heading() -> None:
    headings = re.split(r"^## \[.*\].*\n", CHANGELOG, flags=re.MULTILINE)
    for release in headings[1:]:
        kinds = re.findall(r"^### (.*)$", release, re.MULTILINE)
        assert kinds == sorted(kinds, key=KINDS.index), "in the order of Keep a Changelog, each once"
        assert len(kinds) == len(set(kinds))
        for line in release.splitlines():
            assert not line or line.startswith(("- ", "### ")), f"an entry is one line; this is a second one: {line}"
            assert len(line) <= LONGEST, f"{len(line)} characters: {line}"


def test_no_entry_is_written_twice() -> None:
    entries = re.findall(r"^- .*$", CHANGELOG, re.MULTILINE)
    assert len(entries) == len(set(entries))


def test_the_changelog_can_be_released() -> None:
    """Every heading is a version, the newest first, and what is unreleased comes before all of them."""
    versions = texts.released(CHANGELOG)
    assert versions == sorted(versions, reverse=True)
    assert re.findall(r"^## \[(.*?)\]", CHANGELOG, re.MULTILINE)[0] == texts.UNRELEASED
