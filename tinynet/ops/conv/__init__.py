"""Convolution and what works on images like it: geometry, the plain way, the fast way, pooling, norms."""
