"""How a signed bundle is handed out: the newest one, or the newest in the log while no newer one can be recorded."""

from __future__ import annotations

from sshjit import bundle
from sshjit.api.bundle import BundleReply
from sshjit.ca_protocol.operating import ReadBundle
from sshjit_ca.context import Context
from sshjit_ca.ephemeral import SignedBundle


def in_log(context: Context, message: ReadBundle) -> BundleReply | None:
    """The newest bundle whose entry is in the log; ``None`` if there is none that counts."""
    newest = context.bundles.in_log
    if newest is None or context.now >= newest.issued + bundle.LIFETIME:
        return None
    return answer(newest, message)


def answer(newest: SignedBundle, message: ReadBundle) -> BundleReply:
    """This bundle, unless the asker has it, in the newest format that the asker and we know."""
    if message.have == newest.sequence:
        return BundleReply(newest.sequence, None, None)
    known = bundle.format_for(message.format)
    return BundleReply(newest.sequence, *newest.documents[known])
