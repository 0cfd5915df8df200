"""weight_norm and spectral_norm: the weights, what is learned and what is saved are PyTorch's."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import tinynet
from tinynet import nn
from tinynet.nn import utils


def wave(*shape: int) -> np.ndarray:
    return np.cos(1 + np.arange(int(np.prod(shape)))).reshape(shape).astype(np.float32)


LAYERS = {
    "Linear": (lambda T: T.nn.Linear(4, 3), (2, 4)),
    "Conv2d": (lambda T: T.nn.Conv2d(2, 3, 2), (2, 2, 4, 4)),
    "ConvTranspose2d": (lambda T: T.nn.ConvTranspose2d(2, 3, 2), (2, 2, 4, 4)),
}


def trained(T: Any, norm: str, layer: str, options: dict[str, Any]) -> dict[str, Any]:
    make, shape = LAYERS[layer]
    module = make(T)
    for p in module.parameters():
        p.data.copy_(T.tensor(wave(*p.shape)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch has newer ways
        assert getattr(T.nn.utils, norm)(module, **options) is module
    for b in module.buffers():
        b.copy_(T.tensor(wave(*b.shape) / 2))
    x, losses = T.tensor(wave(*shape)), []
    optimizer = T.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss = (module(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    module.eval()
    found = {"losses": losses, "y": module(x).detach().numpy()}
    found |= {k: v.numpy().copy() for k, v in module.state_dict().items()}
    getattr(T.nn.utils, f"remove_{norm}")(module)
    return found | {"plain": module.weight.detach().numpy(), "y again": module(x).detach().numpy()}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("norm", "options"),
    [
        *[("weight_norm", {"dim": dim}) for dim in (0, 1, None, -1)],
        ("spectral_norm", {}),
        ("spectral_norm", {"n_power_iterations": 3, "dim": 1, "eps": 1e-6}),
    ],
)
def test_against_torch(torch, norm, options, layer):
    ours, theirs = [trained(T, norm, layer, options) for T in (tinynet, torch)]
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_weight_norm_keeps_the_layer_and_separates_length_and_direction():
    layer = nn.Linear(2, 1)
    layer.weight.data.copy_(tinynet.tensor([[3.0, 4.0]]))
    utils.weight_norm(layer)
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight_g", "weight_v"]
    assert layer.weight_g.tolist() == [[5]] and layer.weight_v.tolist() == [[3, 4]]
    copies = copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))
    layer.weight_g.data.fill_(10)
    layer.bias.data.zero_()
    assert layer(tinynet.tensor([[1.0, 0.0]])).item() == 6
    for other in copies:
        other.bias.data.zero_()
        assert other(tinynet.tensor([[1.0, 0.0]])).item() == pytest.approx(3)
        assert layer(tinynet.tensor([[1.0, 0.0]])).item() == 6
    assert utils.remove_weight_norm(layer).weight.tolist() == [[6, 8]]
    assert list(layer.state_dict()) == ["bias", "weight"] and isinstance(layer.weight, nn.Parameter)


def test_the_spectral_norm_is_the_largest_singular_value():
    layer = nn.Linear(5, 4)
    largest = np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)[0]
    weight = layer.weight.detach().numpy() / largest
    utils.spectral_norm(layer, n_power_iterations=300)
    layer(tinynet.ones(1, 5))
    np.testing.assert_allclose(layer.weight.detach(), weight, rtol=1e-4)
    before = layer.weight_u.tolist()
    layer.eval()(tinynet.ones(1, 5))
    assert layer.weight_u.tolist() == before  # no iterations in evaluation


def test_refused():
    for norm in ("weight_norm", "spectral_norm"):
        with pytest.raises(
            ValueError, match=f"{norm}: name must be that .*; ReLU has no"
        ):
            getattr(utils, norm)(nn.ReLU())
        with pytest.raises(ValueError, match=f"remove_{norm}: 'weight' of this Linear is a plain"):
            getattr(utils, f"remove_{norm}")(nn.Linear(2, 2))
        with pytest.raises(IndexError, match=f"{norm}: dim 2 is out of range"):
            getattr(utils, norm)(nn.Linear(2, 2), dim=2)
    with pytest.raises(ValueError, match="n_power_iterations must be an int from 1"):
        utils.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
