"""torchvision, also where its compiled operators do not fit the installed torch."""

import sys
from typing import Any

_declared: list[Any] = []  # torch forgets the operators once this is gone


def load_torchvision() -> Any:
    """Import torchvision.

    PyPI's torchvision is a CUDA build: beside a CPU torch its library of operators does not load, and the import
    stops at the first one that is missing. Models and transforms never call them, so declaring them is enough.
    Where torchvision brings its own, nothing is declared.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        import torch

        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # half imported
        library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        import torchvision
    return torchvision
