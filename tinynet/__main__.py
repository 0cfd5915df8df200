"""The command ``tinynet``, also as ``python -m tinynet``: its subcommands, each read when used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

# name: (module whose main runs it, whether that main wants the name too, help)
COMMANDS = {
    "explain": ("tinynet.explain.cli", True,
                "write a page that shows a convolution forward and backward"),
    "run": ("tinynet.compat.run", False, "run a program written for PyTorch, as it stands"),
    "check": ("tinynet.compat.check", False,
              "list what tinynet lacks of the names a program uses"),
}


def usage() -> str:
    width = max(map(len, COMMANDS))
    lines = (f"  {name:{width}}  {text}" for name, (_, _, text) in COMMANDS.items())
    return "\n".join(["usage: tinynet COMMAND [arguments]", "", *lines, "",
                      "tinynet COMMAND --help says more."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 2 for an unknown one."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["--version"]:
        print(importlib.import_module("tinynet").__version__)
        return 0
    if not given or given[0] not in COMMANDS:
        asked = given[:1] in (["-h"], ["--help"])
        if given and not asked:
            print(f"tinynet: no command {given[0]!r}", file=sys.stderr)
        print(usage(), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    module, wants_name, _ = COMMANDS[given[0]]
    status: int = importlib.import_module(module).main(given if wants_name else given[1:])
    return status


if __name__ == "__main__":
    raise SystemExit(main())
