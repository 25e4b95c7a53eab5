"""What stage code reaches at run time."""
