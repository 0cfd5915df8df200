"""A whole network explained: its numbers are the model's, and what cannot be shown is refused."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from readers import HOSTILE, images, models, plain, with_statistics

import tinynet
import tinynet.nn.functional as F
from tinynet import nn
from tinynet.explain import network, network_page, network_trace
from tinynet.explain.texts import LANGUAGES, TEXTS

NAMES = ["plain", "many", "borders"]


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_those_of_the_model(name):
    model, shape = models()[name]
    model.double().eval()
    batch, labels = images(shape).double(), [0, 2]
    e = network(model, batch, labels)
    for n, p in enumerate(e.passes):
        x = batch[n : n + 1].detach().requires_grad_()
        model.zero_grad()
        scores = model(x)
        loss = F.cross_entropy(scores, tinynet.tensor([labels[n]]))
        loss.backward()
        np.testing.assert_allclose(p.values[-1], scores.detach().numpy()[0], rtol=1e-10)
        np.testing.assert_allclose(p.gradients[0], x.grad.numpy()[0], rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(p.loss, loss.item(), rtol=1e-10)
        own = [g for layer in p.parameters for g in layer.values()]
        for gradient, parameter in zip(own, model.parameters(), strict=True):
            np.testing.assert_allclose(gradient, parameter.grad.numpy(), rtol=1e-9, atol=1e-14)


def test_the_model_keeps_its_mode_its_numbers_and_its_gradients():
    model, shape = models()["many"]
    model.train()
    model[1].eval()
    model(images(shape)).sum().backward()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    gradients = [p.grad.numpy().copy() for p in model.parameters()]
    random = tinynet.default_generator.numpy.bit_generator
    state = str(random.state)
    with tinynet.no_grad():
        network(model, images(shape)[0], 1)
    assert [m.training for m in model] == [True, False] + [True] * (len(model) - 2)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    for old, parameter in zip(gradients, model.parameters(), strict=True):
        np.testing.assert_array_equal(parameter.grad.numpy(), old)
    assert str(random.state) == state


def test_text_for_terminals():
    lines = repr(plain(name="a reader")).splitlines()
    assert lines[0] == "a reader"
    assert lines[1].startswith("image  1 × 8 × 10  values up to ")
    assert lines[2].startswith("0  convolution  3 × 8 × 10  values up to ")
    assert lines[-1].startswith("loss ") and " with the label " in lines[-1]
    assert "卷积" in repr(plain(lang="zh"))


@pytest.mark.parametrize(
    "values",
    [
        np.float16([[0, -0.5, 2e-8], [1, 6e4, 3.14]]), np.float32([0.1, -7e-30]),
        np.random.default_rng(0).normal(size=300), np.repeat([0.1, 0.7], 500),
        np.zeros((3, 0)), np.float64([np.pi]),
    ],
    ids=["f2", "f4", "f8", "table", "empty", "one"],
)  # fmt: skip
def test_numbers_are_packed_without_loss(values):
    packed = network_page.packed(values)
    np.testing.assert_array_equal(network_page.unpacked(packed), values.astype(np.float64))
    assert ("table" in packed) == (values.size == 1000)


# -- what is refused -------------------------------------------------------------------------------


def head(*layers):
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 3))


class Own(nn.Module):
    """A model whose forward is a function of its own."""

    def __init__(self, function, *layers):
        super().__init__()
        self.layers, self.function = nn.ModuleList(layers), function

    def forward(self, x):
        return self.function(x, *self.layers)


def residual(x, conv, linear):
    return linear((x + conv(x)).flatten(1))


def half_hidden(x, linear):
    return linear(x.flatten(1)).detach() + 1


def hooked():
    """A model that a hook changes behind the graph's back."""
    model = head()
    model[-1].register_forward_hook(lambda module, inputs, y: y.detach() * 2 + y - y.detach())
    return model


IMAGE = tinynet.ones(1, 4, 4)
REFUSED = {
    "no module": (lambda: network(len, IMAGE, 0), TypeError, "model is a builtin"),
    "two paths": (lambda: network(Own(residual, nn.Conv2d(1, 1, 1), nn.Linear(16, 3)), IMAGE, 0),
                  TypeError, "uses add for 1 × 1 × 4 × 4"),
    "softmax": (lambda: network(nn.Sequential(*head(), nn.LogSoftmax(1)), IMAGE, 0), TypeError,
                "uses log_softmax"),
    "gelu": (lambda: network(head(nn.GELU()), IMAGE, 0), TypeError, "cannot be shown"),
    "no graph": (lambda: network(Own(half_hidden, nn.Linear(16, 3)), IMAGE, 0), ValueError,
                 "one score"),
    "computed": (lambda: network(Own(lambda x, m: F.linear(x.flatten(1), m.weight * 2),
                                     nn.Linear(16, 3)), IMAGE, 0), ValueError, "weight that is co"),
    "unflattened": (lambda: network(Own(lambda x, m: F.linear(x, m.weight), nn.Linear(4, 3)),
                                    IMAGE, 0), TypeError, "cannot be shown"),
    "changed": (lambda: network(hooked(), IMAGE, 0), ValueError, "something else"),
    "no averages": (lambda: network(head(nn.BatchNorm2d(1, track_running_stats=False)), IMAGE, 0),
                    ValueError, "running averages"),
    "adaptive": (lambda: network(head(nn.AdaptiveAvgPool2d(4)), IMAGE, 0), ValueError,
                 "output_size 1"),
    "flatten": (lambda: network(nn.Sequential(nn.Flatten(2), nn.Linear(16, 3)), IMAGE, 0),
                ValueError, "nn.Flatten()"),
    "linear": (lambda: network(nn.Sequential(nn.Linear(4, 3)), IMAGE, 0), ValueError,
               "after nn.Flatten"),
    "no scores": (lambda: network(nn.Sequential(nn.ReLU()), IMAGE, 0), ValueError, "one score"),
    "empty": (lambda: network(nn.Sequential(), IMAGE, 0), ValueError, "no layer"),
    "too large": (lambda: network(nn.Sequential(nn.Flatten(), nn.Linear(16, 70_000)), IMAGE, 0),
                  ValueError, "1,190,000 parameters"),
    "shape": (lambda: network(head(), tinynet.ones(4), 0), ValueError, r"\(4,\)"),
    "images": (lambda: network(head(), tinynet.ones(21, 1, 4, 4), [0] * 21), ValueError, "21"),
    "nan": (lambda: network(head(), np.full((4, 4), np.nan), 0), ValueError, "nan"),
    "text": (lambda: network(head(), [["a"]], 0), TypeError, "dtype"),
    "label": (lambda: network(head(), IMAGE, 3), ValueError, "from 0 to 2"),
    "labels": (lambda: network(head(), IMAGE, [0, 1]), ValueError, "1 image"),
    "half": (lambda: network(head(), IMAGE, 0.5), TypeError, "0.5"),
    "classes": (lambda: network(head(), IMAGE, 0, classes=["a"]), ValueError, "1 classes"),
    "language": (lambda: network(head(), IMAGE, 0, lang="xx"), ValueError, "lang='xx'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_shown_is_refused(case):
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=message) as raised:
        call()
    assert str(raised.value).startswith("explain.network: ")


def test_functions_between_modules_are_shown_too():
    """The network of examples/mnist.py, whose forward uses functions, as its layers do."""
    path = Path(__file__).parents[2] / "examples" / "mnist.py"
    code = path.read_text(encoding="utf-8").partition("class Net")[2].partition("\n\n\n")[0]
    names = {"nn": nn, "F": F}
    exec(f"class Net{code}", names)
    model = names["Net"]()
    for norm in (model.norm1, model.norm2):
        with_statistics(norm)
    e = network(model, images((1, 28, 28)), [3, 4])
    assert [layer.path for layer in e.layers] == [
        "conv1", "norm1", "relu", "max_pool2d", "conv2", "norm2", "relu", "max_pool2d", "flatten",
        "linear",
    ]  # fmt: skip
    assert [p.values[-1].shape for p in e.passes] == [(10,), (10,)]


def test_functions_alone_are_shown_too():
    def function(x, conv, linear):
        x = F.conv2d(x, conv.weight, conv.bias, 2, 1)
        x, _ = F.max_pool2d(F.tanh(x), 2, 1, ceil_mode=True, return_indices=True)
        return F.linear(F.dropout(F.sigmoid(x), 0.5, False).view(1, -1), linear.weight)

    model = Own(function, nn.Conv2d(1, 2, 3), nn.Linear(2, 3, bias=False))
    e = network(model, IMAGE, 0)
    assert [layer.kind for layer in e.layers] == [
        "conv", "tanh", "max_pool", "sigmoid", "flatten", "linear",
    ]  # fmt: skip
    with tinynet.no_grad():
        np.testing.assert_allclose(e.passes[0].values[-1], model(IMAGE[None]).numpy()[0], rtol=1e-5)


def test_a_wrong_size_raises_the_librarys_own_error():
    with pytest.raises(ValueError, match="conv2d"):
        network(nn.Sequential(nn.Conv2d(3, 2, 3)), IMAGE, 0)


# -- the page as text ------------------------------------------------------------------------------


def test_the_page_holds_the_stills_and_every_text_and_fetches_nothing(tmp_path):
    page = plain().save(tmp_path / "network.html").read_text(encoding="utf-8")
    assert page.count("<script>") == 1 and "<img src=x" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    first = plain().passes[0]
    for score, gradient in zip(first.values[-1], first.gradients[-1], strict=True):
        assert f"<td>{network_page.number(score)}</td>" in page
        assert f"<td>{network_page.number(gradient)}</td>" in page
    assert page.count('<img class="tn-') == 2 * 6  # the image and five layers before the scores
    keys = [key for key in TEXTS if key.startswith("network.")]
    assert len(keys) > 60 and all(len(TEXTS[key]) == len(LANGUAGES) for key in keys)


def test_stills_show_the_numbers_as_shades():
    values = np.array([[[1.0, -0.25], [0.0, -1.0]], [[0.25, 0.0], [0.0, 0.0]]])
    source = re.search(r'src="([^"]+)"', network_page.picture("en", values, ("", "")))[1]
    file = io.BytesIO(base64.b64decode(source.partition(",")[2]))
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed").open(file)
    alpha = np.asarray(image.convert("RGBA"))[..., 3]
    half = round(255 * 8 / 15)  # the square root of a quarter, in 15 steps
    assert alpha.tolist() == [[255, half, 0, half, 0], [0, 255, 0, 0, 0]]


def test_slots_are_the_same_in_both_languages():
    for key, texts in TEXTS.items():
        if key.startswith("network."):
            slots = [sorted(set(re.findall(r"\{(\w+)\}", text))) for text in texts]
            assert slots[0] == slots[1], key


def test_notebook_gets_stills_and_a_sandboxed_frame():
    shown = plain()._repr_html_()
    assert '<iframe sandbox="allow-scripts"' in shown and "<details>" in shown
    assert HOSTILE not in shown


def test_limits_are_said_in_the_docstring():
    assert f"up to {network.__globals__['MOST_IMAGES']}" in network.__doc__
    for layer in network_trace.MAKERS:
        assert layer.__name__.replace("Dropout2d", "Dropout") in network.__doc__
