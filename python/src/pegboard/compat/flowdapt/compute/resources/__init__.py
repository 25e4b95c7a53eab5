"""Resources of the dialect, as far as stage code sees them."""
