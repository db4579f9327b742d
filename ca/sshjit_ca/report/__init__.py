"""Reports for auditors: the log of a period as tables, printed as HTML or kept as CSV.

``tables`` says which tables there are, and ``builder`` builds a report. ``gathering`` folds the log once and fills
tables by topic (``people``, ``requests``, ``activity``, ``changes``). ``access`` asks every policy in force about all
people and hosts (``access_lines``). ``counts`` writes down what was counted. Rows wait on disk (``spool``);
``html_page`` and ``csv_files`` write them out.
"""
