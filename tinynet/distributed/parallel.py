"""`DistributedDataParallel`: one model on several ranks, each with a share of every batch."""

import contextlib
import functools
import itertools
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import array_module, computing, device_of, on_device_of, to_device, to_host
from ..autograd import Primitive, after_backward, is_grad_enabled, no_grad
from ..nn.module import Module, Parameter
from ..ops.arguments import as_bool, as_number
from ..tensor import Tensor
from .group import Group, ReduceOp, current_group, summed_in, to_mpi

_NAME = "DistributedDataParallel"


class DistributedDataParallel(Module):
    """`module` on every rank: each backward pass averages the gradients over the ranks.

    Args:
        module: the model, on its device, with at least one parameter that requires grad. All ranks
            must have built the same model; rank 0's parameters and buffers are sent to the others.
        broadcast_buffers: in training, send rank 0's buffers (batch norm's running averages) to the
            others at each forward pass whose gradients will be averaged.
        bucket_cap_mb: gradients are sent in buckets of at least this many megabytes (of 2**20
            bytes). Default: 25, or a quarter of all gradients if that is less. So the gradients of
            the last layers are sent while those of the first are computed.

    If the loss is a mean over the rank's share of the batch, and all shares have equal size, the
    average is the gradient of the whole batch. ``.grad`` is averaged as it is at the end of a pass,
    so with the gradients accumulated under `no_sync`. A parameter that no rank used is left alone,
    as one process would leave it; if only some ranks used it, the others count as zeros.

    A backward pass must go through the result of this module's `forward`: tensors, or tuples, lists
    and dicts of them. Parameter names are those of `module` with "module." in front. Parameters
    added, or set to require grad, after the model was wrapped are not averaged; wrap it again.

    Raises:
        ValueError: `tinynet.distributed.init_process_group` was not called.
        RuntimeError: this rank's model differs from rank 0's.

    >>> import tinynet
    >>> tinynet.distributed.init_process_group()
    >>> model = DistributedDataParallel(tinynet.nn.Linear(2, 1))
    >>> list(model.state_dict())
    ['module.weight', 'module.bias']
    >>> tinynet.distributed.destroy_process_group()
    """

    def __init__(self, module: Module, *, broadcast_buffers: bool = True,
                 bucket_cap_mb: float | None = None):
        super().__init__()
        if not isinstance(module, Module):
            raise TypeError(f"{_NAME}: expected a module, got {type(module).__name__}")
        as_bool(_NAME, "broadcast_buffers", broadcast_buffers)
        if bucket_cap_mb is not None and not as_number(_NAME, "bucket_cap_mb", bucket_cap_mb, 0):
            raise ValueError(f"{_NAME}: bucket_cap_mb must be a positive number or None, got 0")
        group = current_group(_NAME)
        learned = [p for p in module.parameters() if p.requires_grad]
        if not learned:
            raise RuntimeError(f"{_NAME}: no parameter of the module requires grad, so there is "
                "nothing to average; use the module itself")
        self.module = module
        self.broadcast_buffers, self.bucket_cap_mb = broadcast_buffers, bucket_cap_mb
        self._averaging = True
        self._reducer: _Reducer | None = None
        if group.size > 1:
            self._frozen = [item for item in module.named_parameters() if not item[1].requires_grad]
            self._channel = _Channel(group)
            _check_same(self._channel, module)
            self._channel.broadcast([*module.parameters(), *module.buffers()])
            total = sum(p.array.size * summed_in(p.dtype).itemsize for p in learned)
            cap = min(25 << 20, total / 4) if bucket_cap_mb is None else bucket_cap_mb * 2**20
            self._reducer = _Reducer(self._channel, learned, cap)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        if self._reducer is None or not self._averaging or not is_grad_enabled():
            return self.module(*inputs, **options)
        for name, p in self._frozen:
            if p.requires_grad:
                raise RuntimeError(f"{_NAME}: {name} did not require grad when the model was "
                    "wrapped; wrap it again to learn it")
        if self.training and self.broadcast_buffers:
            self._channel.broadcast(list(self.module.buffers()))
        return _watched(self.module(*inputs, **options), self._reducer)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Inside this block, forward passes lead to gradients that are not averaged.

        So gradients accumulate over several batches. They are averaged once, by the first backward
        pass whose forward pass was outside the block.
        """
        before, self._averaging = self._averaging, False
        try:
            yield
        finally:
            self._averaging = before


# ----------------------------------------------- how the start of a backward pass is noticed


def _begin(g: Any, reducer: "_Reducer") -> Any:
    reducer.begin()
    return g


# The identity. A backward pass through the model reaches its derivative first, so that tells when a
# pass begins.
_begin_averaging = Primitive(lambda xp, a, *, reducer: a, name="distributed", view=True)
_begin_averaging.derivatives(a=_begin)


def _watched(result: Any, reducer: "_Reducer") -> Any:
    if isinstance(result, Tensor):
        return _begin_averaging(result, reducer=reducer) if result.requires_grad else result
    if isinstance(result, dict):
        return type(result)((key, _watched(value, reducer)) for key, value in result.items())
    if isinstance(result, (tuple, list)):
        items = [_watched(item, reducer) for item in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    if result is None or isinstance(result, (bool, int, float, str)):
        return result
    raise TypeError(f"{_NAME}: the model's forward returned a {type(result).__name__}; gradients "
        "are averaged through tensors, and tuples, lists and dicts of them")


# ------------------------------------------------------------------------------- what is sent


class _Channel:
    """A communicator for one model, so that its messages are never mixed up with another's."""

    def __init__(self, group: Group):
        self.group, self.comm = group, group.new_comm()

    def broadcast(self, tensors: list[Any]) -> None:
        """Copy rank 0's values to all ranks, in one message per dtype and device."""
        for part in _alike(tensors):
            first = part[0].array
            with computing(first), no_grad():
                flat = to_mpi(array_module(first).concatenate([t.array.reshape(-1) for t in part]))
                self.group.start(_NAME, self.comm, flat).wait()
                if self.group.rank > 0:
                    received = _split(to_device(flat, device_of(first)), part)
                    for t, values in zip(part, received, strict=True):
                        t.copy_(Tensor._wrap(values))


def _alike(tensors: list[Any]) -> list[list[Any]]:
    kinds: dict[Any, list[Any]] = {}
    for t in tensors:
        kinds.setdefault((t.dtype, t.device), []).append(t)
    return list(kinds.values())


def _split(flat: Any, tensors: list[Any]) -> list[Any]:
    """The vector `flat` as views with the shapes of `tensors`."""
    ends = itertools.accumulate(t.array.size for t in tensors)
    return [flat[end - t.array.size : end].reshape(t.array.shape)
            for t, end in zip(tensors, ends, strict=True)]


def _check_same(channel: _Channel, module: Module) -> None:
    """RuntimeError, with the first difference, on every rank whose model is not rank 0's."""
    named = [*module.named_parameters(), *module.named_buffers()]
    own = [f"{name}, {tuple(t.shape)} {t.dtype}{', learned' * t.requires_grad}"
           for name, t in named]
    first = channel.comm.bcast(own)
    for here, there in zip([*own, "nothing more"], [*first, "nothing more"], strict=False):
        if here != there:
            raise RuntimeError(f"{_NAME}: the model of rank {channel.group.rank} is not that of "
                f"rank 0: it has {here}, where rank 0 has {there}; all ranks must build the same "
                "model")


class _Bucket:
    """Gradients that are sent together: a vector of them all, and of one counter per parameter.

    Summed over the ranks, the counter says how many ranks used the parameter.
    """

    def __init__(self, parameters: list[Parameter]):
        self.parameters = parameters
        first = parameters[0].array
        self.elements = sum(p.array.size for p in parameters)
        with computing(first):
            length = self.elements + len(parameters)
            self.flat = array_module(first).zeros(length, summed_in(first.dtype))
        self.parts = _split(self.flat, parameters)
        self.used = np.zeros(len(parameters), self.flat.dtype)  # 1: used since the last average
        self.missing = set[int]()  # the parameters whose gradients the pass still waits for

    def put(self, i: int) -> None:
        """Copy the gradient of parameter `i` into the vector."""
        self.missing.discard(i)
        grad = self.parameters[i].grad
        with computing(self.flat):
            self.parts[i][...] = 0 if grad is None else grad.array

    def send(self, channel: _Channel) -> None:
        """Start to sum the vector over the ranks."""
        with computing(self.flat):
            self.flat[self.elements :] = on_device_of(self.flat, self.used)
        self.buffer = to_mpi(self.flat)
        self.work = channel.group.start(_NAME, channel.comm, self.buffer, ReduceOp.SUM)

    def receive(self, ranks: int) -> None:
        """Write the averages into the parameters' gradients."""
        self.work.wait()
        xp = array_module(self.flat)
        with computing(self.flat):
            if self.buffer is not self.flat:
                self.flat[...] = to_device(self.buffer, device_of(self.flat))
            used = to_host(self.buffer[self.elements :])
            for p, part, n in zip(self.parameters, self.parts, used, strict=True):
                if n:
                    if p.grad is None:
                        p.grad = p._make(xp.empty_like(p.array))
                    # float16 was summed in float32, so this also casts
                    xp.true_divide(part, ranks, out=p.grad.array, casting="same_kind")
                    p.grad._changes.bump(_NAME)
        self.used[:] = 0


def _ready(reducer: "weakref.ref[_Reducer]", number: int, i: int, parameter: Any) -> None:
    # weak, because the reducer refers to the parameter, and the parameter refers to its hooks
    if (r := reducer()) is not None:
        r.ready(r.buckets[number], i)


class _Reducer:
    """Averages the gradients of `parameters` during backward passes.

    Buckets are filled from the last parameter to the first, about the order in which gradients are
    ready. Every rank sends all buckets in that one order, whatever it used: what is not ready
    during the pass is sent at its end. So no two ranks can wait for different buckets.
    """

    def __init__(self, channel: _Channel, parameters: list[Parameter], cap: float):
        self.channel, self.buckets = channel, list[_Bucket]()
        for alike in _alike(parameters[::-1]):
            collected: list[Parameter] = []
            for p in alike:
                collected.append(p)
                size = sum(c.array.size for c in collected) * summed_in(p.dtype).itemsize
                if size >= cap or p is alike[-1]:
                    self.buckets.append(_Bucket(collected))
                    collected = []
        for number, bucket in enumerate(self.buckets):
            for i, p in enumerate(bucket.parameters):
                ready = functools.partial(_ready, weakref.ref(self), number, i)
                p.register_post_accumulate_grad_hook(ready)
        self.running, self.sent = False, 0

    def ready(self, bucket: _Bucket, i: int) -> None:
        """The gradient of parameter `i` of `bucket` is complete."""
        bucket.used[i] = 1
        if self.running:
            bucket.put(i)
            self._send_full()
            self.channel.group.progress()

    def begin(self) -> None:
        """A backward pass has reached the model's result."""
        if not after_backward(self._finish):
            return  # not for the first time; or it is `grad`, which leaves no gradients
        if self.running:
            raise RuntimeError(f"{_NAME}: the backward pass before this one failed halfway, so the "
                "ranks no longer agree; stop, and resume from a checkpoint")
        for bucket in self.buckets:
            kind, dtype = type(bucket.flat), bucket.flat.dtype
            for p in bucket.parameters:
                if type(p.array) is not kind or summed_in(p.dtype) != dtype:
                    raise RuntimeError(f"{_NAME}: the model was moved or converted after it was "
                        "wrapped; do that first, then wrap it")
            bucket.missing = set(range(len(bucket.parameters)))
        self.running, self.sent = True, 0

    def _send_full(self) -> None:
        while self.sent < len(self.buckets) and not self.buckets[self.sent].missing:
            self.buckets[self.sent].send(self.channel)
            self.sent += 1

    def _finish(self) -> None:
        for bucket in self.buckets[self.sent :]:
            for i in sorted(bucket.missing):
                bucket.put(i)
        self._send_full()
        for bucket in self.buckets:
            bucket.receive(self.channel.group.size)
        self.running = False
