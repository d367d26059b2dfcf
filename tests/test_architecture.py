"""The house rules of docs/architecture.md, read off the syntax tree; nothing is imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

ROOMS = {
    0: "result errors subject trees recording progress one_liner",
    1: "oracles compare hull directions relations diagnosis report strategies backends",
    2: "point estimating long_steps rounding climbing entries surroundings glance probing"
    " exhaustive guilty_layer tied jacobians transposed checking properties training cases"
    " campaign replay",
    3: "pytest_plugin plugin_settings plugin_results hookspecs cli __init__",
}
LEVELS = {room: level for level, rooms in ROOMS.items() for room in rooms.split()}
INDEPENDENT = 1  # rooms of this level meet one level up, never each other

# Where a third party may be imported; a name not listed here (nor below) may be imported nowhere.
FENCES = {
    "hypothesis": ("gradcheck/strategies/", "gradcheck/properties/"),
    "pytest": (
        "gradcheck/pytest_plugin.py",
        "gradcheck/plugin_",
        "gradcheck/hookspecs.py",
        "gradcheck/properties/suite.py",
    ),
    "_pytest": (),
    "torch": ("gradcheck/backends/torch",),
    "jax": ("gradcheck/backends/jax",),
    "jinja2": ("gradcheck/report/",),
    "tqdm": ("gradcheck/progress.py",),
    "distributed": ("gradcheck/campaign", "gradcheck/cli.py"),
    "redis": ("gradcheck/strategies/", "gradcheck/campaign"),
    "scipy": ("gradcheck/",),
    "numpy": ("gradcheck/", "models/", "losses/"),
}
OPTIONAL = {"torch", "jax", "jinja2", "tqdm", "distributed", "redis"}
# Starting pytest, printing a version: these must not pay for what they do not use.
LAZY = (
    "gradcheck/__init__.py",
    "gradcheck/pytest_plugin.py",
    "gradcheck/cli.py",
    "gradcheck/backends/styles.py",  # the other backends import their frameworks
    "gradcheck/strategies/registration.py",  # runs whenever anybody imports Hypothesis
)
PRINTERS = ("gradcheck/cli.py",)
OWN_GENERATORS = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64", "Philox"}
NO_ROOM = {"utils", "util", "helpers", "helper", "common", "misc"}


class Import(NamedTuple):
    target: str
    line: int
    inside_function: bool
    for_types_only: bool


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room_of(module: str) -> str:
    """The room of a module of the package: ``gradcheck.report.html`` is in ``report``."""
    _, _, inner = module.partition(".")
    return inner.partition(".")[0] or "__init__"


class Place(NamedTuple):
    """Where a statement stands."""

    inside_function: bool = False
    for_types_only: bool = False


def imports(tree: ast.Module, path: str, modules: set[str]) -> Iterator[Import]:
    for node, place in _nodes(tree, Place()):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, *place) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, path)
            rooms = [alias for alias in node.names if alias.name != "__version__"]  # a constant
            for alias in rooms:
                submodule = f"{base}.{alias.name}"
                yield Import(submodule if submodule in modules else base, node.lineno, *place)


def _nodes(node: ast.AST, place: Place) -> Iterator[tuple[ast.AST, Place]]:
    for child in ast.iter_child_nodes(node):
        yield child, place
        yield from _nodes(child, _inside(child, place))


def _inside(node: ast.AST, place: Place) -> Place:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return place._replace(inside_function=True)
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return place._replace(for_types_only=True)
    return place


def _absolute(node: ast.ImportFrom, path: str) -> str:
    if not node.level:
        return node.module or ""
    package = path.split("/")[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def import_violations(item: Import, path: str, modules: set[str]) -> Iterator[str]:
    top = item.target.partition(".")[0]
    home = path.partition("/")[0]
    if item.inside_function and top not in OPTIONAL and path not in LAZY:
        yield f"imports {item.target} inside a function"
    if top == home:
        if home == "gradcheck":
            yield from _upward(item.target, path)
    elif top in {"gradcheck", "models", "losses", "tests"}:
        yield f"{home} knows {top}"
    elif top not in sys.stdlib_module_names and not path.startswith(FENCES.get(top, ())):
        yield f"imports {top} outside its fence"


def _upward(target: str, path: str) -> Iterator[str]:
    here, there = room_of(module_name(path)), room_of(target)
    if here == there:
        return
    if there not in LEVELS or here not in LEVELS:
        yield f"{here} or {there} is a room on no level"
    elif LEVELS[there] > LEVELS[here]:
        yield f"{here} (level {LEVELS[here]}) imports {there} (level {LEVELS[there]}) upward"
    elif LEVELS[there] == LEVELS[here] == INDEPENDENT:
        yield f"{here} imports its sibling {there}"


def habit_violations(tree: ast.Module, path: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if _calls(node, "print") and path not in PRINTERS:
            yield node.lineno, "prints"
        if isinstance(node, ast.Attribute) and _global_random(node):
            yield node.lineno, f"uses the global random state ({node.attr})"


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _global_random(node: ast.Attribute) -> bool:
    owner = ast.unparse(node.value)
    if owner in {"np.random", "numpy.random"}:
        return node.attr not in OWN_GENERATORS
    return owner == "random" and node.attr != "Random"


def undocumented(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in tree.body:
        public = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_"
        if public and not ast.get_docstring(node):
            yield node.lineno, f"{node.name} has no docstring"


def violations(sources: Mapping[str, str]) -> list[str]:
    """Every broken rule in files given as path to source, as ``path:line: what``."""
    modules = {module_name(path) for path in sources}
    found = []
    for path, source in sources.items():
        tree = ast.parse(source, path)
        if Path(path).stem in NO_ROOM:
            found.append(f"{path}:1: a module named {Path(path).stem} says nothing of its room")
        for item in imports(tree, path, modules):
            broken = import_violations(item, path, modules)
            found += [f"{path}:{item.line}: {what}" for what in broken]
        rest = [*habit_violations(tree, path), *undocumented(tree)]
        found += [f"{path}:{line}: {what}" for line, what in rest]
    return found


def level_cycles(sources: Mapping[str, str]) -> list[str]:
    """Modules that reach themselves through imports that run when a module is imported."""
    modules = {module_name(path) for path in sources}
    edges = {
        module_name(path): {
            item.target
            for item in imports(ast.parse(source), path, modules)
            if item.target in modules and not (item.inside_function or item.for_types_only)
        }
        for path, source in sources.items()
        if path not in LAZY
    }
    return sorted(module for module in edges if module in _reachable(module, edges))


def _reachable(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    queue = list(edges[start])
    while queue:
        module = queue.pop()
        if module not in seen:
            seen.add(module)
            queue += edges.get(module, ())
    return seen


def shipped_and_subjects() -> dict[str, str]:
    folders = ("gradcheck", "models", "losses")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}


def test_every_house_rule_holds():
    assert violations(shipped_and_subjects()) == []


def test_the_page_names_every_room():
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rooms = {room_of(module_name(path)) for path in shipped_and_subjects() if path[0] == "g"}
    assert {room for room in rooms if room not in page} == set()


def test_every_level_names_rooms_that_exist():
    rooms = {room_of(module_name(path)) for path in shipped_and_subjects()}
    assert set(LEVELS) <= rooms


def test_no_module_reaches_itself():
    assert level_cycles(shipped_and_subjects()) == []


def test_every_python_file_of_the_repository_has_a_telling_name():
    folders = ("tests", "benchmarks", "examples")
    names = {path.stem for folder in folders for path in (ROOT / folder).rglob("*.py")}
    assert names.isdisjoint(NO_ROOM)


def test_test_files_have_unique_names():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


BROKEN = {
    "imports upward": (
        {"gradcheck/trees.py": "from gradcheck.checking import check", "gradcheck/checking.py": ""},
        "trees (level 0) imports checking (level 2) upward",
    ),
    "imports a sibling": (
        {"gradcheck/compare.py": "import gradcheck.oracles.noise"},
        "compare imports its sibling oracles",
    ),
    "imports a sibling, by name": (
        {
            "gradcheck/report/text.py": "from gradcheck import diagnosis",
            "gradcheck/diagnosis.py": "",
        },
        "report imports its sibling diagnosis",
    ),
    "imports a sibling, relatively": (
        {"gradcheck/report/text.py": "from ..compare import judge"},
        "report imports its sibling compare",
    ),
    "imports a sibling, for types only": (
        {"gradcheck/relations.py": "if TYPE_CHECKING:\n    from gradcheck.compare import judge"},
        "relations imports its sibling compare",
    ),
    "imports the facade": (
        {"gradcheck/compare.py": "from gradcheck import Verdict"},
        "compare (level 1) imports __init__ (level 3) upward",
    ),
    "opens a new room": ({"gradcheck/checking.py": "import gradcheck.attic"}, "room on no level"),
    "takes hypothesis out of its rooms": (
        {"gradcheck/checking.py": "from hypothesis import given"},
        "imports hypothesis outside its fence",
    ),
    "takes torch out of its file": (
        {"gradcheck/backends/numpy.py": "import torch"},
        "imports torch outside its fence",
    ),
    "takes pytest out of the plugin": (
        {"gradcheck/training.py": "import pytest"},
        "imports pytest outside its fence",
    ),
    "brings in a stranger": (
        {"gradcheck/compare.py": "import pandas"},
        "imports pandas outside its fence",
    ),
    "imports late": (
        {"gradcheck/compare.py": "def judge():\n    'Judge.'\n    import json"},
        "imports json inside a function",
    ),
    "a model knows the judge": ({"models/dense.py": "import gradcheck"}, "models knows gradcheck"),
    "a model knows a loss": ({"models/dense.py": "from losses import mse"}, "models knows losses"),
    "a loss uses scipy": ({"losses/mse.py": "import scipy"}, "imports scipy outside its fence"),
    "the package knows a model": ({"gradcheck/checking.py": "import models"}, "knows models"),
    "prints": ({"gradcheck/compare.py": "print('x')"}, "prints"),
    "draws from the global state": (
        {"models/dense.py": "import numpy as np\nw = np.random.randn(3)"},
        "uses the global random state (randn)",
    ),
    "seeds the global state": (
        {"models/dense.py": "import random\nrandom.seed(0)"},
        "uses the global random state (seed)",
    ),
    "says nothing of its room": ({"gradcheck/report/utils.py": ""}, "a module named utils"),
    "is not documented": ({"losses/mse.py": "def mse(): pass"}, "mse has no docstring"),
}


@pytest.mark.parametrize(("sources", "what"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_is_found(sources, what):
    found = violations(sources)
    assert len(found) == 1, found
    assert what in found[0]


ALLOWED = {
    "the plugin is lazy": {
        "gradcheck/pytest_plugin.py": "def f():\n    'F.'\n    from gradcheck import report",
        "gradcheck/report/__init__.py": "",
    },
    "a backend imports its framework late": {
        "gradcheck/backends/torch.py": "def f():\n    'F.'\n    import torch.autograd"
    },
    "a generator of its own": {
        "models/dense.py": "import numpy as np\nrng = np.random.default_rng(0)"
    },
    "the version is no room": {"gradcheck/report/text.py": "from gradcheck import __version__"},
    "a type of the level above, within a subject": {
        "models/a.py": "if TYPE_CHECKING:\n    from .b import B",
        "models/b.py": "from .a import A",
    },
    "a room imports its own files": {
        "gradcheck/report/__init__.py": "from gradcheck.report.text import show",
        "gradcheck/report/text.py": "from .lines import line",
    },
}


@pytest.mark.parametrize("sources", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_is_allowed_is_not_reported(sources):
    assert violations(sources) == level_cycles(sources) == []


def test_a_cycle_is_found():
    sources = {
        "gradcheck/checking.py": "import gradcheck.training",
        "gradcheck/training.py": "import gradcheck.properties",
        "gradcheck/properties.py": "from gradcheck import checking",
        "gradcheck/campaign.py": "import gradcheck.checking",
    }
    cycle = ["gradcheck.checking", "gradcheck.properties", "gradcheck.training"]
    assert level_cycles(sources) == cycle
