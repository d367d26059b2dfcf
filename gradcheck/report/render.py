"""Write: rows as a page or as one JSON document, chosen by the name of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
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
        Unknown suffix, rows that cannot be shown, or the file cannot be written.
    """
    if target.suffix == ".html":
        with showing():
            page = html.page(rows)
        json_lines.replace(target, page)
    elif target.suffix == ".json":
        document = {"generator": json_lines.GENERATOR, "format": json_lines.FORMAT, "rows": rows}
        json_lines.replace(target, json.dumps(document, indent=1, allow_nan=False) + "\n")
    elif target.suffix == ".jsonl":
        json_lines.replace(target, "".join(json_lines.encode(row) + "\n" for row in rows))
    else:
        raise InvalidArgument(f"{target}: expected a name that ends in .html, .json or .jsonl")


@contextmanager
def showing() -> Iterator[None]:
    """Turn what goes wrong with rows of another making into an InvalidArgument that says so.

    >>> with showing():  # doctest: +ELLIPSIS
    ...     {}["tally"]
    Traceback (most recent call last):
        ...
    gradcheck.errors.InvalidArgument: a result cannot be shown (KeyError: 'tally'): it was ...
    """
    try:
        yield
    except InvalidArgument:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidArgument(
            f"a result cannot be shown ({type(error).__name__}: {error}): it was changed, or "
            "written by another version of gradcheck: run the tests again"
        ) from error
