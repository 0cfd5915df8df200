"""usage: tinynet run train.py [arguments]

Run a program written for PyTorch: in its process `torch` is tinynet and `torchvision` is tinynet's
vision part. Nothing is installed or changed, and an installed PyTorch is not imported.
`tinynet check train.py` lists what tinynet lacks without running the program.
"""

import builtins
import os
import sys
import types
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from . import names
from .imports import install

_ROOM = str(Path(__file__).parent)


def _main_module(path: str) -> types.ModuleType:
    """The module ``__main__`` that Python would make for the file."""
    module = types.ModuleType("__main__")
    absolute = os.path.join(os.getcwd(), path)  # not made shorter, as in Python
    vars(module).update(__file__=absolute, __cached__=None, __builtins__=builtins,
                        __loader__=SourceFileLoader("__main__", absolute))
    if "__annotations__" in vars(sys.modules["__main__"]):  # depends on Python's version
        vars(module)["__annotations__"] = {}
    return module


def _told(error: BaseException) -> None:
    """Say in an AttributeError of a tensor, module or optimiser what to use instead."""
    owner = getattr(error, "obj", None)
    for place, kind in names.CLASSES.items():
        is_ours = isinstance(owner, kind) or (isinstance(owner, type) and issubclass(owner, kind))
        if isinstance(error, AttributeError) and is_ours and error.name in names.names_of(place):
            error.args = (names.message(f"{place}.{error.name}"),)
            error.name = error.obj = None  # else Python would add its guess at what was meant


def _without_our_frames(error: BaseException) -> None:
    """Leave only the program's own frames in the traceback, and in those of earlier errors."""
    rows, traceback = [], error.__traceback__
    while traceback:
        rows.append(traceback)
        traceback = traceback.tb_next
    files = [row.tb_frame.f_code.co_filename for row in rows]
    hidden = (_ROOM, "<frozen importlib") if files and files[-1].startswith(_ROOM) else (_ROOM,)
    rows = [row for row, file in zip(rows, files, strict=True) if not file.startswith(hidden)]
    for row, following in zip(rows, [*rows[1:], None], strict=False):
        row.tb_next = following
    error.__traceback__ = rows[0] if rows else None
    for earlier in (error.__cause__, error.__context__):
        if earlier is not None:
            _without_our_frames(earlier)


def execute(path: str, source: bytes, arguments: Sequence[str]) -> None:
    """Run `source` as ``python path arguments…`` does. Its exceptions and SystemExit pass."""
    install()
    module = sys.modules["__main__"] = _main_module(path)
    sys.argv[:] = [path, *arguments]
    if not (getattr(sys.flags, "safe_path", False) or sys.flags.isolated):
        sys.path[0] = str(Path(path).resolve().parent)
    try:
        code: Any = compile(source, vars(module)["__file__"], "exec", dont_inherit=True)
        exec(code, vars(module))
    except SystemExit:
        raise
    except BaseException as error:
        _told(error)
        _without_our_frames(error)
        sys.excepthook(type(error), error, error.__traceback__)
        # Raised on, so that Python ends as always (exit code, atexit, SIGINT), but prints no more.
        sys.excepthook = lambda *_: None
        raise


def main(arguments: Sequence[str]) -> int:
    """Run a program; its exit code is Python's. 2 if there is no program or it can't be read."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    path = arguments[0]
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        print(f"tinynet run: can't open {path!r}: {error.strerror}", file=sys.stderr)
        return 2
    execute(path, source, arguments[1:])
    return 0
