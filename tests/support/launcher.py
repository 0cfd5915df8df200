"""How the tests start ranks: with the mpiexec that belongs to this Python's mpi4py.

In an environment with the wheels of mpi4py and mpich that is MPICH. In one whose mpi4py was built
for Open MPI (``pip install --no-binary mpi4py mpi4py``) it is Open MPI, for the same tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

import tinynet
from tinynet import distributed

ROOT = Path(tinynet.__file__).parent.parent
# that of the wheel first: it belongs to the MPI that mpi4py finds
MPIEXEC = shutil.which(
    "mpiexec", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
)
needs_mpi = pytest.mark.skipif(
    not distributed.is_available() or MPIEXEC is None,
    reason="mpi4py or mpiexec is missing: pip install 'tinynet-cnn[distributed]'",
)
OPEN_MPI = MPIEXEC is not None and (
    "Open" in subprocess.run([MPIEXEC, "--version"], capture_output=True, text=True).stdout
)
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
if OPEN_MPI:  # it refuses root, and more ranks than cores, unless told otherwise
    ENVIRONMENT |= {
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1", "PRTE_ALLOW_RUN_AS_ROOT": "1",
    }  # fmt: skip


def on_hosts(shell: Path, names: list[str], each: int, folder: Path) -> list[str]:
    """The command that starts `each` ranks on every host, which it reaches through `shell`."""
    assert MPIEXEC is not None
    line = "{} slots={}\n" if OPEN_MPI else "{}:{}\n"
    listed = folder / "listed"
    listed.write_text("".join(line.format(name, each) for name in names))
    ranks = str(each * len(names))
    command = ["env", *(f"{name}={value}" for name, value in ENVIRONMENT.items()), MPIEXEC]
    if OPEN_MPI:
        for name in ("time 2", "intvl 1", "probes 3"):  # else it waits 5 minutes for a lost host
            command += ["--mca", *f"oob_tcp_keepalive_{name}".split()]
        command += ["--mca", "plm_rsh_agent", str(shell), "--hostfile", str(listed), "-n", ranks]
        return command + [word for name in ENVIRONMENT for word in ("-x", name)]
    return [
        *command, "-launcher", "ssh", "-launcher-exec", str(shell), "-f", str(listed), "-n", ranks,
    ]  # fmt: skip
