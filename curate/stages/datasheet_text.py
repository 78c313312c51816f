"""A datasheet as Markdown."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from curate.stages.datasheet import NOT_STATED, RULES, TO_STATE

N_LISTED = 20
"""Classes in each list where there are more than twice as many."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>|&~$])")
_CLASS_COLUMNS = ("class", "key", "status", "labels", "kept", "precision", "lower bound", "audits")


def render(facts: Mapping[str, Any]) -> str:
    """The datasheet of a manifest as Markdown.

    Args:
        facts: From `datasheet`.
    """
    sections = (_summary, _motivation, _composition, _precision, _classes, _collection, _cleaning, _uses, _remake)
    return "\n\n".join(section(facts) for section in sections) + "\n"


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _summary(facts: Mapping[str, Any]) -> str:
    holds, precision = facts["holds"], facts["precision"]
    noise = precision["noise_rate"]
    rows = [
        ("images", f"{holds['n_images']:,}"),
        ("labels", f"{holds['n_labels']:,}"),
        ("classes", f"{holds['n_classes']:,}"),
        ("precision asked for", f"{precision['min_precision']:g}"),
        ("evidence", "people's verdicts" if precision["evidence"] == "audited" else "a model's estimate, no guarantee"),
        ("wrong labels to be expected, of those with full weight", "-" if noise is None else f"{100 * noise:.1f} %"),
        ("made by", f"curate {facts['curate_version']}"),
    ]
    return f"# Datasheet of manifest {plain(facts['manifest_id'])}\n\n{_table(('', ''), rows, n_text=2)}"


def _motivation(facts: Mapping[str, Any]) -> str:
    return "## Motivation\n\n" + _stated(facts, "purpose", "creators")


def _composition(facts: Mapping[str, Any]) -> str:
    holds = facts["holds"]
    lines = [
        f"{holds['n_images']:,} images with {holds['n_labels']:,} labels of {holds['n_classes']:,} classes. "
        f"{holds['n_train']:,} images are for training, {holds['n_val']:,} are held out; copies of one photograph lie "
        "on one side."
    ]
    parts = [
        ("kept for their class's precision, with full weight", holds["n_kept"]),
        ("below it, with their probability of being right as weight", holds["n_weighted"]),
        ("filled in, as a label of a class below implies them", holds["n_inherited"]),
        ("in all", holds["n_labels"]),
    ]
    lines.append(_table(("labels", "number"), [(name, f"{n:,}") for name, n in parts if n]))
    if holds["n_rolled_up"]:
        lines.append(
            f"{holds['n_rolled_up']:,} of them were given to a class above their own, which has too few images."
        )
    return "## Composition\n\n" + "\n\n".join([*lines, _stated(facts, "people")])


def _precision(facts: Mapping[str, Any]) -> str:
    precision, holds = facts["precision"], facts["holds"]
    n = precision["n_classes"]
    lines = [precision["statement"]]
    if precision["n_labels"]:
        lines.append(
            f"Weighted by their labels, the kept classes have an expected share of wrong labels of "
            f"{100 * precision['noise_rate']:.1f} %; if every class were at its own lower bound, "
            f"{100 * precision['noise_rate_at_bounds']:.1f} %."
        )
    uncovered = [
        (holds["n_weighted"], "labels below the precision, which training weighs by p_correct"),
        (holds["n_inherited"], "inherited labels, each as right as the label below that implies it"),
    ]
    for number, what in uncovered:
        if number:
            lines.append(f"The statement does not cover {number:,} {what}.")
    if precision["evidence"] == "audited":
        lines.append(
            f"Evidence: {precision['n_audited']:,} audited labels, at most {precision['n_looks']} "
            f"{'look' if precision['n_looks'] == 1 else 'looks'} at a class. All looks at a class share one error, so "
            "its bound holds however often people went on judging. Each class is decided with that error: on average "
            f"at most {precision['n_classes_audited'] * (1 - precision['confidence']):.1f} of the "
            f"{precision['n_classes_audited']:,} classes with audits are kept although they are below the precision."
        )
    rows = [("kept", n["kept"], ""), ("undecided", n["undecided"], _more(precision["n_more_audits"])),
            ("excluded", n["excluded"], "cannot reach the precision, or too few images"),
            ("rolled up", n["rolled_up"], "too few images, labels given to the class above")]  # fmt: skip
    lines.append(_table(("classes", "number", ""), [(a, f"{b:,}", c) for a, b, c in rows if b], text_last=True))
    return "## Precision of the labels\n\n" + "\n\n".join(lines)


def _more(n_audits: int) -> str:
    return f"about {n_audits:,} more {'audit' if n_audits == 1 else 'audits'}" if n_audits else ""


def _classes(facts: Mapping[str, Any]) -> str:
    rows: list[Mapping[str, Any]] = facts["classes"]
    if len(rows) <= 2 * N_LISTED:
        return "## Classes\n\n" + _class_table(rows)
    kept = [row for row in rows if row["status"] == "kept"]
    open_ = [row for row in rows if row["status"] == "undecided"]
    out = [row for row in rows if row["status"] == "excluded" and not row["rolled_up_to"]]
    lists = [
        ("The largest", kept, lambda row: (-row["n_kept"], row["class_key"])),
        (
            "The least precise that were kept",
            kept if len(kept) > N_LISTED else [],
            lambda row: (row["kept_precision"], row["class_key"]),
        ),
        ("Undecided, those that need least audits", open_, lambda row: (row["n_more_audits"], row["class_key"])),
        ("Excluded, the largest", out, lambda row: (-row["n_pairs"], row["class_key"])),
    ]
    shown = [_class_list(title, listed, order) for title, listed, order in lists if listed]
    return "## Classes\n\n" + "\n\n".join([*shown, f"All {len(rows):,} classes are in datasheet.json."])


def _class_list(title: str, rows: list[Mapping[str, Any]], order: Callable[[Mapping[str, Any]], Any]) -> str:
    count = f" ({N_LISTED} of {len(rows):,})" if len(rows) > N_LISTED else ""
    return f"### {title}{count}\n\n{_class_table(sorted(rows, key=order)[:N_LISTED])}"


def _class_table(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table(_CLASS_COLUMNS, [_class_cells(row) for row in rows], n_text=3)


def _class_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    status = row["status"]
    if row["rolled_up_to"]:
        status = f"rolled up to {plain(row['rolled_up_to'])}"
    elif status == "undecided":
        status = f"undecided, {_more(row['n_more_audits'])}"
    elif status == "excluded" and row["n_weighted"]:
        status = "excluded, labels weighted"
    numbers = ["-" if row[name] is None else f"{row[name]:.3f}" for name in ("kept_precision", "kept_ci_low")]
    return (
        plain(row["name"]), plain(row["class_key"]), status, f"{row['n_pairs']:,}", f"{row['n_kept']:,}", *numbers,
        f"{row['n_audited']:,}",
    )  # fmt: skip


def _collection(facts: Mapping[str, Any]) -> str:
    rows = [(plain(s["source"]), s["format"] or "-", f"{s['n_images']:,}") for s in facts["holds"]["sources"]]
    table = _table(("source", "format", "images"), rows, n_text=2) if rows else "No images."
    return (
        "## Collection\n\nImages and texts were read from the sources below and not changed; labels are classes that "
        f"texts of the images name.\n\n{table}\n\n{_stated(facts, 'consent')}"
    )


def _cleaning(facts: Mapping[str, Any]) -> str:
    losses = facts["losses"]
    rows = [
        (
            RULES.get(row["rule"], plain(row["rule"])) if row["rule"] else "all images and labels",
            f"`{row['rule']}`" if row["rule"] else "",
            *(f"−{row[n]:,}" if row[n] else "" for n in ("n_images", "n_labels")),
            f"{row['n_images_left']:,}",
            f"{row['n_labels_left']:,}",
        )
        for row in losses
    ]
    n_inherited, last = facts["holds"]["n_inherited"], losses[-1]
    if n_inherited:
        left = f"{last['n_images_left']:,}", f"{last['n_labels_left'] + n_inherited:,}"
        rows.append(("filled in, as a label of a class below implies them", "", "", f"+{n_inherited:,}", *left))
    heads = ("what was left out", "rule", "images", "labels", "images left", "labels left")
    lines = [_table(heads, rows, n_text=2)]
    parameters = facts["parameters"]
    if parameters["leaks"] == "keep":
        lines.append("Copies of evaluation images were not left out.")
    elif facts["leaks"]:
        each = ", ".join(f"{row['n_images']:,} of {plain(row['eval_set'])}" for row in facts["leaks"])
        lines.append(f"Copies of evaluation images that were left out: {each}.")
    else:
        lines.append("No copies of evaluation images were left out: none was found, or none was looked for.")
    lines.append("Copies of one photograph within the dataset were not removed.")
    return "## Cleaning\n\n" + "\n\n".join(lines)


def _uses(facts: Mapping[str, Any]) -> str:
    limits = [
        "Labels are wrong where image and text fit each other and both mean something else; scores of a model do not "
        "show that.",
        "Which labels are wrong depends on the image: errors gather among odd and ambiguous images.",
        "A label that an image lacks is no evidence against it: what texts do not name was never asked about.",
    ]
    if facts["precision"]["evidence"] == "model":
        limits.insert(0, "No precision here is guaranteed. Audits would establish one: `curate audit sample`.")
    listed = "\n".join(f"- {limit}" for limit in limits)
    return f"## Uses\n\n{_stated(facts, 'intended_uses')}\n\nKnown limits:\n\n{listed}"


def _remake(facts: Mapping[str, Any]) -> str:
    rows = [(f"`{name}`", plain("-" if value is None else str(value))) for name, value in facts["parameters"].items()]
    return (
        f"## Distribution and maintenance\n\n{_stated(facts, 'licence', 'contact')}\n\n"
        "The same inputs and parameters give the same manifest, byte for byte; the digests of the inputs are in "
        f"datasheet.json.\n\n{_table(('parameter', 'value'), rows, n_text=2)}"
    )


def _stated(facts: Mapping[str, Any], *names: str) -> str:
    """Questions that only people can answer, with what was said."""
    said = facts["stated_by_its_makers"]
    lines = [f"- {TO_STATE[name]} {_answer(said[name])}" for name in names]
    return "\n".join(lines)


def _answer(text: str) -> str:
    return f"*{NOT_STATED}*" if text == NOT_STATED else plain(text)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], n_text: int = 1, *, text_last: bool = False) -> str:
    """A Markdown table; columns of numbers are set to the right."""
    kinds = ["---"] * n_text + ["--:"] * (len(heads) - n_text)
    if text_last:
        kinds[-1] = "---"
    lines = [heads, kinds, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
