"""Layers that small networks seldom need; `tinynet.nn` looks them up here."""

from . import public

__all__ = public(globals())
