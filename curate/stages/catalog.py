"""All stages as one explicit tuple."""

from curate.stage import Stage
from curate.stages import (
    build_hierarchy,
    build_manifest,
    dedup,
    embed,
    estimate_noise,
    evaluate,
    evalset,
    ingest,
    load_wordnet,
    map_labels,
    score_labels,
    train,
)

STAGES: tuple[Stage, ...] = (
    load_wordnet.STAGE,
    ingest.STAGE,
    evalset.STAGE,
    map_labels.STAGE,
    build_hierarchy.STAGE,
    embed.STAGE,
    dedup.STAGE,
    score_labels.STAGE,
    estimate_noise.STAGE,
    build_manifest.STAGE,
    train.STAGE,
    evaluate.STAGE,
)
"""All stages, in the order in which a pipeline usually runs them."""
