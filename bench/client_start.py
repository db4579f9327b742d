"""What ``ssh-jit`` itself costs before it becomes ssh: processor time and memory, by the bare interpreter.

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
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.results import Result, milliseconds
from sshjit_client.ssh import certificate_index, connection_args
from sshjit_client.storage import paths

ROUNDS = 21
BARE = [sys.executable, "-c", "pass"]


@dataclass(frozen=True, slots=True)
class Cost:
    """``seconds`` of the processor, and the most ``kilobytes`` that were resident."""

    seconds: float
    kilobytes: int


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
        for what, words, most in (("--version", ["--version"], 2.5), ("web1 true, without ssh", ["web1", "true"], 2.5)):
            ours, bare, ratio, memory = _compare([program, *words], BARE, env)
            yield Result(
                "start", f"ssh-jit {what}", milliseconds(ours), f"{milliseconds(bare)} python -c pass", ratio, "x", most
            )
            yield Result("start", "the same, memory", "", "python -c pass", memory, "x", 1.5)


def _compare(ours: Sequence[str], bare: Sequence[str], env: Mapping[str, str]) -> tuple[float, float, float, float]:
    """Medians of both in seconds, and of ours by the bare interpreter: seconds and memory."""
    pairs = [(_cost(ours, env), _cost(bare, env)) for _ in range(ROUNDS)]
    return (
        median(own.seconds for own, _ in pairs),
        median(base.seconds for _, base in pairs),
        median(own.seconds / base.seconds for own, base in pairs),
        median(own.kilobytes / base.kilobytes for own, base in pairs),
    )


def _cost(command: Sequence[str], env: Mapping[str, str]) -> Cost:
    # A program's memory begins as that of whoever started it: a shell is small.
    shell = ["/bin/sh", "-c", '"$@"; exit $?', "sh"]
    process = subprocess.Popen([*shell, *command], env=dict(env), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss)
