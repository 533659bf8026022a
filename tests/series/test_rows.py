from pathlib import Path

import pytest

from gesso.errors import RequestError
from gesso.request import Request
from gesso.series.axis import Ask
from gesso.series.rows import rows

START = Ask(Path("base.safetensors"), Request(prompt="a tree", steps=7).model_dump())


def test_lines_are_prompts_or_requests() -> None:
    text = """a cat

# nothing
{"prompt": "a dog", "steps": 3, "guidance.rescale": 0.5, "size": "64x128"}
{"model": "other.ckpt", "guidance": {"rescale": 0.25}}
{red|blue} car
"""
    assert rows(text, START) == (
        (START.model, Request(prompt="a cat", steps=7)),
        (
            START.model,
            Request.model_validate(
                {"prompt": "a dog", "steps": 3, "guidance": {"rescale": 0.5}, "size": "64x128"}
            ),
        ),
        (
            Path("other.ckpt"),
            Request.model_validate({"prompt": "a tree", "steps": 7, "guidance": {"rescale": 0.25}}),
        ),
        (START.model, Request(prompt="{red|blue} car", steps=7)),
    )


@pytest.mark.parametrize(
    "line", ['{"prompt": "a', '{"stepps": 3}', '{"steps": 0}', '{"count": 2}', '{"steps": "many"}']
)
def test_a_line_that_is_no_request_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(RequestError, match=r"^line 3: .*however"):
        rows(f"a cat\n\n{line}", START)


def test_the_closest_field_is_named() -> None:
    with pytest.raises(RequestError) as refused:
        rows('{"stepps": 3}', START)
    assert "did you mean 'steps'?" in refused.value.hint
