"""Changes in place: what they do to values, views and gradients, and when they are refused or
noticed.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinynet


def leaf(*values):
    return tinynet.tensor(values, requires_grad=True)


# --------------------------------------------------------------------------------------------
# changes are noticed

CHANGES = {
    "add_": lambda t: t.add_(1.0), "sub_": lambda t: t.sub_(1.0), "mul_": lambda t: t.mul_(2.0),
    "div_": lambda t: t.div_(2.0),
    "zero_": lambda t: t.zero_(), "fill_": lambda t: t.fill_(3.0),
    "copy_": lambda t: t.copy_(tinynet.ones(2)),
    "clamp_": lambda t: t.clamp_(0.0, 1.0), "t\\[index\\] = value": lambda t: t.__setitem__(0, 1.0),
    "masked_fill_": lambda t: t.masked_fill_(t > 0, 0.0), "normal_": lambda t: t.normal_(),
    "an assignment to .data": None,
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_saved_value_that_was_changed(name):
    x = leaf(1.0, 2.0)
    y = x * 3
    z = y * y
    if CHANGES[name] is None:
        y.data = tinynet.zeros(2)
    else:
        CHANGES[name](y)
    with pytest.raises(
        RuntimeError,
        match=rf"mul needs its input '.', a float32 tensor of shape \(2,\), but {name} changed "
              rf"that in place",
    ):
        z.sum().backward()


def test_a_saved_result_that_was_changed():
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.add_(1.0)
    with pytest.raises(RuntimeError, match="exp needs its result"):
        y.sum().backward()


# Operations whose derivatives need an input where PyTorch's need the result.
OF_INPUTS = {
    "expm1": lambda T, x: x.expm1(),
    "cross_entropy": lambda T, x: T.nn.functional.cross_entropy(x, T.tensor([0, 2])),
}


@pytest.mark.parametrize("name", OF_INPUTS)
@pytest.mark.parametrize("change", ["result", "view", "leaf"])
def test_an_input_may_change_where_pytorch_needs_the_result(name, change):
    """Gradients of two orders are those of the values before the change."""

    def gradients(changed):
        leaf = tinynet.tensor([[0.5, -1, 2], [1, 0.2, -3]], dtype=tinynet.float64).requires_grad_()
        x = leaf if change == "leaf" else leaf * 2
        y = OF_INPUTS[name](tinynet, x)
        if changed:
            with tinynet.no_grad():
                (x[0] if change == "view" else x).mul_(3)
        (g,) = tinynet.grad(y.square().sum(), leaf, create_graph=True)
        return [t.tolist() for t in (g, *tinynet.grad(g.square().sum(), leaf))]

    assert gradients(changed=True) == gradients(changed=False)


# Where PyTorch computes with copies, a program may change what they were copies of.
OF_COPIES = {
    "vector @ batch": (lambda T, x, y: x @ y, (3,), (2, 3, 4)),
    "vector @ transposed batch": (lambda T, x, y: x @ y.mT, (3,), (2, 4, 3)),
    "transposed batch @ vector": (lambda T, x, y: x.mT @ y, (2, 3, 4), (3,)),
    "transposed batch @ matrix": (lambda T, x, y: x.mT @ y, (2, 3, 4), (3, 2)),
    "batch @ batch of one": (lambda T, x, y: x.mT @ y, (2, 3, 4), (1, 3, 2)),
    "einsum": (lambda T, x, y: T.einsum("ij,kj->ik", x, y), (3, 1), (2, 4)),
    "number / tensor": (lambda T, x, y: 2 / x + y.sum(), (2, 3), (1,)),
    "uneven padding": (lambda T, x, y: T.nn.functional.conv2d(x, y, padding="same"),
                       (2, 3, 4, 4), (2, 3, 2, 2)),
    "instance_norm": (lambda T, x, y: T.nn.functional.instance_norm(x, weight=y),
                      (2, 3, 4, 4), (3,)),
    "permuted batch_norm": (
        lambda T, x, y: T.nn.functional.batch_norm(
            x.permute(0, 2, 3, 1), None, None, y, training=True), (2, 4, 4, 3), (4,)),
    "permuted batch_norm, evaluating": (
        lambda T, x, y: T.nn.functional.batch_norm(
            x.permute(0, 2, 3, 1), T.zeros(4, dtype=T.float64), T.ones(4, dtype=T.float64), y),
        (2, 4, 4, 3), (4,)),
    "permuted group_norm": (
        lambda T, x, y: T.nn.functional.group_norm(x.permute(3, 1, 2, 0) * 1, 2, y),
        (4, 4, 4, 2), (4,)),
    "no sample": (
        lambda T, x, y: T.nn.functional.batch_norm(x, None, None, y, training=True),
        (0, 3, 4, 4), (3,)),
    "no element": (lambda T, x, y: (x * x).exp() * y.sum(), (0, 3), (1,)),
    "cumprod_": (lambda T, x, y: (x * 1).cumprod_(1) * y.sum(), (2, 3), (1,)),
}


def _two_orders(T, name, changed):
    """Gradients of two orders of one of `OF_COPIES`, after a change in place of x or y."""
    operation, *shapes = OF_COPIES[name]
    leaves = []
    for k, shape in enumerate(shapes):
        values = np.random.default_rng(k).random(shape) + 0.5
        leaves.append(T.tensor(values, requires_grad=True))
    x, y = [leaf * 1 for leaf in leaves]
    result = operation(T, x, y)
    if changed:
        {"x": x, "y": y}[changed].mul_(3)
    found = T.autograd.grad((result * result).sum(), leaves, create_graph=True)
    again = T.autograd.grad(sum((g * g).sum() for g in found), leaves)
    return [np.asarray(g.detach()) for g in (*found, *again)]


CHANGED = [(name, changed) for name in OF_COPIES for changed in "xy"]
CHANGED.remove(("permuted group_norm", "y"))  # there PyTorch refuses too


@pytest.mark.parametrize(("name", "changed"), CHANGED)
def test_inputs_may_change_where_pytorch_computes_with_copies(name, changed):
    for ours, same in zip(_two_orders(tinynet, name, changed), _two_orders(tinynet, name, ""),
                          strict=True):  # fmt: skip
        np.testing.assert_allclose(ours, same, rtol=1e-12)  # a copy may lie otherwise in memory


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize(("name", "changed"), CHANGED)
def test_such_a_program_gives_what_pytorch_gives(torch, name, changed):
    try:
        expected = _two_orders(torch, name, changed)
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)
        return
    for ours, theirs in zip(_two_orders(tinynet, name, changed), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-7, 1e-9)


def test_an_expansion_that_repeats_nothing_may_change():
    x = leaf(1.0, 2.0)
    base = x * 3
    for shape in [(2,), (1, 2), (1, 1, 2)]:
        base.expand(shape).mul_(2)
    assert base.tolist() == [24, 48]
    base.sum().backward()
    assert x.grad.tolist() == [24, 24]
    with pytest.raises(RuntimeError, match="several elements are one in memory"):
        base.expand(2, 2).mul_(2)


@pytest.mark.parametrize("through", ["view", "base", "detach", "no_grad", "expanded"])
def test_a_saved_value_that_was_changed_through_another_name(through):
    x = leaf(1.0, 2.0)
    y = x * 3
    if through == "expanded":
        z = y.expand(3, 2) * leaf(1.0, 1.0)
    else:
        z = (y[0:1] if through == "base" else y) ** 3
    if through == "view":
        y[0].add_(1.0)
    elif through == "detach":
        y.detach().add_(1.0)
    elif through == "no_grad":
        with tinynet.no_grad():
            y.add_(1.0)
    else:
        y.add_(1.0)
    with pytest.raises(RuntimeError, match="changed that in place since"):
        z.sum().backward()


def test_a_broadcast_operand_that_was_changed():
    row, matrix = leaf(1.0, 2.0), tinynet.ones(3, 2, requires_grad=True)
    y = row * 1
    z = (y * matrix).sum()
    y.add_(1.0)
    with pytest.raises(RuntimeError, match="changed that in place since"):
        z.backward()


def test_a_condition_that_was_changed():
    x = leaf(1.0, 2.0)
    condition = tinynet.tensor([True, False])
    y = tinynet.where(condition, x, x * 2).sum()
    condition.fill_(False)
    with pytest.raises(RuntimeError, match="where needs its input 'condition'"):
        y.backward()


def test_a_change_that_no_derivative_sees_is_fine():
    x = leaf(1.0, 2.0)
    y = x * 3
    z = y + 1
    y.add_(1.0)
    z.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_operations_that_need_their_own_old_value_keep_a_copy():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * 1
    y.mul_(w)
    y.pow_(2)
    y.clamp_(0.0, 50.0)
    y.mul_(y)
    y.sum().backward()
    assert x.grad.tolist() == [4 * 81.0, 0.0]
    assert w.grad.tolist() == [4 * 27.0, 0.0]


# --------------------------------------------------------------------------------------------------
# refused


@pytest.mark.parametrize("target", ["leaf", "view of a leaf", "view that is a leaf"])
def test_leaves_that_require_grad_are_refused(target):
    x = leaf(1.0, 2.0)
    if target == "view that is a leaf":
        x = tinynet.zeros(3)[:2].requires_grad_()
    t = x[0:1] if target == "view of a leaf" else x
    with pytest.raises(
        RuntimeError, match=r"add_: a .*leaf tensor that requires grad.*no_grad\(\)"
    ):
        t.add_(1.0)
    with tinynet.no_grad():
        t.add_(1.0)
    assert x[0].item() in (1.0, 2.0)
    assert x.requires_grad


def test_expanded_tensors_are_refused():
    t = tinynet.zeros(3, 1).expand(3, 4)
    for change in (lambda: t.add_(1), lambda: t.zero_(), lambda: t.__setitem__((0, 0), 1.0)):
        with pytest.raises(RuntimeError, match=r"clone\(\)"):
            change()


def test_a_new_dimension_does_not_make_a_view_expanded():
    t = tinynet.zeros(2, 3)
    t[:, None] = tinynet.ones(3)
    t[0, None, 1:] += 1
    assert t.tolist() == [[1.0, 2.0, 2.0], [1.0, 1.0, 1.0]]


def test_read_only_arrays_are_refused():
    a = np.zeros(3)
    a.flags.writeable = False
    with pytest.raises(RuntimeError, match="add_: the tensor shares a read-only array"):
        tinynet.from_numpy(a).add_(1)


def test_targets_do_not_grow_or_change_dtype():
    with pytest.raises(
        ValueError,
        match=r"add_: the result has shape \(2, 3\), which does not fit in place into shape \(3,\)",
    ):
        tinynet.ones(3).add_(tinynet.ones(2, 3))
    with pytest.raises(
        RuntimeError, match="div_: the result is float32, which can't be written into int64"
    ):
        tinynet.tensor([1, 2]).div_(2)
    t = tinynet.ones(2)
    t.mul_(tinynet.ones(2, dtype=tinynet.float64) * 1.5)
    assert t.dtype == tinynet.float32
    assert t.tolist() == [1.5, 1.5]


# ------------------------------------------------------------------------------------------- views
# and gradients


def test_views_share_data_both_ways():
    t = tinynet.zeros(2, 3)
    row, flat, column = t[0], t.view(-1), t.T[1]
    row.fill_(1.0)
    flat[4] = 5.0
    assert t.tolist() == [[1.0, 1.0, 1.0], [0.0, 5.0, 0.0]]
    assert column.tolist() == [1.0, 5.0]


def test_writing_a_result_into_a_buffer():
    x = leaf(2.0, 3.0)
    buffer = tinynet.zeros(3, 2)
    before = buffer[1]
    buffer[1] = x * x
    assert before.requires_grad
    assert before.tolist() == [4.0, 9.0]
    (before * buffer[1]).sum().backward()
    assert x.grad.tolist() == [32.0, 108.0]


def test_gradients_go_to_the_old_and_to_the_new():
    x, v = leaf(1.0, 2.0, 3.0), leaf(10.0)
    y = x * 2
    y[1] = v[0]
    (y * y).sum().backward()
    assert x.grad.tolist() == [8.0, 0.0, 24.0]
    assert v.grad.tolist() == [20.0]


def test_what_is_written_over_keeps_its_place_with_gradient_zero():
    for overwrite in (
        lambda t: t.zero_(),
        lambda t: t.fill_(2.0),
        lambda t: t.copy_(tinynet.ones(2)),
    ):
        x = leaf(1.0, 2.0)
        y = x * 1
        overwrite(y)
        assert y.requires_grad
        (y * y).sum().backward()
        assert x.grad.tolist() == [0.0, 0.0]


def test_infinite_gradients_do_not_reach_what_was_written_over():
    x = leaf(1.0, 2.0)
    y = x * 1
    y[0] = 0.0
    (1 / y).sum().backward()
    assert x.grad.tolist() == [0.0, -0.25]


def test_a_copied_tensor_and_its_source_are_told_apart():
    x = leaf(1.0)
    source = x * 2
    copy = tinynet.zeros(1)
    copy.copy_(source)
    y = copy * 2 + source * 3
    assert [g.item() for g in tinynet.grad(y, [copy, source])] == [2.0, 5.0]
    buffer = tinynet.zeros(1)
    buffer.copy_(x)
    assert not buffer.is_leaf


def test_retained_gradients_follow_the_tensor():
    x = leaf(1.0, 1.0)
    y = x * 2
    y.retain_grad()
    y.mul_(3.0)
    (y * y).sum().backward()
    assert y.grad.tolist() == [12.0, 12.0]
    assert x.grad.tolist() == [72.0, 72.0]


def test_changes_under_no_grad_leave_the_history_alone():
    x = leaf(1.0, 2.0)
    y = x + 1
    view = y[0]
    with tinynet.no_grad():
        y.mul_(10.0)
    assert view.item() == 20.0
    (y.sum() + view).backward()
    assert x.grad.tolist() == [2.0, 1.0]


def test_assignment_converts_and_broadcasts():
    t = tinynet.zeros(2, 3, dtype=tinynet.int64)
    t[:, 0] = 2.7
    t[0] = tinynet.tensor([[1.9, -1.9, 3.0]])
    t[1, 1:] = np.array([5, 6])
    assert t.tolist() == [[1, -1, 3], [2, 5, 6]]
    t[t > 4] = tinynet.tensor(0)
    t[[0, 1], [0, 0]] = tinynet.tensor([8, 9])
    assert t.tolist() == [[8, -1, 3], [9, 0, 0]]


def test_overlapping_memory():
    t = tinynet.arange(5.0)
    t[1:] = t[:-1]
    assert t.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]
    square = tinynet.arange(4.0).reshape(2, 2)
    square.copy_(square.T)
    assert square.tolist() == [[0.0, 2.0], [1.0, 3.0]]


def test_random_fillers():
    tinynet.manual_seed(0)
    t = tinynet.zeros(20_000, dtype=tinynet.float64)
    t.normal_(3.0, 0.5)
    assert t.mean().item() == pytest.approx(3.0, abs=0.02)
    assert t.std().item() == pytest.approx(0.5, abs=0.02)
    t.uniform_(-1.0, 3.0)
    assert -1 <= t.min().item() < -0.99
    assert 2.99 < t.max().item() < 3
    assert len(np.unique(t.numpy())) > 19_990  # drawn in double precision


def test_what_flip_returns_shares_no_memory_with_its_input():
    x = tinynet.tensor([1.0, 2.0, 3.0])
    y = x.flip(0)
    y += 10
    assert x.tolist() == [1.0, 2.0, 3.0]
    assert y.tolist() == [13.0, 12.0, 11.0]


# Programs that reshape a tensor in place after a view of it was taken
RESHAPED = {
    "the tensor changes": lambda x, v: x.mul_(2),
    "the view changes": lambda x, v: v.mul_(2),
    "both change": lambda x, v: (v.mul_(2), x.mul_(3), v.exp_()),
    "part of the tensor changes": lambda x, v: x[0].mul_(2),
    "reshaped again": lambda x, v: (x.unsqueeze_(0), v.mul_(2), x.squeeze_(), x.mul_(3)),
}


@pytest.mark.parametrize("change", RESHAPED)
@pytest.mark.parametrize("needs_grad", ["before", "after"])
def test_a_view_taken_before_its_base_was_transposed_in_place(torch, change, needs_grad):
    def results(T):
        leaf = T.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        x = leaf * 1 if needs_grad == "before" else leaf.detach().clone()
        v = x[0]
        x.t_()
        if needs_grad == "after":
            x.mul_(leaf)
        RESHAPED[change](x, v)
        (x * T.tensor([[5.0, 6.0], [7.0, 8.0]]) + 0.1 * v).sum().backward()
        return x.tolist(), v.tolist(), leaf.grad.tolist()

    found = results(tinynet)
    try:
        expected = results(torch)
    except RuntimeError as error:
        assert needs_grad == "after" and "a leaf Variable that requires grad" in str(error)
        return
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-6)


def test_a_view_keeps_its_gradient_after_its_base_has_changed():
    x = leaf(1.0, 2.0)
    y = x * 1
    v, w = y[:1], y.view(2)
    v.retain_grad()
    w.retain_grad()
    y.mul_(3)
    ((v * v).sum() + w.sum()).backward()
    assert v.grad.tolist() == [6.0]
    assert w.grad.tolist() == [1.0, 1.0]


def test_what_is_reshaped_in_place_keeps_its_gradient():
    y = leaf(1.0, 2.0) * 1
    y.retain_grad()
    y.unsqueeze_(0)
    (y * y).sum().backward()
    assert y.grad.tolist() == [[2.0, 4.0]]
