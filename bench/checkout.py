"""Another commit of this repository, checked out with an environment of its own, and this benchmark laid over it.

So the two sides differ by what is measured, and not by how. A checkout stays in ``.cache/against`` for the next time.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.processes import ROOT

FOLDER = ROOT / ".cache" / "against"


def prepare(commit: str) -> Path:
    """The folder of a checkout that is ready to run.

    Raises:
        ValueError: there is no such commit.

    """
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
    if found.returncode:
        raise ValueError(f"there is no commit {commit!r}")
    sha = found.stdout.strip()
    folder = FOLDER / sha[:12]
    if not (folder / ".git").exists():
        _git("worktree", "prune")
        made = _git("worktree", "add", "--detach", "--force", str(folder), sha)
        if made.returncode:
            raise RuntimeError(made.stderr)
    shutil.rmtree(folder / "bench")
    shutil.copytree(ROOT / "bench", folder / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["make", "-s", "setup"], cwd=folder, check=True)
    return folder


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
