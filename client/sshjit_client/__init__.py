"""The command that people type: it finds or gets access and then becomes ssh."""
