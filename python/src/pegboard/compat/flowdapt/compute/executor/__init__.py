"""What runs stages."""
