"""Two front ends, two CAs with homes of their own, one PostgreSQL server: what is broken of it, and how it is seen.

Whatever ends is started again after a while, as systemd would do; a CA then stands by.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from demo.lab.paths import free_ports
from tests.faults import verdict
from tests.faults.people import Approval, Crowd
from tests.support import postgres, silence, whole_installation
from tests.support.ca_process import CaProcess, run_command
from tests.support.front_ends import Front, started
from tests.support.installation import Installation
from tests.support.issuer import serving
from tests.support.postgres import Postgres
from tests.support.silence import Proxy
from tests.support.waiting import wait_until

NAMES = ("ca", "ca2")
"""Each CA's home."""
RATE = 60.0
"""Things that people do a second, beside the approvals: a machine with two cores has two of everything to run."""
PATIENCE = 60.0
STANDBY = 7.0
"""Seconds in which the other one takes over: only then is what ended started again."""


@dataclass
class Cluster:
    """Everything that runs."""

    home: Path
    ca: Installation
    processes: list[CaProcess]
    fronts: tuple[Front, ...]
    server: Postgres
    proxy: Proxy
    database: str
    """The front ends'."""
    offset: float = 0.0
    _turn: Iterator[int] = field(default_factory=itertools.count)

    @property
    def front(self) -> Front:
        """The next front end: no two questions of one person need go to the same."""
        return self.fronts[next(self._turn) % len(self.fronts)]

    def leader(self) -> int:
        """Which CA writes; waits until one does."""
        found: list[int] = []

        def one() -> bool:
            self.supervise()
            found[:] = [number for number, each in enumerate(self.processes) if each.ready()]
            return bool(found)

        wait_until(one, lambda: f"no CA is ready: {self.logs()[-3000:]}")
        return found[0]

    def start_again(self, number: int) -> None:
        """A CA in the place of one that ended."""
        old = self.processes[number]
        old.end()
        self.processes[number] = CaProcess.start(old.config, old.admin_socket)

    def supervise(self) -> None:
        """Starts again what has ended."""
        for front in self.fronts:
            if front.running.poll() is not None:
                front.start()
        for number, each in enumerate(self.processes):
            if each.process.poll() is not None:
                self.start_again(number)

    def logs(self) -> str:
        """Everything that was printed."""
        files = [each.log for each in self.processes] + [front.log for front in self.fronts]
        return "".join(path.read_text(errors="replace") for path in files if path.exists())

    def end(self) -> None:
        """Ends what was started."""
        for front in self.fronts:
            front.end()
        for each in self.processes:
            with suppress(ProcessLookupError):
                each.process.send_signal(signal.SIGCONT)
            each.end()


@contextmanager
def running(home: Path) -> Iterator[Cluster]:
    """A cluster in ``home``, up; nothing of it runs when the block is left."""
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        server = stack.enter_context(postgres.running())
        proxy = stack.enter_context(silence.proxied(server))
        ca = whole_installation.prepared(home, issuers, proxy.address(server, server.new()))
        configs = _configs(home)
        shared, ports = proxy.address(server, server.bare()), free_ports(2)
        fronts = tuple(Front(_front_config(home, at, port, shared), port) for at, port in enumerate(ports))
        processes: list[CaProcess] = []
        cluster = Cluster(home, ca, processes, fronts, server, proxy, shared)
        stack.callback(cluster.end)
        for config, name in zip(configs, NAMES, strict=True):
            processes.append(CaProcess.start(config, home / f"{name}-admin.sock"))
            processes[-1].notification()
        started(fronts)
        yield cluster


def _configs(home: Path) -> list[Path]:
    """``ca.toml`` of each CA: the same but for its home, with a copy of the keys, and its sockets."""
    text, configs = (home / "ca.toml").read_text(), []
    for name in NAMES:
        if name != NAMES[0]:
            (home / name).mkdir(mode=0o700)
            shutil.copytree(home / NAMES[0] / "keys", home / name / "keys")
        config = home / f"{name}.toml"
        own = text.replace(f'home = "{home}/ca"', f'home = "{home}/{name}"')
        for socket in ("web.sock", "admin.sock"):
            own = own.replace(f"{home}/{socket}", f"{home}/{name}-{socket}")
        config.write_text(own)
        config.chmod(0o600)
        configs.append(config)
    return configs


def _front_config(home: Path, number: int, port: int, database: str) -> Path:
    path = whole_installation.web_config(home, number, port, database)
    sockets = json.dumps([f"{home}/{name}-web.sock" for name in NAMES])
    path.write_text(path.read_text().replace(f'"{home}/web.sock"', sockets))
    return path


def _load() -> float:
    """How many want each core of this machine, 1 at least: so many times slower is everything."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@dataclass
class Play:
    """People at work on a cluster, and what was seen of its faults."""

    cluster: Cluster
    crowd: Crowd
    approval: Approval
    back: dict[str, float] = field(default_factory=dict)
    """By fault: seconds until a certificate came that was asked for after it."""
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, cluster: Cluster, *, rate: float = RATE) -> Play:
        """Lets people work."""
        crowd = Crowd.begin(cluster)
        crowd.pace(rate)
        approval = Approval(cluster, crowd.ledger, whole_installation.HOSTS)
        approval.start()
        return cls(cluster, crowd, approval)

    @contextmanager
    def fault(self, name: str, most: float) -> Iterator[None]:
        """The block makes the fault, or ends it; then the service must be back in ``most`` seconds."""
        yield
        over, ledger = time.monotonic(), self.crowd.ledger
        while ledger.good < over and time.monotonic() - over < PATIENCE:
            if time.monotonic() - over > STANDBY:
                self.cluster.supervise()
            time.sleep(0.05)
        seconds = (ledger.came if ledger.good >= over else time.monotonic()) - over
        self.back[name] = max(self.back.get(name, 0.0), seconds)
        if seconds > most * _load():
            self.wrong.append(f"{name}: the service was back after {seconds:.1f} s")
        self.cluster.supervise()
        print(f"    {name:<46} back after {seconds:4.1f} s", flush=True)

    def end(self) -> list[str]:
        """Everybody stops; what was wrong."""
        self.approval.stopping.set()
        self.crowd.end()
        self.approval.join(30)
        leader = self.cluster.processes[self.cluster.leader()]
        run_command(leader.config, "log", "verify")
        return self.wrong + verdict.problems(self.cluster.ca.config.database, self.crowd.ledger, self.cluster.logs())


MOST = 10.0
"""Seconds until the service is back, on a machine with a core for everybody who wants one."""
LEARNING = 3.0
"""Seconds in which a writer that was replaced learns it: it answers nothing for longer without the database's word."""


def kill_front(play: Play) -> None:
    """SIGKILL to a front end; the other one goes on."""
    with play.fault("front end killed", MOST):
        play.cluster.fronts[0].kill()


def kill_leader(play: Play) -> None:
    """SIGKILL to the CA that writes."""
    leader = play.cluster.leader()
    with play.fault("writing CA killed", MOST):
        play.cluster.processes[leader].process.kill()
        play.cluster.processes[leader].process.wait(PATIENCE)
    if play.cluster.leader() == leader:
        play.wrong.append("the CA that stood by did not take over")


def pause_leader(play: Play) -> None:
    """SIGSTOP to the CA that writes, until another one does; then it wakes up, and must not write."""
    leader = play.cluster.leader()
    process = play.cluster.processes[leader].process
    with play.fault("writing CA paused", MOST):
        process.send_signal(signal.SIGSTOP)
    replaced = play.cluster.processes[1 - leader].ready()
    with play.fault("paused CA woken", MOST):
        process.send_signal(signal.SIGCONT)
        code = process.wait(PATIENCE)
    if not replaced or code != 1:
        play.wrong.append(f"a paused CA was not replaced, or ended with {code} when it woke up")
    play.cluster.supervise()


def cut_connections(play: Play) -> None:
    """Every connection to the database breaks, three times."""
    with play.fault("connections to PostgreSQL cut", MOST):
        for _ in range(3):
            play.cluster.proxy.cut()
            time.sleep(0.3)


def restart_postgres(play: Play) -> None:
    """The server restarts."""
    play.cluster.server.stop()
    with play.fault("PostgreSQL restarted", MOST):
        play.cluster.server.start()


def crash_postgres(play: Play) -> None:
    """As if its machine had gone; it recovers at once."""
    play.cluster.server.stop(signal.SIGQUIT)
    with play.fault("PostgreSQL crashed", MOST):
        play.cluster.server.start()


def hold_network(play: Play) -> None:
    """The network to the database lets nothing through for longer than a lease."""
    with play.cluster.proxy.held():
        time.sleep(8)
    with play.fault("network to PostgreSQL silent", MOST):
        pass


def upgrade(play: Play) -> None:
    """As when a release is installed: every program ends and starts in its turn, while hosts' polls wait."""
    cluster, answers = play.cluster, list[int]()
    time.sleep(LEARNING)  # a fault before this one may have replaced a writer, which ends by itself when it learns that
    cluster.supervise()
    wait_until(lambda: sum(each.ready() for each in cluster.processes) == 1, cluster.logs)
    etags = [_poll(front) for front in cluster.fronts]
    polls = [
        threading.Thread(target=lambda front=front, tag=tag: answers.append(_poll(front, tag)[0]))
        for front, (_, tag) in zip(cluster.fronts, etags, strict=True)
    ]
    for poll in polls:
        poll.start()
    leader = cluster.leader()
    for number in (1 - leader, leader):
        with play.fault("a CA restarted", MOST):
            if (code := cluster.processes[number].end()) not in {0, -signal.SIGTERM}:  # one that stands by just ends
                play.wrong.append(f"a CA that was told to stop ended with {code}")
            cluster.start_again(number)
    for front in cluster.fronts:
        with play.fault("a front end restarted", MOST):
            front.end()
            front.start()
        wait_until(front.ready)
    for poll in polls:
        poll.join(PATIENCE)
    if len(answers) != len(polls) or not set(answers) <= {0, 200, 304, 503}:  # 0, 503: a host asks again
        play.wrong.append(f"polls that waited were answered {answers}")
    if any(_poll(front, "")[0] != 200 for front in cluster.fronts):
        play.wrong.append("a front end gives no bundle after the upgrade")
    if play.crowd.ledger.answers["login_needed"]:
        play.wrong.append("somebody was signed out by the upgrade")


def _poll(front: Front, tag: str = "") -> tuple[int, str]:
    """A host's poll: status and ETag; with the tag of the newest bundle it waits. 0: the connection broke."""
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=PATIENCE)
    headers = {"If-None-Match": tag, "Prefer": "wait=30"} if tag else {}
    try:
        connection.request("GET", "/bundle", headers=headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()
    return answer.status, answer.headers.get("ETag", "")


PLAYS = (kill_front, kill_leader, pause_leader, cut_connections, restart_postgres, upgrade)
"""In ``make test``."""
MORE = (*PLAYS, crash_postgres, hold_network)


def for_minutes(home: Path, minutes: float, chance: random.Random) -> int:
    """Every fault in rounds, for so long; how much was wrong."""
    with running(home) as cluster:
        play = Play.begin(cluster)
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            for fault in chance.sample(MORE, len(MORE)):
                time.sleep(chance.uniform(0.5, 3))
                fault(play)
        wrong = play.end()
        ledger = play.crowd.ledger
        print(f"\ntwo front ends, two CAs: {len(ledger.certificates)} certificates, {play.approval.done} approvals")
        print(f"  longest until it was back: {max(play.back.values()):.1f} s; violations: {len(wrong)}")
        print(f"  errors that people met: {dict(ledger.answers.most_common(8))}")
        for problem in wrong[:40]:
            print(f"  VIOLATION {problem}")
        if wrong:
            _, mark, trace = cluster.logs().partition("Traceback (most recent call last)")
            print(f"{mark}{trace[:4000]}")
    return len(wrong)
