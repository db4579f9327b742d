"""Ctrl-C while a program still loads its parts: it ends at once, says nothing, and its exit code tells why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CTRL_C = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"


@pytest.mark.parametrize("program", ["sshjit_ca", "sshjit_web"])
def test_ctrl_c_while_a_program_loads_its_parts_ends_it_quietly(tmp_path: Path, program: str) -> None:
    (tmp_path / "tomllib.py").write_text(CTRL_C)  # found before Python's own, which every one of these programs loads
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", program, "serve"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
