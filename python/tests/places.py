"""Where things lie in the checkout."""

from __future__ import annotations

from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "plugins"
COMPAT = Path(__file__).resolve().parents[1] / "src" / "pegboard" / "compat"
PLUGINS = [FIXTURES / name for name in ("good", "misbehaving", "broken_import", "missing_dependency", "clash_one")]
