"""Tables of measured numbers in the documentation, put there by the command that measured them."""

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["put"]


def put(tables: Mapping[str, str], path: Path) -> None:
    """Put tables where a file has room for them: between `<!-- NAME -->` and `<!-- /NAME -->`.

    Raises:
        SystemExit: there is room for none of them.
    """
    text = path.read_text(encoding="utf-8")
    filled = text
    for name, table in tables.items():
        room = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        filled = room.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", filled)
    if not re.search(rf"<!-- ({'|'.join(tables)}) -->", text):
        raise SystemExit(f"{path} must have room such as <!-- {next(iter(tables))} -->, however: it has none")
    path.write_text(filled, encoding="utf-8")
