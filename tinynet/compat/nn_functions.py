"""Functions that small networks seldom need; `tinynet.nn.functional` looks them up here."""

from . import public

__all__ = public(globals())
