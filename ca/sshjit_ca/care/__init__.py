"""Looking after the CA: health, clock, disk, standby, backups, emergencies."""
