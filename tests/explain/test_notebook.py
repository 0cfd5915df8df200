"""examples/conv_backprop.ipynb: its cells run in order, and it is stored with what they give."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import tinynet

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "conv_backprop.ipynb"
NUMBER = re.compile(r"[-−]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
AGAIN = "run tools/run_notebook.py to store the outputs again"


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(source: str, names: dict[str, Any]) -> list[dict[str, str]]:
    """The outputs of a cell as a notebook shows them: what it prints, then its last expression."""
    tree = ast.parse(source)
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, NOTEBOOK.name, "exec"), names)
        value = None if last is None else eval(compile(last, NOTEBOOK.name, "eval"), names)
    outputs = [{"text": printed.getvalue()}] if printed.getvalue() else []
    if value is not None:
        outputs.append({"text/plain": repr(value)})
        if hasattr(value, "_repr_html_"):
            outputs[-1]["text/html"] = value._repr_html_()
    return outputs


def stored(cell: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {kind: "".join(text) for kind, text in (output.get("data") or output).items()
         if kind.startswith("text")}
        for output in cell["outputs"]
    ]  # fmt: skip


def numbers(text: str) -> list[float]:
    return [float(number.replace("−", "-")) for number in NUMBER.findall(text)]


def test_the_stored_outputs_are_those_that_the_cells_give(cells):
    """Digit by digit but for rounding: another machine may add in another order."""
    names: dict[str, Any] = {}
    for cell in cells:
        was, now = stored(cell), run("".join(cell["source"]), names)
        assert [output.keys() for output in was] == [output.keys() for output in now], AGAIN
        for old, new in zip(was, now, strict=True):
            for kind in new:
                assert NUMBER.sub("#", old[kind]) == NUMBER.sub("#", new[kind]), AGAIN
                assert numbers(old[kind]) == pytest.approx(numbers(new[kind]), 1e-4, 1e-6), AGAIN
    assert isinstance(names["e"], tinynet.explain.Conv2dExplanation)


def test_the_notebook_is_stored_as_run_once_from_top_to_bottom(cells):
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell["outputs"] for cell in cells)
    html = "".join(output.get("text/html", "") for cell in cells for output in stored(cell))
    assert html.count("<iframe sandbox") == 3
    assert html.count("<details>") == 3, "tables, for viewers that run no scripts"
    assert "<svg" in html


def test_the_notebook_names_no_place_of_the_machine_it_ran_on():
    text = NOTEBOOK.read_text(encoding="utf-8")
    places = {str(ROOT), str(Path.home()), os.getcwd(), "/tmp/", "/home/", "/root/", "/Users/"}
    assert not [place for place in places if len(place) > 1 and place in text]
    assert '"version"' not in text


def test_notebook_executes_in_jupyter(tmp_path, monkeypatch):
    nbformat = pytest.importorskip(
        "nbformat", reason="nbformat is not installed (pip install nbclient ipykernel)"
    )
    nbclient = pytest.importorskip(
        "nbclient", reason="nbclient is not installed (pip install nbclient ipykernel)"
    )
    pytest.importorskip(
        "ipykernel", reason="ipykernel is not installed (pip install nbclient ipykernel)"
    )
    # the kernel is a process of its own and finds tinynet where this one does
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(tinynet.__file__).parents[1]), *sys.path])
    )
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]
    assert sum("<iframe sandbox" in html for html in shown) == 3
    assert sum("<svg" in html for html in shown) == 1
