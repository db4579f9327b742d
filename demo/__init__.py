"""The lab and the story of make demo: real programs on loopback, nothing of it is installed."""
