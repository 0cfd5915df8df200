"""Optimisers change parameters by their gradients; `lr_scheduler` changes the learning rates."""

from . import lr_scheduler
from .formulas import SGD, Adagrad, Adam, AdamW, RMSprop
from .optimizer import Optimizer

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
