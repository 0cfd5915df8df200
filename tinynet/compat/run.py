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

from . import names
from .imports import install

_ROOM = str(Path(__file__).parent)


def _tell(error: BaseException) -> None:
    """Say in an AttributeError of a tensor, module or optimiser what to use instead."""
    owner = getattr(error, "obj", None)
    kind = owner if isinstance(owner, type) else type(owner)
    for place, ours in names.CLASSES.items():
        if isinstance(error, AttributeError) and issubclass(kind, ours) and (
                error.name in names.names_of(place)):
            error.args = (names.message(f"{place}.{error.name}"),)
            error.name = error.obj = None  # else Python would add its guess at what was meant


def _leave_our_frames_out(error: BaseException) -> None:
    """Leave only the program's own frames in the traceback, and in those of earlier errors."""
    rows, row = [], error.__traceback__
    while row:
        rows.append(row)
        row = row.tb_next
    error.__traceback__ = None
    for row in reversed(rows):
        if not row.tb_frame.f_code.co_filename.startswith(_ROOM):
            row.tb_next, error.__traceback__ = error.__traceback__, row
    for earlier in filter(None, (error.__cause__, error.__context__)):
        _leave_our_frames_out(earlier)


def main(arguments: Sequence[str]) -> int:
    """Run a program as ``python`` does; its exceptions and SystemExit pass. 2 if it can't be read.
    """
    path = arguments[0]
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        print(f"tinynet run: can't open {path!r}: {error.strerror}", file=sys.stderr)
        return 2
    install()
    ours, module = sys.modules["__main__"], types.ModuleType("__main__")
    absolute = os.path.join(os.getcwd(), path)  # not made shorter, as in Python
    vars(module).update(__file__=absolute, __cached__=None, __builtins__=builtins,
                        __loader__=SourceFileLoader("__main__", absolute))
    if "__annotations__" in vars(ours):  # depends on Python's version
        vars(module)["__annotations__"] = {}
    sys.modules["__main__"], sys.argv[:] = module, arguments
    if not (getattr(sys.flags, "safe_path", False) or sys.flags.isolated):
        sys.path[0] = str(Path(path).resolve().parent)
    try:
        exec(compile(source, absolute, "exec", dont_inherit=True), vars(module))
    except BaseException as error:
        if not isinstance(error, SystemExit):
            _tell(error)
            _leave_our_frames_out(error)
            sys.excepthook(type(error), error, error.__traceback__)
            # Raised on, so that Python ends as always (exit code, SIGINT), but prints no more.
            sys.excepthook = lambda *_: None
        raise
    return 0
