"""Challenges: how many a login may hold, and which of them gives way."""

from __future__ import annotations

from sshjit_ca.ephemeral import MOST_CHALLENGES, Challenges


def test_a_login_holds_eight_challenges_the_oldest_gives_way_and_no_other_login_pays() -> None:
    out = Challenges()
    other, _ = out.make("other", b"other", 0)
    made = [out.make("login", bytes([number]), 0)[0] for number in range(MOST_CHALLENGES + 2)]
    assert MOST_CHALLENGES == 8
    assert [out.take("login", challenge, 1) for challenge in made] == [False] * 2 + [True] * MOST_CHALLENGES
    assert out.take("other", other, 1)
