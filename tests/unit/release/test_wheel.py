"""What the wheel installs besides the packages."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.release_clone import ROOT
from tools.manual import files


def test_the_wheel_has_the_manual_page_and_the_completions(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        places = {name.partition(".data/data/share/")[2]: name for name in archive.namelist() if "/share/" in name}
        assert set(places) == set(files())
        for place, text in files().items():
            assert archive.read(places[place]).decode() == text
