"""Reports for auditors: the log of a period as tables, printed as HTML or kept as CSV.

``tables`` says which tables there are. ``gathering`` folds the log once and fills them: ``people``, ``requests``,
``acts`` and ``estate`` by topic. ``reach`` asks every policy in force about everybody and every host (``answers``,
``week``); ``counted`` writes down what was counted. Rows wait on disk (``spool``), ``document`` prints them, ``sheets``
writes them as CSV.
"""
