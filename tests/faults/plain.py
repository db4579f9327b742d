"""One CA and one front end as processes, on either database, for whoever only loads them: no root needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.lab.paths import free_ports
from tests.support import postgres, silence, whole_installation
from tests.support.ca_process import PROGRAM, CaProcess, run_command
from tests.support.front_ends import Front, started
from tests.support.installation import Installation
from tests.support.issuer import serving
from tests.support.waiting import wait_until


@dataclass
class Plain:
    """Both of them."""

    ca: Installation
    process: CaProcess
    fronts: tuple[Front, ...]
    offset: float = 0.0
    _turn: int = 0

    @property
    def front(self) -> Front:
        """The next front end."""
        self._turn += 1
        return self.fronts[self._turn % len(self.fronts)]

    def resident(self) -> tuple[int, int]:
        """Bytes of memory of the CA, and of a front end with its worker."""
        return _resident(self.process.process.pid), sum(map(_resident, silence.family(self.fronts[0].running.pid)))

    def logs(self) -> str:
        """Everything that was printed."""
        return "".join(
            path.read_text(errors="replace") for path in (self.process.log, *(each.log for each in self.fronts))
        )

    def verify(self) -> None:
        """The log must be whole."""
        run_command(self.process.config, "log", "verify")


def _resident(pid: int) -> int:
    """Without what was only mapped from files."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return int(lines["VmRSS"].split()[0]) * 1024


@contextmanager
def running(home: Path, database: str, *, fronts: int = 1) -> Iterator[Plain]:
    """Everything up, and down when the block is left; on PostgreSQL front ends share a database."""
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        server = stack.enter_context(postgres.running()) if database == "postgresql" else None
        ca = whole_installation.prepared(home, issuers, server.new() if server else None)
        shared = server.bare() if server else None
        made = tuple(
            Front(whole_installation.web_config(home, number, port, shared or f"sqlite:///{home}/web{number}.db"), port)
            for number, port in enumerate(free_ports(fronts))
        )
        process = CaProcess.start(home / "ca.toml", ca.config.admin_socket, PROGRAM)
        stack.callback(process.end)
        for front in made:
            stack.callback(front.end)
        started(made)
        wait_until(process.ready)
        yield Plain(ca, process, made)
