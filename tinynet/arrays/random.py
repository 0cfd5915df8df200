"""Random numbers. The CPU draws all of them, so a seed gives the same numbers on every device."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .devices import as_device


class Generator:
    """A stream of random numbers (numpy's PCG64), drawn on the CPU whatever the device.

    Without `manual_seed` the operating system draws the seed. ValueError if `device` is a GPU.

    >>> g = Generator().manual_seed(7)
    >>> g.initial_seed()
    7
    """

    def __init__(self, device: Any = "cpu"):
        if as_device("Generator", device).type != "cpu":
            raise ValueError(
                f"Generator: random numbers are drawn on the CPU; got device {device!r}")

    numpy: np.random.Generator
    _seed: int
    _spawned = 0  # families of generators spawned since the last seed
    _origin: tuple[Any, ...] = ()  # the arguments of _new_seed for the first seed

    def __getattr__(self, name: str) -> Any:
        # seeded at first use, because numpy.random takes a fifth of the time to import tinynet
        if name in ("numpy", "_seed"):
            self.manual_seed(_new_seed(*self._origin))
            return self.__dict__[name]
        raise AttributeError(f"Generator has no {name!r}")

    def manual_seed(self, seed: int) -> "Generator":
        """Restart the stream from `seed`, an int of at most 64 bits; returns self.

        A negative seed s stands for 2**64 + s. TypeError if `seed` is not an int, ValueError if
        it has more than 64 bits.
        """
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"manual_seed: expected an int, got {seed!r}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: the seed must fit in 64 bits, got {seed}")
        self._seed = int(seed) % 2**64
        self._spawned = 0
        self.numpy = np.random.Generator(np.random.PCG64(self._seed))
        return self

    def seed(self) -> int:
        """Restart the stream from a seed drawn by the operating system; returns that seed."""
        return self.manual_seed(_new_seed())._seed

    def initial_seed(self) -> int:
        """The seed from which the stream started."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """The position in the stream, as numbers and strings that JSON can store."""
        return {"seed": self._seed, "spawned": self._spawned,
            "bit_generator": self.numpy.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from the position that `get_state` returned; ValueError for anything else."""
        try:
            bits = np.random.PCG64(0)
            bits.state = state["bit_generator"]
            seed, spawned = int(state["seed"]), int(state["spawned"])
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ValueError(
                f"set_state: this is not the state of a Generator: {state!r:.80}") from error
        self._seed, self._spawned, self.numpy = seed, spawned, np.random.Generator(bits)

    def spawn(self) -> "Callable[[int], Generator]":
        """A new family of generators: a function from a number to an independent generator.

        No two numbers, and no two families, give the same stream. Spawning draws nothing from
        this generator: the new seeds follow from its seed, a count of families and the number.

        >>> family = Generator().manual_seed(7).spawn()
        >>> family(0).initial_seed() == family(0).initial_seed() != family(1).initial_seed()
        True
        """
        seed, family = self._seed, self._spawned
        self._spawned += 1

        def member(number: int) -> Generator:
            generator = Generator()
            generator._origin = seed, (family, number)
            return generator

        return member


def _new_seed(entropy: int | None = None, key: tuple[int, ...] = ()) -> int:
    """The seed that follows from `entropy` and `key`; the system draws the entropy if None."""
    return int(np.random.SeedSequence(entropy, spawn_key=key).generate_state(1, np.uint64)[0])


_replacement: contextvars.ContextVar[Generator | None] = contextvars.ContextVar(
    "tinynet_generator", default=None)


class _DefaultGenerator(Generator):
    """Forwards to the generator set by `drawing_from`, if any."""

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(_replacement.get() or self, name)


default_generator: Generator = _DefaultGenerator()


@contextlib.contextmanager
def drawing_from(generator: Generator) -> Iterator[None]:
    """Replace the default generator by `generator`, inside the block and in this thread only."""
    token = _replacement.set(generator)
    try:
        yield
    finally:
        _replacement.reset(token)


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, an int of at most 64 bits; returns that generator.

    Every random function draws from the default generator unless it is given another one.
    """
    return default_generator.manual_seed(seed)
