"""usage: tinynet COMMAND [arguments]

  explain  write a page that shows how convolution works
  run      run a program written for PyTorch, as it stands
  check    list what a program needs and tinynet lacks

  COMMAND --help says more
"""

import importlib
import sys
from collections.abc import Sequence

from . import __version__

COMMANDS = {"explain": "explain.cli", "run": "compat.run", "check": "compat.check"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status: 2 for an unknown one."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    usage: str | None = __doc__
    if name in COMMANDS:  # imported when used
        command = importlib.import_module(f"tinynet.{COMMANDS[name]}")
        if name == "explain":
            return int(command.main([name, *rest]))
        if rest and rest[0] not in ("-h", "--help"):
            return int(command.main(rest))
        usage, name = command.__doc__, "--help" if rest else ""
    if name in ("-h", "--help", "--version"):
        print(__version__ if name == "--version" else usage)
        return 0
    print(f"tinynet: no command {name!r}\n{usage}" if name else usage, file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
