"""Components as SageWorks had them, which was the name until December 2024."""
