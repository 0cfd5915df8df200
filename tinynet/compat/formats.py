"""Orders of memory that programs ask for. tinynet chooses its own, and results do not depend on it.
"""

from typing import Any

from . import public


class memory_format:
    """What ``memory_format=`` takes. Nothing comes of it: the order in memory is not a program's.

    Layers keep images with the batch innermost, whatever was asked for, until a view of their
    result is made.
    """

    def __init__(self, name: str):
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"


preserve_format, contiguous_format, channels_last = map(
    memory_format, ("preserve_format", "contiguous_format", "channels_last"))
__all__ = public(globals(), "preserve_format", "contiguous_format", "channels_last")


def check(function: str, given: Any) -> None:
    """TypeError unless `given` is a memory format."""
    if not isinstance(given, memory_format):
        raise TypeError(f"{function}: memory_format must be torch.preserve_format, "
            f"torch.contiguous_format or torch.channels_last, got {given!r:.60}")
