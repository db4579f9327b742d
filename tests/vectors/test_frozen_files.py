"""Frozen means frozen: what a release left on disks, and said, is never edited to make a test pass.

``frozen.sha256`` lists every file. A release that grows a format adds a folder and lines here; none is changed or lost.
``sha256sum -c frozen.sha256`` in this folder checks the same.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
LISTED = {line[66:]: line[:64] for line in (HERE / "frozen.sha256").read_text().splitlines()}
"""Digest by name."""
FOLDERS = sorted({name.partition("/")[0] for name in LISTED})


@pytest.mark.parametrize("name", sorted(LISTED))
def test_a_frozen_file_is_what_it_was(name: str) -> None:
    assert hashlib.sha256((HERE / name).read_bytes()).hexdigest() == LISTED[name]


def test_every_file_of_a_frozen_folder_is_listed() -> None:
    assert {"bundle-1", "log-0.1", "protocol-1"} <= set(FOLDERS)
    there = {str(path.relative_to(HERE)) for folder in FOLDERS for path in (HERE / folder).rglob("*") if path.is_file()}
    assert there == LISTED.keys()
