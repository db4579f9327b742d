"""Words for what hosts report of sessions, in the log's lines for people."""

from __future__ import annotations

from sshjit.events.sessions import Known

KNOWN: dict[Known, str] = {
    "granted": "",
    "emergency": " by an EMERGENCY certificate",
    "unknown": " by a certificate that this log DOES NOT KNOW",
    "elsewhere": " by a certificate that is FOR ANOTHER HOST OR ACCOUNT",
    "probe": " by a probe of the operator",
    "recovery": " by a certificate that the host takes for a RECOVERY or emergency one, and this log does not know",
}
"""Of a session that began: by what."""
WHY_OVER = {
    "logout": "the person left",
    "window": "the time of the access was over",
    "certificate": "the emergency certificate ran out",
    "ended": "the access was ended",
    "revoked": "the certificate was revoked",
    "restart": "the host had restarted",
}
"""Why a session is over."""
