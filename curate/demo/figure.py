"""The comparison as one picture. The only file of the demo that draws with matplotlib."""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from curate.demo.summary import Comparison

_BLUE, _GREY, _PALE, _GREEN, _RED, _INK = "#2563a8", "#8a929c", "#d5dae0", "#1f8a4c", "#c8352b", "#22272e"
_COLUMNS, _ROWS = 14, 2
_WRONG = frozenset({1, 4, 6, 9, 12, 15, 17, 20, 22, 25})  # places of wrongly labelled samples in the strip


def plot(comparison: Comparison, path: Path) -> None:
    """Draws samples of the corpus, precision by class, leaks by transform, and before against after.

    Args:
        comparison: What to draw; the corpus must still lie beside its truth.
        path: PNG of 1200 × 720 pixels.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": _GREY,
        "text.color": _INK, "axes.labelcolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
        "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
    }  # fmt: skip
    with rc_context(style):
        figure = Figure(figsize=(12, 7.2), dpi=100, facecolor="white")
        grid = figure.add_gridspec(1, 3, left=0.105, right=0.985, bottom=0.075, top=0.575, wspace=0.34,
                                   width_ratios=(2.3, 1.15, 1.35))  # fmt: skip
        _strip(figure, comparison.truth)
        _precision(figure.add_subplot(grid[0]), comparison)
        _leaks(figure.add_subplot(grid[1]), comparison)
        _gain(figure.add_subplot(grid[2]), comparison)
        figure.savefig(path, format="png", metadata={"Software": None})


def _strip(figure: Any, truth: Path) -> None:
    """Sample pictures with the label that their post gives them."""
    figure.text(0.015, 0.962, "Posts of the generated corpus, and what their hashtags say", weight="bold", size=10.5)
    figure.text(0.985, 0.962, "right labels", color=_GREEN, size=9, ha="right", weight="bold")
    figure.text(0.905, 0.962, "wrong labels", color=_RED, size=9, ha="right", weight="bold")
    width, height = 0.975 / _COLUMNS, 0.16
    for place, (picture, label, is_correct) in enumerate(_samples(truth)):
        row, column = divmod(place, _COLUMNS)
        left, bottom = 0.015 + column * width, 0.822 - row * height
        axes = figure.add_axes((left, bottom, width * 0.93, width * 0.93 * 12 / 7.2))
        axes.imshow(picture, interpolation="lanczos")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(visible=True, color=_GREEN if is_correct else _RED, linewidth=1.6)
        axes.set_xlabel(label, size=8, color=_GREEN if is_correct else _RED, labelpad=2)


def _samples(truth: Path) -> list[tuple[Image.Image, str, bool]]:
    """Posts of many classes, some of them labelled wrongly: square picture, label, whether it is right."""
    names = {row["wnid"]: row["name"] for row in pq.read_table(truth / "classes.parquet").to_pylist()}
    normal = {row["key"] for row in pq.read_table(truth / "posts.parquet").to_pylist() if row["kind"] == "normal"}
    pairs = [row for row in pq.read_table(truth / "pairs.parquet").to_pylist() if row["key"] in normal]
    pairs.sort(key=lambda row: hashlib.sha256(row["key"].encode()).digest())
    order = sorted(names, key=lambda wnid: hashlib.sha256(wnid.encode()).digest())
    chosen, used = [], set()
    for place in range(_COLUMNS * _ROWS):
        wnid, right = order[place % len(order)], place not in _WRONG
        types = ("correct",) if right else ("sibling", "random", "outside")
        fitting = [p for p in pairs if p["wnid"] == wnid and p["noise_type"] in types and p["key"] not in used]
        if fitting:
            used.add(fitting[0]["key"])
            chosen.append((_picture(truth, fitting[0]["key"]), names[wnid], right))
    return chosen


def _picture(truth: Path, key: str) -> Image.Image:
    """The picture of a post, cut to a square."""
    with tarfile.open(truth.parent / "posts" / f"{key[:5]}.tar") as tar:
        member = tar.extractfile(f"{key}.jpg")
        image = Image.open(io.BytesIO(member.read() if member else b"")).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((160, 160), Image.Resampling.LANCZOS)


def _precision(axes: Any, comparison: Comparison) -> None:
    rows = comparison.estimated
    places = np.arange(len(rows))
    low = [row.ci_low or 0.0 for row in rows]
    high = [row.ci_high or 0.0 for row in rows]
    axes.hlines(places, low, high, color=_BLUE, alpha=0.35, linewidth=5, label="95 % interval (model-based)")
    axes.plot([row.estimate for row in rows], places, "o", color=_BLUE, markersize=5, label="estimate")
    axes.plot([row.true_precision for row in rows], places, "D", color=_INK, markersize=4, label="truth")
    axes.set_yticks(places, [row.name for row in rows], size=8)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlim(0.2, 1.0)
    axes.grid(axis="x", color=_PALE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of a class's labels that are right")
    axes.set_title("Precision of the raw labels, by class")
    axes.legend(frameon=False, fontsize=8, loc="upper left", handletextpad=0.5)


def _leaks(axes: Any, comparison: Comparison) -> None:
    names, tallies = list(comparison.leaks), list(comparison.leaks.values())
    places = np.arange(len(names))[::-1]
    axes.barh(places, [t.of for t in tallies], color=_PALE, height=0.65)
    axes.barh(places, [t.n for t in tallies], color=_BLUE, height=0.65)
    for place, tally in zip(places, tallies, strict=True):
        axes.text(tally.of, place, f" {tally.n} of {tally.of}", va="center", size=8)
    axes.set_yticks(places, names, size=8.5)
    axes.set_xlim(0, max([t.of for t in tallies], default=1) * 1.3)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title("Copies of eval images found")
    false = f"{comparison.n_false_hits} posts taken for copies that are none"
    axes.text(0, -0.03, false, transform=axes.transAxes, size=8, va="top", color=_GREY)


def _gain(axes: Any, comparison: Comparison) -> None:
    """Bars in pairs: labels that are right, then accuracy of the models, raw before curated."""
    bars = [("all labels", comparison.before.share, _GREY), ("labels kept", comparison.after.share, _BLUE)]
    shades = [_GREY, _BLUE, _GREEN, _RED]
    models = [(run.name, run.accuracy, shades[place % 4]) for place, run in enumerate(comparison.runs)]
    places = [*range(len(bars)), *(len(bars) + 0.6 + n for n in range(len(models)))]
    for place, (name, value, colour) in zip(places, bars + models, strict=True):
        axes.bar(place, value, color=colour, width=0.78)
        axes.text(place, value + 0.012, f"{100 * value:.1f} %", ha="center", weight="bold", size=9.5)
        axes.text(place, -0.02, name.replace(" ", "\n"), ha="center", va="top", size=8.5)
    axes.text(0.5, 1.0, "share of labels\nthat are right", ha="center", va="center", size=9)
    if models:
        axes.text(float(np.mean(places[2:])), 1.0, "top-1 of a model\ntrained on", ha="center", va="center", size=9)
    axes.set_ylim(0, 1.08)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_title("Before and after")
