"""Training on several processes over MPI: ranks (`group`), data-parallel models (`parallel`)."""

from .group import (
    Group, ReduceOp, Work, all_reduce, barrier, broadcast, current_group, destroy_process_group,
    get_rank, get_world_size, init_process_group, is_available, is_initialized, summed_in, to_mpi)
