"""Telling people: the CA's log is followed by position, and what concerns somebody is delivered by mail, chat, webhook.

Runs as a process of its own, ``ssh-jit-web notify``. It decides nothing, lengthens nothing and blocks nothing.

``notices`` says who is to hear of an entry and when, ``messages`` and ``payload`` in which words, ``recipients`` over
which channel, and ``planner`` puts the three together; none of them reads or waits. ``log_follower`` asks the CA,
``ledger`` keeps what is owed, ``delivery`` gives it to ``channels`` and ``webhooks``, and ``notifier`` is the loop
around them.
"""
