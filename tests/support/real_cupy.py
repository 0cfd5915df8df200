"""Whether the GPU tests run on the installed cupy, which needs a GPU, or on the stand-in."""

import os

# set TINYNET_TEST_CUPY=real for the installed cupy
REAL_CUPY = os.environ.get("TINYNET_TEST_CUPY") == "real"
