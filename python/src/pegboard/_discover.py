"""Describes the plugins of an environment without importing any of them.

Run as `python -I _discover.py <distribution name or "">` by the environment's own Python. Prints one JSON object and leaves with
status 0. Well: `{"result": "ok", "python", "plugins", "distributions", "warnings"}`, where `plugins` has one entry per distribution
with entry points of group `flowdapt.plugins` (only the named one, if a name is given). Otherwise: `{"result": "error", "kind",
"message"}` with kind `usage`, `distribution-not-found` or `no-entry-points`.

What is read: metadata files, `RECORD`, `.pth` files and the text of setuptools' editable finders; never a plugin's module.
"""

from __future__ import annotations

import ast
import json
import os
import platform
import re
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any, Final

GROUP: Final = "flowdapt.plugins"
# What of the dialect's API handles frames: it needs numpy, pandas and pyarrow, which the original depends on and its plugins
# therefore do not name.
FRAMES: Final = re.compile(
    r"\bcompute\.artifacts(?:\.dataset\b| import .*\bdataset\b)|\bflowdapt\.builtins\b|\bdataframe_(?:to|from)_artifact\b"
)
# Not data, wherever they stand in a path inside the distribution.
EXCLUDED_NAMES: Final = frozenset({"__pycache__", ".git", ".github", ".pytest_cache", "tests", "docs"})
EXCLUDED_ENDINGS: Final = (".egg-info", ".dist-info")
CODE_ENDINGS: Final = (".py", ".pyc", ".pyi", ".pyo", ".pyd", ".pth", ".so")
# In a source folder that an editable installation names, these are not import names of the distribution.
NOT_MODULES: Final = frozenset(
    {"tests", "test", "docs", "doc", "examples", "benches", "benchmarks", "scripts", "build", "dist", "setup", "conftest", "noxfile"}
)


def main(arguments: list[str]) -> dict[str, object]:
    if len(arguments) != 1:
        return {"result": "error", "kind": "usage", "message": "one argument is needed: a distribution name, or an empty one for all"}
    wanted = normalize(arguments[0])
    found: dict[str, metadata.Distribution] = {}
    warnings: list[str] = []
    for distribution in metadata.distributions():
        name = name_of(distribution)
        if not name:
            warnings.append(f"a distribution without a name was left out: `{getattr(distribution, '_path', '?')}`")
            continue
        # The first on the path is the one that Python imports.
        found.setdefault(normalize(name), distribution)
    if wanted and wanted not in found:
        return {"result": "error", "kind": "distribution-not-found", "message": f"no distribution `{arguments[0]}` is installed"}
    plugins: list[dict[str, object]] = []
    for key, distribution in found.items():
        if wanted and key != wanted:
            continue
        try:
            points = [point for point in distribution.entry_points if point.group == GROUP]
            if points:
                plugins.append(describe(distribution, points))
        except Exception as error:  # one unreadable distribution must not hide the others
            warnings.append(f"`{key}` was left out: {type(error).__name__}: {error}")
    if wanted and not plugins and not warnings:
        return {
            "result": "error",
            "kind": "no-entry-points",
            "message": f"distribution `{arguments[0]}` has no entry points of group `{GROUP}`",
        }
    return {
        "result": "ok",
        "python": platform.python_version(),
        "plugins": plugins,
        "distributions": {name_of(item): version_of(item) for item in found.values()},
        "warnings": warnings,
    }


def name_of(distribution: metadata.Distribution) -> str:
    """Empty for what is left of a broken installation."""
    return field_of(distribution, "Name")


def version_of(distribution: metadata.Distribution) -> str:
    return field_of(distribution, "Version")


def field_of(distribution: metadata.Distribution, name: str) -> str:
    try:
        return str((distribution.metadata.get_all(name) or [""])[0])
    except Exception:  # without a metadata file each Python version fails in its own way
        return ""


def describe(distribution: metadata.Distribution, points: list[metadata.EntryPoint]) -> dict[str, object]:
    """One plugin. `data_files` are relative to `data_root`."""
    recorded = [PurePosixPath(file.as_posix()) for file in distribution.files or []]
    site = Path(str(distribution.locate_file("")))
    direct = read_direct_url(distribution)
    roots = editable_roots(site, recorded)
    names = set(owned_modules(recorded))
    names.update(name for name, _ in roots)
    points_to = unique(point.value.partition(":")[0].strip() for point in points)
    if not names:
        top_level = (distribution.read_text("top_level.txt") or "").split()
        names.update(name for name in top_level if not name.startswith("__editable__"))
    for module in points_to:
        if not any(module == name or module.startswith(name + ".") for name in names):
            names.add(module.partition(".")[0])
    if roots:
        data_root = Path(os.path.commonpath([str(path.parent) for _, path in roots]))
        data_files = sorted({item for _, path in roots for item in walk_data(path, data_root)})
    else:
        data_root = site
        data_files = [str(path) for path in recorded if is_data(path)]
    return {
        "name": name_of(distribution),
        "version": version_of(distribution),
        "metadata": describe_metadata(distribution),
        "entry_points": points_to,
        "modules": sorted(names),
        "data_root": str(data_root),
        "data_files": data_files,
        "uses_frames": uses_frames([path for _, path in roots] or [site / path for path in recorded if path.suffix == ".py"]),
        "editable": bool(roots) or bool(direct.get("dir_info", {}).get("editable")),
        "requested": distribution.read_text("REQUESTED") is not None,
        "direct_url": direct.get("url", ""),
    }


def uses_frames(places: list[Path]) -> bool:
    """Whether code in these files and folders names the dialect's data sets."""
    files = (file for place in places for file in (sorted(place.rglob("*.py")) if place.is_dir() else [place]))
    return any(FRAMES.search(read(file)) for file in files)


def describe_metadata(distribution: metadata.Distribution) -> dict[str, object]:
    """The fields of the directory; a missing one is empty."""
    fields = distribution.metadata

    def field(*names: str) -> str:
        for name in names:
            found = fields.get_all(name)
            if found and found[0] and found[0] != "UNKNOWN":
                return str(found[0])
        return ""

    url = field("Home-page")
    if not url:
        listed = [str(line).partition(",")[2].strip() for line in fields.get_all("Project-URL") or []]
        url = next((item for item in listed if item), "")
    return {
        "name": field("Name"),
        "description": field("Summary"),
        "author": field("Author"),
        "license": field("License", "License-Expression"),
        "url": url,
        "version": version_of(distribution),
        "requirements": [str(line) for line in fields.get_all("Requires-Dist") or []],
    }


def owned_modules(recorded: list[PurePosixPath]) -> list[str]:
    """Import names that the recorded files provide. A namespace package is shared, so of it only what lies below counts."""
    code = [path for path in recorded if path.suffix in {".py", ".so", ".pyd"} and is_importable(path)]
    packages = {path.parent for path in code if path.stem == "__init__"}
    names: set[str] = set()
    for path in code:
        parents = list(reversed(path.parents))[1:]
        owner = next((parent for parent in parents if parent in packages), None)
        if owner is None:
            owner = path.with_name(path.name.partition(".")[0])
        names.add(".".join(owner.parts))
    return sorted(names)


def is_importable(path: PurePosixPath) -> bool:
    parts = (*path.parts[:-1], path.name.partition(".")[0])
    return all(part.isidentifier() for part in parts) and not parts[0].startswith("__editable__") and "__pycache__" not in parts


def editable_roots(site: Path, recorded: list[PurePosixPath]) -> list[tuple[str, Path]]:
    """Import names of an editable installation and the folder or file of each."""
    roots: dict[str, Path] = {}
    for path in recorded:
        if len(path.parts) != 1:
            continue
        if path.suffix == ".pth":
            for line in read(site / path).splitlines():
                folder = site / line.strip()
                if line.strip() and not line.startswith(("import ", "import\t", "#")) and folder.is_dir():
                    roots.update(modules_in(folder))
        elif path.name.startswith("__editable__") and path.name.endswith("_finder.py"):
            roots.update(finder_mapping(read(site / path)))
    return sorted(roots.items())


def modules_in(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for entry in folder.iterdir():
        name = entry.name.partition(".")[0]
        if not name.isidentifier() or name in NOT_MODULES:
            continue
        if (entry.is_dir() and (entry / "__init__.py").is_file()) or (entry.is_file() and entry.suffix == ".py"):
            found[name] = entry
    return found


def finder_mapping(text: str) -> dict[str, Path]:
    """The `MAPPING` constant of a finder that setuptools wrote."""
    for node in ast.parse(text).body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if isinstance(target, ast.Name) and target.id == "MAPPING":
            mapping = ast.literal_eval(node.value)
            return {str(name): Path(str(path)) for name, path in mapping.items()}
    return {}


def is_data(path: PurePosixPath) -> bool:
    if path.suffix in CODE_ENDINGS or ".." in path.parts or path.is_absolute():
        return False
    return not any(part in EXCLUDED_NAMES or part.endswith(EXCLUDED_ENDINGS) for part in path.parts)


def walk_data(root: Path, base: Path) -> list[str]:
    if not root.is_dir():
        return []
    found: list[str] = []
    for directory, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in EXCLUDED_NAMES]
        for name in names:
            path = PurePosixPath((Path(directory) / name).relative_to(base).as_posix())
            if is_data(path):
                found.append(str(path))
    return found


def read_direct_url(distribution: metadata.Distribution) -> dict[str, Any]:
    try:
        value = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).strip().lower()


def unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1:])) + "\n")
