"""Styles: named additions to a prompt, as AUTOMATIC1111's web UI keeps them in a CSV file."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from gesso.errors import RequestError, UnknownName

__all__ = ["read_styles", "styled"]

Style = tuple[str, str]
"""What is added to the prompt and to the negative."""


def read_styles(path: Path) -> dict[str, Style]:
    """Read a file of styles with the columns name, prompt and negative_prompt.

    Raises:
        RequestError: the file cannot be read, or has no column `name`.

    Source: AUTOMATIC1111/stable-diffusion-webui, styles.csv.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"{path} must be a readable CSV file, however: {error}") from error
    if rows and "name" not in rows[0]:
        raise RequestError(f"{path} must have a column name, however: it has {', '.join(map(str, rows[0]))}")
    return {row["name"]: (row.get("prompt") or "", row.get("negative_prompt") or "") for row in rows}


def styled(prompt: str, negative: str, known: Mapping[str, Style], names: Sequence[str]) -> tuple[str, str]:
    """Prompt and negative with these styles applied, in order.

    `{prompt}` in a style is where the prompt goes; without it the style is appended after a comma.

    Raises:
        UnknownName: there is no such style.
    """
    for name in names:
        if name not in known:
            raise UnknownName("style", name, known)
        prompt, negative = _applied(prompt, known[name][0]), _applied(negative, known[name][1])
    return prompt, negative


def _applied(words: str, style: str) -> str:
    if "{prompt}" in style:
        return style.replace("{prompt}", words)
    return ", ".join(each for each in (words.strip(), style.strip()) if each) if style.strip() else words
