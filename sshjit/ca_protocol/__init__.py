"""What the programs say to the CA, and what it answers.

Each dataclass without ``Reply`` or ``View`` in its name is one message of the CA's sockets (``ca/sshjit_ca/routes.py``
says which socket takes which). A frame is four bytes of length, big-endian, and then JSON in UTF-8::

    {"v": 1, "id": 7, "type": "sign_user", "body": {"login_id": "…", "request": "…"}}
    {"v": 1, "id": 7, "type": "ok",        "body": {…the reply's fields…}}
    {"v": 1, "id": 7, "type": "error",     "body": {"family": "refused", "code": "…", "message": "…", "hint": "…"}}

``sshjit/wire.py`` turns these classes into JSON and back. Times are whole seconds since the epoch, UTC; durations whole
seconds. ``login_id`` names a verified sign-in; ``login`` is the Unix account on a host. An empty string never stands
for "none": that is ``None``.

What HTTP carries as well stands in ``sshjit/api``; ``ssh-jit`` loads that alone, a module at a time. The CA and the
front end need nearly everything, so that for them all of it has one name: ``from sshjit import ca_protocol as m``.
"""

from __future__ import annotations

from sshjit.api.action_signature import *
from sshjit.api.ask import *
from sshjit.api.bodies import *
from sshjit.api.bundle import *
from sshjit.api.details import *
from sshjit.api.effects import *
from sshjit.api.errors import *
from sshjit.api.explain import *
from sshjit.api.host_sessions import *
from sshjit.api.hosts import *
from sshjit.api.locks import *
from sshjit.api.log import *
from sshjit.api.outcomes import *
from sshjit.api.passkeys import *
from sshjit.api.session import *
from sshjit.api.sign_in import *
from sshjit.api.signed import *
from sshjit.api.views import *
from sshjit.ca_protocol.explain import *
from sshjit.ca_protocol.feed import *
from sshjit.ca_protocol.hosts import *
from sshjit.ca_protocol.inventory import *
from sshjit.ca_protocol.keys import *
from sshjit.ca_protocol.locks import *
from sshjit.ca_protocol.log import *
from sshjit.ca_protocol.logins import *
from sshjit.ca_protocol.metrics import *
from sshjit.ca_protocol.operating import *
from sshjit.ca_protocol.passkeys import *
from sshjit.ca_protocol.probes import *
from sshjit.ca_protocol.requests import *
from sshjit.ca_protocol.table import *
