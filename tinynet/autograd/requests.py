"""What users ask of `backward` and `grad`, checked, and what they may be given.

The engine imports this file, so variables are known here by their method ``_vertex``.
"""

from collections.abc import Iterable
from typing import Any

from ..arrays import array_module, full_like, is_view


def _is_variable(value: Any) -> bool:
    return hasattr(type(value), "_vertex")


def _check_tensor(function: str, value: Any, message: str) -> None:
    if not _is_variable(value):
        raise TypeError(f"{function}: {message.format(type(value).__name__)}")


def as_list(function: str, name: str, given: Any) -> list[Any]:
    """One tensor or a sequence of tensors, as a list."""
    if _is_variable(given):
        return [given]
    if isinstance(given, (tuple, list)):
        return list(given)
    kind = type(given).__name__
    raise TypeError(f"{function}: expected {name} as a tensor or a sequence of tensors, got {kind}")


def seeds(function: str, names: tuple[str, str], outputs: Any, directions: Any) -> list[Any]:
    """Pairs of an output's vertex and the gradient to start from there."""
    outs = as_list(function, names[0], outputs)
    given = [None] * len(outs) if directions is None else as_list(function, names[1], directions)
    if len(given) != len(outs):
        counts = f"{len(outs)} {names[0]} but {len(given)} {names[1]}"
        raise ValueError(f"{function}: {counts}; give one for each")
    return [_seed(function, out, g) for out, g in zip(outs, given, strict=True)]


def _seed(function: str, output: Any, gradient: Any) -> tuple[Any, Any]:
    _check_tensor(function, output, "expected a tensor to differentiate, got {}")
    vertex, shape, dtype = output._vertex(), tuple(output.array.shape), output.array.dtype
    if vertex is None:
        raise RuntimeError(
            f"{function}: a tensor of shape {shape} does not require grad; was it computed under "
            "no_grad(), detached, or from tensors none of which has requires_grad=True?")
    if gradient is None:
        if output.array.size != 1:
            raise RuntimeError(
                f"{function}: a tensor of shape {shape}, not a single number, needs a direction; "
                "reduce it first (.sum(), .mean()) or give its gradient, of the same shape")
        return vertex, output._make(full_like(output.array, 1))
    _check_tensor(function, gradient, "expected the gradient as a tensor, got {}")
    given, given_dtype = tuple(gradient.array.shape), gradient.array.dtype
    if given != shape:
        raise RuntimeError(f"{function}: the gradient has shape {given}, but its tensor {shape}")
    if given_dtype != dtype:
        raise RuntimeError(f"{function}: the gradient is {given_dtype}, but its tensor {dtype}; "
            f"convert it with .to(tinynet.{dtype})")
    array_module(output.array, gradient.array, function=function)  # both on one device?
    return vertex, gradient


def targets(function: str, inputs: list[Any]) -> list[Any]:
    """The vertices of `inputs`, the tensors whose gradients are wanted."""
    if not inputs:
        raise ValueError(f"{function}: inputs is empty; name the tensors whose gradients you want")
    vertices = []
    for number, tensor in enumerate(inputs):
        _check_tensor(function, tensor, f"input {number} is a {{}}, not a tensor")
        if (vertex := tensor._vertex()) is None:
            shape = tuple(tensor.array.shape)
            raise RuntimeError(
                f"{function}: input {number}, of shape {shape}, does not require grad")
        vertices.append(vertex)
    return vertices


def leaves(function: str, inputs: Any) -> set[Any] | None:
    """The leaves in `inputs`; None if all leaves are meant."""
    if inputs is None:
        return None
    tensors = as_list(function, "inputs", inputs)
    vertices = targets(function, tensors)
    if any(vertex is not tensor for vertex, tensor in zip(vertices, tensors, strict=True)):
        raise RuntimeError(f"{function}: inputs must be leaves; for other tensors use tinynet.grad")
    return set(vertices)


def refuse_contradiction(only_inputs: bool, materialize_grads: bool, allow_unused: Any) -> None:
    """Two arguments of `grad` that exclude each other, and one that has one value."""
    if not only_inputs:
        raise ValueError("grad: only_inputs must be True; backward adds to the .grad of all leaves")
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "grad: materialize_grads=True fills in unused inputs, which allow_unused=False forbids")


def unused(number: int, tensor: Any, allow_unused: Any, materialize_grads: bool) -> Any:
    """What `grad` gives for an input that the outputs don't depend on: zeros, None, or an error."""
    if materialize_grads:
        return tensor._make(full_like(tensor.array, 0))
    if not allow_unused:
        shape = tuple(tensor.array.shape)
        raise RuntimeError(f"grad: the outputs do not depend on input {number}, of shape {shape}; "
            "allow_unused=True gives None for it, materialize_grads=True zeros")
    return None


def may_be_handed_out(array: Any, handed_out: set[int], on_their_way: Iterable[Any] = ()) -> bool:
    """Whether a user may get `array` as a gradient as it is. If not, the user gets a copy.

    Users may change a gradient in place, which must change nothing else. So `array` must not be
    (1) a view of another array, (2) an array that was handed out already, or came from the user:
    a + b hands one array to both, (3) an array that a gradient on its way still uses.
    """
    if is_view(array) or id(array) in handed_out:
        return False
    return all(array is not g.array and array is not g.array.base for g in on_their_way)
