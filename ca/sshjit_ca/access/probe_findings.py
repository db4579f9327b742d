"""What a probe of a host can find: the codes that the log keeps, and the sentence for people of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

BAD: Final[dict[str, str]] = {
    "host_certificate_missing": "it shows a plain host key, and it joined with host certificates",
    "host_certificate_foreign": "its host certificate is none of this CA's",
    "host_certificate_name": "its host certificate does not say all names of this host, or is another machine's",
    "host_certificate_over": "its host certificate is not valid now",
    "host_key_unknown": "its host key is none of those that it joined with",
    "not_let_in": "a certificate for it does not open the account",
    "no_session": "the account opens for a certificate, and no session does",
    "not_true": "a certificate that forces `true` ran something else",
    "terminal": "a certificate without a terminal got one",
    "forwarding": "a certificate without port forwarding was forwarded",
    "expired_accepted": "a certificate that ran out opens the account",
    "elsewhere_accepted": "a certificate for another host opens the account",
    "other_ca_accepted": "a certificate of another CA opens the account",
    "open_to_all": "the account opens without any sign-in",
    "other_ways": "the account takes more than certificates, and the host joined with --only-certificates",
    "not_all_tried": "it ended the connection before all was tried (MaxAuthTries, AuthenticationMethods)",
    "no_account": "the CA knows no account on it",
}
"""What is wrong with a host that answers."""
UNREACHABLE: Final[dict[str, str]] = {
    "no_answer": "it did not answer in time",
    "no_connection": "there is no connection to its address",
    "dropped": "it hung up before it said who it is (PerSourcePenalties, MaxStartups)",
    "no_bastion": "its bastion lets no probe pass to it",
    "no_ssh": "what answers there cannot be spoken with by SSH",
}
"""Why nothing can be said of a host."""
SENTENCES: Final[dict[str, str]] = BAD | UNREACHABLE
POST_QUANTUM: Final = ("mlkem", "sntrup")
"""How the parts of key exchanges begin that a quantum computer does not undo."""


def post_quantum(algorithms: Iterable[str]) -> tuple[str, ...]:
    """Those key exchanges that a quantum computer does not undo."""
    return tuple(name for name in algorithms if name.startswith(POST_QUANTUM))
