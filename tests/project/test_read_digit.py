"""examples/read_digit.py reads digits as people draw and photograph them, and says what it can't.

The network is that of docs/network.html, whose weights stand in the page.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import tinynet
from tinynet.explain.network_page import unpacked

pytest.importorskip("matplotlib", reason="mnist.py, which has the network, draws with matplotlib")
Image = pytest.importorskip("PIL.Image", reason="Pillow, which reads pictures, is not installed")
ImageDraw = pytest.importorskip("PIL.ImageDraw")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def program():
    sys.path.insert(0, str(ROOT / "examples"))
    import read_digit

    yield read_digit
    sys.path.remove(str(ROOT / "examples"))


@pytest.fixture(scope="module")
def weights(program, tmp_path_factory) -> Path:
    """A file as mnist.py saves it. In the page, batch norm is part of the convolutions."""
    page = (ROOT / "docs" / "network.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'class="tn-data">(.*?)</script>', page, re.S)[1])
    state = program.Net().state_dict()
    layers = [layer for layer in data["layers"] if "weight" in layer]
    for name, layer in zip(("conv1", "conv2", "linear"), layers, strict=True):
        for part in ("weight", "bias"):
            state[f"{name}.{part}"] = tinynet.tensor(unpacked(layer[part]).astype(np.float32))
    path = tmp_path_factory.mktemp("weights") / "mnist.safetensors"
    tinynet.save(state, path)
    return path


@pytest.fixture(scope="module")
def model(program, weights):
    return program.reader(weights)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """The first 40 test digits that ship with tinynet."""
    test = tinynet.datasets.MNIST(train=False, download=False)
    return test.data.numpy()[:40], test.targets.numpy()[:40]


def placed(digit: np.ndarray, size: tuple[int, int], side: int, at: tuple[int, int]) -> np.ndarray:
    """An image of ink (H, W) from 0 to 1, with the digit `side` pixels wide at (row, column)."""
    ink = np.zeros(size)
    big = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    ink[at[0] : at[0] + side, at[1] : at[1] + side] = np.asarray(big) / 255
    return ink


def saved(path: Path, grey: np.ndarray, tint=(1, 1, 1)) -> Path:
    Image.fromarray(np.uint8(255 * (grey[..., None] * tint).clip(0, 1))).save(path)
    return path


def photograph(digit: np.ndarray, number: int) -> np.ndarray:
    """A pen on paper: dark on light, off the middle, a shadow from one side, and grain."""
    random = np.random.default_rng(number)
    height, width = [(450, 600), (640, 480), (300, 300)][number % 3]
    side = int(min(height, width) * random.uniform(0.3, 0.8))
    at = random.integers(0, (height - side, width - side))
    ink = placed(digit, (height, width), side, tuple(at))
    down, along = np.mgrid[-1:1:1j * height, -1:1:1j * width]
    light = 1 + random.uniform(-0.25, 0.25) * down + random.uniform(-0.25, 0.25) * along
    return (0.6 - 0.4 * ink) * light + random.normal(0, 0.02, ink.shape)


def right(program, model, paths: list[Path], labels: np.ndarray) -> int:
    images = tinynet.cat([program.digit_from(path) for path in paths])
    with tinynet.no_grad():
        return int((model(images).argmax(1).numpy() == labels).sum())


def test_photographs_are_read_as_well_as_the_digits_themselves(program, model, digits, tmp_path):
    images, labels = digits
    plain = [saved(tmp_path / f"{k}.png", image / 255) for k, image in enumerate(images)]
    photos = [saved(tmp_path / f"{k}.jpg", photograph(image, k), (1, 0.95, 0.85))
              for k, image in enumerate(images)]  # fmt: skip
    assert right(program, model, plain, labels) >= 38
    assert right(program, model, photos, labels) >= 38


@pytest.mark.parametrize("width", [3, 12], ids=["a fine pen", "a marker"])
@pytest.mark.parametrize("paper", [230, 20], ids=["on light", "on dark"])
def test_lines_of_any_width_are_read(program, model, tmp_path, width, paper):
    seven = [(350, 200), (620, 200), (480, 650)]
    four = [(500, 150), (330, 450), (640, 450)], [(560, 330), (560, 680)]
    for label, lines in ((7, [seven]), (4, four)):
        picture = Image.new("L", (1000, 800), paper)
        for line in lines:
            ImageDraw.Draw(picture).line(line, fill=250 - paper, width=width)
        picture.save(tmp_path / "drawn.png")
        assert right(program, model, [tmp_path / "drawn.png"], np.array([label])) == 1


def test_edges_of_shadows_and_dark_corners_are_no_ink(program, model, digits, tmp_path):
    images, labels = digits
    down, along = np.mgrid[-1:1:450j, -1:1:600j]
    edge = 1 - 0.45 / (1 + np.exp((along - 0.4 * down) / 0.05))  # across the middle
    corners = 1 - 0.2 * (down**2 + along**2)
    for light in (edge, corners):
        paths = [saved(tmp_path / f"{k}.png",
                       (0.85 - 0.6 * placed(image, light.shape, 200, (120, 200))) * light)
                 for k, image in enumerate(images)]  # fmt: skip
        assert right(program, model, paths, labels) >= 37


def test_a_digit_lies_as_mnist_has_it(program, digits, tmp_path):
    """Scaled into 20 × 20 pixels, with its centre of mass in the middle of 28 × 28."""
    for k, image in enumerate(digits[0][:10]):
        path = saved(tmp_path / "digit.png", 1 - placed(image, (500, 700), 200, (20, 400)))
        seen = program.digit_from(path).numpy()[0, 0] * 0.3081 + 0.1307
        inked = seen > 0.02
        rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20), k
        centre = [(np.arange(28) * seen.sum(axis)).sum() / seen.sum() for axis in (1, 0)]
        assert np.allclose(centre, 13.5, atol=0.75), k


def test_holes_in_a_picture_show_white_paper(program, model, digits, tmp_path):
    images, labels = digits
    alpha = np.uint8(255 * placed(images[0], (300, 300), 200, (50, 50)))
    black = np.zeros((300, 300, 3), np.uint8)
    Image.fromarray(np.dstack([black, alpha])).save(tmp_path / "ink.png")
    assert right(program, model, [tmp_path / "ink.png"], labels[:1]) == 1


def test_a_phone_held_upright(program, model, digits, tmp_path):
    """Its pictures lie on their side, and a tag says so."""
    images, labels = digits
    picture = Image.fromarray(np.uint8(255 * (1 - placed(images[0], (400, 300), 200, (100, 50)))))
    tags = Image.Exif()
    tags[274] = 6  # turn by 90° to the right to see it
    picture.rotate(90, expand=True).save(tmp_path / "lying.jpg", exif=tags)
    assert right(program, model, [tmp_path / "lying.jpg"], labels[:1]) == 1


def run(program, monkeypatch, *arguments: object) -> tuple[int | str | None, str, str]:
    """The exit code of the command line, and what it prints."""
    monkeypatch.setattr(sys, "argv", ["read_digit.py", *map(str, arguments)])
    out, err = io.StringIO(), io.StringIO()
    redirected = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with redirected[0], redirected[1], pytest.raises(SystemExit) as end:
        program.main()
    return end.value.code, out.getvalue(), err.getvalue()


def test_the_command_prints_digits_and_writes_the_page(
    program, weights, digits, tmp_path, monkeypatch
):
    images, labels = digits
    first = saved(tmp_path / "first.png", 1 - images[0] / 255)
    second = saved(tmp_path / "second.png", 1 - images[1] / 255)
    page = tmp_path / "seen.html"
    code, out, err = run(program, monkeypatch, weights, first, second, "--explain", page)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    for path, label, line in zip((first, second), labels, lines, strict=False):
        chance = r"\(\d+\.\d%\)"
        assert line.startswith(f"{path}: {label} (")
        found = line.removeprefix(f"{path}: ")
        assert re.fullmatch(rf"\d {chance}, \d {chance}, \d {chance}", found)
    assert lines[2:] == [f"what the network saw: {page}"]
    assert page.read_text(encoding="utf-8").count('"label"') >= 1


def test_pictures_that_cannot_be_read_are_named_and_the_others_read(
    program, weights, digits, tmp_path, monkeypatch
):
    good = saved(tmp_path / "good.png", 1 - digits[0][0] / 255)
    blank = saved(tmp_path / "blank.png", np.ones((200, 300)))
    noise = saved(tmp_path / "noise.png", np.random.default_rng(0).normal(0.8, 0.02, (300, 300)))
    (tmp_path / "text.png").write_text("no picture")
    code, out, err = run(program, monkeypatch, weights, blank, noise, tmp_path / "text.png",
                         tmp_path / "gone.png", good)  # fmt: skip
    assert code == 1
    assert out.startswith(f"{good}: {digits[1][0]} (")
    assert err.splitlines() == [
        f"read_digit: {blank}: no digit is to be seen: nothing stands out from the ground",
        f"read_digit: {noise}: no digit is to be seen: nothing stands out from the ground",
        f"read_digit: {tmp_path / 'text.png'}: this is no picture file that Pillow can read",
        f"read_digit: {tmp_path / 'gone.png'}: there is no such file",
    ]


def test_weights_that_are_missing_or_of_another_network(program, digits, tmp_path, monkeypatch):
    good = saved(tmp_path / "good.png", 1 - digits[0][0] / 255)
    code, _, _ = run(program, monkeypatch, tmp_path / "gone.safetensors", good)
    assert "there is no such file; python examples/mnist.py makes one" in code
    code, _, _ = run(program, monkeypatch, tmp_path, good)
    assert code.startswith(f"read_digit: {tmp_path}: these aren't the weights of mnist.py's")
    other = tmp_path / "other.safetensors"
    tinynet.save({"weight": tinynet.ones(2)}, other)
    code, _, _ = run(program, monkeypatch, other, good)
    assert code.startswith(f"read_digit: {other}: these aren't the weights of mnist.py's network: ")


def test_a_page_that_cannot_be_written(program, weights, digits, tmp_path, monkeypatch):
    good, page = saved(tmp_path / "good.png", 1 - digits[0][0] / 255), tmp_path / "gone" / "a.html"
    code, out, _ = run(program, monkeypatch, weights, good, "--explain", page)
    assert out.startswith(f"{good}: {digits[1][0]} (")
    assert code.startswith(f"read_digit: {page} can't be written: ")


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_five_lines_of_the_readme(name, weights, digits, tmp_path, monkeypatch, capsys):
    text = (ROOT / name).read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(import tinynet\n.*?)^```$", text, re.M | re.S)
    assert len(code.split("\n\n")) == 2
    assert len(code.splitlines()) <= 6
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    Path("out").mkdir()
    Path("out/mnist.safetensors").write_bytes(weights.read_bytes())
    saved(Path("photo.jpg"), photograph(digits[0][0], 0))
    exec(code, {})
    assert capsys.readouterr().out == f"{digits[1][0]}\n"
