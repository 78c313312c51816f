"""The skeleton of a page that stands alone, and cards of picture pairs. All text that is not ours is escaped."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from curate.review.pairs import Pair, Place, thumbnail

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
CARD_PX = 146
"""Longest side of a picture on a card of the report."""

SHEET_PX = 244
"""Longest side of a picture on a sheet to judge by."""

_DENSITY = 1.6  # pixels of a thumbnail per pixel of the page: sharp on better screens as well


def document(title: str, body: str, *, is_wide: bool = False) -> str:
    """A whole HTML page, which needs no other file, no network and no script.

    Args:
        title: Plain text.
        body: HTML.
        is_wide: Larger pictures, for judging.
    """
    css = files("curate.review").joinpath("page.css").read_text(encoding="utf-8")
    kind = ' class="wide"' if is_wide else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<style>\n{css}</style>\n</head>\n<body{kind}>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; what stands between backticks is set as code."""
    pieces = text.split("`")
    marked = "".join(f"<code>{escape(p)}</code>" if i % 2 else escape(p) for i, p in enumerate(pieces))
    return f"<p{_class(kind)}>{marked}</p>"


def table(names: Sequence[str], rows: Iterable[Sequence[str]], *, n_text: int = 1) -> str:
    """A table of plain text.

    Args:
        names: Headings.
        rows: Cells.
        n_text: Columns at the left that hold text; the others are numbers.
    """
    kinds = [""] * n_text + ["n"] * (len(names) - n_text)
    head = "".join(f"<th{_class(kind)}>{escape(name)}</th>" for name, kind in zip(names, kinds, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{_class(kind)}>{text(cell)}</td>" for cell, kind in zip(row, kinds, strict=True))
        + "</tr>\n"
        for row in rows
    )
    return f'<div class="scroll"><table>\n<tr>{head}</tr>\n{body}</table></div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and values, both plain text."""
    body = "".join(f"<tr><th>{escape(name)}</th><td>{text(value)}</td></tr>\n" for name, value in rows)
    return f'<table class="facts">\n{body}</table>'


def text(foreign: str) -> str:
    """Foreign text that can neither be read as HTML nor turn the direction of what follows it."""
    return f"<bdi>{escape(foreign)}</bdi>"


def cards(pairs: Iterable[tuple[str, Pair]], size_px: int) -> str:
    """Pairs side by side, the eval image left.

    Args:
        pairs: First line of the caption as HTML, and the pair.
        size_px: Longest side of a picture on the page.
    """
    return '<div class="pairs">\n' + "\n".join(_card(line, pair, size_px) for line, pair in pairs) + "\n</div>"


def decision(pair: Pair) -> str:
    """HTML of a line on what is thought of a pair: score, probability, verdict, and kind of copy."""
    said = [f"score <b>{pair.score:.3g}</b>"] if pair.score is not None else ["equal bytes"]
    if pair.p_duplicate is not None:
        is_certain = pair.method == "sha256" or pair.verdict == "copy"
        said.append(f"probability {percent(pair.p_duplicate if is_certain else min(pair.p_duplicate, 1 - 1e-9))}")
    verdict = f' <span class="tag {escape(pair.verdict)}">judged {escape(pair.verdict)}</span>' if pair.verdict else ""
    kind = f"<br>{text(pair.transform.replace('+', ' + '))}" if pair.transform else ""
    return " · ".join(said) + verdict + kind


def _card(line: str, pair: Pair, size_px: int) -> str:
    frames = _frame(pair.eval, f"eval image {pair.eval_image_id}", size_px, pair.box)
    frames += _frame(pair.corpus, f"corpus image {pair.key}", size_px, None)
    ids = f'<div class="ids">{text(pair.eval_image_id)}<br>{text(pair.key)} ({escape(pair.image_id[:12])}…)</div>'
    return f'<figure class="pair"><div class="frames">{frames}</div><figcaption>{line}{ids}</figcaption></figure>'


def _frame(place: Place, alt: str, size_px: int, box: tuple[float, float, float, float] | None) -> str:
    small = thumbnail(place, round(size_px * _DENSITY))
    if not small.uri:
        return f'<div class="frame"><span class="none">no picture: {text(small.problem)}</span></div>'
    shrink = min(1.0, size_px / max(small.width, small.height))
    width, height = (max(1, round(side * shrink)) for side in (small.width, small.height))
    picture = f'<img src="{small.uri}" width="{width}" height="{height}" alt="{escape(alt)}">'
    return f'<div class="frame"><span class="shot">{picture}{_outline(box)}</span></div>'


def _outline(box: tuple[float, float, float, float] | None) -> str:
    """The matched part of a picture; nothing where it is all of it."""
    if box is None:
        return ""
    left, top, right, bottom = (min(1.0, max(0.0, side)) for side in box)
    if right <= left or bottom <= top or (right - left) * (bottom - top) > 0.97:
        return ""
    sides = {"left": left, "top": top, "width": right - left, "height": bottom - top}
    style = ";".join(f"{name}:{100 * share:.1f}%" for name, share in sides.items())
    return f'<span class="box" style="{style}"></span>'


def percent(share: float | None) -> str:
    """A share in [0, 1] for reading; never rounded up to 100 % or down to 0 %."""
    if share is None:
        return "–"
    shown = f"{100 * share:.1f}"
    if shown == "100.0" and share < 1:
        return "over 99.9 %"
    if shown == "0.0" and share > 0:
        return "under 0.1 %"
    return f"{shown} %"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
