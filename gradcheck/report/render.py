"""Write: rows as a page or as one JSON document, chosen by the name of the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gradcheck.errors import InvalidArgument
from gradcheck.report import html, json_lines

Row = dict[str, Any]


def write(target: Path, rows: list[Row]) -> None:
    """Render rows (a header first) into ``target``, aside and then renamed.

    Raises
    ------
    InvalidArgument
        Unknown suffix, or the file cannot be written.
    """
    if target.suffix == ".html":
        json_lines.replace(target, html.page(rows))
    elif target.suffix == ".json":
        document = {"generator": json_lines.GENERATOR, "format": json_lines.FORMAT, "rows": rows}
        json_lines.replace(target, json.dumps(document, indent=1, allow_nan=False) + "\n")
    elif target.suffix == ".jsonl":
        json_lines.replace(target, "".join(json_lines.encode(row) + "\n" for row in rows))
    else:
        raise InvalidArgument(f"{target}: expected a name that ends in .html, .json or .jsonl")
