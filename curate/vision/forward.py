"""A network as an encoder: its forward pass on a device, batches of one size, pixels in and unit vectors out.

Dimension letters: N images, H height, W width, C channels, D descriptor.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curate.errors import FormatError
from curate.vision.encoders import Encoder, normalise, squeeze

if TYPE_CHECKING:
    from curate.vision.networks import Network

_CUDA_BATCH = 256
_CPU_PIXELS = 4 * 224 * 224  # larger batches cost more in page faults than they save
_CUDA_STREAMS = 2  # one batch is copied while the other is computed


def torch_encoder(name: str, network: "Network", device: str, batch_size: int | None) -> Encoder:
    """An encoder that runs a network.

    On the CPU several passes run side by side, each on one processor: that beats one pass on all of them, and gives
    the same bits on any number of processors. On CUDA passes are in bfloat16, and copies overlap with them.

    Args:
        name: As in the tables.
        network: The network; it is moved to the device.
        device: 'cpu' or 'cuda'.
        batch_size: Images per pass; None = 4 of 224 pixels on the CPU, 256 on CUDA.

    Raises:
        FormatError: It does not give one vector per image.
    """
    import torch

    network.to(device, memory_format=torch.channels_last)
    on_cpu = max(2, min(16, _CPU_PIXELS // network.size_px**2))
    block = network.fixed_batch or batch_size or (on_cpu if device == "cpu" else _CUDA_BATCH)
    upload, compute = _upload(network, device, block), _compute(network, device)
    if device == "cuda":
        torch.cuda.synchronize()  # other streams do not wait for the one that brings the weights

    def encode(images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = []
        for start in range(0, len(images), block):
            some = images[start : start + block]
            with _own_stream(device):
                rows.append(_as_rows(compute(upload(some)), name, block)[: len(some)])
        return normalise(np.concatenate(rows))

    empty = np.zeros((network.size_px, network.size_px, 3), np.uint8)
    with single_threaded_pool(1) as once:
        dim = once.submit(encode, [empty]).result().shape[1]
    ready = upload([empty] * block)
    if device == "cuda":
        torch.cuda.synchronize()

    def bare() -> None:
        with _own_stream(device):
            compute(ready)
            if device == "cuda":
                torch.cuda.current_stream().synchronize()

    n_streams = _CUDA_STREAMS if device == "cuda" else torch.get_num_threads()
    preprocess = partial(squeeze, size_px=network.size_px)
    return Encoder(name, dim, device, network.size_px, block, preprocess, encode, n_streams, bare)


def single_threaded_pool(n_threads: int) -> ThreadPoolExecutor:
    """Threads on which an operator of torch uses one processor; on all other threads it uses what it did before."""
    import torch

    def alone() -> None:
        torch.get_num_threads()  # the first call in a thread takes over what holds for all
        torch.set_num_threads(1)

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(n_threads, "network", alone)
    together = threading.Barrier(n_threads)
    list(pool.map(lambda _: together.wait(), range(n_threads)))  # all of them start here
    torch.set_num_threads(before)  # for threads that are yet to start, what one thread sets holds too
    return pool


def _upload(network: "Network", device: str, block: int) -> Callable[[Any], Any]:
    """From images, padded to a block, to what the network wants to see, on the device: N x C x H x W."""
    import torch

    on_cuda = device == "cuda"
    mean = torch.tensor(network.mean, device=device).view(1, 3, 1, 1) * 255.0
    scale = 1.0 / (torch.tensor(network.std, device=device).view(1, 3, 1, 1) * 255.0)

    def upload(images: Any) -> Any:
        padded = torch.zeros((block, *images[0].shape), dtype=torch.uint8, pin_memory=on_cuda)
        rows_NHWC = padded.numpy()
        for place, image in enumerate(images):
            rows_NHWC[place] = image
        # N x H x W x C seen as N x C x H x W is the channels_last layout: nothing is copied.
        on_device = padded.to(device, non_blocking=on_cuda).permute(0, 3, 1, 2)
        return on_device.float().sub_(mean).mul_(scale)

    return upload


def _compute(network: "Network", device: str) -> Callable[[Any], Any]:
    import torch

    def compute(images_NCHW: Any) -> Any:
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            return network.forward(images_NCHW)

    return compute


_local = threading.local()


def _own_stream(device: str) -> Any:
    """On CUDA, a stream per thread, so that what one thread copies does not wait for what another computes."""
    if device != "cuda":
        return nullcontext()
    import torch

    if not hasattr(_local, "stream"):
        _local.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    return torch.cuda.stream(_local.stream)


def _as_rows(output: Any, name: str, n_images: int) -> NDArray[np.float32]:
    """A network's output as N × D; N × D × 1 × 1 (pooled, not flattened) is accepted."""
    shape = tuple(getattr(output, "shape", ()))
    if len(shape) < 2 or shape[0] != n_images or any(side != 1 for side in shape[2:]):
        found = f"shape {shape}" if shape else type(output).__name__
        raise FormatError(
            f"gives {found} for {n_images} images, not one vector each",
            where=f"encoder {name}",
            fix="Export the network with pooling and without its classifier: N x D.",
        )
    rows: NDArray[np.float32] = output.detach().float().cpu().numpy().reshape(shape[0], shape[1])
    return rows
