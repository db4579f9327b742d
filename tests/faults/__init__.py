"""Faults on a real installation under load: kills, outages, disks, clocks, older copies. ``make faults`` plays them.

One CA, one front end, SQLite or PostgreSQL, and people who draw certificates over HTTP at half of what was measured.
After each fault the service must be back in seconds, and while it is there everybody must be told the truth. In the
end the log is held against what people received.
"""
