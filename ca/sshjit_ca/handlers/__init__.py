"""One function for each message: ``(context, message) -> reply``, and nothing else."""
