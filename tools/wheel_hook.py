"""What the wheel has that is no file of the sources: ``share/ssh-jit/ssh-jit-host.pyz``. Hatchling runs this."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PLACE = "share/ssh-jit/ssh-jit-host.pyz"


class HostProgram(BuildHookInterface):  # type: ignore[type-arg]  # hatchling says nothing of its parameter
    """Builds the host program, by the same code as everywhere, for the time in which the wheel is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the file. An editable install has no use for it."""
        if version == "editable":
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "hostconfig/build_pyz.py", str(self._file)]
        subprocess.run(command, cwd=self.root, check=True, stdout=subprocess.DEVNULL)
        build_data["shared_data"][str(self._file)] = _PLACE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - its shape
        """Takes the file away again."""
        self._file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return Path(self.directory, f".{Path(_PLACE).name}")
