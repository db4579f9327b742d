"""The story that ``python -m demo`` plays: the main job, step by step, each checked against what really happened."""

from demo.story import access, endings, record, theft
from demo.story.stage import Stage, StoryFailed, for_terminal

CHAPTERS = (
    access.alice_signs_in,
    access.dana_waits,
    access.carol_is_denied,
    access.a_certificate_is_for_one_host,
    endings.expired_and_revoked_are_refused,
    theft.the_front_end_is_stolen,
    record.the_log_tells,
)
"""The steps, in their order: later ones build on earlier ones."""


def play(stage: Stage) -> None:
    """Plays the whole story. Raises ``StoryFailed`` at the first thing that is not as it says."""
    for chapter in CHAPTERS:
        chapter(stage)
    stage.passed()


__all__ = ["CHAPTERS", "Stage", "StoryFailed", "for_terminal", "play"]
