"""What there is to say of an evaluation set's leaks, in words; the same on the page and on the terminal."""

from curate.review.leaks import SetLeaks
from curate.review.page import percent

_METHODS = {
    "sha256": "equal bytes",
    "phash": "near perceptual hashes",
    "embedding": "near descriptors",
    "tile": "a part that fits",
}


def headline(leaks: SetLeaks) -> str:
    """How many images are copies of how many, and how many of them may be none."""
    of = f"of {leaks.n_eval_images:,} evaluation images"
    if not leaks.n_hits:
        found = f"None of {leaks.n_images:,} corpus images is held to be a copy of one {of}"
        return f"{found} ({bounds(leaks)} of these may have one that was missed)." if leaks.share_high else f"{found}."
    are = "is a copy" if leaks.n_hits == 1 else "are copies"
    share = f"{percent(leaks.share)}; allowing for errors and misses {bounds(leaks)}"
    said = f"{leaks.n_hits:,} of {leaks.n_images:,} corpus images {are} of {leaks.n_leaked:,} {of} ({share})."
    if leaks.expected_false is None:
        return f"{said} How many of them are false is not known."
    return f"{said} {few_or_about(leaks.expected_false).capitalize()} of them are expected to be false."


def few_or_about(n: float | None) -> str:
    """An expected number, which is hardly ever nothing; a dash where it is not known."""
    if n is None:
        return "–"
    return "fewer than 0.1" if n < 0.1 else f"about {n:.1f}" if n < 100 else f"about {n:,.0f}"


def bounds(leaks: SetLeaks) -> str:
    """The interval of the share of leaked images."""
    if leaks.share_low is None:
        return "–"
    if leaks.share_high is None:
        return f"{percent(leaks.share_low)} or more"
    return interval(leaks.share_low, leaks.share_high)


def interval(low: float, high: float) -> str:
    """Two shares in [0, 1], for reading."""
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def evidence(leaks: SetLeaks) -> str:
    """Who says so: a model, or people."""
    if leaks.evidence == "reviewed":
        said = f"Established by people's verdicts: {leaks.n_reviewed:,} hits judged, {leaks.n_reviewed_wrong:,} of them"
        least = f" With 95 % confidence at least {percent(leaks.precision_low)} of all hits are copies."
        return f"{said} no copies or unsure.{least if leaks.precision_low is not None else ''}"
    said = "Model-based, no guarantee"
    if not leaks.n_hits:
        return f"{said}."
    looked = (
        f"people have judged {leaks.n_reviewed:,} of the hits" if leaks.n_reviewed else "nobody has judged a sample"
    )
    return f"{said}: {looked}. `curate leaks sample --against {leaks.eval_set} --out review.csv` draws pairs to judge."


def doubt(leaks: SetLeaks) -> list[str]:
    """What a reader must know before relying on the figures."""
    said = []
    if leaks.n_eval_expected is not None and leaks.n_eval_expected != leaks.n_eval_images:
        said.append(f"The set has {leaks.n_eval_images:,} images here; as published it has {leaks.n_eval_expected:,}.")
    if leaks.n_eval_damaged:
        said.append(
            f"{leaks.n_eval_damaged:,} evaluation images cannot be decoded; only equal bytes of them are found."
        )
    if leaks.threshold is None:
        said.append(
            "No threshold reaches the precision asked for: only images equal byte for byte are held to be copies."
        )
    if leaks.note:
        said.append(f"The estimate lacks something: {leaks.note}")
    if not leaks.overall:
        said.append("No copies were planted, so how many leaks the search misses is not known.")
    if leaks.n_unheard:
        said.append(f"{leaks.n_unheard:,} of the copies were judged after dedup had decided. Run `curate dedup` again.")
    if leaks.n_kept:
        said.append(
            f"{leaks.n_kept:,} of the copies are in the newest manifest: it was built before, or told to keep them."
        )
    return said


def precision_words(leaks: SetLeaks) -> tuple[str, str]:
    """What the number of false hits is, and how sure it is."""
    what = "of them expected to be false" if leaks.n_hits else "no copies, so none is false"
    if leaks.precision is None:
        return what, f"Precision {percent(leaks.asked_precision)} was asked for."
    bound = f"at least {percent(leaks.precision_low)} by people's verdicts" if leaks.precision_low is not None else (
        "an estimate; no verdicts bound it")  # fmt: skip
    return what, f"Precision {percent(leaks.precision)} ({bound}); asked for {percent(leaks.asked_precision)}."


def recall_words(leaks: SetLeaks) -> tuple[str, str]:
    """The share of planted copies found, and its interval."""
    every = leaks.overall
    if every is None:
        return "–", "None were planted."
    of = f"{every.n_found:,} of {every.n_planted:,}; 95 % interval {interval(every.low, every.high)}"
    return percent(every.recall), f"{of}. Kinds that were not planted may fare worse."


def what_was_done(leaks: SetLeaks) -> list[tuple[str, str]]:
    """What became of the copies, and of people's verdicts: a name and a sentence each."""
    if leaks.n_dropped is None:
        done = "No manifest was built yet; build-manifest leaves the copies out, unless told to keep them."
    else:
        other = leaks.n_hits - leaks.n_dropped - (leaks.n_kept or 0)
        done = f"{leaks.n_dropped:,} dropped as copies, {leaks.n_kept:,} kept in the newest manifest"
        done += f", {other:,} left out for another reason." if other else "."
    judged = ", ".join(f"{name} {n:,}" for name, n in leaks.verdicts.items()) or "none"
    found = ", ".join(f"{_METHODS.get(name, name)} {n:,}" for name, n in leaks.methods.items()) or "none"
    rows = [("Copies by what found them", found), ("Corpus images that are copies", done)]
    rows.append(("Pairs judged by people", judged))
    if leaks.n_eval_twins:
        rows.append(("Copies inside the evaluation set", f"{leaks.n_eval_twins:,} pairs of its own images"))
    if leaks.prevalence is not None:
        rows.append(("Estimated share leaked, found or not", percent(leaks.prevalence)))
    return rows


def set_words(leaks: SetLeaks) -> list[tuple[str, str]]:
    """Where the figures of a set come from."""
    name, _, digest = leaks.encoder.partition("#")
    published = (
        "size as published not known" if leaks.n_eval_expected is None else f"{leaks.n_eval_expected:,} published"
    )
    threshold = "equal bytes only" if leaks.threshold is None else f"score {leaks.threshold:.6g} and more"
    return [
        (
            f"Evaluation set {leaks.eval_set}",
            f"{leaks.n_eval_images:,} images ({published}), fingerprint {leaks.fingerprint or 'not known'}",
        ),
        ("Its threshold", f"{threshold}, for a precision of {leaks.asked_precision:g}"),
        ("Its encoder", f"{name}, digest {digest or 'not known'}" if name else "none"),
    ]
