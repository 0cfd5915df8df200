"""Random numbers: the host draws them, the same on every device."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .devices import Device


class Generator:
    """A stream of random numbers (numpy's PCG64), the same on every device since the host draws them.

    >>> g = Generator().manual_seed(7)
    >>> g.initial_seed()
    7
    """

    def __init__(self, device: Any = "cpu"):
        if Device(device).type != "cpu":
            raise ValueError(f"Generator: random numbers are drawn on the CPU; got device {device!r}")

    numpy: np.random.Generator
    _seed: int
    _spawned = 0  # how many families of generators were made of this one since it was seeded

    def __getattr__(self, name: str) -> Any:
        if name in ("numpy", "_seed"):  # seeded when first asked for: numpy's random module is a fifth of what there is to import
            self.manual_seed(self._first_seed())
            return self.__dict__[name]
        raise AttributeError(f"Generator has no {name!r}")

    def _first_seed(self) -> int:
        return _new_seed()

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream anew from `seed`, an int of up to 64 bits (a negative one counts from 2**64 down); returns self."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"manual_seed: expected an int, got {seed!r}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: the seed must fit in 64 bits, got {seed}")
        self._seed = int(seed) % 2**64
        self._spawned = 0
        self.numpy = np.random.Generator(np.random.PCG64(self._seed))
        return self

    def seed(self) -> int:
        """Start from a seed that the operating system draws; returns it."""
        self.manual_seed(_new_seed())
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the stream started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Where the stream stands, as plain numbers that JSON can hold."""
        return {"seed": self._seed, "spawned": self._spawned, "bit_generator": self.numpy.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was called."""
        try:
            bits = np.random.PCG64(0)
            bits.state = state["bit_generator"]
            seed, spawned = int(state["seed"]), int(state["spawned"])
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ValueError(f"set_state: this is not the state of a Generator: {state!r:.80}") from error
        self._seed, self._spawned, self.numpy = seed, spawned, np.random.Generator(bits)

    def spawn(self) -> Callable[[int], Generator]:
        """A family of generators: a function that gives the one with a number. None draws what another draws, or any of another family.

        Nothing is drawn from this generator: the families are counted, and the seeds follow from its seed and these numbers.

        >>> family = Generator().manual_seed(7).spawn()
        >>> family(0).initial_seed() == family(0).initial_seed() != family(1).initial_seed()
        True
        """
        seed, family = self._seed, self._spawned
        self._spawned += 1
        return lambda number: _Spawned(seed, family, number)


class _Spawned(Generator):
    def __init__(self, seed: int, *key: int):
        self._origin = seed, key

    def _first_seed(self) -> int:
        return _new_seed(*self._origin)


def _new_seed(entropy: int | None = None, key: tuple[int, ...] = ()) -> int:
    """A seed that follows from `entropy` and `key`; without, one that the operating system draws."""
    return int(np.random.SeedSequence(entropy, spawn_key=key).generate_state(1, np.uint64)[0])


_drawn_from: contextvars.ContextVar[Generator | None] = contextvars.ContextVar("tinynet_generator", default=None)


class _DefaultGenerator(Generator):
    """One that stands back, in all it does, for the one that is named in `drawing_from`."""

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(_drawn_from.get() or self, name)


default_generator: Generator = _DefaultGenerator()


@contextlib.contextmanager
def drawing_from(generator: Generator) -> Iterator[None]:
    """Inside, and in this thread only, the default generator is `generator`."""
    token = _drawn_from.set(generator)
    try:
        yield
    finally:
        _drawn_from.reset(token)


def manual_seed(seed: int) -> Generator:
    """Seed the generator that everything random draws from unless it is given its own; returns that generator."""
    return default_generator.manual_seed(seed)
