"""What the original package has and ours has not, as a page of the documentation.

`original_names.txt` lists the public names of release 0.8.466 in the parts that plugins reach: `module name …`, and `module:Class member …`
with what the class inherits. Run as a program, this writes the page anew.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[2] / "docs" / "compat" / "workbench-names.md"
HEAD = """# Names of the original `workbench` that are not provided

Made by `python/tests/compat/original_names.py` from the public names of release 0.8.466 in `workbench.api`, `cached`, `core.artifacts`,
`core.views`, `utils` and `web_interface`, and kept true by a test. Why they are not there, and what takes their place, is said in
[the compatibility table](workbench.md#what-is-not-provided). {summary}
"""


def missing() -> tuple[dict[str, list[str]], dict[str, list[str]], dict[str, list[str]], int]:
    """Modules that are not there with their names, names by module, members by class, and how many names were looked for."""
    modules: dict[str, list[str]] = {}
    names: dict[str, list[str]] = {}
    members: dict[str, list[str]] = {}
    count = 0
    for line in (HERE / "original_names.txt").read_text("utf-8").splitlines():
        place, *wanted = line.split()
        module, _, kind = place.partition(":")
        count += len(wanted)
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            modules[module] = wanted
            continue
        owner = getattr(found, kind) if kind else found
        absent = [name for name in wanted if not hasattr(owner, name)]
        if absent:
            (members if kind else names)[place.replace(":", ".")] = absent
    return modules, names, members, count


def page() -> str:
    modules, names, members, count = missing()
    absent = sum(len(each) for found in (modules, names, members) for each in found.values())
    text = HEAD.format(summary=f"Of {count} names, {count - absent} are provided.")
    for title, what, found in (
        ("Modules", "names", modules),
        ("Names of modules that are there", "not provided", names),
        ("Members of classes that are there", "not provided", members),
    ):
        text += f"\n## {title}\n\n| {'class' if found is members else 'module'} | {what} |\n| --- | --- |\n"
        text += "".join(f"| `{place}` | {', '.join(f'`{each}`' for each in absent)} |\n" for place, absent in found.items())
    return text


if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1] / "src"), str(HERE.parents[1] / "src" / "pegboard" / "compat")]
    PAGE.write_text(page(), "utf-8")
