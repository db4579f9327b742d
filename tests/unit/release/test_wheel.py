"""What the wheel installs besides the packages."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

from sshjit_ca.cli import join_line
from tests.support.release_clone import ROOT
from tools.manual import files


def test_the_wheel_has_manual_completions_examples_and_units(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        places = {name.partition(".data/data/share/")[2]: name for name in archive.namelist() if "/share/" in name}
        wanted = files() | {
            f"ssh-jit/{kind}/{path.name}": path.read_text()
            for kind in ("etc", "systemd")
            for program in ("ca", "webapp", "hostconfig")
            if (ROOT / program / kind).is_dir()
            for path in (ROOT / program / kind).iterdir()
        }
        assert len(wanted) == len(files()) + 5 + 5
        program = archive.read(places.pop("ssh-jit/ssh-jit-host.pyz"))
        assert hashlib.sha256(program).hexdigest() == join_line.digest(), "what joining lines name"
        assert set(places) == set(wanted)
        for place, text in wanted.items():
            assert archive.read(places[place]).decode() == text
