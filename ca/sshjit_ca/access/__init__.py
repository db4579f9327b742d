"""What handlers share: who may have what, on which terms, until when, and what is shown of it."""
