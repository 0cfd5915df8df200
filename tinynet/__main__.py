"""The command ``tinynet``, also as ``python -m tinynet``: its subcommands, each read when used."""

import importlib
import sys
from collections.abc import Sequence

from . import __version__

# name: (module whose main runs it, what main is given before the arguments, help)
COMMANDS = {
    "explain": ("explain.cli", ["explain"], "write a page that shows how convolution works"),
    "run": ("compat.run", [], "run a program written for PyTorch, as it stands"),
    "check": ("compat.check", [], "list what a program needs and tinynet lacks"),
}
USAGE = "\n  ".join(["usage: tinynet COMMAND [arguments]\n", *(
    f"{name:8} {text}" for name, (_, _, text) in COMMANDS.items()), "", "COMMAND --help says more"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 2 for an unknown one."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name in COMMANDS:
        module, first, _ = COMMANDS[name]
        return int(importlib.import_module(f"tinynet.{module}").main([*first, *rest]))
    if name in ("-h", "--help", "--version"):
        print(__version__ if name == "--version" else USAGE)
        return 0
    print(f"tinynet: no command {name!r}\n{USAGE}" if name else USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
