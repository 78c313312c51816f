"""The decontamination report: report.html, report.json and the figures as files."""

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256

from curate.review import sentences
from curate.review.figures import draw
from curate.review.leaks import LeakReport, SetLeaks
from curate.review.page import CARD_PX, cards, decision, document, facts, paragraph, percent, table, text
from curate.review.pairs import Pair

_MAX_LISTED = 1000
_CAPTIONS = {
    "curve": "How many images would be held copies at another threshold. Images equal byte for byte count at any.",
    "scores": "A good threshold lies right of what is known to be chance and left of most planted copies. The first "
              "step holds all lower scores.",
    "recall": "Copies of evaluation images that dedup made itself and searched for like any other image; those that no "
              "threshold was set with.",
    "transforms": "What the comparison takes the copies for; one that is of several kinds counts for each.",
}  # fmt: skip
_GROUPS = {
    "strongest": ("The surest copies", "With the highest scores; the frame is the part that was matched."),
    "weakest": ("The weakest that are held to be copies", "Right above the threshold: mistakes would be here."),
    "random": ("Some copies at random", "Drawn by a hash of their names from all that the pixels decided."),
    "rejected": ("The nearest that are not held to be copies", "Right below the threshold, or none as people say."),
}  # fmt: skip


def render(report: LeakReport, pairs: Mapping[str, Mapping[str, Sequence[Pair]]]) -> dict[str, bytes]:
    """All files of the report.

    Args:
        report: The figures.
        pairs: For each eval set the pairs to show, by group, see `pairs.shown_pairs`.

    Returns:
        Content by file name: report.html, report.json, and each figure as SVG and PNG. Equal input, equal bytes.
    """
    data = json.dumps(report.as_json(), indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    found: dict[str, bytes] = {"report.json": data}
    sections = []
    for leaks in report.sets:
        figures = draw(leaks)
        for name, forms in figures.items():
            for form, content in forms.items():
                found[f"{_file_name(leaks.eval_set)}-{name}.{form}"] = content
        inline = {name: forms["svg"].decode() for name, forms in figures.items()}
        sections.append(leak_section(leaks, inline, pairs.get(leaks.eval_set, {})))
    body = "\n".join([_top(report.sets), *sections, _provenance(report, sha256(data).hexdigest())])
    return {"report.html": document("Decontamination report", body).encode(), **found}


def leak_section(leaks: SetLeaks, figures: Mapping[str, str], pairs: Mapping[str, Sequence[Pair]]) -> str:
    """What there is to say of one evaluation set, as part of a page that `page.document` makes.

    Args:
        leaks: Its figures.
        figures: SVG files by name, see `figures.draw`.
        pairs: Pairs to show, by group; a group without any is left out.

    Returns:
        HTML of one section.
    """
    parts = [
        f"<h2>{text(leaks.eval_set)}</h2>",
        paragraph(sentences.headline(leaks), "headline"),
        paragraph(sentences.evidence(leaks), "soft"),
    ]
    parts += [paragraph(warning, "warn") for warning in sentences.doubt(leaks)]
    parts += [_tiles(leaks), "<h3>What was found, and what was missed</h3>"]
    parts.append(_plots(figures, ("transforms", "recall")))
    parts.append(
        "<h3>Where the threshold lies</h3>" + _plots(figures, ("curve", "scores")) if "curve" in figures else ""
    )
    parts.append(_decisions(leaks))
    for name, (title, words) in _GROUPS.items():
        if pairs.get(name):
            shown = cards(((decision(pair), pair) for pair in pairs[name]), CARD_PX)
            parts.append(f"<h3>{title}</h3>{paragraph(words, 'soft')}{shown}")
    parts.append(_ids(leaks))
    body = "\n".join(part for part in parts if part)
    return f'<section class="set">\n{body}\n</section>'


def _top(sets: Sequence[SetLeaks]) -> str:
    lead = (
        "Which images of the corpus are copies of evaluation images, how sure that is, and what such a search misses."
    )
    parts = ["<h1>Decontamination report</h1>", paragraph(lead, "lead")]
    if not sets:
        parts.append(paragraph("No evaluation set was searched for. Run `curate dedup --against NAME`."))
    if len(sets) > 1:
        names = ("evaluation set", "images", "leaked", "share", "allowing for errors", "corpus images",
                 "expected false", "planted copies found")  # fmt: skip
        parts.append(table(names, map(_summary, sets)))
    return "\n".join(parts)


def _summary(leaks: SetLeaks) -> tuple[str, ...]:
    false = sentences.few_or_about(leaks.expected_false) if leaks.n_hits else "–"
    recall = percent(leaks.overall.recall) if leaks.overall else "–"
    counts = (f"{leaks.n_eval_images:,}", f"{leaks.n_leaked:,}", percent(leaks.share), sentences.bounds(leaks))
    return (leaks.eval_set, *counts, f"{leaks.n_hits:,}", false, recall)


def _tiles(leaks: SetLeaks) -> str:
    words, remark = sentences.precision_words(leaks)
    found, of_planted = sentences.recall_words(leaks)
    tiles = [
        (percent(leaks.share), f"of the evaluation images leaked: {leaks.n_leaked:,} of {leaks.n_eval_images:,}",
         f"Allowing for false hits and for copies that the search misses: {sentences.bounds(leaks)}."),
        (f"{leaks.n_hits:,}", f"corpus images are copies, of {leaks.n_images:,} searched",
         f"{leaks.n_compared:,} were compared pixel by pixel."),
        (sentences.few_or_about(leaks.expected_false) if leaks.n_hits else "–", words, remark),
        (found, "of planted copies found", of_planted),
    ]  # fmt: skip
    cells = "".join(
        f'<div class="tile"><b>{text(value)}</b><span>{text(what)}</span><small>{text(more)}</small></div>\n'
        for value, what, more in tiles
    )
    return f'<div class="tiles">\n{cells}</div>'


def _plots(figures: Mapping[str, str], names: Sequence[str]) -> str:
    drawn = [
        f"<figure>{_inline(figures[name], _CAPTIONS[name])}<figcaption>{text(_CAPTIONS[name])}</figcaption></figure>"
        for name in names
        if name in figures
    ]
    return '<div class="plots">\n' + "\n".join(drawn) + "\n</div>" if drawn else ""


def _inline(svg: str, label: str) -> str:
    """The drawing without the head of its file, for screen readers one picture."""
    drawing = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], count=1, flags=re.DOTALL)
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _decisions(leaks: SetLeaks) -> str:
    parts = ["<h3>What was done</h3>", facts(sentences.what_was_done(leaks))]
    if leaks.accuracy:
        words = (
            "Of the newest evaluated model: on all images; on those that the training data has no copy of; and on all, "
        )
        parts += [
            "<h3>What the leaks may be worth</h3>",
            paragraph(f"{words}each leaked one counted as wrong.", "soft"),
        ]
        rows = [
            (row.metric, percent(row.value), percent(row.clean), percent(row.lower), f"{row.n_images:,}",
             f"{row.n_clean:,}")
            for row in leaks.accuracy
        ]  # fmt: skip
        parts.append(table(("metric", "all", "clean", "lower bound", "images", "clean images"), rows))
    return "\n".join(parts)


def _ids(leaks: SetLeaks) -> str:
    if not leaks.leaked_ids:
        return ""
    listed = leaks.leaked_ids[:_MAX_LISTED]
    more = len(leaks.leaked_ids) - len(listed)
    items = "".join(f"<li>{text(each)}</li>" for each in listed)
    rest = paragraph(f"And {more:,} more: see report.json, or `curate leaks list --eval-ids`.", "soft") if more else ""
    return (
        f"<details><summary>The {len(leaks.leaked_ids):,} leaked evaluation images</summary>"
        f'<ul class="list">{items}</ul>{rest}</details>'
    )


def _provenance(report: LeakReport, digest: str) -> str:
    rows = [pair for leaks in report.sets for pair in sentences.set_words(leaks)]
    rows += [("Parameters of dedup", ", ".join(f"{name} = {json.dumps(v)}" for name, v in report.parameters.items()))]
    rows += [("Manifest", report.manifest_id or "none was built"), ("Evaluated model", report.run_id or "none")]
    rows += [(f"Digest of table {name}", value) for name, value in report.tables.items()]
    rows += [("Versions", ", ".join(f"{name} {version}" for name, version in report.versions.items()))]
    end = f"All figures as data: report.json, SHA-256 {digest}."
    return f'<section class="set">\n<h2>Made from</h2>\n{facts(rows)}\n</section>\n<footer>{paragraph(end)}</footer>'


def _file_name(eval_set: str) -> str:
    """A name for files: readable, and different for different sets."""
    readable = re.sub(r"[^A-Za-z0-9_.=-]+", "_", eval_set)[:60].strip(".") or "set"
    return readable if readable == eval_set else f"{readable}-{sha256(eval_set.encode()).hexdigest()[:8]}"
