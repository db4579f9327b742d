"""Telling people: the CA's log is followed by position, and what concerns somebody is delivered by mail, chat, webhook.

Runs as a process of its own, ``ssh-jit-web notify``. It decides nothing, lengthens nothing and blocks nothing.

``deciding`` says who is to hear of an entry and when, ``words`` and ``payload`` in which words, ``routing`` by which
way; none of them reads or waits. ``following`` asks the CA, ``store`` keeps what is owed, ``delivering`` gives it to
``channels`` and ``webhooks``, and ``running`` is the loop around them.
"""
