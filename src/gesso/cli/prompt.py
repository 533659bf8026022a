"""`gesso prompt`: what the network will be told by a prompt, step by step, and what of it will not happen."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, Field
from pydantic_settings import CliImplicitFlag, CliPositionalArg

from gesso.checkpoint.file import Checkpoint
from gesso.cli.generate import environment_library
from gesso.families.identify import identify

__all__ = ["Prompt"]


class Prompt(BaseModel, use_attribute_docstrings=True):
    """Show what the network is told at each step, how words fall into windows, and what will not happen."""

    prompt: CliPositionalArg[str]
    """The prompt."""
    dialect: str = "a1111"
    """How it is written: a1111, comfy, compel or plain."""
    to: str | None = None
    """Print it in this dialect instead."""
    model: Annotated[Path | None, Field(validation_alias=AliasChoices("m", "model"))] = None
    """The checkpoint whose text encoders read it; only its header is read."""
    steps: int = Field(default=20, ge=1, le=1000)
    """Steps that schedules are counted in."""
    negative: CliImplicitFlag[bool] = False
    """It is a negative prompt."""
    seed: int = Field(default=0, ge=0)
    """Decides choices in braces."""
    wildcards: Path | None = None
    """Folder in which `__name__` finds name.txt."""
    library: Path | None = Field(default_factory=environment_library)
    """Folder in which names find their files; unless given, what GESSO_LIBRARY names."""
    every: CliImplicitFlag[bool] = False
    """Print every prompt that choices in braces can make, instead."""
    json_output: Annotated[CliImplicitFlag[bool], Field(validation_alias="json")] = False
    """Print JSON."""

    def cli_cmd(self) -> None:
        """Print the prompt as it is understood, or converted."""
        from gesso.conditioning.dialects import convert
        from gesso.conditioning.wildcards import combinatorial, expand

        if self.every:
            self._print(list(combinatorial(self.prompt, self.wildcards)), "\n")
            return
        words = expand(self.prompt, self.seed, self.wildcards)
        if self.to is not None:
            self._print([convert(words, self.dialect, self.to)], "\n")
            return
        found = self._understood(words)
        text = json.dumps(found, indent=2, ensure_ascii=False) if self.json_output else _text(found)
        sys.stdout.write(text + "\n")

    def _print(self, texts: list[str], between: str) -> None:
        sys.stdout.write(
            (json.dumps(texts, ensure_ascii=False) if self.json_output else between.join(texts)) + "\n"
        )

    def _understood(self, words: str) -> dict[str, Any]:
        from gesso.conditioning.dialects import dialect, parse
        from gesso.conditioning.lint import Circumstances, lint
        from gesso.conditioning.prompt import timeline
        from gesso.conditioning.tokenizer import Tokenizer
        from gesso.conditioning.tokens import Windowing, runs
        from gesso.generation.library import names

        positions, vocabulary = self._encoder()
        windowing = Windowing(Tokenizer(vocabulary), positions, cut=dialect(self.dialect).cut)
        known = () if self.library is None else names(self.library, "embedding")
        kinds = ("lora", "hypernet")
        extras = None if self.library is None else {kind: names(self.library, kind) for kind in kinds}
        tree = parse(words, self.dialect, known)
        where = Circumstances(self.steps, self.negative, windowing, known, extras)
        first = 1
        spans = list[dict[str, Any]]()
        for span in timeline(tree, self.steps):
            spans.append(
                {
                    "from": first,
                    "until": span.until,
                    "told": [_told(each, windowing, runs) for each in span.told],
                }
            )
            first = span.until + 1
        return {
            "prompt": words,
            "spans": spans,
            "extras": [{"kind": each.kind, "name": each.name, "values": each.values} for each in tree.extras],
            "lints": [dataclasses.asdict(each) for each in lint(words, self.dialect, where)],
        }

    def _encoder(self) -> tuple[int, int]:
        """Positions and vocabulary of the model's first text encoder; CLIP's without a model."""
        if self.model is None:
            return 77, 49408
        identity = identify(Checkpoint.open(self.model))
        shapes = identity.checkpoint.shapes
        rows = [shape[0] for name, shape in shapes.items() if name.endswith("token_embedding.weight")]
        places = [
            shape[0]
            for name, shape in shapes.items()
            if name.endswith(("position_embedding.weight", "positional_embedding"))
        ]
        return (places or [77])[0], (rows or [49408])[0]


def _told(told: Any, windowing: Any, runs: Any) -> dict[str, Any]:
    shares = [
        {
            "share": share,
            "words": [[[each.text, each.weight] for each in block] for block in prompt.blocks],
            "tokens": [len(run) for run in runs(prompt, windowing)],
        }
        for prompt, share in told.shares
    ]
    return {"weight": told.weight, "shares": shares}


def _text(found: dict[str, Any]) -> str:
    lines = list[str]()
    for span in found["spans"]:
        lines.append(f"steps {span['from']} to {span['until']}:")
        for told in span["told"]:
            lead = f"{told['weight']:g} × " if len(span["told"]) > 1 else ""
            lines += [f"  {lead}{_share(share, told)}" for share in told["shares"]]
    lines += [
        f"{each['kind']}: {each['name']} {' '.join(each['values'])}".rstrip() for each in found["extras"]
    ]
    for each in found["lints"]:
        lines.append(f"{each['start'] + 1}-{each['end']}: {each['message']}")
    return "\n".join(lines)


def _share(share: dict[str, Any], told: dict[str, Any]) -> str:
    lead = f"{share['share']:.3g} of " if len(told["shares"]) > 1 else ""
    blocks = ["".join(w if x == 1 else f"({w}:{x:.4g})" for w, x in block) for block in share["words"]]
    return f"{lead}{' BREAK '.join(blocks)}   [{' + '.join(map(str, share['tokens']))} tokens]"
