"""What is in the wheel, and that other people's type checkers and our own programs believe it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support.release_clone import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {Path(name).name: ROOT / name for name in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
VERSION = PROJECT["project"]["version"]


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Templates, migrations and styles too: whatever the packages' folders hold, less what Python leaves there."""
    expected = {
        f"{package}/{path.relative_to(folder)}"
        for package, folder in FOLDERS.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == expected


@pytest.mark.parametrize("package", FOLDERS)
def test_each_package_says_that_it_is_typed(wheel: Path, package: str) -> None:
    assert f"{package}/py.typed" in zipfile.ZipFile(wheel).namelist()


def test_a_type_checker_reads_the_types_of_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    """The verdict is mypy's: without the marker it answers `import-untyped`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    show = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = subprocess.run([python, "-c", show], check=True, capture_output=True, text=True).stdout.strip()
    zipfile.ZipFile(wheel).extractall(place)
    (tmp_path / "user.py").write_text(
        "from sshjit.errors import SshJitError\nfrom sshjit_host.version import version\n"
        "import sshjit_client, sshjit_ca, sshjit_web\n"
        "def code(error: SshJitError) -> str:\n    return error.code\n\nanswer: int = version()\n"
    )
    mypy = [sys.executable, "-m", "mypy", "--python-executable", str(python), "--no-incremental", "user.py"]
    environment = {key: value for key, value in os.environ.items() if key != "MYPYPATH"}
    done = subprocess.run(mypy, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.count("error:") == 1, done.stdout
    assert 'expression has type "str", variable has type "int"' in done.stdout


@pytest.mark.parametrize("program", PROJECT["project"]["scripts"])
def test_every_program_says_the_one_version(program: str) -> None:
    module = PROJECT["project"]["scripts"][program].partition(":")[0].removesuffix(".__main__")
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{program} {VERSION}\n"


def test_the_version_is_written_once() -> None:
    """No module has it as a constant. ``sshjit/versions.py`` names releases by the formats that they wrote."""
    constant = re.compile(rf"version\w*\s*(: *str *)?=\s*[\"'](ssh-jit )?{re.escape(VERSION)}[\"']", re.IGNORECASE)
    assert constant.search(f'__version__ = "{VERSION}"')
    sources = [path for folder in FOLDERS.values() for path in folder.rglob("*.py")]
    assert [path for path in sources if constant.search(path.read_text())] == []
