"""``init --example``: commented settings from the wheel, never written over; a missing file names the way to them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sshjit_ca.operations import examples

BIN = Path(sys.executable).parent
MADE = {"ssh-jit-ca": ("ca.toml", "providers.toml", "policy.toml"), "ssh-jit-web": ("web.toml",)}


def run(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_settings_are_written_once_and_the_next_step_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "ssh-jit"
    for program, names in MADE.items():
        said = run(program, "init", "--example", folder)
        for name in names:
            assert f"{folder / name}\n" in said
            assert (folder / name).read_bytes() == (examples.shared() / "etc" / name).read_bytes()
            assert (folder / name).stat().st_mode & 0o777 == 0o644
            (folder / name).write_text("mine")
        assert "\nNext, as root:\n" in said
        unit = next(word for word in said.split() if word.endswith(f"{program}.service"))
        assert Path(unit).read_text().count("[Service]") == 1, "as it was installed"
        assert "already there" in run(program, "init", "--example", folder, code=2)
        assert all((folder / name).read_text() == "mine" for name in names)


def test_a_missing_file_names_the_way_to_one(tmp_path: Path) -> None:
    for words in (("ssh-jit-ca", "init"), ("ssh-jit-ca", "serve"), ("ssh-jit-web", "serve"), ("ssh-jit-web", "notify")):
        said = run(*words, "--config", tmp_path / "none.toml", code=2)
        assert f"hint: {words[0]} init --example /etc/ssh-jit" in said
