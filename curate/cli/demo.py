"""demo: the whole road on a generated corpus, next to its truth."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from curate.api import Session
from curate.api import open as open_workspace
from curate.cli.pipeline import export_manifest
from curate.cli.show import notes, outcome_line, results, watch
from curate.plan import Step
from curate.recipe import build_params

# So low that no label is left out: what training on the labels as they came amounts to.
_ANY_PRECISION = 1e-9

# Enough on the tiny corpus to see that training learns; the recipe's number would take most of its time.
_TINY_PLANTS = 2
_COMPARED, _TINY_COMPARED = 0.3, 0.2
_TINY_STEPS = 60


def run_demo(folder: Path, *, tiny: bool, seed: int) -> None:
    """Generate, curate, train twice, and compare with the truth.

    Args:
        folder: Gets corpus/, workspace/ and demo.png; a second call goes on where the first was stopped.
        tiny: A few hundred posts.
        seed: Of the generated corpus.
    """
    from curate.demo.corpus import generate
    from curate.demo.figure import plot
    from curate.demo.summary import compare, render

    began = time.perf_counter()
    folder = folder / f"{'tiny' if tiny else 'full'}-{seed}"
    notes.print(f"generating web posts in {folder / 'corpus'}")
    corpus = generate(folder / "corpus", tiny=tiny, seed=seed)
    notes.print(f"{corpus.n_posts:,} posts and {corpus.n_eval_images} eval images in {_since(began)}")
    session = open_workspace(folder / "workspace", create=True)
    settings = [
        f"ingest.sources=[{{path: '{corpus.posts}'}}]",
        f"add-evalset.sets=[{{name: evalset, path: '{corpus.evalset}'}}]",
        f"map-labels.classes='{corpus.classes}'",
    ]
    settings.append(f"dedup.compare={_TINY_COMPARED if tiny else _COMPARED}")
    if tiny:
        settings.append(f"embed.plants={_TINY_PLANTS}")
    steps = session.read_pipeline("quickstart", settings)
    by_name = {step.stage.name: step for step in steps}
    build = by_name["build-manifest"]
    everything = build_params(type(build.params), {"min_precision": _ANY_PRECISION, "min_images": 1}, "demo")
    train = by_name["train"]
    if tiny:
        train = Step(train.stage, replace(train.params, max_steps=_TINY_STEPS))
    runs: dict[str, str] = {}
    _run(session, tiny, [s for s in steps if s.stage.name not in ("build-manifest", "train", "evaluate")])
    for name, params in (("raw labels", everything), ("manifest", build.params)):
        notes.print(f"training on {name}")
        _run(session, tiny, [Step(build.stage, params), train, by_name["evaluate"]])
        runs[name] = session.store.tables(("training_runs",)).latest("training_runs") or ""
    comparison = compare(session.connect(), corpus.truth, manifest_id=session.newest_manifest(), runs=runs)
    results.print()
    results.print(render(comparison), soft_wrap=False)
    plot(comparison, folder / "demo.png")
    results.print(f"\nmanifest  {export_manifest(session, None)}\npicture   {folder / 'demo.png'}")
    results.print(f'ask       curate sql -w {session.folder} "FROM label_stats ORDER BY precision"')
    notes.print(f"done in {_since(began)}")


def _run(session: Session, tiny: bool, steps: Sequence[Step]) -> None:
    # To start a process takes longer than a part of the tiny corpus.
    for outcome in session.run_steps(steps, n_workers=1 if tiny else None, watch=watch):
        notes.print(outcome_line(outcome))


def _since(began: float) -> str:
    return f"{time.perf_counter() - began:.0f} s"
