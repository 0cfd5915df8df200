"""From a tensor's graph to boxes: operations, leaves and constants, grouped by module.

The graph itself knows operations, not modules. A module is found by its parameters: an operation
that uses ``conv1.weight`` belongs to ``conv1``; an operation without parameters belongs to the path
that the modules before and after it share. Operations of one module that ran one after the other
form a box. A graph with too many boxes is folded: boxes then stand for several operations.
"""
from __future__ import annotations

import gc
import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import tinynet

from .texts import say

LIMIT = 60                  # boxes that can still be followed; a graph with more is folded


@dataclass
class Vertex:
    """An operation, a leaf (a tensor that collects a gradient), or a constant given to an
    operation."""

    kind: str                               # "operation", "leaf" or "constant"
    name: str
    shape: tuple[int, ...]
    inputs: list[Vertex] = field(default_factory=list)
    scope: str = ""                         # the path of its module
    leaf: Any = None

    def lines(self, lang: str) -> list[str]:
        """What its box says."""
        if self.kind == "operation":
            return [self.name]
        if self.kind == "constant":
            return [self.name, shape_text(self.shape)]
        return [f"{self.name}  {shape_text(self.shape)}", norm_text(lang, [self.leaf])]


@dataclass
class Box:
    """Operations of one module that ran one after the other, with its parameters; or one vertex
    without a module."""

    scope: str
    members: list[Vertex]
    folded: bool = False                    # shown as one box instead of a frame around its members

    @property
    def framed(self) -> bool:
        return not self.folded and self.scope != "" and len(self.members) > 1

    def lines(self, lang: str) -> list[str]:
        """What a box says that does not show its members."""
        if not self.folded:
            return self.members[0].lines(lang)
        operations = Counter(v.name for v in self.members if v.kind == "operation")
        names = [name if count == 1 else f"{name} ×{count}"
                 for name, count in operations.most_common(4)]
        if len(operations) > 4:
            names.append("…")
        lines = [self.scope] if self.scope else []
        lines.append(say(lang, "graph.operations", count=operations.total(),
                         names=", ".join(names)))
        if leaves := [v for v in self.members if v.kind == "leaf"]:
            count = sum(math.prod(v.shape) for v in leaves)
            lines.append(say(lang, "graph.parameters", count=f"{count:,}"))
            lines.append(norm_text(lang, [v.leaf for v in leaves]))
        return lines


def shape_text(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) if shape else "( )"


def norm_text(lang: str, leaves: list[Any]) -> str:
    """The norm of the gradients of all leaves together, and how many of them have one."""
    grads = [leaf.grad.detach().cpu().array.astype("float64")
             for leaf in leaves if leaf.grad is not None]
    if not grads:
        return say(lang, "graph.no_gradient")
    part = "" if len(grads) == len(leaves) else f" ({len(grads)}/{len(leaves)})"
    return f"‖grad‖ {math.sqrt(sum(float((grad ** 2).sum()) for grad in grads)):.3g}{part}"


def parameter_names(model: Any) -> tuple[dict[int, str], dict[str, str]]:
    """The path of every parameter by its id, and the type of every module by its path.

    A graph holds parameters but not the modules that own them. Without `model`, all living modules
    are searched; of two that own the same parameter, the one with more parameters (the whole model)
    names it.
    """
    models = [model]
    if model is None:
        # type() and not isinstance(), which would import what lazy objects of other libraries
        # stand for, because it asks them for their class
        modules = [thing for thing in gc.get_objects()
                   if issubclass(type(thing), tinynet.nn.Module)]
        models = sorted(modules, key=lambda module: -sum(1 for _ in module.parameters()))
    names: dict[int, str] = {}
    types: dict[str, str] = {}
    for module in models:
        own = {id(parameter): name for name, parameter in module.named_parameters()}
        if own and not names.keys() & own.keys():
            names |= own
            types |= {path: type(child).__name__ for path, child in module.named_modules()}
    return names, types


def walk(tensor: Any, names: dict[int, str]) -> list[Vertex]:
    """Every operation, leaf and constant behind `tensor`, each after its inputs, in the order in
    which they ran."""
    nodes, stack = {}, [tensor.grad_fn]
    while stack:
        node = stack.pop()
        if id(node) not in nodes:
            nodes[id(node)] = node
            stack += [parent for parent in node.parents if hasattr(parent, "parents")]
    vertices: dict[int, Vertex] = {}
    for node in sorted(nodes.values(), key=lambda node: node.time):
        inputs = []
        for parent, shape in zip(node.parents, node.shapes, strict=True):
            if parent is not None:
                if id(parent) not in vertices:
                    path, _, name = names.get(id(parent), "leaf").rpartition(".")
                    vertices[id(parent)] = Vertex("leaf", name, tuple(parent.shape), scope=path,
                                                  leaf=parent)
                inputs.append(vertices[id(parent)])
            elif shape:                     # a number as a constant would only clutter the picture
                inputs.append(Vertex("constant", "constant", tuple(shape)))
                vertices[id(inputs[-1])] = inputs[-1]
        name = node.name.removesuffix("Backward0")
        vertices[id(node)] = Vertex("operation", name, tuple(node.shape), inputs)
    return list(vertices.values())


def assign_scopes(vertices: list[Vertex]) -> None:
    """Give every operation its module: that of its parameters, or what the modules before and after
    it share."""
    # parameters, and what is computed from parameters alone (a reshaped weight)
    prepared = {id(v): v.scope for v in vertices if v.kind == "leaf" and v.scope}
    users: dict[int, list[Vertex]] = {id(v): [] for v in vertices}
    for v in vertices:
        for u in v.inputs:
            users[id(u)].append(v)
        if v.kind == "operation":
            v.scope = next((prepared[id(u)] for u in v.inputs if id(u) in prepared), "")
            if v.scope and all(id(u) in prepared for u in v.inputs):
                prepared[id(v)] = v.scope
    before: dict[int, str] = {}
    after: dict[int, str] = {}
    for v in vertices:
        before[id(v)] = v.scope or next(filter(None, (before[id(u)] for u in v.inputs)), "")
    for v in reversed(vertices):
        after[id(v)] = v.scope or next(filter(None, (after[id(u)] for u in users[id(v)])), "")
    for v in vertices:
        if v.kind == "operation" and not v.scope:
            v.scope = shared_path(before[id(v)], after[id(v)])
    for v in vertices:
        for u in v.inputs:
            if u.kind == "constant":
                u.scope = v.scope


def shared_path(a: str, b: str) -> str:
    """``block.0`` for ``block.0.conv`` and ``block.0.bn``."""
    pairs = zip(a.split("."), b.split("."), strict=False)
    return ".".join(part for part, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def boxes(vertices: list[Vertex]) -> list[Box]:
    """Runs of one module each. If they are too many, they are folded by ever shorter paths, and in
    the end by number."""
    depth = max((v.scope.count(".") + 1 for v in vertices), default=1)
    if len(vertices) <= LIMIT:
        return runs(vertices, depth)
    for shorter in range(depth, 0, -1):
        result = runs(vertices, shorter)
        if len(result) <= LIMIT:
            break
    else:
        size = math.ceil(len(vertices) / (LIMIT // 4))
        result = []
        for k in range(0, len(vertices), size):
            paths = [v.scope for v in vertices[k:k + size] if v.scope]
            ends = dict.fromkeys(paths[:1] + paths[-1:])
            result.append(Box(" … ".join(ends), vertices[k:k + size]))
    for box in result:
        box.folded = len(box.members) > 1
    return result


def runs(vertices: list[Vertex], depth: int) -> list[Box]:
    """Neighbours in time with the same module path, cut to `depth`; a vertex without a module
    stands alone."""
    result: list[Box] = []
    for v in vertices:
        scope = ".".join(v.scope.split(".")[:depth])
        if result and scope and result[-1].scope == scope:
            result[-1].members.append(v)
        else:
            result.append(Box(scope, [v]))
    return result
