"""Reports for auditors: the log of a period as tables, printed as HTML or kept as CSV.

``tables`` says which tables there are. ``gathering`` folds the log once and fills them: ``people``, ``requests``,
``acts`` and ``estate`` by topic, ``reach`` by asking every policy in force about everybody and every host, ``tallies``
what is counted. Rows wait on disk (``spool``). ``document`` prints them, ``sheets`` writes them as CSV.
"""
