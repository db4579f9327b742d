"""What the operator does beside the running CA: backup, restore, doctor, emergency signing."""
