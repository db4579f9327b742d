"""The story that ``python -m demo`` plays: the main job, step by step, each checked against what really happened."""

from demo.story import access, endings, record, theft
from demo.story.stage import Differs, Stage, for_terminal

CHAPTERS = (
    access.alice_signs_in,
    access.dana_waits,
    access.carol_is_denied,
    access.one_host_is_not_the_next,
    endings.over_is_over,
    theft.the_front_end_is_stolen,
    record.the_log_tells,
)
"""The steps, in their order: later ones build on earlier ones."""


def play(stage: Stage) -> None:
    """Plays the whole story. Raises ``Differs`` at the first thing that is not as it says."""
    for chapter in CHAPTERS:
        chapter(stage)
    stage.passed()


__all__ = ["CHAPTERS", "Differs", "Stage", "for_terminal", "play"]
