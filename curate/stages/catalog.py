"""All stages as one explicit tuple."""

from curate.stage import Stage
from curate.stages.build_hierarchy import STAGE as BUILD_HIERARCHY
from curate.stages.build_manifest import STAGE as BUILD_MANIFEST
from curate.stages.dedup import STAGE as DEDUP
from curate.stages.embed import STAGE as EMBED
from curate.stages.estimate_noise import STAGE as ESTIMATE_NOISE
from curate.stages.evalset import STAGE as EVALSET
from curate.stages.evaluate import STAGE as EVALUATE
from curate.stages.ingest import STAGE as INGEST
from curate.stages.load_wordnet import STAGE as LOAD_WORDNET
from curate.stages.map_labels import STAGE as MAP_LABELS
from curate.stages.score_labels import STAGE as SCORE_LABELS
from curate.stages.train import STAGE as TRAIN

STAGES: tuple[Stage, ...] = (
    LOAD_WORDNET,
    INGEST,
    EVALSET,
    MAP_LABELS,
    BUILD_HIERARCHY,
    EMBED,
    DEDUP,
    SCORE_LABELS,
    ESTIMATE_NOISE,
    BUILD_MANIFEST,
    TRAIN,
    EVALUATE,
)
"""In the order in which a pipeline usually runs them."""
