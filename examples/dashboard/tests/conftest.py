from __future__ import annotations

import sys

# Nothing of a test is left beside the plugin files.
sys.dont_write_bytecode = True
