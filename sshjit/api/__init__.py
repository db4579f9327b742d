"""What HTTP carries: the bodies of calls, and what is shown (``docs/protocol.md``, section 2).

``sshjit/wire.py`` turns these classes into JSON and back. Making a dataclass costs a start about a millisecond, so each
topic is a module, and ``ssh-jit`` loads only those that a command needs: ``views`` and ``ask`` for a connection.
"""
