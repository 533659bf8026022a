"""The audit as a page: for every picture what the loss will see of it."""

import html

from gesso.errors import GessoError
from gesso.training.data.audit import Audit, Entry, Row
from gesso.training.html import page, picture
from gesso.training.recipe import Training

__all__ = ["audit_page"]

THUMBNAIL = 128
SHOWN = 500
"""Pictures on the page; those with notes come first."""


def audit_page(recipe: Training, audit: Audit) -> str:
    """The page's text."""
    pairs = sorted(zip(audit.rows, audit.entries, strict=True), key=lambda each: not each[0].notes)
    problems = "".join(f'<p class="bad">{html.escape(each)}</p>\n' for each in audit.problems)
    rows = "\n".join(_row(row, entry) for row, entry in pairs[:SHOWN])
    more = f"<p>and {len(pairs) - SHOWN} more without notes</p>" if len(pairs) > SHOWN else ""
    heads = "".join(
        f"<th>{each}</th>" for each in ("", "file", "what the loss is told", "tokens", "size", "notes")
    )
    return page(
        f"{recipe.title}: {len(audit.rows)} pictures",
        f"{problems}<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>\n{more}",
    )


def _row(row: Row, entry: Entry) -> str:
    said = "<br>".join(html.escape(each) or '<span class="faint">no words</span>' for each in row.captions)
    cut = "".join(f'<br><span class="bad">cut: {html.escape(each)}</span>' for each in row.cut)
    source = html.escape(", ".join(row.sources))
    width, height = row.bucket
    size = f"{width}x{height}<br>of {row.original[0]}x{row.original[1]}<br>cropped {row.cropped:.1%}"
    notes = "<br>".join(html.escape(each) for each in row.notes)
    file = f"{html.escape(row.file)}<br>{row.role}, {row.repeats} times, {row.views} views"
    return (
        f"<tr><td>{_shown(entry)}</td><td>{file}</td>"
        f'<td>{said}{cut}<br><span class="faint">{source}</span></td><td>{row.tokens}</td><td>{size}</td>'
        f'<td class="bad">{notes}</td></tr>'
    )


def _shown(entry: Entry) -> str:
    """The picture as it is cut."""
    try:
        return picture(entry.views[0].cut(entry.picture.opened()), THUMBNAIL, entry.caption)
    except (GessoError, OSError):
        return ""
