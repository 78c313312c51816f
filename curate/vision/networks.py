"""Networks from exported files and from torchvision, timm and open_clip, without their classifiers."""

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from curate.errors import FormatError, MissingInputError, UntrustedFileError, nearest
from curate.vision import torchvision_ops
from curate.vision.pooling import rmac_of, trunk_of
from curate.vision.specs import file_sha256

log = logging.getLogger(__name__)

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB in [0, 1], over the training images of ImageNet: what nearly all networks are shown."""

_DEFAULT_SIZE_PX = 224


@dataclass(frozen=True)
class Network:
    """A torch callable from N × 3 × H × W to vectors, and what it wants to see.

    Attributes:
        forward: The callable.
        to: Moves it to a device and memory format, as torch.nn.Module.to.
        size_px: Side of its square input.
        mean: Subtracted from RGB in [0, 1].
        std: What the difference is divided by.
        fixed_batch: The only batch size that it takes; None = any.
    """

    forward: Callable[[Any], Any]
    to: Callable[..., Any]
    size_px: int
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    fixed_batch: int | None = None


def load_file(path: Path) -> Network:
    """Load what torch.export.save (.pt2) or torch.jit.save (.pt) wrote. This runs code that is in the file.

    The network takes float32 RGB in [0, 1], N × 3 × 224 × 224 unless the exported program states another size.

    Raises:
        FormatError: It is neither, or does not take images.
    """
    import torch

    with warnings.catch_warnings():  # torch deprecates TorchScript; the files are there all the same
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            if path.suffix == ".pt2":
                program = torch.export.load(str(path))
                batch, size_px = _exported_input(program)
                module: Any = program.module()
                return Network(module, module.to, size_px, fixed_batch=batch)
            module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        except FormatError:
            raise
        except Exception as error:  # the loaders raise whatever a foreign file leads them to
            fix = "Give a file of torch.export.save (.pt2) or torch.jit.save (.pt); bare weights are not enough."
            raise FormatError(f"no exported network: {_first_line(error)}", where=str(path), fix=fix) from error
    return Network(module, module.to, _DEFAULT_SIZE_PX)


def _exported_input(program: Any) -> tuple[int | None, int]:
    """Batch size, where it is fixed, and side in pixels of the one input of an exported program."""
    inputs = program.graph_signature.user_inputs
    nodes = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in inputs]
    shape = tuple(nodes[0].meta["val"].shape) if len(nodes) == 1 else ()
    if len(shape) != 4 or shape[1] != 3:
        found = f"one of shape {shape}" if shape else f"{len(nodes)} inputs"
        raise FormatError(f"takes {found}, not images N x 3 x H x W", where="torch.export program")
    batch, _, height, width = shape
    sides = [side if isinstance(side, int) else _DEFAULT_SIZE_PX for side in (height, width)]
    if sides[0] != sides[1]:
        raise FormatError(f"takes {sides[0]} x {sides[1]} pixels, not a square", where="torch.export program")
    return batch if isinstance(batch, int) else None, sides[0]


def load_from_library(kind: str, name: str, pin: str = "") -> Network:
    """Load a pretrained model of torchvision, timm or open_clip.

    Args:
        kind: Which of them.
        name: As the library names it; '+rmac' behind it asks for R-MAC pooling (torchvision and timm).
        pin: SHA-256 that `weights_sha256` must give; '' = any.

    Raises:
        MissingInputError: The library has no such model, or its weights cannot be had.
        UntrustedFileError: Other weights than those pinned.
        ParameterError: The model has no feature map that R-MAC could pool.
    """
    loaders = {"torchvision": load_torchvision, "timm": load_timm, "open_clip": load_open_clip}
    network, module = loaders[kind](name)
    digest = weights_sha256(module)
    if pin and pin != digest:
        raise UntrustedFileError(f"the SHA-256 of its weights is {digest}, not {pin} as pinned", where=f"{kind}:{name}")
    log.info("weights of %s:%s have the digest @sha256:%s", kind, name, digest)
    return network


def weights_sha256(module: Any) -> str:
    """SHA-256 over names, types, shapes and values of a network's weights, as hex; independent of file and device."""
    import torch

    digest = sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def load_timm(name: str, *, pretrained: bool = True) -> tuple[Network, Any]:
    """A timm model without its classifier.

    Args:
        name: As timm names it, with or without the tag of its weights; '+rmac' behind it pools its last feature map.
        pretrained: False gives random weights.

    Returns:
        The network, and the module that holds its weights.
    """
    torchvision_ops.load_torchvision()
    import timm
    from timm.data.config import resolve_data_config

    name, pooled = name.removesuffix("+rmac"), name.endswith("+rmac")
    if not timm.is_model(name):
        raise MissingInputError(f"timm has no model '{name}'", fix=nearest(name, timm.list_models(pretrained=True)))
    kept: dict[str, Any] = {"global_pool": ""} if pooled else {}
    with weights_of(f"timm:{name}"):
        model = timm.create_model(name, pretrained=pretrained, num_classes=0, **kept).eval()
    seen: dict[str, Any] = resolve_data_config(model=model)  # type: ignore[no-untyped-call]
    size_px = seen["input_size"][-1]
    forward = rmac_of(model, size_px, f"timm:{name}") if pooled else model
    return Network(forward, model.to, size_px, tuple(seen["mean"]), tuple(seen["std"])), model


def load_torchvision(name: str, *, pretrained: bool = True) -> tuple[Network, Any]:
    """A torchvision classification model without its last linear layer; see load_timm."""
    torchvision = torchvision_ops.load_torchvision()

    name, pooled = name.removesuffix("+rmac"), name.endswith("+rmac")
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise MissingInputError(f"torchvision has no model '{name}'", fix=nearest(name, known))
    weights = torchvision.models.get_model_weights(name).DEFAULT
    if pretrained:
        _check_cached(weights.url)
    with weights_of(f"torchvision:{name}"):
        model = torchvision.models.get_model(name, weights=weights if pretrained else None).eval()
    size_px = weights.transforms().crop_size[0]
    if pooled:
        forward = rmac_of(trunk_of(model, f"torchvision:{name}"), size_px, f"torchvision:{name}")
    else:
        forward = _without_last_layer(model)
    return Network(forward, model.to, size_px, IMAGENET_MEAN, IMAGENET_STD), model


def _without_last_layer(model: Any) -> Any:
    from torch import nn

    head = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    if head:
        parent, _, leaf = head[-1].rpartition(".")
        setattr(model.get_submodule(parent), leaf, nn.Identity())
    return model


def _check_cached(url: str) -> None:
    """Weights that the cache holds already, against the hash in their name; torchvision checks new downloads itself.

    Raises:
        UntrustedFileError: They are not what the library's address says.
    """
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    wanted = re.search(r"-([0-9a-f]{8,})\.", path.name)
    if wanted and path.is_file() and not file_sha256(path).startswith(wanted[1]):
        raise UntrustedFileError(
            f"its SHA-256 is {file_sha256(path)}, and its name says {wanted[1]}…",
            where=str(path),
            fix="Remove it; it will be downloaded again.",
        )


def load_open_clip(name: str, *, pretrained: bool = True) -> tuple[Network, Any]:
    """The image tower of an open_clip model.

    Args:
        name: 'MODEL/TAG', as open_clip.list_pretrained() gives them.
        pretrained: False gives random weights.

    Returns:
        The network, and the module that holds its weights.
    """
    torchvision_ops.load_torchvision()
    import open_clip

    model_name, _, tag = name.partition("/")
    known = [f"{model}/{weights}" for model, weights in open_clip.list_pretrained()]
    if name not in known:
        raise MissingInputError(f"open_clip has no '{name}' (MODEL/TAG)", fix=nearest(name, known))
    with weights_of(f"open_clip:{name}"):
        model = open_clip.create_model(model_name, pretrained=tag if pretrained else None).eval()
    seen = open_clip.get_pretrained_cfg(model_name, tag)
    size = model.visual.image_size
    mean = tuple(seen.get("mean") or open_clip.OPENAI_DATASET_MEAN)
    std = tuple(seen.get("std") or open_clip.OPENAI_DATASET_STD)
    return Network(model.encode_image, model.to, size if isinstance(size, int) else size[0], mean, std), model


@contextmanager
def weights_of(spec: str) -> Iterator[None]:
    """Turns whatever a download raises into one clear line."""
    try:
        yield
    except Exception as error:  # each library and each of its versions raises others
        raise MissingInputError(
            f"the weights of {spec} cannot be had: {_first_line(error)}",
            fix="They are downloaded once: connect to the network, or fill the cache (HF_HOME, TORCH_HOME).",
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(". ")
