"""The database: what is kept in it, and how a batch becomes durable."""
