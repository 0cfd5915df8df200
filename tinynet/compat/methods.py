"""Methods of tensors that are no functions of ``torch``; `compat.METHODS` lists all of them."""

from . import public

__all__ = public(globals())
