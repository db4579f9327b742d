"""What the CA asks of the machine that it runs on: clocks, disk, durable files, systemd."""
