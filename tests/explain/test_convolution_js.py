"""The convolution that the page computes in the browser, against the library: forward and all
gradients, over hundreds of random geometries."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from browser import needs_browser

import tinynet
import tinynet.nn.functional as F
from tinynet.explain.convolution import PADDING_MODES
from tinynet.explain.page import read

FILES = ("convolution.js", "address.js")
COUNT = 400
EXPLAIN = Path(tinynet.__file__).parent / "explain"


def random_problem(random: np.random.Generator, padding_mode: str) -> dict:
    """A geometry that the library accepts, and its numbers."""

    def pair(low, high):
        return [int(v) for v in random.integers(low, high, 2)]

    groups, n = int(random.integers(1, 4)), int(random.integers(1, 4))
    shape = [n, groups * int(random.integers(1, 3)), 0, 0]
    kernel, stride, dilation = pair(1, 5), pair(1, 4), pair(1, 4)
    margins = [pair(0, 4), pair(0, 4)]
    if random.integers(2):  # mostly the same on both sides, as conv2d pads
        margins = [[m[0], m[0]] for m in margins]
    for axis in (0, 1):
        extent = dilation[axis] * (kernel[axis] - 1) + 1
        least = max(extent - sum(margins[axis]), max(margins[axis]) + 1, 1)
        shape[2 + axis] = least + int(random.integers(0, 6))
    out = groups * int(random.integers(1, 3))
    return {
        "shape": shape, "kernel": [out, *kernel], "stride": stride, "padding": margins,
        "dilation": dilation, "groups": groups, "padding_mode": padding_mode,
        "x": random.normal(size=shape),
        "w": random.normal(size=(out, shape[1] // groups, *kernel)),
        "b": random.normal(size=out) if random.integers(2) else None,
    }  # fmt: skip


def by_library(problem: dict, random: np.random.Generator) -> dict:
    """y, dx, dw, db of the library; the upstream gradient is drawn here, of the shape of y."""
    x, w = (tinynet.tensor(problem[k], requires_grad=True) for k in "xw")
    b = tinynet.tensor(np.zeros(w.shape[0]) if problem["b"] is None else problem["b"])
    b.requires_grad_()
    (top, bottom), (left, right) = problem["padding"]
    mode = problem["padding_mode"]
    padded = F.pad(x, (left, right, top, bottom), mode="constant" if mode == "zeros" else mode)
    y = F.conv2d(padded, w, b, problem["stride"], 0, problem["dilation"], problem["groups"])
    problem["g"] = random.normal(size=y.shape)
    y.backward(tinynet.tensor(problem["g"]))
    return {
        "y": y.detach().array, "dx": x.grad.array, "dw": w.grad.array, "db": b.grad.array,
    }  # fmt: skip


@pytest.fixture(scope="module")
def problems() -> list[dict]:
    random, cases = np.random.default_rng(0), []
    for k in range(COUNT):
        problem = random_problem(random, PADDING_MODES[k % len(PADDING_MODES)])
        problem["expected"] = by_library(problem, random)
        cases.append(problem)
    return json.loads(json.dumps(cases, default=lambda array: array.reshape(-1).tolist()))


# compares the results of all problems with what is expected; answers with what differs
COMPARE = """
    const wrong = [];
    problems.forEach((problem, k) => {
      const copy = readData(writeData(problem));           // and back from an address
      const geometry = makeGeometry(copy);
      const y = convForward(geometry, copy.x, copy.w, copy.b);
      const found = { y, ...convBackward(geometry, copy.x, copy.w, copy.g) };
      for (const [name, values] of Object.entries(problem.expected)) {
        const far = values.map((v, i) => Math.abs(v - found[name][i]));
        if (found[name].length !== values.length || !(Math.max(...far) < 1e-10)) {
          wrong.push(`${k} ${name}: ${Math.max(...far)} ${JSON.stringify(problem.shape)}`);
        }
      }
    });
    return { count: problems.length, wrong };
"""


@needs_browser
def test_browser_computes_what_the_library_computes(tab, problems):
    tab.driver.get("about:blank")
    code = f"const problems = arguments[0]; {read(*FILES)} {COMPARE}"
    assert tab.script(code, problems) == {"count": COUNT, "wrong": []}


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_same_without_a_browser(problems, tmp_path):
    script = tmp_path / "compare.js"
    script.write_text(
        f"const problems = JSON.parse(require('fs').readFileSync(0)); {read(*FILES)}"
        f"console.log(JSON.stringify((() => {{ {COMPARE} }})()));",
        encoding="utf-8",
    )
    answer = subprocess.run(
        ["node", str(script)], input=json.dumps(problems), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert json.loads(answer.stdout) == {"count": COUNT, "wrong": []}


@pytest.mark.parametrize("name", FILES)
def test_these_files_are_small_and_know_no_page(name):
    text = (EXPLAIN / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 160
    assert not any(word in text for word in ("document", "window.", "querySelector", "Math.random"))


def test_every_geometry_of_the_comparison_is_different(problems):
    options = [{k: v for k, v in p.items() if k not in ("x", "b", "w", "g", "expected")}
               for p in problems]  # fmt: skip
    assert len({json.dumps(o) for o in options}) > COUNT * 0.95


WRONG_ADDRESSES = [
    "", "x:1x1x2x2:1,2,3,4", "x:1x1x2x2:1,2,3;w:1x1x1x1:1", "x:1x1x2x2:1,2,3,a;w:1x1x1x1:1",
    "x:1x1x2x2:1,2,3,4;w:1x1x3x3:1,2,3,4,5,6,7,8,9", "x:1x1x2x2:1,2,3,4;w:1x1x1x1:1;s:0",
    "x:1x1x2x2:1,2,3,4;w:1x1x1x1:1;mode:mirror", "x:1x1x2x2:1,2,3,4;w:1x1x1x1:1;g:1,2",
    "x:1x1x2x2:1,2,3,4;w:1x1x1x1:1;groups:2", "x:1x1x2x2:1,2,3,4;w:1x1x1x1:1;p:2;mode:reflect",
    "x:1x1x99x99:1;w:1x1x1x1:1", "x:1x1x2x2:1,2,3,Infinity;w:1x1x1x1:1", "<script>",
]  # fmt: skip


@needs_browser
def test_an_address_that_does_not_fit_is_refused(tab):
    tab.driver.get("about:blank")
    code = f"{read(*FILES)} return arguments[0].map(readData)"
    assert tab.script(code, WRONG_ADDRESSES) == [None] * len(WRONG_ADDRESSES)
    hash_ = "#mode=dx&step=3&data=x:1x1x1x1:-2.5;w:1x1x1x1:1e-7&empty=&lang=%E0%A4%A"
    parts = tab.script(f"{read(*FILES)} return readAddress(arguments[0])", hash_)
    assert parts == {
        "mode": "dx", "step": "3", "data": "x:1x1x1x1:-2.5;w:1x1x1x1:1e-7", "empty": "",
    }  # fmt: skip
