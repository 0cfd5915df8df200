"""Arrays below the tensors: devices, random generators, memory, threads, GPU kernels.

Other rooms import from here what is named below; files of this room import each other.
"""

from .devices import (Device, array_module, as_device, computing, constant, device_of, full_like,
    load_cupy, module_on, on_device_of, to_device, to_host, usable_device, warnings_are_off,
    without_warnings)
from .gpu import send
from .memory import empty, is_image_order, is_view, kept_order, scratch, why_read_only
from .random import Generator, default_generator, drawing_from, manual_seed
from .threads import (balanced_parts, blas_architectures, cores, divide_cores, get_num_threads,
    parallel, parallel_slices, pieces, poll_during_parallel, set_num_threads)
