"""Data sets to learn with, under torchvision's names; `tinynet.vision.datasets` has the code."""

from .vision.datasets import *
