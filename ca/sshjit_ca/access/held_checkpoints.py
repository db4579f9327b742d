"""What others hold of the log: a CA that was put back to an older state hears of it from them."""

from __future__ import annotations

import logging

from sshjit_ca.context import Context

_log = logging.getLogger(__name__)


def hold_log_against(context: Context, note: str, descent: str, who: str) -> None:
    """Holds the log against a checkpoint of somebody else's. If it is another log nothing is written from then on.

    ``descent``: what the CA told beside it (``sshjit/lineage.py``); ``who`` brings it, for the operator.
    """
    if (trouble := context.journal.hold_against(note, descent, who)) is not None:
        _log.error("%s (%s brought it)", trouble.message, who)
        context.troubles = (*context.troubles, trouble)
