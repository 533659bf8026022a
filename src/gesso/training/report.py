"""The report of a run: its curves, its validation and its previews, as one page."""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from gesso.training.html import page, picture
from gesso.training.job import Job
from gesso.training.record import Line, smoothed

__all__ = ["curve", "report"]

WIDTH, HEIGHT, EDGE = 900, 260, 46
SIDE = 192
COLOURS = ("#3b6fb5", "#c0562f", "#2f8f57", "#8b52a8", "#9a7d1e", "#4d4d4d", "#b53b7e", "#1e8f9a")


def report(job: Job) -> str:
    """The page's text, from what is on the disk."""
    losses = [(row["step"], row["loss"]) for row in job.losses.rows()]
    parts = ["<h2>Loss</h2>", curve({"loss": smoothed(losses)})]
    measured = job.measured.rows()
    if measured:
        count = len(measured[0]["bands"])
        lines = {f"band {i + 1}": [(r["step"], r["bands"][i]) for r in measured] for i in range(count)}
        best = min(measured, key=lambda row: row["loss"])
        parts += ["<h2>Validation, by noise (band 1 the least)</h2>", curve(lines)]
        parts.append(f"<p>lowest at step {best['step']}: {best['loss']:.5f}</p>")
    parts += ["<h2>Previews</h2>", *_previews(job), "<h2>Recipe</h2>"]
    recipe = json.dumps(job.recipe.model_dump(mode="json"), indent=2, ensure_ascii=False)
    return page(job.recipe.title, "\n".join([*parts, f"<pre>{html.escape(recipe)}</pre>"]))


def curve(lines: Mapping[str, Line]) -> str:
    """Lines over steps, as a drawing within the page."""
    points = [point for line in lines.values() for point in line]
    if not points:
        return "<p>nothing yet</p>"
    (left, right), (low, high) = (_range([p[axis] for p in points]) for axis in (0, 1))

    def place(point: tuple[float, float]) -> str:
        x = EDGE + (point[0] - left) / (right - left) * (WIDTH - 2 * EDGE)
        y = HEIGHT - EDGE / 2 - (point[1] - low) / (high - low) * (HEIGHT - EDGE)
        return f"{x:.1f},{y:.1f}"

    drawn = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-size="12">']
    for i, (name, line) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(map(place, line))
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{path}"/>')
        drawn.append(f'<text x="{WIDTH - EDGE}" y="{16 + 15 * i}" fill="{colour}">{html.escape(name)}</text>')
    drawn += [
        f'<text x="2" y="14" fill="gray">{high:.4g}</text>',
        f'<text x="2" y="{HEIGHT - EDGE / 2}" fill="gray">{low:.4g}</text>',
        f'<text x="{EDGE}" y="{HEIGHT - 4}" fill="gray">step {left:g}</text>',
        f'<text x="{WIDTH - 2 * EDGE}" y="{HEIGHT - 4}" fill="gray">{right:g}</text></svg>',
    ]
    return "\n".join(drawn)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _previews(job: Job) -> Iterator[str]:
    """A strip for every prompt, the steps from left to right."""
    folders = sorted(job.recipe.out.glob("step-" + "[0-9]" * 8))
    for i, prompt in enumerate(job.recipe.previews.prompts):
        figures = "".join(_figure(folder / f"preview-{i}.png", prompt) for folder in folders)
        yield f'<p>{html.escape(prompt)}</p>\n<div class="strip">{figures}</div>'


def _figure(path: Path, prompt: str) -> str:
    if not path.is_file():
        return ""
    with Image.open(path) as image:
        shown = picture(image, SIDE, prompt)
    step = int(path.parent.name.removeprefix("step-"))
    return f"<figure>{shown}<figcaption>step {step}</figcaption></figure>"
