"""Every option on every family: what each does to a picture of each, and why not where it does nothing.

python -m benchmarks.families --out docs/families.md

Paints with the built-in checkpoint and with tiny random models of every other family, with all that the
options need: adapters, control models, pictures. An option counts where it paints another picture than
without; where gesso refuses, its own words say why.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gesso
from benchmarks.families_kit import Kit, kit, models
from benchmarks.families_options import OPTIONS, Option
from gesso.errors import GessoError
from gesso.generation.generate import paint
from gesso.model import Model

BASE: Mapping[str, Any] = {
    "prompt": "a red cat",
    "negative": "a dog",
    "seed": 3,
    "steps": 6,
    "size": [128, 128],
    "sampler": "euler",
    "cfg": 3.0,
}


@dataclass(frozen=True)
class Cell:
    """What an option does on a family: "yes", or why not."""

    answer: str

    @property
    def works(self) -> bool:
        """Whether it paints, and another picture than without it."""
        return self.answer == "yes"


def asked(found: Kit, *fields: Mapping[str, Any]) -> dict[str, Any]:
    """A request's fields on one family; pictures as prompts come beside those it needs."""
    shown = [*found.needs.get("image_prompts", ()), *(fields[-1].get("image_prompts", ()))]
    whole = {**BASE, **found.needs}
    for each in fields:
        whole |= each
    return whole | ({"image_prompts": shown} if shown else {})


def cell(option: Option, found: Kit, known: dict[str, bytes]) -> Cell:
    """Run it.

    Args:
        known: pictures of this family that were painted before, by their requests; it is added to.
    """
    plain = asked(found, option.base(found))
    fields = asked(found, option.base(found), option.fields(found))
    try:
        before, after = (_painted(found.model, each, known) for each in (plain, fields))
    except GessoError as error:
        return Cell(str(error).replace(str(found.folder) + "/", "").splitlines()[0])
    return Cell("yes" if after != before else option.idle)


def _painted(model: Model, fields: dict[str, Any], known: dict[str, bytes]) -> bytes:
    key = json.dumps(fields)
    if key not in known:
        known[key] = paint(model, gesso.Request.model_validate(fields)).images[0].tobytes()
    return known[key]


def table(cells: Mapping[tuple[str, str], Cell], names: list[str]) -> Iterator[str]:
    """The page's rows, and below them the reasons of its blanks."""
    reasons = list(dict.fromkeys(each.answer for each in cells.values() if not each.works))
    group = ""
    for option in OPTIONS:
        if option.group != group:
            group = option.group
            yield f"\n## {group}\n"
            yield f"| | {' | '.join(names)} |"
            yield "|---|" + "---|" * len(names)
        row = [cells[option.name, name] for name in names]
        marks = ["✓" if each.works else f"[{reasons.index(each.answer) + 1}]" for each in row]
        yield f"| {option.name} | {' | '.join(marks)} |"
    yield "\n## Why not\n"
    for number, reason in enumerate(reasons, 1):
        yield f"{number}. {reason}"


INTRODUCTION = """\
# What works on which family

Every option, run on the built-in checkpoint and on small random models of each family's layout
(`python -m benchmarks.families`). ✓: it paints another picture than the same request without it. A number:
it does not, and why.
"""


def main() -> None:
    """Run all and write the page."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--out", type=Path, default=Path("docs/families.md"))
    out: Path = options.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        cells: dict[tuple[str, str], Cell] = {}
        names: list[str] = []
        for name, path in models(Path(folder)):
            found = kit(name, path, Path(folder) / "kits")
            names.append(name)
            known: dict[str, bytes] = {}
            cells |= {(option.name, name): cell(option, found, known) for option in OPTIONS}
            works = sum(cells[option.name, name].works for option in OPTIONS)
            print(name, works, "of", len(OPTIONS), flush=True)
    out.write_text(INTRODUCTION + "\n".join(table(cells, names)) + "\n")
    print(out)


if __name__ == "__main__":
    main()
