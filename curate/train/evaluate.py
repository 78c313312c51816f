"""How often a trained model is right on an evaluation set."""

import math
import os
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from curate.errors import FormatError, InputError, MissingInputError
from curate.train.augment import Pixels
from curate.train.checkpoint import Checkpoint, open_checkpoint
from curate.train.data import read_square
from curate.train.manifest import check_uris
from curate.train.model import build_model
from curate.train.train import pick_device

_BATCH = 128
_TOP = 5
_CROP_SHARE = 0.875  # 224 of 256, the usual centre crop of models that were trained on crops


@dataclass(frozen=True)
class Score:
    """One row of table evaluations.

    Attributes:
        metric: top1, top5, top1_class_mean, top5_class_mean, each also with _clean and _lower; or coverage.
        class_key: Class that the value is of; '' = all.
        value: In [0, 1]; higher = better.
        n_images: Images behind it.
    """

    metric: str
    class_key: str
    value: float
    n_images: int


def evaluate(
    checkpoint: Path | str,
    images: pa.Table,
    root: Path,
    *,
    leaked: Collection[str] | None = None,
    device: str = "auto",
    n_threads: int | None = None,
) -> list[Score]:
    """Measure a model on the images of one evaluation set.

    Accuracies are over the undamaged images whose class the model knows. `coverage` says which share of the labelled
    ones that is: coverage times top1 is the accuracy that counts unknown classes as wrong, which compares models
    with different classes.

    Args:
        checkpoint: Folder of a run or of one of its checkpoints.
        images: Rows of table eval_images.
        root: Folder that their uris are relative to.
        leaked: eval_image_id of the images of which the training data has copies; None = nobody looked.
        device: 'cpu', 'cuda' or 'auto'.
        n_threads: Images decoded at once; None = one per processor.

    Returns:
        Scores over all images and per class.

    Raises:
        InputError: No image shows a class that the model knows, or one cannot be read.
    """
    found = open_checkpoint(checkpoint)
    labelled = images.filter(pc.and_(pc.equal(images["status"], "ok"), pc.is_valid(images["class_key"])))
    class_ids = pa.array(found.run.class_keys)
    known = labelled.filter(pc.is_in(labelled["class_key"], value_set=class_ids))
    if not known.num_rows:
        what = f"none of {labelled.num_rows} labelled images shows one of the model's {len(class_ids)} classes"
        raise MissingInputError(what, where=str(root), fix="Evaluate on a set whose classes were trained on.")
    check_uris(known["uri"].to_pylist(), str(root))
    known = known.sort_by([("eval_set", "ascending"), ("eval_image_id", "ascending")])
    truth_N = pc.index_in(known["class_key"], value_set=class_ids).to_numpy()
    leaked_N = None
    if leaked is not None:
        leaked_N = pc.is_in(known["eval_image_id"], value_set=pa.array(sorted(leaked), pa.string())).to_numpy()
    ranked_NK = rank_classes(found, known, root, pick_device(device), n_threads)
    coverage = Score("coverage", "", known.num_rows / labelled.num_rows, labelled.num_rows)
    return [*accuracies(ranked_NK, truth_N, found.run.class_keys, leaked_N), coverage]


def accuracies(
    ranked_NK: npt.NDArray[np.int64],
    truth_N: npt.NDArray[np.int64],
    class_keys: list[str],
    leaked_N: npt.NDArray[np.bool_] | None = None,
) -> list[Score]:
    """Top-1 and top-5 accuracy over images, per class, and as the mean over classes.

    With leaked images each comes in two more forms: `_clean` is over the other images alone (Sun et al. 2017), absent
    where none is left; `_lower` is over all images and counts every leaked one as wrong (Mahajan et al. 2018), so that
    it is a lower bound of what the model would reach had it not seen them.

    Args:
        ranked_NK: (N, K) class_ids, best guess first; K of 5 or more, or all classes.
        truth_N: (N,) true class_ids.
        class_keys: Class of each class_id.
        leaked_N: (N,) whether the training data has a copy of the image; None = not known.

    Returns:
        For each of top1 and top5: all images, the class mean, then each class that occurs, in order of class_id; then
        the same for `_clean` and for `_lower`.
    """
    scores = []
    for metric, k in (("top1", 1), ("top5", _TOP)):
        right_N = (ranked_NK[:, :k] == truth_N[:, None]).any(axis=1)
        scores += _shares(metric, "", right_N, truth_N, class_keys)
        if leaked_N is not None:
            clean_N = ~leaked_N
            scores += _shares(metric, "_clean", right_N[clean_N], truth_N[clean_N], class_keys)
            scores += _shares(metric, "_lower", right_N & clean_N, truth_N, class_keys)
    return scores


def _shares(
    metric: str, form: str, right_N: npt.NDArray[np.bool_], truth_N: npt.NDArray[np.int64], class_keys: list[str]
) -> list[Score]:
    """Share of right answers over images, as the mean over classes, and per class; nothing where there is no image."""
    if not len(truth_N):
        return []
    n_per_class = np.bincount(truth_N, minlength=len(class_keys))
    n_right = np.bincount(truth_N[right_N], minlength=len(class_keys))
    per_class = [
        Score(f"{metric}{form}", class_keys[c], int(n_right[c]) / int(n_per_class[c]), int(n_per_class[c]))
        for c in np.flatnonzero(n_per_class).tolist()
    ]
    mean = math.fsum(score.value for score in per_class) / len(per_class)
    every = Score(f"{metric}{form}", "", int(right_N.sum()) / len(truth_N), len(truth_N))
    return [every, Score(f"{metric}_class_mean{form}", "", mean, len(truth_N)), *per_class]


def rank_classes(
    checkpoint: Checkpoint, images: pa.Table, root: Path, device: str = "cpu", n_threads: int | None = None
) -> npt.NDArray[np.int64]:
    """The model's five best guesses for each image.

    Args:
        checkpoint: The model.
        images: N rows with uri, byte_offset and byte_length.
        root: Folder that their uris are relative to.
        device: 'cpu' or 'cuda'.
        n_threads: Images decoded at once; None = one per processor.

    Returns:
        (N, min(5, C)) class_ids, best first; equal scores in the order of class_id.

    Raises:
        FormatError: An image cannot be read.
    """
    recipe, n_classes = checkpoint.run.recipe, len(checkpoint.run.class_keys)
    model = build_model(recipe.model, n_classes, recipe.image_size_px, recipe.seed)
    checkpoint.load_model(model)
    model = model.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    share = _CROP_SHARE if recipe.augment == "flip_crop" else 1.0
    ranked = []
    with torch.inference_mode():
        for squares in _squares(images, root, recipe.image_size_px, share, n_threads):
            scores = model(torch.from_numpy(squares).permute(0, 3, 1, 2).to(device)).float().cpu().numpy()
            ranked.append(np.argsort(-scores, axis=1, kind="stable")[:, :_TOP])
    return np.concatenate(ranked).astype(np.int64)


def _squares(images: pa.Table, root: Path, size_px: int, share: float, n_threads: int | None) -> Iterator[Pixels]:
    """Batches of (B, S, S, 3) uint8."""

    def read(place: dict[str, object]) -> Pixels:
        path = root / str(place["uri"])
        try:
            return read_square(path, place["byte_offset"], place["byte_length"], size_px, share)  # type: ignore[arg-type]
        except InputError as error:
            raise FormatError(f"evaluation image cannot be read: {error.what}", where=str(path)) from error

    columns = images.select(["uri", "byte_offset", "byte_length"])
    with ThreadPoolExecutor(n_threads or os.cpu_count() or 1) as decoders:
        for start in range(0, images.num_rows, _BATCH):
            yield np.stack(list(decoders.map(read, columns.slice(start, _BATCH).to_pylist())))
