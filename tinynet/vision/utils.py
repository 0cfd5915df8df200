"""Images put together to one, and saved."""

from collections.abc import Sequence
from typing import Any

from ..creation import full
from ..ops.arguments import as_int, as_list
from ..ops.shapes import cat, stack
from ..tensor import Tensor
from .transforms.functional import pil_of, numbers

__all__ = ["make_grid", "save_image"]


def make_grid(tensor: Tensor | Sequence[Tensor], nrow: int = 8, padding: int = 2,
              normalize: bool = False, value_range: tuple[float, float] | None = None,
              scale_each: bool = False, pad_value: float = 0.0) -> Tensor:
    """Images side by side in one image, (C, H, W); grey ones get three equal channels.

    Args:
        tensor: images (N, C, H, W), an image (C, H, W) or (H, W), or a list of images of one size.
        nrow: images in a row.
        padding: pixels around each image, of the value `pad_value`.
        normalize: bring the values of `value_range`, by default from the least to the largest, to
            0.0 to 1.0; what lies outside is cut off.
        scale_each: each image by its own least and largest value.

    >>> import tinynet
    >>> make_grid(tinynet.zeros(5, 1, 4, 4), nrow=3).shape
    tinynet.Size([3, 14, 20])
    """
    name = "make_grid"
    images = tensor if isinstance(tensor, Tensor) else stack(as_list(name, "tensor", tensor))
    nrow, padding = as_int(name, "nrow", nrow, 1), as_int(name, "padding", padding, 0)
    if not 2 <= images.ndim <= 4:
        raise ValueError(f"{name}: expected images (N, C, H, W), (C, H, W) or (H, W), got shape "
            f"{tuple(images.shape)}")
    # As in torchvision, one image that nothing is done to wants a gradient if `tensor` does.
    unchanged = isinstance(tensor, Tensor) and not normalize and images.shape[-3:-2] > (1,)
    wants_grad = images.requires_grad and unchanged
    images = images.detach()[(None,) * (4 - images.ndim)]
    if images.shape[1] == 1:
        images = images.repeat(1, 3, 1, 1)
    if not normalize and (value_range is not None or scale_each):
        raise ValueError(f"{name}: value_range and scale_each go with normalize=True")
    if normalize:
        parts = images.split(1) if scale_each else [images]
        images = cat([_to_range(name, part, value_range) for part in parts])
    count, channels, height, width = images.shape
    if count == 1:
        return images[0].requires_grad_(wants_grad)
    columns = min(nrow, count)
    rows, height, width = -(-count // columns), height + padding, width + padding
    size = (channels, rows * height + padding, columns * width + padding)
    grid = full(size, pad_value, dtype=images.dtype, device=images.device)
    for k, image in enumerate(images):
        top, left = k // columns * height, k % columns * width
        grid[:, top + padding:top + height, left + padding:left + width] = image
    return grid


def _to_range(name: str, image: Tensor, value_range: Any) -> Tensor:
    given = (image.min().item(), image.max().item()) if value_range is None else value_range
    low, high = numbers(name, "value_range", given)
    return (image.clamp(low, high) - low) / max(high - low, 1e-5)


def save_image(tensor: Tensor | Sequence[Tensor], fp: Any, format: str | None = None,
               **options: Any) -> None:
    """Save an image, or several in a grid, with values from 0.0 to 1.0, by Pillow.

    Args:
        tensor: as for `make_grid`, which gets the other `options`.
        fp: a file name or an open file.
        format: Pillow's name of the format; by default the ending of the file name says it.
    """
    grid = make_grid(tensor, **options)
    pixels = (grid * 255 + 0.5).clamp(0, 255).numpy(force=True).astype("uint8")
    pil_of(pixels, "RGBA" if len(pixels) == 4 else "RGB").save(fp, format=format)
