"""``torch.utils.tensorboard``, by the package tensorboardX."""

from contextlib import AbstractContextManager
from typing import Any

from ..data.dataset import map_tensors


def _plain(values: Any) -> Any:
    return map_tensors(values, lambda t: t.numpy(force=True))


class SummaryWriter(AbstractContextManager["SummaryWriter"]):
    """tensorboardX's writer of event files, which is given tensors; its arguments and methods.

    ImportError without that package. ``add_graph`` needs PyTorch's own graphs, and is refused.
    """

    def __init__(self, *args: Any, **options: Any):
        try:
            import tensorboardX
        except ImportError as error:
            raise ImportError("SummaryWriter: the package tensorboardX is missing; "
                "pip install tensorboardX") from error
        self._writer = tensorboardX.SummaryWriter(*args, **options)

    def __getattr__(self, name: str) -> Any:
        if name in ("_writer", "add_graph", "add_onnx_graph"):
            raise AttributeError(f"SummaryWriter: there is no {name} here; see tinynet.explain")
        found = getattr(self._writer, name)
        return found if not callable(found) else lambda *args, **options: found(
            *_plain(args), **_plain(options))

    def __exit__(self, *error: object) -> None:
        self._writer.close()


__all__ = ["SummaryWriter"]
