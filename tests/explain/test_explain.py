"""The explainer: its numbers, its sentences, its page as text, the command, the graph.

What a browser makes of the page is tested in test_explain_browser.py.
"""

from __future__ import annotations

import gc
import json
import re
import string
import subprocess
import sys
from html import escape
from pathlib import Path

import numpy as np
import pytest
from explained import GOLDEN, K, X, explain, matrix, settings

import tinynet
import tinynet.nn.functional as F
from tinynet import nn
from tinynet.explain import cli, convolution, layered, page
from tinynet.explain.steps import MODES
from tinynet.explain.texts import LANGUAGES, TEXTS


def page_data(html: str) -> dict:
    return json.loads(
        re.search(
            r'<script type="application/json" class="tn-data">(.*?)</script>', html, re.S
        ).group(1)
    )


def naive(x, w, b, g, stride, dilation, groups):
    """y, dx, dw, db of a convolution without padding, one multiplication at a time."""
    (sh, sw), (dh, dw) = stride, dilation
    y, dx, d_w, db = np.zeros_like(g), np.zeros_like(x), np.zeros_like(w), np.zeros(w.shape[0])
    size_in, size_out = x.shape[1] // groups, w.shape[0] // groups
    for n, o, i, j in np.ndindex(*g.shape):
        db[o] += g[n, o, i, j]
        y[n, o, i, j] += 0.0 if b is None else b[o]
        for c, kh, kw in np.ndindex(*w.shape[1:]):
            cell = n, o // size_out * size_in + c, i * sh + kh * dh, j * sw + kw * dw
            y[n, o, i, j] += x[cell] * w[o, c, kh, kw]
            dx[cell] += g[n, o, i, j] * w[o, c, kh, kw]
            d_w[o, c, kh, kw] += g[n, o, i, j] * x[cell]
    return y, dx, d_w, db


# -- numbers ---------------------------------------------------------------------------------------


@settings
def test_golden_values(setting):
    e = explain(setting)
    for got, text in zip((e.y, e.dx, e.dw), GOLDEN[setting], strict=True):
        np.testing.assert_array_equal(got[0, 0], matrix(text))
    assert e.db == e.y.size


def test_coverage_counts_the_windows_of_each_cell():
    np.testing.assert_array_equal(explain().coverage, np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]))


def test_remainder_of_a_stride_gets_gradient_zero():
    x = np.arange(36.0).reshape(6, 6) + 1
    e = tinynet.explain.conv2d(x, K, stride=2)
    assert not e.dx[0, 0, 5].any()
    assert not e.dx[0, 0, :, 5].any()
    assert e.dx[0, 0, :5, :5].any()
    notes = page.notes(e)
    assert any("row 5" in note[0] for note in notes)
    assert any("column 5" in note[0] for note in notes)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("padding_mode", convolution.PADDING_MODES)
def test_every_geometry_ends_at_the_gradients_of_plain_loops(seed, padding_mode):
    random = np.random.default_rng([seed, len(padding_mode)])
    groups, n = int(random.integers(1, 3)), int(random.integers(1, 3))
    c, o = groups * int(random.integers(1, 3)), groups * int(random.integers(1, 3))
    kernel, stride, dilation = (
        tuple(int(v) for v in random.integers(low, high, 2))
        for low, high in ((1, 4), (1, 4), (1, 3))
    )
    padding = tuple(int(v) for v in random.integers(0, 3, 2))
    size = tuple(
        max(d * (k - 1) + 1 - 2 * p, 3) + int(random.integers(0, 6))
        for d, k, p in zip(dilation, kernel, padding, strict=True)
    )
    x, w = random.normal(size=(n, c, *size)), random.normal(size=(o, c // groups, *kernel))
    b = random.normal(size=o) if seed % 2 else None
    shape = [
        (s + 2 * p - d * (k - 1) - 1) // t + 1
        for s, p, d, k, t in zip(size, padding, dilation, kernel, stride, strict=True)
    ]
    g = random.normal(size=(n, o, *shape))
    e = tinynet.explain.conv2d(x, w, b, stride, padding, dilation, groups, padding_mode, g)
    mode = {"zeros": "constant", "replicate": "edge", "circular": "wrap"}.get(
        padding_mode, padding_mode
    )
    widths = [(0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2]
    padded = np.pad(x, widths, mode=mode)
    y, dxpad, dw, db = naive(padded, w, b, g, stride, dilation, groups)
    # the gradient of padding: give every padded cell back to the pixel it shows
    pixel = np.pad(np.arange(size[0] * size[1]).reshape(size) + 1, widths[2:], mode=mode).reshape(
        -1
    )
    dx = np.zeros((n, c, size[0] * size[1] + 1))
    for place, source in enumerate(pixel):
        dx[:, :, source] += dxpad.reshape(n, c, -1)[:, :, place]
    dx = dx[:, :, 1:].reshape(x.shape)
    for got, expected in ((e.y, y), (e.dx, dx), (e.dw, dw), (e.db, db)):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)
    # the steps of every mode end there too
    for view in e.views("noc"):
        n_, o_, c_ = view
        inside = [k for k, (r, q) in enumerate(e.cells) if not e.outside(r, q)]
        pixels = [
            dx[n_, c_, r - padding[0], q - padding[1]] for r, q in (e.cells[k] for k in inside)
        ]
        ends = {
            "forward": y[n_, o_].reshape(-1)[e.shown],
            "matrix": y[n_, o_].reshape(-1)[e.shown],
            "dw": dw[o_, c_ - e.group(o_) * e.Cg].reshape(-1),
            "dw_gather": dw[o_, c_ - e.group(o_) * e.Cg].reshape(-1),
            "db": db[[o_]],
            "dx": pixels,
            "dx_gather": pixels,
            "borders": pixels,
        }
        for mode_ in MODES:
            state, values = e.changes(mode_, *view)
            for cells, changed in zip(e.touched(mode_), values, strict=True):
                for k, value in zip(cells, changed, strict=True):
                    state[k] = value
            if mode_ in ("dx", "dx_gather", "borders"):
                state = [state[k] for k in inside]
            np.testing.assert_allclose(state, ends[mode_], rtol=1e-9, atol=1e-9)
            assert (
                len(e.focus(mode_))
                == len(values)
                == len(e.steps(mode_, sample=n_, out_channel=o_, in_channel=c_))
                <= 256
            )
    page.fragment(e)


def test_contributions_count_up_to_the_coverage():
    e = explain((1, 1, 1))
    before, steps, in_all = e.counts("dx")
    counts = list(before)
    for cells, now in zip(e.touched("dx")[:-1], steps[:-1], strict=True):
        for cell, count in zip(cells, now, strict=True):
            assert count == counts[cell] + 1
            counts[cell] = count
    assert counts == in_all == e.coverage.reshape(-1).tolist()


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(padding):
    random = np.random.default_rng(1)
    x, w = (
        random.normal(size=(1, 2, 6, 7)),
        random.normal(size=(3, 2, 4, 2)),
    )  # even kernels: one more on the far side
    e = tinynet.explain.conv2d(x, w, padding=padding, dilation=(1, 3))
    np.testing.assert_array_equal(
        e.y, F.conv2d(tinynet.tensor(x), tinynet.tensor(w), padding=padding, dilation=(1, 3)).array
    )
    assert e.y.shape[2:] == ((6, 7) if padding == "same" else (3, 4))
    assert f"padding='{padding}'" in e.call


@pytest.mark.parametrize("name", ["unfold", "fold", "conv2d"])
def test_nothing_is_drawn_when_the_library_is_wrong(monkeypatch, name):
    right = getattr(F, name)
    monkeypatch.setattr(F, name, lambda *a, **k: right(*a, **k) * 1.001)
    with pytest.raises(RuntimeError, match="differ by"):
        explain((2, 1, 1))


# -- sentences -------------------------------------------------------------------------------------


def test_sentences_are_those_of_the_specification():
    e = explain()
    assert e.steps("forward")[4] == (
        "Window (1,1) reads rows 1–3, columns 1–3. 1·1+2·2+1·3 + 0·2+1·1+0·0 + 2·2+1·3+0·1 = 16. "
        "Multiply and add; the kernel isn't turned."
    )
    assert e.steps("dx")[4] == (
        "G[1,1] = 1 travels back through the 9 taps: dX[1:4,1:4] += 1·w. Cell (2,2): 3 → 4, "
        "contribution 5 of 9. Windows overlap, so we add; assigning would keep only the last."
    )
    gather = e.steps("dx_gather")[12]
    assert gather.startswith(
        "Which windows read cell (2,2)? (0,0) through tap (2,2), (0,1) through tap (2,1), "
    )
    assert (
        "As the window moves right the tap moves left: "
        "a full correlation of G with the kernel turned 180°." in gather
    )
    assert "zeros between the G cells" not in gather
    assert "zeros between the G cells" in explain((2, 0, 1)).steps("dx_gather")[12]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_speaks_both_languages(mode):
    e = explain((2, 1, 1))
    english, chinese = e.steps(mode), e.steps(mode, "zh")
    assert len(english) == len(chinese) == len(e.focus(mode))
    assert not any(re.search(r"[一-鿿]", step) for step in english)
    assert all(re.search(r"[一-鿿]", step) for step in chinese)


def test_channels_bias_and_negative_numbers_in_sentences():
    e = tinynet.explain.conv2d([[[1, -2]], [[3, 4]]], [[[[-1, 2]], [[1, 1]]]], [-3])
    assert e.steps("forward") == [
        "Window (0,0) reads row 0, columns 0–1. In input channel 0: (−1)·1+2·(−2) = −5. "
        "Over the 2 channels: (−5) + 7 = 2. Plus the bias −3: −1. "
        "Multiply and add; the kernel isn't turned."
    ]


def test_texts_have_both_languages_with_the_same_slots():
    for key, texts in TEXTS.items():
        assert len(texts) == len(LANGUAGES), key
        assert all(texts), key
        slots = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name} for text in texts
        ]
        assert all(found == slots[0] for found in slots), key


def test_every_text_is_used_somewhere():
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(page.__file__).parent.iterdir()
        if path.suffix in (".py", ".js") and path.name != "texts.py"
    )
    for key in (key for key in TEXTS if not re.match(r"tour\.\d", key)):  # tested with the tour
        prefix = key.rpartition(".")[0] + "."
        # whole in the source, or put together there from a prefix: say("mode." + name)
        assert f'"{key}"' in source or f'"{prefix}"' in source or f'"{prefix}{{' in source, key


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"padding_mode": "mirror"}, ValueError, "padding_mode='mirror'"),
        ({"lang": "fr"}, ValueError, "lang='fr'"),
        ({"grad_out": np.ones((1, 1, 2, 3))}, ValueError, r"grad_out has shape \(1, 1, 2, 3\)"),
        ({"cell": (3, 0)}, ValueError, r"cell=\(3, 0\), but the output is 3 × 3"),
        ({"sample": 1}, ValueError, r"sample=1, but x has 1 sample"),
        ({"x": [[1, np.nan]]}, ValueError, "x holds nan or inf"),
        ({"x": [[1, 2], [3]]}, ValueError, "x is not a rectangular array"),
        ({"x": [["a"]]}, TypeError, "x has dtype"),
        ({"x": [1, 2]}, ValueError, r"x has shape \(2,\)"),
        ({"x": np.ones((0, 1, 5, 5))}, ValueError, "empty"),
        ({"stride": 0}, ValueError, "stride"),
        ({"w": np.ones((7, 7))}, ValueError, "kernel"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        tinynet.explain.conv2d(**{"x": X, "w": K, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "backward"}, "mode='backward'"),
        ({"lang": "fr"}, "lang='fr'"),
        ({"sample": 1}, "sample=1"),
        ({"out_channel": 1}, "out_channel=1"),
        ({"in_channel": 1}, "in_channel=1"),
    ],
)
def test_steps_that_are_not_there_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        explain().steps(**arguments)


# -- the page as text ------------------------------------------------------------------------------


def test_page_is_one_small_file_that_fetches_nothing(tmp_path):
    path = explain((2, 1, 1)).save(tmp_path / "conv.html")
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) <= 200_000
    assert not re.search(
        r"https?:|\burl\(|@import|<link(?! rel=\"icon\" href=\"data:,\")|<img|\bsrc=|fetch\("
        r"|XMLHttp",
        text,
    )
    assert "default-src 'none'" in text


def test_hostile_names_stay_text():
    name = "</script><script>alert(1)</script>&\"'<b>"
    html = explain(name=name).html()
    assert "<script>alert" not in html
    assert "<b>" not in html
    assert escape(name) in html
    assert page_data(html)["call"] == "F.conv2d(x, w)"


def test_tables_without_script_hold_the_numbers():
    html = page.static_tables(explain((2, 1, 1)), "en")
    captions = re.findall(r"<caption[^>]*>(.*?)</caption>", html)
    assert len(captions) == 5
    assert [c.split(",")[0] for c in captions] == [
        "y",
        "dX",
        "dW",
        "db",
        "coverage: how many windows read each cell",
    ]
    for text, table in zip(
        GOLDEN[2, 1, 1], re.findall(r"<tbody>(.*?)</tbody>", html), strict=False
    ):
        rows = [re.findall(r"<td>(.*?)</td>", row) for row in table.split("</tr>")[:-1]]
        np.testing.assert_array_equal(np.array(rows, dtype=float), matrix(text))


def test_large_convolutions_are_cropped_round_the_chosen_cell():
    random = np.random.default_rng(0)
    x, w = random.normal(size=(10, 12, 40, 50)), random.normal(size=(20, 12, 3, 3))
    e = tinynet.explain.conv2d(x, w, padding=1, cell=(30, 40), sample=9)
    assert (30, 40) in e.windows
    assert len(e.rows.cells) <= 12
    assert len(e.cols.cells) <= 12
    assert len(e.outs) <= 8
    assert len(e.samples) <= 8
    assert 9 in e.samples
    assert all(len(e.ins(o)) <= 8 for o in e.outs)
    # the accumulators start with what the hidden part gave, so they end at the whole gradient
    _, states = e.changes("dw", 9, 0, 0)
    np.testing.assert_allclose(states[-1], e.dw[0, 0].reshape(-1))
    _, states = e.changes("dx", 9, 0, 0)
    final = dict(zip(e.touched("dx")[-1], states[-1], strict=True))
    inside = {k: e.dx[9, 0, r - 1, q - 1] for k, (r, q) in enumerate(e.cells)}
    assert final.keys() == inside.keys()
    np.testing.assert_allclose([final[k] for k in inside], list(inside.values()))
    assert any("output cell (30,40)" in note[0] for note in page.notes(e))
    assert sum("Shown: " in note[0] for note in page.notes(e)) == 4


def test_a_window_larger_than_the_grid_still_has_few_steps_and_whole_gradients():
    random = np.random.default_rng(0)
    e = tinynet.explain.conv2d(
        random.normal(size=(26, 25)),
        random.normal(size=(20, 19)),
        padding=3,
        padding_mode="circular",
    )
    for mode in MODES:
        state, values = e.changes(mode, 0, 0, 0)
        assert len(values) == len(e.steps(mode)) <= 256
        for cells, changed in zip(e.touched(mode), values, strict=True):
            for k, value in zip(cells, changed, strict=True):
                state[k] = value
        if mode in ("dx", "dx_gather"):
            inside = [k for k, cell in enumerate(e.cells) if not e.outside(*cell)]
            np.testing.assert_allclose(
                [state[k] for k in inside],
                [e.dx[0, 0, e.cells[k][0] - 3, e.cells[k][1] - 3] for k in inside],
            )
    e.html()


def test_explaining_under_no_grad_works():
    with tinynet.no_grad():
        e = explain((1, 1, 1))
        dx = page_data(e.html())["expected"]["dx"]
        assert dx == matrix(GOLDEN[1, 1, 1][1]).reshape(-1).tolist()
        conv = nn.Conv2d(1, 1, 3)
        assert tinynet.explain.layer(
            conv, tinynet.ones(1, 1, 5, 5), lambda y: (y * y).sum()
        ).dw.any()


def test_notebook_frame_is_sandboxed_and_tables_stand_outside_it():
    html = explain()._repr_html_()
    outside = html.split("<iframe")[0]
    assert '<iframe sandbox="allow-scripts" ' in html
    assert "<script" not in html
    assert "<caption" in outside
    assert "<td>16</td>" in outside


def test_terminal_shows_shapes_formula_and_first_steps():
    text = repr(explain((2, 1, 1), b=[4]))
    assert text.startswith("F.conv2d(x, w, b, stride=2, padding=1)")
    assert "x 1 × 1 × 5 × 5" in text
    assert "⌊(5 + 1 + 1 − 1·(3 − 1) − 1) / 2⌋ + 1 = 3" in text
    assert "1. Window (0,0) reads" in text
    assert "1. G[0,0] = 1 travels back" in text
    assert "前向" in repr(explain(lang="zh"))


def test_text_is_the_same_in_every_process():
    script = (
        "import hashlib, tinynet.explain as e; r = range(6);"
        "x = [[i * j % 5 for j in r] for i in r];"
        "c = e.conv2d(x, [[1, 2], [3, 4]], padding=1, padding_mode='reflect');"
        "print(hashlib.sha256((c.html() + repr(c)).encode()).hexdigest())"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    }
    assert len(hashes) == 1


# -- a layer of one's own --------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=(1, 2), padding_mode="reflect")
        self.head = nn.Linear(4 * 6 * 5, 3)

    def forward(self, x):
        return self.head(F.relu(self.conv1(x)).flatten(1))


def test_layer_gets_the_gradient_that_really_arrives():
    tinynet.manual_seed(0)
    net, x, target = Net(), tinynet.randn(3, 2, 6, 7), tinynet.tensor([0, 2, 1])
    e = tinynet.explain.layer(
        net.conv1, x, lambda y: F.cross_entropy(net.head(F.relu(y).flatten(1)), target), sample=2
    )
    assert net.conv1.weight.grad is None
    assert net.head.weight.grad is None
    F.cross_entropy(net(x), target).backward()
    np.testing.assert_allclose(e.dw, net.conv1.weight.grad.array, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(e.db, net.conv1.bias.grad.array, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(e.y, net.conv1(x).detach().array, rtol=1e-4, atol=1e-6)
    assert e.sample == 2
    assert e.name == repr(net.conv1)
    assert tinynet.explain.layer(net.conv1, x, name="<script>").name == "<script>"


def test_layer_refuses_what_it_cannot_explain():
    conv, x = nn.Conv2d(1, 1, 2), tinynet.ones(1, 1, 3, 3)
    with pytest.raises(TypeError, match="module is a Linear"):
        tinynet.explain.layer(nn.Linear(2, 2), x)
    with pytest.raises(ValueError, match=r"loss\(y\) has shape \(1, 1, 2, 2\)"):
        tinynet.explain.layer(conv, x, lambda y: y)
    with pytest.raises(ValueError, match=r"loss\(y\) has type float"):
        tinynet.explain.layer(conv, x, lambda y: 1.0)
    with pytest.raises(ValueError, match="does not depend on y"):
        tinynet.explain.layer(
            conv,
            x,
            lambda y: tinynet.ones(1, requires_grad=True).sum() * 0 if False else tinynet.ones(1),
        )


# -- the command -----------------------------------------------------------------------------------


def test_command_writes_the_page_and_prints_its_path(tmp_path, capsys):
    out = tmp_path / "conv.html"
    assert (
        cli.main(
            [
                "explain",
                "--input",
                "5x5",
                "--kernel",
                "3x3",
                "--stride",
                "2",
                "--padding",
                "1",
                "-o",
                str(out),
            ]
        )
        == 0
    )
    assert capsys.readouterr().out == f"{out}\n"
    assert (
        page_data(out.read_text(encoding="utf-8"))["call"] == "F.conv2d(x, w, stride=2, padding=1)"
    )


def test_command_reads_arrays_and_prints_steps(tmp_path, capsys):
    for name, value in {"x": X, "w": K, "g": np.full((3, 3), 2), "b": [7]}.items():
        np.save(tmp_path / f"{name}.npy", np.array(value, dtype=float))
    assert (
        cli.main(
            [
                "explain",
                "--input",
                f"{tmp_path}/x.npy",
                "--kernel",
                f"{tmp_path}/w.npy",
                "--grad-out",
                f"{tmp_path}/g.npy",
                "--bias",
                f"{tmp_path}/b.npy",
                "--steps",
                "db",
                "--lang",
                "zh",
                "-o",
                f"{tmp_path}/o.html",
            ]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "db 由 16 → 18" in out
    assert out.endswith(f"{tmp_path}/o.html\n")


def test_command_opens_the_page_only_if_asked(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(cli.webbrowser, "open", opened.append)
    out = tmp_path / "a.html"
    cli.main(["explain", "-o", str(out)])
    assert opened == []
    cli.main(
        [
            "explain",
            "--input",
            "4x6x7",
            "--kernel",
            "3x2",
            "--groups",
            "2",
            "--bias",
            "--seed",
            "3",
            "--open",
            "-o",
            str(out),
        ]
    )
    assert opened == [out.resolve().as_uri()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "2x2", "--kernel", "3x3"], "kernel"),
        (["--input", "ax2"], "'ax2' is neither a size"),
        (["--input", "no-such.npy"], "can't be read"),
        (["--stride", "1x2x3"], "one number for both"),
        (["--bias", "no-such.npy"], "can't be read"),
        (["-o", "no/such/folder/c.html"], "No such file"),
    ],
)
def test_command_says_what_is_wrong(arguments, message, capsys):
    try:
        status = cli.main(["explain", *arguments])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    assert message in capsys.readouterr().err


# -- graphs ----------------------------------------------------------------------------------------


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2 = nn.Linear(400, 32), nn.Linear(32, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def lenet_loss():
    model = LeNet()
    return model, F.cross_entropy(model(tinynet.randn(2, 1, 28, 28)), tinynet.tensor([1, 2]))


def test_graph_groups_by_module_and_shows_gradients_after_backward():
    model, loss = lenet_loss()
    e = tinynet.explain.graph(loss)
    framed = [box.scope for box in e.boxes if box.framed]
    assert framed == ["conv1", "conv2", "fc1", "fc2"]
    text = e.svg()
    assert text.count("no gradient yet") == 8
    assert "‖grad‖" not in text
    assert "2 × 16 × 10 × 10" in text
    assert "conv1 · Conv2d" in text
    loss.backward()
    text = tinynet.explain.graph(loss, model).svg()
    assert text.count("‖grad‖") == 8
    assert "no gradient yet" not in text
    norm = np.sqrt((model.conv1.weight.grad.array.astype(float) ** 2).sum())
    assert f"‖grad‖ {norm:.3g}" in text


def test_graph_of_a_lenet_step_fits_on_one_screen():
    _, loss = lenet_loss()
    width, height = (
        float(size)
        for size in re.search(
            r'viewBox="\S+ \S+ (\S+) (\S+)"', tinynet.explain.graph(loss).svg()
        ).groups()
    )
    # scaled to a screen of 1280 × 800, letters are still at least 9 pixels high
    assert min(1, 1200 / width, 670 / height) * 13 >= 9


def test_graph_with_thousands_of_nodes_is_folded():
    blocks = nn.Sequential(
        *[nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)) for _ in range(40)]
    )
    x = blocks(tinynet.ones(1, 1, 2, 2))
    e = tinynet.explain.graph(x.sum(), blocks)
    assert e.folded
    assert len(e.boxes) == 41
    assert e.boxes[3].scope == "3"
    t = tinynet.ones(2, requires_grad=True)
    y = t
    for _ in range(2000):
        y = y * t
    e = tinynet.explain.graph(y.sum())
    assert e.folded
    assert len(e.boxes) <= 60
    assert sum(len(box.members) for box in e.boxes) == 2002
    assert e.svg().count("<g class") < 100
    assert "Mul ×" in e.svg()


def test_graph_escapes_names_and_saves_both_formats(tmp_path):
    model = nn.Sequential()
    model.add_module("<script>", nn.Linear(2, 2))
    e = tinynet.explain.graph(model(tinynet.ones(1, 2)).sum(), model, lang="zh")
    for name in ("graph.svg", "graph.html"):
        text = e.save(tmp_path / name).read_text(encoding="utf-8")
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
        assert "<svg" in text
        assert "尚无梯度" in text
    assert "&lt;script&gt;" in e._repr_html_()


def test_graph_refuses_what_has_no_graph():
    with pytest.raises(TypeError, match="got a float"):
        tinynet.explain.graph(1.0)
    with pytest.raises(ValueError, match="no history"):
        tinynet.explain.graph(tinynet.ones(2))
    y = tinynet.ones(2, requires_grad=True).sum()
    with pytest.raises(TypeError, match="model is a str"):
        tinynet.explain.graph(y, "model")
    with pytest.raises(ValueError, match="lang='fr'"):
        tinynet.explain.graph(y, lang="fr")


def test_graph_leaves_no_reference_behind():
    gc.collect()
    gc.disable()
    try:
        import weakref

        model, loss = lenet_loss()
        watched = weakref.ref(model.conv1.weight)
        tinynet.explain.graph(loss).svg()
        del model, loss
        gc.collect()
        assert watched() is None
    finally:
        gc.enable()


def test_layout_has_no_crossing_where_none_is_needed():
    random = np.random.default_rng(0)
    for _ in range(20):  # trees can always be drawn without a crossing
        edges = [(int(random.integers(0, v)), v) for v in range(1, 25)]
        rows = layered.layered(dict.fromkeys(range(25), (30.0, 10.0)), edges, 20.0)
        segments = sorted(
            (rows.places[a][1], rows.places[a][0], rows.places[b][0]) for a, b in edges
        )
        for y, x, x_end in segments:
            assert not any(
                y == other_y and (x - other_x) * (x_end - other_end) < 0
                for other_y, other_x, other_end in segments
            )


def test_layout_keeps_boxes_apart_and_edges_downward():
    random = np.random.default_rng(1)
    sizes = {v: (float(random.integers(10, 90)), float(random.integers(10, 40))) for v in range(40)}
    edges = [(int(random.integers(0, v)), v) for v in range(1, 40) for _ in range(2)]
    layout = layered.layered(sizes, edges, 20.0)
    for a, b in edges:
        assert layout.places[a][1] + sizes[a][1] / 2 < layout.places[b][1] - sizes[b][1] / 2
    for a in sizes:
        for b in range(a + 1, 40):
            gaps = [
                abs(layout.places[a][k] - layout.places[b][k]) - (sizes[a][k] + sizes[b][k]) / 2
                for k in (0, 1)
            ]
            assert max(gaps) >= 17.9
    left = min(layout.places[v][0] - sizes[v][0] / 2 for v in sizes)
    assert left >= -1e-9
    assert all(layout.places[v][0] + sizes[v][0] / 2 <= layout.size[0] + 1e-9 for v in sizes)
    assert layered.nondecreasing([3, 1, 2, 5, 4]) == [2, 2, 2, 4.5, 4.5]


def test_a_window_larger_than_the_grid_is_said():
    page = tinynet.explain.conv2d(tinynet.randn(1, 1, 16, 16), tinynet.randn(1, 1, 14, 14)).html()
    assert "covers more than 12 cells" in page
    assert "超过 12 格" in page
    assert (
        "covers more than 12 cells"
        not in tinynet.explain.conv2d(tinynet.randn(1, 1, 5, 5), tinynet.randn(1, 1, 3, 3)).html()
    )
