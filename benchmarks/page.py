"""The page of results: one section per table, replaced when its table is measured anew."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Table:
    """What one table says.

    Attributes
    ----------
    title, intro : str
    header : sequence of str
    rows : sequence of sequences of str
    remarks : sequence of str
        Sentences below the table: first of all, where somebody else is ahead.
    """

    title: str
    intro: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str] = ()

    def markdown(self) -> str:
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        lines = [self.header, rule, *self.rows]
        grid = "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)
        return "\n\n".join([f"### {self.title}", self.intro, grid, *_list(self.remarks)])


def _list(remarks: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {remark}" for remark in remarks)] if remarks else []


def section(name: str, tables: Iterable[Table], measured: str) -> str:
    """One marked part of the page."""
    body = "\n\n".join(table.markdown() for table in tables)
    return f"<!-- {name} -->\n{body}\n\nMeasured: {measured}.\n<!-- end of {name} -->"


FRAME = """# Benchmarks

What gradcheck claims, measured beside what else there is, on the same functions. Written by
`python -m benchmarks`; [benchmarks/README.md](../benchmarks/README.md) says how each checker was
called. Everybody runs with default settings. Figures are counts, or ratios within one run; seconds
are CPU seconds, medians of interleaved repetitions, with one thread per process. Below each table
stands where somebody else is ahead."""


def write(name: str, text: str, path: Path = PAGE, order: Sequence[str] = ()) -> None:
    """Put a section in the place of the one of its name, and all of them in order."""
    page = path.read_text("utf-8") if path.exists() else ""
    sections = {found[2]: found[1] for found in re.finditer(SECTION, page)} | {name: text}
    names = [one for one in order if one in sections] if order else sections
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text("\n\n".join([FRAME, *[sections[one] for one in names]]) + "\n", "utf-8")
    beside.replace(path)  # at once: who reads sees the old page or the new one


SECTION = r"(?s)(<!-- ([a-z-]+) -->.*?<!-- end of \2 -->)"


def share(part: int, whole: int) -> str:
    """A count, with its percentage where it is not zero."""
    return f"{part} ({part / whole:.1%})" if part else "0"


def ahead(names: Iterable[str], what: str) -> str:
    """The sentence on who is ahead."""
    names = list(names)
    return f"Ahead of gradcheck, {what}: {', '.join(names) if names else 'nobody'}."
