"""Programs written for PyTorch, as they stand: ``tinynet run`` and ``tinynet check``.

`names` knows what PyTorch has and what tinynet has of it, `imports` lets ``import torch`` find
tinynet, `run` runs a program, `check` reads one. Nothing in tinynet imports this room.
"""
