"""Memory orders that users must not notice: whatever the layers leave, views share memory.

In PyTorch all results below are contiguous, so `view`, `reshape` and `flatten` of them are views.
"""

import numpy as np
import pytest

import tinynet
import tinynet.nn.functional as F


def images():
    x = tinynet.arange(2 * 3 * 5 * 5).reshape(2, 3, 5, 5).float() / 50
    return F.conv2d(x, tinynet.ones(4, 3, 3, 3) / 27, padding=1)


LAYERS = {
    "conv2d": images,
    "conv_transpose2d": lambda: F.conv_transpose2d(images(), tinynet.ones(4, 2, 2, 2)),
    "max_pool2d": lambda: F.max_pool2d(images(), 2),
    "avg_pool2d": lambda: F.avg_pool2d(images(), 2),
    "adaptive_avg_pool2d": lambda: F.adaptive_avg_pool2d(images(), 2),
    "batch_norm": lambda: F.batch_norm(images(), None, None, training=True),
    "group_norm": lambda: F.group_norm(images(), 2),
    "layer_norm": lambda: F.layer_norm(images(), (5, 5)),
    "interpolate": lambda: F.interpolate(images(), scale_factor=2),
    "pad": lambda: F.pad(images(), (1, 1, 1, 1)),
    "pixel_shuffle": lambda: F.pixel_shuffle(images(), 2),
    "dropout2d": lambda: F.dropout2d(images(), 0.5),
    "a number per sample and channel": lambda: images() * tinynet.ones(2, 4, 1, 1),
    "a mask per sample": lambda: tinynet.ones(2, 1, 5, 5) - images(),
    "masked_fill": lambda: images().masked_fill(tinynet.ones(2, 1, 5, 5) > 0, 0.5),
    "where": lambda: tinynet.where(tinynet.ones(2, 1, 5, 5) > 0, images(), 0.5),
    "joined with others": lambda: tinynet.cat([images(), tinynet.ones(2, 1, 5, 5)], 1),
}

THEN = {
    "as it is": lambda z: z,
    "relu": lambda z: z.relu(),
    "double": lambda z: z.double(),
    "a comparison": lambda z: (z > 1).float(),
    "clone": lambda z: z.clone(),
    "softmax": lambda z: z.softmax(1),
    "log_softmax": lambda z: F.log_softmax(z, 1),
    "cumsum": lambda z: z.cumsum(0),
    "less its mean": lambda z: z - z.mean(1, keepdim=True),
    "sum": lambda z: z.sum(1),
    "mean": lambda z: z.mean((2, 3)),
    "amax": lambda z: z.amax(0),
    "max": lambda z: z.max(1)[0],
    "argmax": lambda z: z.argmax(1),
    "var": lambda z: z.var(1),
    "norm": lambda z: z.norm(dim=1),
    "logsumexp": lambda z: z.logsumexp(1),
    "any": lambda z: (z > 1).any(1).int(),
    "topk": lambda z: z.topk(1, 1)[0],
    "stack": lambda z: tinynet.stack([z, z], 1),
    "cat": lambda z: tinynet.cat([z, z], 1),
    "repeat": lambda z: z.repeat(1, 2, 1, 1),
    "flip": lambda z: z.flip(1),
    "picked": lambda z: z[[1, 0]],
    "a view": lambda z: z[1:],
    "a view of one sample": lambda z: z[0],
    "unsqueeze": lambda z: z.unsqueeze(1),
    "detach": lambda z: z.detach(),
    "data": lambda z: z.data,
    "from numpy": lambda z: tinynet.from_numpy(z.numpy()),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_written_into_a_view_of_a_result(layer):
    for then in THEN.values():
        y = then(LAYERS[layer]())
        before = y.tolist()
        assert y.is_contiguous()
        part = y.flatten()
        y.reshape(len(y), -1)[-1] += 1
        y[0].view(-1)[-1] += 2
        y.view(-1)[0] += 3
        after = np.array(before)
        after[-1] += 1
        after[0].reshape(-1)[-1] += 2
        after.reshape(-1)[0] += 3
        for tensor in (y, part.view(y.shape)):
            np.testing.assert_allclose(tensor.tolist(), after, rtol=1e-6)


@pytest.mark.parametrize("way", ["unsqueeze", "detach", "data", "a view", "from numpy"])
def test_what_is_written_into_a_view_of_a_view(way):
    z = images()
    before = z.clone()
    THEN[way](z).view(-1)[-1] += 1
    assert (z - before).flatten().tolist() == [0.0] * (z.numel() - 1) + [1.0]


def test_views_that_were_there_before():
    z = images()
    first, flat, second = z[0], z.flatten(1), z[1]
    flat += 1
    first += 2
    second.view(-1)[0] += 4
    assert flat[0].tolist() == first.flatten().tolist() == z[0].flatten().tolist()
    assert flat[1].tolist() == second.flatten().tolist() == z[1].flatten().tolist()


def test_the_gradient_of_what_was_written():
    w = tinynet.ones(1, 1, 3, 3, requires_grad=True)
    z = F.conv2d(tinynet.ones(2, 1, 3, 3), w, padding=1)
    z.sum(1).flatten()[0] = 0.0  # into a copy
    z.flatten()[0] = 0.0
    z.sum().backward()
    assert w.grad.sum().item() == 2 * 49 - 4


def test_an_expanded_tensor_is_copied_in_the_order_of_its_dimensions():
    row = tinynet.arange(3.0).expand(2, 3)
    for copy in (row.clone(), row.double(), row.relu(), row.repeat(1, 1), row.contiguous()):
        copy.view(-1)[0] = 7.0
        assert copy.tolist() == [[7, 1, 2], [0, 1, 2]]


def test_a_transposed_tensor_stays_one():
    x = tinynet.arange(6.0).reshape(2, 3).t()
    for y in (x, x * 2, x.relu(), x.clone(), x.double()):
        assert not y.is_contiguous()
        y.reshape(-1)[0] = 7.0  # into a copy, as in PyTorch
        assert y[0, 0].item() == 0


LIKE = {
    "zeros_like": lambda T, x: T.zeros_like(x), "ones_like": lambda T, x: T.ones_like(x),
    "empty_like": lambda T, x: T.empty_like(x).fill_(2.0),
    "full_like": lambda T, x: T.full_like(x, 3.0),
    "rand_like": lambda T, x: T.rand_like(x).fill_(4.0),
    "randn_like": lambda T, x: T.randn_like(x, dtype=T.float64).fill_(5.0),
    "randint_like": lambda T, x: T.randint_like(x, 1, 2),
}  # fmt: skip
TAKEN = {
    "as it is": lambda T: T.arange(24).reshape(2, 3, 4).float(),
    "permuted": lambda T: T.arange(24).reshape(2, 3, 4).float().permute(2, 0, 1),
    "every second": lambda T: T.arange(24).reshape(2, 3, 4).float().permute(2, 0, 1)[::2],
    "a view of images": lambda T: T.nn.functional.conv2d(
        T.ones(2, 3, 4, 4), T.ones(5, 3, 3, 3)).permute(0, 2, 3, 1),
    "images": lambda T: T.nn.functional.conv2d(T.ones(2, 3, 4, 4), T.ones(5, 3, 3, 3)),
    "expanded": lambda T: T.arange(3).float().expand(2, 3),
    "a number": lambda T: T.tensor(1.0), "nothing": lambda T: T.zeros(3, 0, 2).permute(2, 1, 0),
}  # fmt: skip


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("name", LIKE)
def test_a_tensor_like_another_lies_in_memory_like_it(torch, name, taken):
    ours, theirs = [LIKE[name](T, TAKEN[taken](T)) for T in (tinynet, torch)]
    assert ours.shape == theirs.shape
    assert ours.is_contiguous() == theirs.is_contiguous()
    ours.reshape(-1)[:3] = theirs.reshape(-1)[:3] = 9.0  # a view, or a copy, in both
    assert ours.tolist() == theirs.tolist()
    if not ours.is_contiguous():
        assert ours.stride() == theirs.stride()


IN_ORDER = {
    "softmax": lambda T, x: x.softmax(0),
    "log_softmax": lambda T, x: x.log_softmax(1),
    "masked_fill": lambda T, x: x.masked_fill(x > 3, 0.5),
    "tril": lambda T, x: x.tril(),
    "cumsum": lambda T, x: x.cumsum(1),
    "matmul": lambda T, x: x @ T.ones(x.shape[-1], 2),
    "sum": lambda T, x: x.sum(-1),
}


@pytest.mark.parametrize("name", IN_ORDER)
def test_results_that_are_in_order_whatever_the_input(name, torch):
    for dims in ((1, 0), (2, 0, 1), (0, 2, 1), (1, 3, 0, 2)):
        shape = (2, 3, 4, 5)[: len(dims)]
        found = []
        for T in (tinynet, torch):
            x = T.ones(shape).flatten().cumsum(0).reshape(shape).permute(dims)
            y = IN_ORDER[name](T, x)
            assert y.is_contiguous()
            y.reshape(-1)[0] = 7.0
            found.append(y.tolist())
        np.testing.assert_allclose(*found, rtol=1e-5)


def test_results_that_lie_as_their_input_does():
    x = tinynet.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)
    for y in (*x.sort(1), x.flip(0), x.clone(), tinynet.zeros_like(x), x.relu(), x * 2):
        assert y.stride() == x.stride()
