"""Components, and the interfaces that plugins implement."""
