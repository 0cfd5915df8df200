"""Data sets of images, under torchvision's names."""

from .cifar import *
from .folder import *
from .image_set import *
from .mnist import *
