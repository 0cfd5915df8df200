"""Run examples/conv_backprop.ipynb from top to bottom and store it with its outputs.

    python tools/run_notebook.py

Needs nbclient and ipykernel. Run it after every change of the notebook, or of what its cells show;
a test compares the stored outputs with what the cells give.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "conv_backprop.ipynb"


def main() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    metadata = dict(notebook.metadata)  # the kernel would write its version into it
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    with tempfile.TemporaryDirectory() as folder:
        nbclient.NotebookClient(
            notebook,
            timeout=120,
            record_timing=False,
            resources={"metadata": {"path": folder}},
        ).execute()
    notebook.metadata = metadata
    nbformat.write(notebook, NOTEBOOK)
    print(f"{NOTEBOOK.name}: {NOTEBOOK.stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    main()
