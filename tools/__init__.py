"""Programs for maintainers. Nothing here is shipped, and no other folder imports it."""
