"""The tables, by topic: what their columns say."""
