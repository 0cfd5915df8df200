from .engine import RemovableHandle as RemovableHandle
