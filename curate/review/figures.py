"""Figures of the decontamination report, and of scores beside verdicts. No other file draws with matplotlib."""

import io
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from curate.noise.calibrate import ScoreBin
from curate.review.leaks import SetLeaks

Data = TypeVar("Data")

_BLUE, _GREY, _PALE, _RED, _INK, _AMBER = "#2563a8", "#7d8590", "#d9dee4", "#c8352b", "#22272e", "#b7791f"
_STYLE: dict[Any, Any] = {
    "font.size": 9.5, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": _GREY,
    "text.color": _INK, "axes.labelcolor": _INK, "xtick.color": _GREY, "ytick.color": _GREY,
    "xtick.labelcolor": _INK, "ytick.labelcolor": _INK, "svg.fonttype": "none", "legend.frameon": False,
    "legend.fontsize": 8.5, "axes.linewidth": 0.8, "xtick.major.width": 0.8, "ytick.major.width": 0.8,
}  # fmt: skip
_WIDTH = 6.2


def draw(leaks: SetLeaks) -> dict[str, dict[str, bytes]]:
    """All figures that an eval set has data for.

    Args:
        leaks: The figures as data.

    Returns:
        By name (curve, scores, recall, transforms) the file's content as 'svg' and 'png'. Equal data, equal bytes.
    """
    wanted: dict[str, tuple[bool, Callable[[SetLeaks], Any]]] = {
        "curve": (leaks.scores is not None, _curve),
        "scores": (leaks.scores is not None, _histogram),
        "recall": (any(row.n_planted for row in leaks.recall), _recall),
        "transforms": (leaks.n_hits > 0, _transforms),
    }
    return {name: _rendered(name, plot, leaks, leaks.eval_set) for name, (has_data, plot) in wanted.items() if has_data}


def draw_reliability(bins: Sequence[ScoreBin], error: float) -> dict[str, bytes]:
    """Share of right labels by score, with the labels' distribution below, as 'svg' and 'png'.

    Args:
        bins: From `curate.noise.calibrate.score_bins`.
        error: Expected calibration error.
    """
    return _rendered("reliability", lambda each: _reliability(each, error), bins, "scores")


def _reliability(bins: Sequence[ScoreBin], error: float) -> Any:
    axes = _axes(f"Labels that people found right, by score (calibration error {error:.3f})", 4.2)
    axes.bar([each.low for each in bins], [each.share for each in bins],
             width=[each.high - each.low for each in bins], align="edge", color=_PALE,
             edgecolor="white", label="share of all labels")  # fmt: skip
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.9, linestyle=(0, (4, 3)), label="scores that are right")
    score, right = [each.score for each in bins], [each.right for each in bins]
    below = [each.right - each.ci_low for each in bins]
    above = [each.ci_high - each.right for each in bins]
    axes.errorbar(score, right, yerr=[below, above], fmt="o", color=_BLUE, markersize=5, linewidth=1.3, capsize=2.5,
                  label="verdicts, with 95 % intervals")  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("p_correct")
    axes.set_ylabel("share of right labels")
    axes.legend(loc="upper left")
    return axes.figure


def _rendered(name: str, plot: Callable[[Data], Any], data: Data, salt: str) -> dict[str, bytes]:
    from matplotlib import rc_context

    # The salt makes the ids in the file repeatable, and different between figures that stand in one page.
    with rc_context({**_STYLE, "svg.hashsalt": f"{salt}/{name}"}):
        figure = plot(data)
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
    return {"svg": svg.getvalue(), "png": png.getvalue()}


def _axes(
    title: str, height: float, *, left: float = 0.115, right: float = 0.985, bottom: float = 0.55, top: float = 0.42
) -> Any:
    """Axes of a figure of the common width, with its title at the left.

    Args:
        title: Of the figure.
        height: Of the figure, in inches.
        left: Share of the width left of the axes.
        right: Likewise up to their right.
        bottom: Room below the axes, in inches.
        top: Room above them.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), facecolor="white")
    figure.text(0.003, 1 - 0.16 / height, title, weight="bold", size=10.5, va="center")
    return figure.add_axes((left, bottom / height, right - left, 1 - (top + bottom) / height))


def _curve(leaks: SetLeaks) -> Any:
    scores = leaks.scores
    assert scores is not None
    axes = _axes("Leaks found, by threshold", 3.8, top=0.82)
    at = scores.edges[:-1]
    axes.step(at, scores.n_images_above, where="post", color=_BLUE, linewidth=1.8, label="corpus images")
    axes.step(at, scores.n_eval_above, where="post", color=_INK, linewidth=1.2, label="eval images")
    false = np.array([np.nan if n is None else n for n in scores.expected_false])
    if np.any(false > 0):
        axes.step(at, np.where(false > 0, false, np.nan), where="post", color=_RED, linewidth=1.2,
                  label="expected false corpus images")  # fmt: skip
    return _counts_by_score(axes, leaks, scores.edges, max(10, 1.6 * max(scores.n_images_above)))


def _histogram(leaks: SetLeaks) -> Any:
    scores = leaks.scores
    assert scores is not None
    axes = _axes("Scores of planted copies and of the corpus", 3.8, top=0.82)
    edges, n_planted = np.array(scores.edges), sum(scores.planted)
    n_made = n_planted + scores.n_not_reached
    for counts, colour, fill, label in (
        (scores.corpus, _GREY, 0.35, f"corpus images ({sum(scores.corpus):,})"),
        (scores.others, _AMBER, 0.0, f"planted, with another image ({sum(scores.others):,})"),
        (scores.planted, _BLUE, 0.0, f"planted, with the original ({n_planted:,} of {n_made:,} compared)"),
    ):
        if any(counts):
            axes.stairs(counts, edges, color=colour, linewidth=1.4, label=label)
            axes.stairs(counts, edges, fill=True, color=colour, alpha=fill, linewidth=0)
    top = 2 * max(map(max, (scores.corpus, scores.planted, scores.others, [1])))
    return _counts_by_score(axes, leaks, scores.edges, top)


def _counts_by_score(axes: Any, leaks: SetLeaks, edges: list[float], top: float) -> Any:
    """Finish a figure of counts, up to `top`, over scores."""
    axes.set_yscale("symlog", linthresh=1, linscale=0.4)
    axes.set_ylim(0, top)
    _count_axis(axes)
    _mark_threshold(axes, leaks)
    _score_axis(axes, edges)
    _legend(axes)
    return axes.figure


def _recall(leaks: SetLeaks) -> Any:
    rows = [row for row in leaks.recall if row.n_planted]
    axes = _axes(
        "Planted copies found, with 95 % intervals", 0.9 + 0.25 * len(rows), left=0.27, right=0.81, bottom=0.35
    )
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows, strict=True):
        colour = _INK if row.transform == "" else _BLUE
        axes.hlines(place, row.low, row.high, color=colour, alpha=0.4, linewidth=4)
        axes.plot(row.recall, place, "o", color=colour, markersize=5.5, clip_on=False)
        axes.text(
            1.03, place, f"{row.n_found:,} of {row.n_planted:,}", va="center", size=8.5, color=_INK, clip_on=False
        )
    labels = axes.set_yticks(places, [_short(row.transform or "all kinds") for row in rows])
    for label, row in zip(labels, rows, strict=True):
        label.label1.set_fontweight("bold" if row.transform == "" else "normal")
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(0, 1)
    axes.set_xticks(np.linspace(0, 1, 6), [f"{n} %" for n in range(0, 101, 20)])
    axes.grid(axis="x", color=_PALE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return axes.figure


def _transforms(leaks: SetLeaks) -> Any:
    kinds = {_kind_name(kind): n for kind, n in leaks.kinds.items()}
    shown = list(kinds.items())[:20]
    axes = _axes("Copies found, by kind", 0.6 + 0.25 * len(shown), left=0.27, bottom=0.05)
    places = np.arange(len(shown))[::-1]
    axes.barh(places, [n for _, n in shown], color=_BLUE, height=0.55)
    for place, (_, n) in zip(places, shown, strict=True):
        axes.annotate(f"{n:,}", (n, place), (4, 0), textcoords="offset points", va="center", size=8.5)
    axes.set_yticks(places, [_short(name) for name, _ in shown])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlim(0, 1.12 * max(kinds.values()))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return axes.figure


def _mark_threshold(axes: Any, leaks: SetLeaks) -> None:
    if leaks.threshold is None or leaks.scores is None:
        return
    axes.axvline(leaks.threshold, color=_RED, linewidth=1, linestyle=(0, (4, 3)))
    is_right = leaks.threshold**2 > leaks.scores.edges[0] * leaks.scores.edges[-1]  # right of the middle
    axes.annotate(f"threshold {leaks.threshold:.3g}", (leaks.threshold, 0.985), xycoords=("data", "axes fraction"),
                  xytext=(-5 if is_right else 5, 0), textcoords="offset points", size=8.5, color=_RED, va="top",
                  ha="right" if is_right else "left")  # fmt: skip


def _legend(axes: Any) -> None:
    """Between title and axes, at the left of the figure."""
    figure = axes.figure
    corner = (0.003, 1 - 0.32 / figure.get_figheight())
    figure.legend(*axes.get_legend_handles_labels(), loc="upper left", ncols=2, bbox_to_anchor=corner, borderpad=0,
                  borderaxespad=0, handlelength=1.4, labelspacing=0.35)  # fmt: skip


def _score_axis(axes: Any, edges: list[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    is_short = edges[-1] < 300 * edges[0]
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if is_short else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda score, _: f"{score:,.6g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("score of the pixel comparison")


def _count_axis(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    axes.yaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color=_PALE, linewidth=0.7)
    axes.set_axisbelow(True)


def _kind_name(kind: str) -> str:
    return kind or "not known"


def _short(name: str) -> str:
    """A label that leaves the figure room, with no sign that matplotlib would read as a formula."""
    return (name if len(name) <= 22 else name[:21] + "…").replace("$", r"\$")
