"""Pages of pairs side by side, for somebody who fills in the file of 'leaks sample'."""

from collections.abc import Sequence

from curate.review.page import SHEET_PX, cards, document, paragraph, text
from curate.review.pairs import Pair

PER_PAGE = 100
"""Pairs on a page: some 5 MB."""

_HOW = (
    "Left the evaluation image, right the corpus image. Write into column `verdict` of the file, in the row of that "
    "number: `copy` if both were made from one photograph, `different` if from two, however alike, `unsure` if it "
    "cannot be told; the first letters will do. Go on from the top: rows after one that is left empty prove nothing."
)


def render_sheets(pairs: Sequence[Pair], eval_set: str) -> dict[str, bytes]:
    """HTML pages by file name; index.html is the first.

    Args:
        pairs: In the order of the file's rows.
        eval_set: Name of the set.
    """
    starts = range(0, len(pairs), PER_PAGE)
    names = [_name(page) for page in range(len(starts))]
    found = {}
    for page, start in enumerate(starts):
        shown = pairs[start : start + PER_PAGE]
        ranges = [
            (name, f"{first + 1} to {min(first + PER_PAGE, len(pairs))}")
            for name, first in zip(names, starts, strict=True)
        ]
        links = "".join(_link(name, label, name == names[page]) for name, label in ranges)
        body = [f"<h1>Copies of {text(eval_set)}?</h1>", paragraph(_HOW), f"<nav>Rows {links}</nav>"]
        body += [cards(((f"<b>row {start + n}</b>", pair) for n, pair in enumerate(shown, 1)), SHEET_PX)]
        body += [f"<nav>Rows {links}</nav>"]
        found[names[page]] = document(f"Copies of {eval_set}?", "\n".join(body), is_wide=True).encode()
    return found


def _name(page: int) -> str:
    return f"page-{page + 1}.html" if page else "index.html"


def _link(name: str, label: str, is_here: bool) -> str:
    return f"<span>{label}</span>" if is_here else f'<a href="{name}">{label}</a>'
