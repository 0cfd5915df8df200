"""`DistributedDataParallel`: one model on several ranks, each with its share of every batch."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arrays.devices import array_module, beside, computing, device_of, to_device, to_host
from ..autograd import Primitive, after_backward
from ..autograd.grad_mode import is_grad_enabled, no_grad
from ..nn.module import Module, Parameter
from ..tensor import Tensor
from .group import Group, ReduceOp, Work, current_group, summed_in, to_mpi

_MB = 1024 * 1024


class DistributedDataParallel(Module):
    """`module` on every rank of the job, kept the same on all: each backward pass leaves the average of the ranks' gradients.

    Args:
        module: the model, on its device and with at least one parameter that requires grad. All ranks must have built the same one; the
            values of rank 0's parameters and buffers are sent to the others here.
        broadcast_buffers: at each forward pass that will be averaged, in training, send rank 0's buffers (the running averages of batch
            norm) to the others.
        bucket_cap_mb: gradients travel in buckets that are closed when they hold so many megabytes (of 2**20 bytes). By default 25, or a
            quarter of all gradients if that is less: the buckets of the last layers are on their way while those of the first are computed.

    With a loss that is the mean over a rank's share, and shares of equal size, the average of the gradients is that of the whole batch. It
    is taken of ``.grad`` as it stands at the end of a pass, gradients that were accumulated under `no_sync` included. A parameter that no rank
    used is left alone, as it would be by one process; where only some ranks used it, the others count as zeros. Gradients are averaged by
    ``backward`` through what the wrapper's `forward` returned: tensors, or tuples, lists and dicts of them.

    The parameters' names are those of `module` with "module." in front. Parameters that get to require grad, or are added, later are not
    averaged; wrap the model again. ValueError before `tinynet.distributed.init_process_group`; RuntimeError if the ranks' models differ, on those
    that differ from rank 0.

    >>> import tinynet
    >>> tinynet.distributed.init_process_group()
    >>> model = DistributedDataParallel(tinynet.nn.Linear(2, 1))
    >>> list(model.state_dict())
    ['module.weight', 'module.bias']
    >>> tinynet.distributed.destroy_process_group()
    """

    def __init__(self, module: Module, *, broadcast_buffers: bool = True, bucket_cap_mb: float | None = None):
        super().__init__()
        if not isinstance(module, Module):
            raise TypeError(f"DistributedDataParallel: expected a module, got {type(module).__name__}")
        if not isinstance(broadcast_buffers, bool):
            raise TypeError(f"DistributedDataParallel: broadcast_buffers must be True or False, got {broadcast_buffers!r:.60}")
        if bucket_cap_mb is not None and (isinstance(bucket_cap_mb, bool) or not isinstance(bucket_cap_mb, (int, float)) or not bucket_cap_mb > 0):
            raise ValueError(f"DistributedDataParallel: bucket_cap_mb must be a positive number or None, got {bucket_cap_mb!r:.60}")
        group = current_group("DistributedDataParallel")
        learned = [p for p in module.parameters() if p.requires_grad]
        if not learned:
            raise RuntimeError("DistributedDataParallel: no parameter of the module requires grad: nothing to average; use the module itself")
        self.module = module
        self.broadcast_buffers, self.bucket_cap_mb = broadcast_buffers, bucket_cap_mb
        self._averaging = True
        self._reducer: _Reducer | None = None
        if group.size > 1:
            self._frozen = [(name, p) for name, p in module.named_parameters() if not p.requires_grad]
            self._channel = _Channel(group)
            _check_same(self._channel, module)
            self._channel.broadcast([*module.parameters(), *module.buffers()])
            total = sum(p.array.size * summed_in(p.dtype).itemsize for p in learned)
            cap = min(25 * _MB, total / 4) if bucket_cap_mb is None else bucket_cap_mb * _MB
            self._reducer = _Reducer(self._channel, learned, cap)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        if self._reducer is None or not self._averaging or not is_grad_enabled():
            return self.module(*inputs, **options)
        for name, p in self._frozen:
            if p.requires_grad:
                raise RuntimeError(f"DistributedDataParallel: {name} did not require grad when the model was wrapped; wrap it again to learn it")
        if self.training and self.broadcast_buffers:
            self._channel.broadcast(list(self.module.buffers()))
        return _watched(self.module(*inputs, **options), self._reducer)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Inside this block, passes forward lead to passes backward that only add to the rank's own gradients.

        So gradients are accumulated over several batches and averaged once, by the first pass whose forward is outside again.
        """
        before, self._averaging = self._averaging, False
        try:
            yield
        finally:
            self._averaging = before


# ------------------------------------------------------------------------------------- what the forward pass leaves


def _begin(g: Any, reducer: _Reducer) -> Any:
    reducer.begin()
    return g


# The value itself. Its derivative is the first thing of the model that a backward pass comes to, and tells that one has begun.
_begin_averaging = Primitive(lambda xp, a, *, reducer: a, name="distributed", view=True)
_begin_averaging.derivatives(a=_begin)


def _watched(result: Any, reducer: _Reducer) -> Any:
    if isinstance(result, Tensor):
        return _begin_averaging(result, reducer=reducer) if result.requires_grad else result
    if isinstance(result, dict):
        return type(result)((key, _watched(value, reducer)) for key, value in result.items())
    if isinstance(result, (tuple, list)):
        items = [_watched(item, reducer) for item in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    if result is None or isinstance(result, (bool, int, float, str)):
        return result
    raise TypeError(
        f"DistributedDataParallel: the model's forward returned a {type(result).__name__}; gradients are averaged through tensors, and "
        "tuples, lists and dicts of them"
    )


# --------------------------------------------------------------------------------------------- what travels


class _Channel:
    """The ranks' connection for one model: its messages are not mixed up with another's, whatever order they come in."""

    def __init__(self, group: Group):
        self.group, self.comm = group, group.new_comm()

    def broadcast(self, tensors: list[Any]) -> None:
        """Rank 0's values for all, in one message for each dtype and device."""
        for part in _alike(tensors):
            xp = array_module(part[0].array)
            with computing(part[0].array):
                flat = xp.concatenate([t.array.reshape(-1) for t in part])
                self.send(to_mpi(flat).view(np.uint8)) if self.group.rank == 0 else self._take(part, flat)

    def send(self, buffer: Any) -> None:
        """Fill `buffer`, bytes, with rank 0's."""
        self.group.start("DistributedDataParallel", self.comm, buffer).wait()

    def _take(self, tensors: list[Any], flat: Any) -> None:
        received = to_mpi(flat)
        self.send(received.view(np.uint8))
        received = to_device(received, device_of(flat))
        ends = np.cumsum([t.array.size for t in tensors]).tolist()
        with no_grad():
            for t, start, end in zip(tensors, [0, *ends], ends, strict=False):
                t.copy_(Tensor._wrap(received[start:end].reshape(t.array.shape)))

    def add(self, buffer: Any) -> Work:
        """Begin to add up `buffer` over the ranks."""
        return self.group.start("DistributedDataParallel", self.comm, buffer, ReduceOp.SUM)


def _alike(tensors: list[Any]) -> list[list[Any]]:
    kinds: dict[Any, list[Any]] = {}
    for t in tensors:
        kinds.setdefault((t.dtype, t.device), []).append(t)
    return list(kinds.values())


def _check_same(channel: _Channel, module: Module) -> None:
    """RuntimeError, on every rank whose model is not rank 0's, naming the first difference."""
    named = [*module.named_parameters(), *module.named_buffers()]
    own = [f"{name}, {tuple(t.shape)} {t.dtype}{', learned' * t.requires_grad}" for name, t in named]
    text = "\n".join(own).encode()
    length = np.array([len(text)], np.int64)
    channel.send(length.view(np.uint8))
    buffer = np.zeros(int(length[0]), np.uint8)
    if channel.group.rank == 0:
        buffer[:] = np.frombuffer(text, np.uint8)
    channel.send(buffer)
    theirs = buffer.tobytes().decode().split("\n")
    for mine, other in zip([*own, "nothing more"], [*theirs, "nothing more"], strict=False):
        if mine != other:
            raise RuntimeError(
                f"DistributedDataParallel: the model of rank {channel.group.rank} is not that of rank 0: it has {mine}, where rank 0 has "
                f"{other}; all ranks must build the same model"
            )


class _Bucket:
    """Gradients that travel together: a vector with room for each, and at its end a number for each that says on how many ranks it was used."""

    def __init__(self, parameters: list[Parameter]):
        self.parameters = parameters
        first = parameters[0].array
        sizes = [p.array.size for p in parameters]
        self.elements = sum(sizes)
        with computing(first):
            self.flat = array_module(first).zeros(self.elements + len(parameters), summed_in(first.dtype))
        ends = np.cumsum(sizes).tolist()
        self.parts = [self.flat[end - size : end].reshape(p.array.shape) for p, end, size in zip(parameters, ends, sizes, strict=True)]
        self.used = np.zeros(len(parameters), self.flat.dtype)  # 1 for what this rank used since the last average
        self.empty()

    def empty(self) -> None:
        """Nothing is in yet."""
        self.missing = set(range(len(self.parameters)))
        self.work = Work()

    def put(self, i: int) -> None:
        """Take over the gradient of parameter `i` as it is now."""
        self.missing.discard(i)
        grad = self.parameters[i].grad
        with computing(self.flat):
            self.parts[i][...] = 0 if grad is None else grad.array

    def send(self, channel: _Channel) -> None:
        """Begin to add it up over the ranks."""
        with computing(self.flat):
            self.flat[self.elements :] = beside(self.flat, self.used)
        self.buffer = to_mpi(self.flat)
        self.work = channel.add(self.buffer)

    def receive(self, ranks: int) -> None:
        """Leave the averages in the parameters' gradients."""
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
                    xp.true_divide(part, ranks, out=p.grad.array, casting="same_kind")  # float16 was added in float32
                    p.grad._version.count += 1
                    p.grad._version.changed_by = "DistributedDataParallel"
        self.used[:] = 0
        self.empty()


def _ready_hook(reducer: weakref.ref[_Reducer], bucket: weakref.ref[_Bucket], i: int) -> Callable[[Any], None]:
    # weak, since they know the parameter, which knows its hooks
    def ready(parameter: Any) -> None:
        if (r := reducer()) is not None and (b := bucket()) is not None:
            r.ready(b, i)

    return ready


class _Reducer:
    """Averages the gradients of `parameters` during backward passes.

    The buckets hold them from the last to the first, which is about the order they become ready in, and are always sent in that one
    order, whatever a rank used: what is not ready by the end of the pass goes then. So no two ranks can wait for different buckets.
    """

    def __init__(self, channel: _Channel, parameters: list[Parameter], cap: float):
        self.channel = channel
        self.buckets: list[_Bucket] = []
        for alike in _alike(parameters[::-1]):
            collected: list[Parameter] = []
            for p in alike:
                collected.append(p)
                if sum(c.array.size for c in collected) * summed_in(p.dtype).itemsize >= cap or p is alike[-1]:
                    self.buckets.append(_Bucket(collected))
                    collected = []
        for bucket in self.buckets:
            for i, p in enumerate(bucket.parameters):
                p.register_post_accumulate_grad_hook(_ready_hook(weakref.ref(self), weakref.ref(bucket), i))
        self.running = False
        self.sent = 0

    def ready(self, bucket: _Bucket, i: int) -> None:
        """The gradient of parameter `i` of `bucket` is whole."""
        bucket.used[i] = 1
        if self.running:
            bucket.put(i)
            self._send_full()
            self.channel.group.progress()

    def begin(self) -> None:
        """A backward pass has come to the model's results."""
        if not after_backward(self._finish):
            return  # this one had before; or it is not one that leaves gradients
        if self.running:
            raise RuntimeError(
                "DistributedDataParallel: the backward pass before this one failed halfway, so that the ranks no longer agree; stop, and go "
                "on from a checkpoint"
            )
        for bucket in self.buckets:
            for p in bucket.parameters:
                if type(p.array) is not type(bucket.flat) or summed_in(p.dtype) != bucket.flat.dtype:
                    raise RuntimeError("DistributedDataParallel: the model was moved or converted after it was wrapped; do that first, then wrap it")
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
