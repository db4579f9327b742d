"""What ``ssh-jit`` itself costs before it becomes ssh: processor time, by the bare interpreter.

No CA and no host are needed: an entry of a certificate that is alive lies where it is looked for, and ``true`` stands
in for ``ssh``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.measurement import paired
from bench.results import Result, milliseconds
from sshjit_client.ssh import certificate_index, connection_args
from sshjit_client.storage import paths

ROUNDS = 21
BARE = [sys.executable, "-c", "pass"]


def lines(_: object) -> Iterator[Result]:
    """``ssh-jit --version``, and ``ssh-jit web1 true`` with a certificate that is alive."""
    program = str(Path(sys.executable).with_name("ssh-jit"))
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        env = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": name, "XDG_RUNTIME_DIR": name}
        true = shutil.which("true")
        if true is None:
            raise RuntimeError("there is no true")
        (folder / "ssh").symlink_to(true)
        place = Path(paths.places(env)[0])
        login = place / "bench" / "logins" / "one"
        (login / "open").mkdir(parents=True)
        place.chmod(0o700)
        (place / "bench" / "current").symlink_to("logins/one")
        settings = Path(paths.config_folder(env), "installations")
        settings.mkdir(parents=True)
        (settings / "bench.json").touch()
        entry = login / "open" / f"{certificate_index.name_for(connection_args.read(['web1', 'true']))}.conf"
        entry.write_text(f"{certificate_index.HEAD}{int(time.time()) + 3600}\n")
        yield _line("ssh-jit --version", [program, "--version"], env)
        yield _line("ssh-jit web1 true, without ssh", [program, "web1", "true"], env)


def _line(what: str, command: Sequence[str], env: Mapping[str, str]) -> Result:
    """One command by the bare interpreter."""
    ours, bare, ratio = paired(lambda: _processor(command, env), lambda: _processor(BARE, env), ROUNDS)
    return Result("start", what, milliseconds(ours), f"{milliseconds(bare)} python -c pass", ratio, "x", 2.5)


def _processor(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Seconds of the processor."""
    process = subprocess.Popen(command, env=dict(env), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}")
    return used.ru_utime + used.ru_stime
