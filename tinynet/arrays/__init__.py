"""Arrays below the tensors: devices, random generators, memory, threads, GPU kernels."""
