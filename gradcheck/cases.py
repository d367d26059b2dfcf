"""One unit of work as data: what to check, named by import path, and from which seed.

A case holds no callable and no array, so it means the same in another process, on another machine
and next month. A failing one is kept as a small file until it is fixed.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from gradcheck.errors import InvalidArgument
from gradcheck.recording import PROPERTY_MARK
from gradcheck.report import json_lines
from gradcheck.report.evidence import whole

Json = dict[str, Any]

DEFAULT_EXAMPLES = 25
"""Examples of one case: enough to pay for the import, few enough to lose little in a kill."""


@dataclass(frozen=True, slots=True)
class CaseSpec:
    """What to check and from which seed; JSON-able.

    Attributes
    ----------
    subject : str
        ``"module:attribute"`` or ``"module:SUITE[name]"``: a test made by ``vjp_test`` and its
        sisters, any test function without arguments, or a pair ``(subject, inputs)``.
    seed : int
        Seed of the examples; another seed is another case.
    examples : int
        Examples drawn by a property test.
    """

    subject: str
    seed: int = 0
    examples: int = DEFAULT_EXAMPLES

    @property
    def id(self) -> str:
        """Short stable name of the case.

        >>> CaseSpec("m:f").id == CaseSpec("m:f", seed=0).id != CaseSpec("m:f", seed=1).id
        True
        """
        content = json.dumps(asdict(self), sort_keys=True)
        return blake2b(content.encode(), digest_size=6).hexdigest()

    def to_json(self) -> Json:
        """The case as JSON values.

        >>> CaseSpec.from_json(CaseSpec("m:f", seed=3).to_json())
        CaseSpec(subject='m:f', seed=3, examples=25)
        """
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CaseSpec:
        """The case that `to_json` wrote; unknown fields are an InvalidArgument."""
        try:
            spec = cls(**data)
        except TypeError as error:
            raise InvalidArgument(f"not a case this gradcheck can read: {error}") from error
        if not (isinstance(spec.subject, str) and isinstance(spec.seed, int)):
            raise InvalidArgument(f"not a case: subject {spec.subject!r}, seed {spec.seed!r}")
        return spec


def suite_members(path: str) -> list[str]:
    """Import paths of all that a suite holds.

    Parameters
    ----------
    path : str
        ``"module:SUITE"`` for a list, tuple or mapping; ``"module"`` for every test that
        ``vjp_test`` and its sisters put into a module; ``"module:test"`` for one.

    Raises
    ------
    InvalidArgument
        There is no such module or attribute, or nothing in it to check.
    """
    module, _, attribute = path.partition(":")
    if not attribute:
        members = [f"{module}:{name}" for name in _properties_of(_import(module))]
    else:
        members = list(_members(path, resolve(path)))
    if not members:
        raise InvalidArgument(
            f"{path} holds nothing to check: expected tests made by gradcheck.vjp_test, or "
            "'module:NAME' of a list of them"
        )
    return members


def resolve(path: str) -> Any:
    """The object that an import path names."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise InvalidArgument(f"{path!r} is no import path: expected 'module:attribute'")
    owner: Any = _import(match["module"])
    for name in match["attribute"].split("."):
        if not hasattr(owner, name):
            raise InvalidArgument(f"{path}: {owner!r} has no attribute {name!r}")
        owner = getattr(owner, name)
    return owner if match["member"] is None else _member(path, owner, match["member"])


_PATH = re.compile(r"(?P<module>[\w./]+):(?P<attribute>[\w.]+)(\[(?P<member>.*)\])?", re.DOTALL)


def _import(module: str) -> Any:
    if "/" in module or module.endswith(".py"):
        dotted = module.removeprefix("./").removesuffix(".py").replace("/", ".")
        raise InvalidArgument(f"{module} is a file: name it as it is imported, such as {dotted}")
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InvalidArgument(
            f"{module} cannot be imported ({error}): run where `python -c 'import {module}'` "
            "works, on every machine of the campaign"
        ) from error


def _properties_of(module: Any) -> Iterator[str]:
    for name, value in vars(module).items():
        if isinstance(getattr(value, PROPERTY_MARK, None), str):
            yield name


def _members(path: str, suite: Any) -> Iterator[str]:
    if not _is_collection(suite):
        yield path
        return
    for name in _named(suite):
        yield f"{path}[{name}]"


def _is_collection(suite: Any) -> bool:
    return isinstance(suite, (Mapping, list, tuple)) and not is_pair(suite)


def is_pair(value: Any) -> bool:
    """Whether a member of a suite is a subject with the inputs to check it at."""
    return isinstance(value, tuple) and len(value) == 2 and hasattr(value[0], "value")


def _named(suite: Any) -> dict[str, Any]:
    """Members by name where names are unique, else by position."""
    if isinstance(suite, Mapping):
        return {str(name): member for name, member in suite.items()}
    names = [_name_of(member) for member in suite]
    if len(set(names)) < len(names) or not all(names):
        names = [str(i) for i in range(len(suite))]
    return dict(zip(names, suite, strict=True))


def _name_of(member: Any) -> str:
    subject = member[0] if is_pair(member) else member
    return str(getattr(subject, "name", "") or getattr(subject, "__name__", ""))


def _member(path: str, suite: Any, name: str) -> Any:
    if not _is_collection(suite):
        raise InvalidArgument(f"{path}: expected a list or a mapping before the brackets")
    members = _named(suite)
    if name not in members:
        raise InvalidArgument(f"{path}: expected one of {', '.join(members)}")
    return members[name]


# ------------------------------------------------------------------------------------ saved cases

CASES = ".gradcheck"
"""Folder of saved cases, unless a project names another."""


@dataclass(frozen=True, slots=True)
class SavedCase:
    """A failure worth running again.

    Attributes
    ----------
    test : str
        Node id of the failing test of a pytest suite, or ``""``.
    spec : CaseSpec, optional
        The failing case of a campaign, where there is no test.
    root : str
        Where pytest's node ids begin, seen from the folder of saved cases.
    asked : mapping
        Profile, examples and seed of the run that failed.
    failure : mapping
        What it looked like: subject, path, claimed, estimate, reproduce.
    versions : mapping
        What it ran with: another Hypothesis draws other examples from the same seed.
    """

    test: str = ""
    spec: CaseSpec | None = None
    root: str = ".."
    asked: Mapping[str, Any] = field(default_factory=dict)
    failure: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What ``gradcheck replay`` is given: stable, so that a failure is saved once."""
        name = self.spec.id if self.spec else self.test
        return blake2b(name.encode(), digest_size=4).hexdigest()

    @property
    def title(self) -> str:
        """What failed, for people."""
        return f"{self.spec.subject} (seed {self.spec.seed})" if self.spec else self.test


def save_failed_tests(
    folder: Path, root: Path, rows: Iterable[Json], asked: Mapping[str, Any]
) -> tuple[list[str], str]:
    """Save the failed gradient tests among ``rows``; give their ids, and what went wrong."""
    kept = {name: asked.get(name) for name in ("profile", "examples", "seed")}
    way = os.path.relpath(root, folder)
    return _save_all(
        folder,
        [
            SavedCase(row["id"], None, way, kept, _failure(row), _versions())
            for row in rows
            if row["outcome"] == "failed" and row.get("failure") == "gradient"
        ],
    )


def save_failed_cases(folder: Path, rows: Iterable[Json]) -> tuple[list[str], str]:
    """Save the WRONG cases among the rows of a campaign; give their ids, and what went wrong."""
    return _save_all(
        folder,
        [
            SavedCase(
                spec=CaseSpec.from_json(row["spec"]),
                failure=_failure(row["result"]),
                versions=_versions(),
            )
            for row in rows
            if row["result"]["verdict"] == "WRONG"
        ],
    )


def load_saved(folder: Path, ids: Sequence[str] = ()) -> list[SavedCase]:
    """The saved cases of a folder, all or those named.

    Raises
    ------
    InvalidArgument
        No such id, or a file that is not a saved case.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.json"))}
    unknown = [name for name in ids if name not in files]
    if unknown:
        raise InvalidArgument(
            f"no saved case {', '.join(unknown)} in {folder}: "
            f"expected {', '.join(files) or 'none, since nothing is saved there'}"
        )
    return [_load(files[name]) for name in ids or files]


def forget_saved(folder: Path, case: SavedCase) -> None:
    """Remove the file of a case that is fixed."""
    (folder / f"{case.id}.json").unlink(missing_ok=True)


def _save_all(folder: Path, cases: list[SavedCase]) -> tuple[list[str], str]:
    try:
        for case in cases:
            _ignored_by_git(folder)
            text = json.dumps({"generator": SAVED, **asdict(case)}, indent=1)
            json_lines.replace(folder / f"{case.id}.json", text + "\n")
    except (OSError, InvalidArgument) as error:
        return [], str(error)
    return [case.id for case in cases], ""


SAVED = "gradcheck-case-1"
"""Stands in every saved case: what it is, and its format."""


def _ignored_by_git(folder: Path) -> None:
    """A folder of what one machine found belongs to no repository."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="ascii")


def _load(path: Path) -> SavedCase:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("generator") != SAVED:
            raise InvalidArgument(f"{path} was saved by another version of gradcheck: remove it")
        spec = data.pop("spec")
        return SavedCase(spec=CaseSpec.from_json(spec) if spec else None, **data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InvalidArgument):
            raise
        raise InvalidArgument(f"{path} is not a saved case ({error}): remove it") from error


def _failure(row: Mapping[str, Any]) -> Json:
    """The smallest failing example of a row, in few words."""
    wrong = [item for item in row["evidence"] if item["verdict"] == "WRONG"]
    if not wrong:
        return {}
    item = wrong[-1]
    first: Json = next(iter(item.get("comparisons", [])), {})
    return {
        "subject": item["subject"],
        "path": first.get("path", ""),
        "claimed": first.get("claimed"),
        "estimate": first.get("estimate", {}).get("value"),
        "causes": [entry["sentence"] for entry in item["diagnoses"]][:3],
        "reproduce": whole(item.get("reproduce", ""), MAX_REPRODUCE),
    }


MAX_REPRODUCE = 4_000
"""Characters kept of a line to run: longer ones hold arrays that nobody types."""


def _versions() -> Json:
    header = json_lines.run_header()
    return {name: header[name] for name in ("gradcheck", "hypothesis", "numpy", "python")}
