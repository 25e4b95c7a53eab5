"""What the measurements need before they begin: the binaries, the peers' environment, a place for data."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["FLOWDAPT", "PEERS", "ROOT", "Workshop", "prepare"]

ROOT: Final = Path(__file__).resolve().parents[2]

# Flowdapt admits releases of its web framework that have taken away what it calls.
FLOWDAPT: Final = ["flowdapt==0.1.52", "starlette<1"]
SOCKETIO: Final = ["python-socketio>=5.13", "uvicorn[standard]"]
DASH: Final = ["dash==4.2.0", "gunicorn", "plotly>=6.5,<7", "pandas>=2.2,<3"]
PEERS: Final = ["dask[distributed]", "numpy", "pandas", "psutil", "pyarrow", "ray"]


@dataclass(frozen=True)
class Workshop:
    """Paths, and a way to tell the user what happens."""

    pegboard: Path
    """The server's binary."""
    measure: Path
    """The engine's example of that name."""
    target: Path
    """Where environments of peers are made."""
    data: Path
    """Where servers and engines keep what they write; emptied at the beginning."""
    log: Path
    """What the children say on standard error."""
    say: Callable[[str], None]

    @property
    def python(self) -> Path:
        """The interpreter that has the peers; its environment is made when it is asked for."""
        return _environment(self.target / "bench-venv", PEERS, self.say)

    def peer(self, name: str) -> list[str]:
        """The command that starts a peer."""
        return [str(self.python), str(ROOT / "benches" / "peers" / f"{name}.py")]

    def flowdapt(self, plugin: Path) -> Path:
        """Flowdapt's own command, in an environment of its own that has the plugin."""
        python = _environment(self.target / "bench-flowdapt", [*FLOWDAPT, str(plugin)], self.say)
        return python.parent / "flowdapt"

    @property
    def socketio(self) -> Path:
        """The interpreter that has python-socketio and uvicorn."""
        return _environment(self.target / "bench-socketio", SOCKETIO, self.say)

    @property
    def dash(self) -> Path:
        """The interpreter that has Dash and gunicorn."""
        return _environment(self.target / "bench-dash", DASH, self.say)

    @property
    def python_here(self) -> Path:
        """The interpreter that runs this: for load that needs the standard library only."""
        return Path(sys.executable)

    def plugin(self, name: str) -> Path:
        return ROOT / "benches" / "plugins" / name

    def versions(self) -> str:
        """Of the peers whose environments there are, in one line."""
        code = "import sys; from importlib.metadata import version; print(', '.join(f'{n} {version(n)}' for n in sys.argv[1:]))"
        told = []
        for folder, packages in (
            ("bench-venv", [*PEERS, "distributed"]),
            ("bench-flowdapt", ["flowdapt"]),
            ("bench-socketio", ["python-socketio", "uvicorn"]),
            ("bench-dash", ["dash", "gunicorn", "plotly"]),
        ):
            python = self.target / folder / "bin" / "python"
            if python.exists():
                names = sorted(package.partition("[")[0] for package in packages)
                done = subprocess.run([str(python), "-c", code, *names], check=True, capture_output=True, text=True)
                told.append(done.stdout.strip())
        return ", ".join(told)


def prepare(target: Path, build: bool, say: Callable[[str], None]) -> Workshop:
    """Builds what is not there. Environments of peers are made when they are needed, and whenever what they hold changes."""
    if build:
        _run(say, ["cargo", "build", "--release", "-p", "pegboard-server"])
        _run(say, ["cargo", "build", "--release", "-p", "pegboard-engine", "--example", "measure"])
    pegboard, measure = target / "release" / "pegboard", target / "release" / "examples" / "measure"
    for binary in (pegboard, measure):
        if not binary.exists():
            raise SystemExit(f"{binary} does not exist; leave `--no-build` out")

    data = target / "bench-data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    return Workshop(pegboard, measure, target, data, data / "children.log", say)


def _environment(folder: Path, packages: list[str], say: Callable[[str], None]) -> Path:
    python, marker, made_of = folder / "bin" / "python", folder / "made-of", "\n".join(packages)
    if marker.exists() and marker.read_text(encoding="utf-8") == made_of:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv")
    if uv is not None:
        _run(say, [uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _run(say, [uv, "pip", "install", "--quiet", "--python", str(python), *packages])
    else:
        _run(say, [sys.executable, "-m", "venv", str(folder)])
        _run(say, [str(python), "-m", "pip", "install", "--quiet", *packages])
    marker.write_text(made_of, encoding="utf-8")
    return python


def _run(say: Callable[[str], None], command: list[str]) -> None:
    say(" ".join(command))
    subprocess.run(command, check=True, cwd=ROOT)
