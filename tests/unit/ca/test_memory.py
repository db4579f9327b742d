"""What a flood took of the machine's memory is given back."""

from __future__ import annotations

import subprocess
import sys

PIECES = """
from sshjit_ca.machine import memory
returner = memory.Returner()
before = memory.resident()
pieces = [bytearray(b"x" * 60_000) for _ in range(3_000)]
pieces = pieces[::100]
held = memory.resident() - before
returner.look()
print(held, memory.resident() - before)
"""
"""Most of what was taken is freed, between pieces that stay."""
MIB = 1024 * 1024


def test_t77_what_is_freed_between_pieces_that_stay_goes_back_to_the_machine() -> None:
    done = subprocess.run([sys.executable, "-c", PIECES], capture_output=True, text=True, check=True)
    held, kept = map(int, done.stdout.split())
    assert held > 100 * MIB, "the allocator gives it back by itself: nothing is left to do here"
    assert kept < held / 4
