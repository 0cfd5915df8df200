"""The training report: its numbers, what it refuses, its charts and pictures, its page as text."""

from __future__ import annotations

import base64
import html
import importlib
import io
import json
import re
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from trained import HOSTILE, LOSS, Fixed, bands, make

import tinynet
from tinynet import nn
from tinynet.explain import report as make_report
from tinynet.explain import report_charts, report_pictures, training
from tinynet.explain.texts import LANGUAGES, TEXTS

ROOT = Path(__file__).parents[2]


def decode(uri):
    """The pixels of a PNG and its palette with transparency, read by the format's own rules."""
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, stream = {}, io.BytesIO(data[8:])
    while head := stream.read(8):
        size, name = struct.unpack(">I4s", head)
        chunks[name] = stream.read(size)
        assert struct.unpack(">I", stream.read(4))[0] == zlib.crc32(name + chunks[name])
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, rest) == (8, [0, 0, 0])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()  # no filter
    if colour == 2:
        return rows[:, 1:].reshape(height, width, 3)
    palette = np.column_stack(
        [
            np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3),
            np.frombuffer(chunks[b"tRNS"], np.uint8),
        ]
    )
    return palette[rows[:, 1:]]


# -- numbers ---------------------------------------------------------------------------------------


def test_confusion_guesses_and_certainty_are_those_of_the_model():
    r = make()
    np.testing.assert_array_equal(r.guesses, [0, 1, 2, 1, 0])
    np.testing.assert_array_equal(r.confusion, [[1, 0, 0], [1, 1, 0], [0, 1, 1]])
    np.testing.assert_allclose(r.certainty, np.exp(2) / (np.exp(2) + 2), rtol=1e-6)
    np.testing.assert_array_equal(r.wrong, [3, 4])
    np.testing.assert_array_equal(r.maps["conv"], 2 * bands(0).numpy()[0])
    assert repr(r) == (
        "a run\nTest accuracy: 60%, 3 of 5 images\nParameters: 1\nEpochs: 2\n"
        "Last loss: 0.0312 after 1,920 images"
    )
    assert "测试准确率: 60%，5 张图像中对 3 张" in repr(make(lang="zh"))


def test_the_most_certain_mistakes_come_first():
    images = bands(0, 0, 0) * tinynet.tensor([0.5, 2.0, 1.0]).reshape(3, 1, 1, 1)
    r = make_report(Fixed(), images, tinynet.tensor([1, 2, 1]))
    assert r.wrong.tolist() == [1, 2, 0]


def test_more_images_than_fit_in_a_batch_all_count(monkeypatch):
    monkeypatch.setattr(training, "BATCH", 2)
    np.testing.assert_array_equal(make().confusion, [[1, 0, 0], [1, 1, 0], [0, 1, 1]])


def test_the_model_is_left_as_it_was():
    model = Fixed()
    model.dropout.eval()
    make(model)
    assert [m.training for m in model.modules()] == [True, True, False]
    assert not any(m._hooks for m in model.modules())
    assert model.conv.weight.grad is None


def test_it_runs_where_the_model_is(device):
    model = Fixed().to(device)
    r = make_report(model, bands(0, 1), tinynet.tensor([0, 2]))
    np.testing.assert_array_equal(r.confusion, [[1, 0, 0], [0, 0, 0], [0, 1, 0]])
    assert "data:image/png" in r.html()


def test_without_records_or_convolutions_their_chapters_are_missing():
    page = make_report(
        nn.Sequential(nn.Flatten(), nn.Linear(24, 3)), bands(0, 1), tinynet.tensor([0, 1])
    ).html()
    for key in ("report.loss", "report.accuracy", "report.gradients", "report.maps"):
        assert html.escape(TEXTS[key][0]) not in page
    assert TEXTS["report.confusion"][0] in page


def test_nothing_wrong_is_said_too():
    page = make_report(Fixed(), bands(0, 1), tinynet.tensor([0, 1])).html()
    assert TEXTS["report.wrong_none"][0] in page


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"model": "net"}, TypeError, "model is a str"),
        ({"images": np.zeros((2, 1, 6, 4))}, ValueError, "images has type ndarray"),
        ({"images": tinynet.zeros(2, 6, 4)}, ValueError, r"images has shape \(2, 6, 4\)"),
        ({"labels": tinynet.tensor([0])}, ValueError, "2 images and 1 labels"),
        (
            {"labels": tinynet.tensor([0, 3])},
            ValueError,
            "from 0 to 3; they must be whole numbers of classes, 0 to 2",
        ),
        ({"labels": tinynet.tensor([0, -1])}, ValueError, "from -1 to 0"),
        ({"labels": tinynet.tensor([0.0, 1.0])}, ValueError, "labels are float32"),
        ({"classes": ["a", "b"]}, ValueError, "2 classes are named, but the model has 3"),
        ({"sample": 2}, ValueError, "sample=2, but there are 2 images"),
        ({"lang": "fr"}, ValueError, "lang='fr'"),
        ({"loss": [1.0, 2.0]}, ValueError, "loss must be pairs of numbers"),
        (
            {"gradients": {"head.weight": []}},
            ValueError,
            r"gradients of \['head.weight'\]; the model's parameters are conv.weight",
        ),
        ({"model": nn.Flatten(0)}, ValueError, r"the model returned shape \(48,\)"),
    ],
)
def test_what_does_not_fit_is_refused(more, error, message):
    settings = {"model": Fixed(), "images": bands(0, 1), "labels": tinynet.tensor([0, 1]), **more}
    with pytest.raises(error, match=message):
        make_report(
            settings.pop("model"), settings.pop("images"), settings.pop("labels"), **settings
        )


def test_a_run_that_diverged_is_drawn_as_far_as_it_goes():
    r = make(
        loss=[*LOSS, (2560, float("nan")), (3200, float("inf"))],
        gradients={"conv.weight": [(0, 1.0), (640, float("nan"))]},
        accuracy=[(1, 0.1)],
    )
    page = r.html()
    assert TEXTS["report.not_finite"][0] in page
    assert not re.search(r'd="[^"]*(nan|inf)', page)


def test_weights_and_scores_of_nan_still_make_a_page():
    model = Fixed()
    with tinynet.no_grad():
        model.conv.weight.fill_(float("nan"))
    page = make(model).html()
    assert "data:image/png" in page


# -- charts and pictures ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "log", "whole", "ticks"),
    [
        (0.02, 3, True, False, [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]),
        (1e-5, 3, True, False, [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]),
        (0.31, 0.48, True, False, [0.35, 0.4, 0.45]),
        (0, 30_000, False, False, [0, 5000, 10_000, 15_000, 20_000, 25_000, 30_000]),
        (0.94, 0.99, False, False, [0.94, 0.95, 0.96, 0.97, 0.98, 0.99]),
        (0.9, 3.1, False, True, [1, 2, 3]),
    ],
)
def test_ticks_are_round(low, high, log, whole, ticks):
    np.testing.assert_allclose(report_charts.Scale(low, high, 0, 1, log).ticks(whole), ticks)


def test_ticks_are_few_over_many_powers():
    assert 2 <= len(report_charts.Scale(1e-20, 1.0, 0, 1, True).ticks()) <= 7


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [0.25, 4.0], [1e-30, 1e30]])
def test_all_values_fit_on_their_scale(values, log):
    scale = report_charts.scale(values, 100, 0, log)
    places = [scale(v) for v in values]
    assert all(0 <= place <= 100 for place in places)
    assert scale.ticks()
    if max(values) > min(values):
        assert places[0] > places[-1]


def test_curves_show_the_recorded_values():
    page = make().html()
    drawn = re.search(r'class="tn-thin" d="M([^"]+)"', page)[1].split("L")
    xs, ys = np.array([[float(v) for v in pair.split()] for pair in drawn]).T
    seen, loss = np.array(LOSS).T
    np.testing.assert_allclose(np.diff(xs) / np.ptp(xs), np.diff(seen) / np.ptp(seen), atol=2e-3)
    np.testing.assert_allclose(
        np.diff(ys) / np.ptp(ys), -np.diff(np.log(loss)) / np.ptp(np.log(loss)), atol=2e-3
    )
    for x, y in LOSS:
        assert f'<th scope="row">{x:,}</th><td>{y:.3g}</td>' in page
    assert '<th scope="row">2</th><td>80%</td>' in page


@pytest.mark.parametrize("count", [4999, 5000, 5001])
def test_long_curves_are_thinned_but_keep_their_ends(count):
    page = make(loss=[(k, 2 + 1 / (k + 1)) for k in range(count)]).html()
    drawn = re.search(r'class="tn-thin" d="M([^"]+)"', page)[1].split("L")
    assert 500 < len(drawn) <= report_charts.MOST_CURVE + 1
    rows = re.findall(
        r'<th scope="row">([\d,]+)</th><td>([^<]+)</td>', page.partition("</table>")[0]
    )
    assert 10 < len(rows) <= report_charts.MOST_ROWS + 1
    assert rows[0] == ("0", "3") and rows[-1] == (f"{count - 1:,}", "2")
    assert len(page) < 400_000


def test_nothing_recorded_is_nothing_drawn():
    assert (
        report_charts.drawable([], True)
        == report_charts.drawable([(0, -1.0), (1, float("nan"))], True)
        == []
    )


def test_gradients_that_are_rounding_are_called_so():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(16, 3))
    page = make_report(
        model,
        bands(0),
        tinynet.tensor([0]),
        gradients={
            "0.weight": [(0, 2.0), (1, 1.0)],
            "0.bias": [(0, 1e-8), (1, 2e-8)],
            "2.weight": [(0, 0.0), (1, 0.0)],
        },
    ).html()
    rows = re.findall(
        r'<tr><th scope="row">([^<]+)</th><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td>',
        page,
    )
    assert [
        (name, "<path" in course, *values)
        for name, course, *values in rows
        if name in ("0.weight", "0.bias", "2.weight")
    ] == [
        ("0.weight", True, "2", "1.5", "1"),
        ("0.bias", False, "1e−8", "1.5e−8", "2e−8"),
        ("2.weight", False, "–", "–", "–"),
    ]


def test_signed_pictures_are_red_above_and_blue_below_zero():
    values = np.array([[1.0, -1.0, 0.0], [0.5, -0.25, np.nan]], dtype=np.float32)
    picture = report_pictures.signed("en", values, 1.0, TEXTS["report.numbers"])
    colours = decode(re.search(r'src="([^"]+)"', picture)[1]).astype(int)
    assert colours[..., 3].tolist() == [[255, 255, 0], [136, 68, 0]]
    assert (colours[0, 0, 0] > colours[0, 0, 2]) and (colours[0, 1, 2] > colours[0, 1, 0])
    assert 'width="60" height="40"' in picture


def test_images_of_one_channel_are_ink_and_of_three_are_colours():
    r = make()
    np.testing.assert_array_equal(
        decode(re.search(r'src="([^"]+)"', report_pictures.photo(r, 1, ("", "")))[1])[..., 3],
        255 * bands(1).numpy()[0, 0],
    )
    images = tinynet.tensor(np.linspace(0, 1, 2 * 3 * 4 * 2, dtype=np.float32).reshape(2, 3, 4, 2))
    r = make_report(nn.Sequential(nn.Flatten(), nn.Linear(24, 3)), images, tinynet.tensor([0, 1]))
    pixels = decode(re.search(r'src="([^"]+)"', report_pictures.photo(r, 1, ("", "")))[1])
    np.testing.assert_array_equal(pixels, np.rint(255 * images.numpy()[1]).transpose(1, 2, 0))


def test_what_is_too_much_is_cut_and_said():
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(
                [nn.Conv2d(1, 40, 1), *(nn.Conv2d(40, 40, 1) for _ in range(7))]
            )

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x.mean((2, 3))

    images, labels = bands(*[0] * 60), tinynet.tensor(list(range(30)) * 2)
    page = make_report(Wide(), images, labels, classes=None).html()
    assert "Shown: 32 of 40 (kernels)." in page
    assert "Shown: 32 of 40 (output channels)." in page
    assert "Shown: 6 of 8 (convolutions)." in page
    assert re.search(r"Shown: 48 of (5\d|60) \(wrong images\)\.", page)


# -- the page --------------------------------------------------------------------------------------


def test_hostile_names_stay_text_and_nothing_is_fetched(tmp_path):
    path = make(
        Fixed("conv<script>"), gradients={"conv<script>.weight": [(0, 1.0)]}, name=HOSTILE
    ).save(tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    assert page.count("<script>") == 1
    assert "<img src=x" not in page
    assert html.escape(HOSTILE) in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "://" not in page


def test_every_text_is_there_in_both_languages():
    page = make().html()
    for texts in map(
        json.loads, map(html.unescape, re.findall(r'data-(?:say|aria-label|alt)="([^"]*)"', page))
    ):
        assert len(texts) == len(LANGUAGES)
        assert all(texts)
    assert html.escape(json.dumps(TEXTS["report.confusion_lead"], ensure_ascii=False)) in page


def test_notebook_gets_a_sandboxed_frame():
    assert '<iframe sandbox="allow-scripts"' in make()._repr_html_()


def test_chinese_readme_has_the_same_code():
    english, chinese = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")
    )
    blocks = [
        re.findall(r"```python\n.*?```|^    \S.*$", text, re.S | re.M)
        for text in (english, chinese)
    ]
    comment = r" +# (?!doctest).*"  # each in its own language
    code = [
        re.findall(r"```python\n.*?```", re.sub(comment, "", text), re.S)
        for text in (english, chinese)
    ]
    assert code[0] == code[1] and len(code[0]) >= 3
    assert len(blocks[0]) == len(blocks[1])
    assert len(re.findall(r"^## ", english, re.M)) == len(re.findall(r"^## ", chinese, re.M))


# -- the example -----------------------------------------------------------------------------------


def test_the_mnist_example_reports_its_own_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tqdm", reason="the example needs tqdm")
    pytest.importorskip("matplotlib", reason="the example draws with matplotlib")
    monkeypatch.syspath_prepend(ROOT / "examples")
    example = importlib.import_module("mnist_resumable")

    class Few(tinynet.datasets.MNIST):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options, download=False)
            self.data, self.targets = self.data[:130], self.targets[:130]

    made, step = [], example.optim.SGD.step

    def watched_step(self):  # the norms before the step, computed with numpy alone
        made.append([float(np.linalg.norm(p.grad.numpy())) for p in self.param_groups[0]["params"]])
        return step(self)

    monkeypatch.setattr(example, "MNIST", Few)
    monkeypatch.setattr(example, "draw", lambda *arguments: None)
    monkeypatch.setattr(example.optim.SGD, "step", watched_step)
    monkeypatch.setattr(
        sys,
        "argv",
        [*"mnist_resumable.py --epochs 3 --batch-size 20 --report --out".split(), str(tmp_path)],
    )
    example.main()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    said = capsys.readouterr().out
    assert str(tmp_path / "report.html") in said
    accuracies = [float(text) for text in re.findall(r"test accuracy ([\d.]+)%", said)]
    shown = [float(text) for text in re.findall(r'<th scope="row">\d</th><td>([\d.]+)%</td>', page)]
    np.testing.assert_allclose(shown, accuracies, atol=0.006)
    rows = re.findall(
        r'<th scope="row">([a-z12]+[.][a-z]+)</th><td>.*?</td>'
        r"<td>([^<]+)</td><td>[^<]+</td><td>([^<]+)</td>",
        page,
    )
    recorded = np.array(made)[::10]  # the example writes down every tenth step
    assert len(recorded) == 3
    assert [name for name, _, _ in rows] == [name for name, _ in example.Net().named_parameters()]
    for (name, first, last), norms in zip(rows, recorded.T, strict=True):
        np.testing.assert_allclose(
            [float(first.replace("−", "-")), float(last.replace("−", "-"))],
            [norms[0], norms[-1]],
            rtol=0.01,
            err_msg=name,
        )
