"""What the gallery shows: commands, and which of their pictures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One row of pictures.

    Args:
        text: what is to be seen.
        commands: as typed in a terminal, run in order.
        shown: files that the commands leave, each a pattern, with the words below it.
        height: pixels of the tallest picture of the row.
    """

    title: str
    text: str
    commands: tuple[str, ...]
    shown: tuple[tuple[str, str], ...]
    height: int = 192


def painted(prompt: str, file: str, *options: str, seed: int = 1) -> str:
    """A `gesso generate` command."""
    return " ".join((f'gesso generate "{prompt}"', *options, f"--seed {seed} --out {file}"))


def edited(prompt: str, image: str, file: str, seed: int) -> str:
    """A `gesso edit` command over the middle of a picture."""
    return f'gesso edit {image} --mask middle.png "{prompt}" --seed {seed} --out {file}'


STRENGTHS = ("0.3", "0.5", "0.7", "1.0")
SHARES = ("0.0", "0.5", "0.7", "0.85", "1.0")

WEIGHTS = ("0", "0.4", "0.7", "1.0", "1.3")
EDGES = "--controls canny:edges.png"

SECTIONS = (
    Section(
        "From words",
        "What it knows, on backgrounds that it knows; also in combinations that training never showed.",
        (
            painted("a red apple", "apple.png"),
            painted("three strawberries in the grass", "strawberries.png"),
            painted("a penguin in the snow", "penguin.png"),
            painted("a castle on the beach", "castle.png"),
        ),
        (
            ("apple.png", "a red apple"),
            ("strawberries.png", "three strawberries in the grass"),
            ("penguin.png", "a penguin in the snow"),
            ("castle.png", "a castle on the beach"),
        ),
    ),
    Section(
        "From a picture",
        "The more is painted anew, the less is left of the penguin.",
        tuple(
            painted(
                "an owl in the snow", f"owl-{share}.png", f"--image penguin.png --strength {share}", seed=4
            )
            for share in STRENGTHS
        ),
        (
            ("penguin.png", "the picture"),
            *((f"owl-{share}.png", f"strength {share}") for share in STRENGTHS),
        ),
    ),
    Section(
        "Into a picture",
        "Only what the mask says is painted; every other pixel keeps its bytes.",
        (
            painted("a dog on a blue background", "dog.png"),
            edited("a pizza on a blue background", "dog.png", "pizza.png", seed=2),
            edited("a sunflower on a blue background", "dog.png", "sunflower.png", seed=2),
        ),
        (
            ("dog.png", "the picture"),
            ("middle.png", "the mask"),
            ("pizza.png", "a pizza"),
            ("sunflower.png", "a sunflower"),
        ),
    ),
    Section(
        "Around a picture",
        "A panorama: strips to both sides, each of which sees what is there. The middle keeps its bytes.",
        ('gesso outpaint castle.png --left 64 --right 64 "the beach" --seed 3 --out panorama.png',),
        (("castle.png", "the picture"), ("panorama.png", "64 pixels more to the left and to the right")),
    ),
    Section(
        "Words that change on the way",
        "Until a share of the steps it is told of a cat, then of a dog.",
        tuple(
            painted(f"a [cat:dog:{share}] on a blue background", f"dog-{share}.png", seed=5)
            for share in SHARES
        ),
        tuple((f"dog-{share}.png", f"[cat:dog:{share}]") for share in SHARES),
    ),
    Section(
        "Along the edges of a picture",
        "The edges of the penguin, shown to the ControlNet that comes with gesso.",
        (
            "gesso annotate penguin.png --with canny --out edges.png",
            painted("a penguin in the snow", "edged-penguin.png", EDGES, seed=9),
            painted("an owl in the snow", "edged-owl.png", EDGES, seed=9),
            painted("a duck on a green background", "edged-duck.png", EDGES, seed=9),
        ),
        (
            ("penguin.png", "the picture"),
            ("edges.png", "its edges"),
            ("edged-penguin.png", "a penguin"),
            ("edged-owl.png", "an owl"),
            ("edged-duck.png", "a duck"),
        ),
    ),
    Section(
        "A style, more and more",
        "The LoRA that comes with gesso, at five weights.",
        tuple(
            painted("a castle on the beach", f"ink-{weight}.png", f"--loras ink:{weight}")
            for weight in WEIGHTS
        ),
        tuple((f"ink-{weight}.png", f"weight {weight}") for weight in WEIGHTS),
    ),
    Section(
        "Every combination",
        "One command paints the grid, with labels.",
        (
            'gesso grid "a cat in the snow" --x "prompt~cat=cat,fox,owl,penguin" --y "prompt~in the snow='
            'in the snow,on the beach,at night" --seed 2 --out grid',
        ),
        (("grid/sheet-1-*.png", ""),),
        height=480,
    ),
)
