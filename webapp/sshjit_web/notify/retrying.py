"""When a delivery that failed is tried again. Pure."""

from __future__ import annotations

FIRST, LONGEST = 2, 3600
"""Seconds of the first pause and of the longest; each is twice the one before."""
MOST_TRIES = 40
LONGEST_LIFE = 86_400
"""Seconds after which nobody wants to hear of it any more."""


def next_try(tries: int, due: int, now: int, chance: float) -> int | None:
    """The time of the next try, or ``None``: it is dead.

    ``tries`` were made, the first could be made at ``due``; ``chance`` is 0 to 1. Half of each pause is left to chance,
    so that many that failed together do not come back together.
    """
    if tries >= MOST_TRIES or now - due >= LONGEST_LIFE:
        return None
    pause = min(LONGEST, FIRST << min(tries - 1, 20))
    return now + max(1, round(pause * (0.5 + chance / 2)))
