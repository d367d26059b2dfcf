"""Keep: results as JSON lines, the source of truth that every page and summary is a view of.

The first line of a file is a header of kind ``"run"`` or ``"campaign"`` with its format; then one
line per test or case. Files are written aside and renamed; what was there is never lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.errors import InvalidArgument

Row = dict[str, Any]

FORMAT = 1
"""Raised when an older gradcheck could misread a line; unknown fields alone do not raise it."""
HEADERS = ("run", "campaign")
PROBE_BYTES = 65_536
"""Written and removed before a run, so that a full disk is noticed before the tests run."""

GENERATOR = "gradcheck-report"
"""Stands near the start of every page and document, so that no other file is replaced."""
HEAD_BYTES = 1_000


def encode(row: Row) -> str:
    """One row as one line of ASCII, in its order; control characters become escapes.

    >>> encode({"kind": "end", "id": "a\\nb"})
    '{"kind":"end","id":"a\\\\nb"}'
    """
    return json.dumps(row, separators=(",", ":"), allow_nan=False)


def run_header(kind: str = "run", **asked: Any) -> Row:
    """First row of a file: when, with what, and what was asked for.

    >>> run_header(seed=0)["format"] == FORMAT
    True
    """
    return {
        "kind": kind,
        "format": FORMAT,
        "generator": GENERATOR,
        "gradcheck": _version("gradcheck"),
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": np.__version__,
        "hypothesis": _version("hypothesis"),
        **asked,
    }


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def read(path: str | os.PathLike[str]) -> list[Row]:
    """All rows of a file.

    A last line without its newline is what a killed process leaves; it is dropped.

    Raises
    ------
    InvalidArgument
        The file cannot be read, is not a gradcheck file, or was written by a newer version.
    """
    name = os.fspath(path)
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise InvalidArgument(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{name} is not text (byte {error.start}). {_REMEDY}") from error
    return list(_checked(_decoded(text, name), name))


def _decoded(text: str, name: str) -> Iterator[Row]:
    *lines, torn = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _decode(line, f"{name}, line {number}")
    if torn.strip() and len(lines) == 0:
        raise InvalidArgument(f"{name} is not a file of JSON lines. {_REMEDY}")


def _decode(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{where} is not JSON ({error}). {_REMEDY}") from error
    if not isinstance(row, dict) or not isinstance(row.get("kind"), str):
        raise InvalidArgument(f"{where} is not a gradcheck result. {_REMEDY}")
    return row


NUMBER = (int, float)
FIELDS: dict[str, dict[str, Any]] = {
    "test": {"id": str, "outcome": str, "seconds": NUMBER, "tally": dict, "evidence": list},
    "case": {"id": str, "spec": dict, "result": dict, "seconds": NUMBER},
    "end": {"exitstatus": int},
}
"""What the rows of each kind must have."""


def _checked(rows: Iterable[Row], name: str) -> Iterator[Row]:
    started = False
    for row in rows:
        if row["kind"] in HEADERS:
            _require_known_format(row, name)
            started = True
        elif not started:
            raise InvalidArgument(f"{name} does not start with a header. {_REMEDY}")
        for field, kind in FIELDS.get(row["kind"], {}).items():
            if not isinstance(row.get(field), kind):
                raise InvalidArgument(f"{name} holds a {row['kind']} without {field}. {_REMEDY}")
        yield row
    if not started:
        raise InvalidArgument(f"{name} holds no results. {_REMEDY}")


def _require_known_format(row: Row, name: str) -> None:
    found = row.get("format")
    if not isinstance(found, int):
        raise InvalidArgument(f"{name} has a header without a format. {_REMEDY}")
    if found > FORMAT:
        raise InvalidArgument(
            f"{name} has format {found}, written by gradcheck {row.get('gradcheck', 'unknown')}; "
            f"this gradcheck reads format {FORMAT} and older: upgrade gradcheck"
        )


_REMEDY = (
    "Expected a file written by --gradcheck-report=x.jsonl or by gradcheck campaign: "
    "name another file, or move this one away"
)


class Journal:
    """Rows of one run, written aside as they come; `publish` makes them the target.

    A run that is killed leaves the file beside the target, readable by ``gradcheck report``.
    """

    def __init__(self, target: Path, header: Row) -> None:
        self.target = target
        self.aside = _aside(target)
        with _explained(target):
            self._file = self.aside.open("w", encoding="ascii", newline="\n")
        self.append(header)

    def append(self, row: Row) -> None:
        """Write one row; it survives the death of this process."""
        with _explained(self.target):
            self._file.write(encode(row) + "\n")
            self._file.flush()

    def publish(self) -> None:
        """Put the rows after those that the target already holds, in one step."""
        with _explained(self.target):
            os.fsync(self._file.fileno())
            self._file.close()
            if self.target.exists():
                rows = self.aside.read_bytes()
                _replace(self.target, _whole_lines(self.target.read_bytes()) + rows)
                self.aside.unlink()
            else:
                self.aside.replace(self.target)

    def discard(self) -> None:
        """Forget the rows; the target stays as it was."""
        self._file.close()
        self.aside.unlink(missing_ok=True)


def replace(target: Path, text: str) -> None:
    """Write a whole file aside, then rename: readers see the old one or the new one.

    Raises
    ------
    InvalidArgument
        The folder cannot be written, or the disk is full; the old file is untouched.
    """
    with _explained(target):
        _replace(target, text.encode("utf-8", "backslashreplace"))


def require_writable(target: Path) -> None:
    """Raise InvalidArgument where a report could not be written at the end of a run."""
    if target.is_dir():
        raise InvalidArgument(f"{target} is a folder: name a file inside it")
    if not target.parent.is_dir():
        raise InvalidArgument(f"the folder {target.parent} is missing: create it, then run again")
    probe = _aside(target)
    with _explained(target):
        try:
            probe.write_bytes(b"\n" * PROBE_BYTES)
        finally:
            probe.unlink(missing_ok=True)


def require_ours(target: Path) -> None:
    """Raise InvalidArgument where something stands that gradcheck did not write.

    An empty file is nobody's. JSON lines must be readable to the end, since new rows go after the
    old ones.
    """
    if not target.exists() or not target.stat().st_size:
        return
    if target.suffix == ".jsonl":
        read(target)
        return
    with _explained(target), target.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if GENERATOR.encode() not in head:
        raise InvalidArgument(
            f"{target} exists and was not written by gradcheck: move it away, or name another file"
        )


def _whole_lines(content: bytes) -> bytes:
    """Content that ends where a line ends: rows may be appended to it."""
    return content if not content or content.endswith(b"\n") else content + b"\n"


def _replace(target: Path, content: bytes) -> None:
    aside = _aside(target).with_suffix(".tmp")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.partial")


@contextlib.contextmanager
def _explained(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidArgument(
            f"{target} cannot be written: {error.strerror or error}. "
            "Free some space, or name a file in a folder that can be written"
        ) from error


def merge(files: Mapping[str, list[Row]]) -> list[Row]:
    """The rows of many files as one list; of two rows for one test, the later run's stays.

    Parameters
    ----------
    files : mapping of str to list of dict
        File name to its rows, as `read` gives them.

    Returns
    -------
    list of dict
        Headers first, in order of their start, then tests and cases by id: the same for every
        order of the files. The header of a run says how it ended: ``exitstatus`` is ``None`` where
        it was killed.
    """
    headers: dict[str, Row] = {}
    results: dict[tuple[str, str], tuple[str, Row]] = {}
    for rows in files.values():
        headers |= {encode(header): header for header in _ended(rows)}
        for started, row in _dated(rows):
            if row["kind"] in ("test", "case"):
                key = (row["kind"], str(row.get("id", "")))
                results[key] = max(results.get(key, ("", row)), (started, row), key=_age)
    kept = [row for _, (_, row) in sorted(results.items())]
    ordered = sorted((_started(row), line) for line, row in headers.items())
    return [*(headers[line] for _, line in ordered), *kept]


def _ended(rows: Iterable[Row]) -> Iterator[Row]:
    """Headers, those of runs with the exit status of the row that ended them."""
    header: Row = {}
    for row in rows:
        if row["kind"] in HEADERS:
            if header:
                yield header
            header = {"exitstatus": None, **row} if row["kind"] == "run" else row
        elif row["kind"] == "end":
            header = {**header, "exitstatus": row["exitstatus"]}
    if header:
        yield header


def _dated(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    started = ""
    for row in rows:
        if row["kind"] in HEADERS:
            started = _started(row)
        yield started, row


def _started(row: Row) -> str:
    return str(row.get("started", ""))


def _age(item: tuple[str, Row]) -> tuple[str, str]:
    return item[0], encode(item[1])
