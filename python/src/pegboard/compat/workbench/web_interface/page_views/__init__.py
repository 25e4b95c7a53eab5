"""What pages show, as frames."""
