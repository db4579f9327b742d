"""The story that ``make demo`` plays comes true, from an empty folder to the last line."""

from __future__ import annotations

import os
import subprocess
import sys

from demo import isolate


def test_the_story_passes() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=isolate.REPOSITORY,
        env=os.environ | {"NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.stdout.splitlines()[-1] == "demo: passed", ran.stdout + ran.stderr
    assert ran.returncode == 0
    assert ran.stderr == ""
    assert "\x1b" not in ran.stdout
    for number in range(1, 8):
        assert f"\n{number}. " in ran.stdout
