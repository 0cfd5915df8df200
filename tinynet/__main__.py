"""``python -m tinynet explain ...``: the same as the command ``tinynet``."""
from .explain.cli import main

raise SystemExit(main())
