"""Everything by which a value could begin a line of its own in a file that is read by lines."""

from __future__ import annotations

LINE_ENDS = ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\0")
