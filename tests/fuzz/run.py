"""Looks for inputs that break a reader, for a bounded time: ``make fuzz``, or ``python -m tests.fuzz.run [TARGET …]``.

Each target runs in a process of its own with little memory. With ``atheris`` (extra ``fuzz``) the search is guided by
the code that an input reaches; without it, seeds and corpus are broken at random. What breaks a reader is written to
``tests/corpus/TARGET``, where every test run tries it again. Decides nothing about what is right: the targets do.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

MEMORY = 1536 * 1024 * 1024
"""Bytes of address space for one target: a reader that eats more has failed."""
MAX_INPUT = 4096
PACKAGES = ["sshjit", "sshjit_ca", "sshjit_host", "sshjit_client"]
GUIDED = importlib.util.find_spec("atheris") is not None


def main() -> int:
    """Runs the chosen targets one after the other; the exit code is 1 if any was broken."""
    parser = argparse.ArgumentParser(prog="tests/fuzz/run.py", description="Look for inputs that break a reader.")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for each target (default 60)")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return _search(arguments.targets[0], arguments.seconds)
    from tests.fuzz.targets import TARGETS

    unknown = set(arguments.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"no target {min(unknown)}; there are {', '.join(TARGETS)}")
    print("guided by atheris" if GUIDED else "at random; with `pip install atheris` the search is guided by coverage")
    return max(_run(name, arguments.seconds) for name in arguments.targets or TARGETS)


def _run(name: str, seconds: int) -> int:
    command = [sys.executable, "-m", "tests.fuzz.run", "--one", name, "--seconds", str(seconds)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    broken = f"BROKEN (exit code {done.returncode})\n{(done.stdout + done.stderr)[-3000:]}"
    found = "nothing found" if done.returncode == 0 else broken
    print(f"{name:<12} {seconds} s  {found}", flush=True)
    return int(done.returncode != 0)


def _search(name: str, seconds: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    return _guided(name, seconds) if GUIDED else _at_random(name, seconds)


def _guided(name: str, seconds: int) -> int:
    import atheris

    with atheris.instrument_imports(include=PACKAGES):
        from tests.fuzz.targets import CORPUS, TARGETS
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(os.environ.get("SSH_JIT_FUZZ_SCRATCH", made)) / name
        scratch.mkdir(exist_ok=True)
        for seed in target.seeds():
            (scratch / sha256(seed).hexdigest()[:16]).write_bytes(seed)
        options = [f"-max_total_time={seconds}", f"-max_len={MAX_INPUT}", "-timeout=5", "-verbosity=0"]
        options += [f"-artifact_prefix={CORPUS / name}/found-", str(scratch), str(CORPUS / name)]
        atheris.Setup([name, *options], target.check)
        atheris.Fuzz()  # ends the process
    return 0


def _at_random(name: str, seconds: int) -> int:
    from tests.fuzz.targets import CORPUS, TARGETS, corpus, within

    target, chance = TARGETS[name], random.Random()  # noqa: S311 - nothing secret
    known = [*target.seeds(), *(path.read_bytes() for path in corpus(name))]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        made = _broken(chance, chance.choice(known))
        try:
            with within():
                target.check(made)
        except BaseException:
            (CORPUS / name / f"found-{sha256(made).hexdigest()[:16]}").write_bytes(made)
            raise
    return 0


def _broken(chance: random.Random, whole: bytes) -> bytes:
    """``whole`` with some bytes turned, put in, taken out or repeated."""
    found = bytearray(whole)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(4):
            case 0 if at < len(found):
                found[at] ^= 1 << chance.randrange(8)
            case 1:
                found[at:at] = chance.randbytes(chance.randint(1, 8))
            case 2:
                del found[at : at + chance.randint(1, 8)]
            case _:
                found[at:at] = found[at : at + chance.randint(1, 64)]
    return bytes(found[:MAX_INPUT])


if __name__ == "__main__":
    sys.exit(main())
