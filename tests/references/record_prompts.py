"""Records how the web UI's grammar, run by the lark parser, reads random prompts, as prompts.json.

Source of the grammar: AUTOMATIC1111/stable-diffusion-webui, modules/prompt_parser.py. Needs lark.
"""

import json
import random
from pathlib import Path

import lark

STEPS = 10
GRAMMAR = r"""
!start: (prompt | /[][():]/+)*
prompt: (emphasized | scheduled | alternate | plain | WHITESPACE)*
!emphasized: "(" prompt ")"
        | "(" prompt ":" prompt ")"
        | "[" prompt "]"
scheduled: "[" [prompt ":"] prompt ":" [WHITESPACE] NUMBER [WHITESPACE] "]"
alternate: "[" prompt ("|" [prompt])+ "]"
WHITESPACE: /\s+/
plain: /([^\\\[\]():|]|\\.)+/
%import common.SIGNED_NUMBER -> NUMBER
"""
PIECES = [*"()[]|::: ", "a", "b", "cat", "dog ", "0.5", "3", ".3", ":0.5]", ":3]", "[a:b:0.5]", "[c|d]"]
PIECES += ["(x:1.2)", "[a:4]", "\\[", "\\:", "[a::2]", "-1", "1e1"]


def spans(parser: lark.Lark, text: str) -> list[list]:
    """The last step and the text of every span."""
    try:
        tree = parser.parse(text)
    except lark.exceptions.LarkError:
        return [[STEPS, text]]
    ends = {STEPS, *(end for end in map(when, tree.find_data("scheduled")) if end >= 1)}
    if any(tree.find_data("alternate")):
        ends |= set(range(1, STEPS + 1))
    return [[step, said(tree, step)] for step in sorted(ends)]


def when(node: lark.Tree) -> int:
    (number,) = (each for each in node.children if isinstance(each, lark.Token) and each.type == "NUMBER")
    return min(STEPS, int(float(number) * (STEPS if "." in number else 1)))


def said(node: lark.Tree | lark.Token | None, step: int) -> str:
    if node is None or isinstance(node, lark.Token):
        return str(node or "")
    if node.data == "scheduled":
        return said(node.children[0 if step <= when(node) else 1], step)
    if node.data == "alternate":
        return said(node.children[(step - 1) % len(node.children)], step)
    return "".join(said(each, step) for each in node.children)


def main() -> None:
    """Record."""
    parser, dice = lark.Lark(GRAMMAR), random.Random(5)
    texts = ["".join(dice.choices(PIECES, k=dice.randrange(1, 9))) for _ in range(600)]
    found = [[text, spans(parser, text)] for text in dict.fromkeys(texts)]
    Path(__file__).with_name("prompts.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
