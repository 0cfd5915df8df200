"""Several hosts on one machine: network namespaces, each with an address and a name of its own.

A bridge in one more namespace joins them, so the machine's own network is not touched. A host has
its own /dev/shm too, so ranks on two hosts can only reach each other through the network.
Commands are started on a host as by ssh: ``hosts.shell HOST COMMAND``, which launchers can use.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_number = itertools.count()

# Like ssh: options are skipped, the host's shell gets the words joined by spaces, and the
# environment does not come along.
SHELL = """#!/bin/sh
while [ "${{1#-}}" != "$1" ]; do shift; done
host=$1; shift
exec ip netns exec {prefix}-$host unshare --mount --uts --ipc sh -c '
    mount --bind {folder}/etc-hosts /etc/hosts && mount -t tmpfs none /dev/shm &&
    echo "$0" > /proc/sys/kernel/hostname && exec env -i PATH={path} HOME={home} sh -c "$*"
' "$host" "$@"
"""


def run(command: str) -> str:
    done = subprocess.run(shlex.split(command), capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{command}: {done.stderr.strip()}")
    return done.stdout


def why_not() -> str:
    """Why this machine can't hold several hosts, or ""."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "several hosts on one machine: network namespaces need root"
    if not (shutil.which("ip") and shutil.which("unshare")):
        return "several hosts on one machine: ip or unshare is missing (Debian: iproute2)"
    name = f"tinynet-{os.getpid()}-try"
    try:
        run(f"ip netns add {name}")
        try:
            run(f"ip -n {name} link add left type veth peer name right")
            run(f"ip -n {name} link add both type bridge")
            run(f"ip netns exec {name} unshare --mount --uts mount -t tmpfs none /dev/shm")
        finally:
            run(f"ip netns del {name}")
    except OSError as error:
        return f"several hosts on one machine: {error}"
    return ""


class Hosts:
    """`count` hosts named host1, host2, ...; `folder` holds the launcher and the hosts file."""

    def __init__(self, count: int, folder: Path):
        self.prefix = f"tinynet-{os.getpid()}-{next(_number)}"
        self.names = [f"host{i}" for i in range(1, count + 1)]
        self.folder = folder
        self.made: list[str] = []

    def make(self) -> None:
        switch = self._namespace("switch")
        run(f"ip -n {switch} link add bridge type bridge")
        run(f"ip -n {switch} link set bridge up")
        for i, name in enumerate(self.names, start=1):
            host = self._namespace(name)
            run(f"ip link add eth0 netns {host} type veth peer name {name} netns {switch}")
            run(f"ip -n {switch} link set {name} master bridge up")
            run(f"ip -n {host} address add 10.77.0.{i}/24 dev eth0")
            run(f"ip -n {host} link set eth0 up")
            # TCP's congestion control as on most machines
            run(f"ip -n {host} route change 10.77.0.0/24 dev eth0 congctl cubic")
        lines = [f"10.77.0.{i} {name}" for i, name in enumerate(self.names, start=1)]
        (self.folder / "etc-hosts").write_text("127.0.0.1 localhost\n" + "\n".join(lines) + "\n")
        self.shell = self.folder / "shell"
        path, home = (shlex.quote(os.environ.get(k, "/")) for k in ("PATH", "HOME"))
        self.shell.write_text(
            SHELL.format(prefix=self.prefix, folder=self.folder, path=path, home=home)
        )
        self.shell.chmod(0o755)

    def _namespace(self, name: str) -> str:
        full = f"{self.prefix}-{name}"
        run(f"ip netns add {full}")
        self.made.append(full)
        run(f"ip -n {full} link set lo up")
        return full

    def limit(self, mbit: float, delay: float = 0) -> None:
        """Hold every host's link to so many Mbit/s each way, and delay what it sends by so many ms.

        The queue before it is so long that no packet is lost. OSError if the kernel has no
        netem, which delays.
        """
        burst = max(16_000, int(mbit * 125))  # what a millisecond sends: timers are not finer
        for name in self.names:
            ends = (f"{self.prefix}-{name}", "eth0"), (f"{self.prefix}-switch", name)
            for namespace, device in ends:
                tc = f"ip netns exec {namespace} tc qdisc replace dev {device}"
                run(f"{tc} root handle 1: tbf rate {mbit}mbit burst {burst} latency 1s")
                if delay and device == "eth0":
                    run(f"{tc} parent 1:1 handle 10: netem delay {delay}ms")

    def cable(self, name: str, state: str) -> None:
        """Pull ("down") or plug in ("up") the host's network cable, at the switch."""
        run(f"ip -n {self.prefix}-switch link set {name} {state}")

    def processes(self) -> list[int]:
        return [
            int(pid)
            for name in self.names
            for pid in run(f"ip netns pids {self.prefix}-{name}").split()
        ]

    def kill(self) -> None:
        """End all processes of the hosts."""
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def remove(self) -> None:
        self.kill()
        for name in self.made:
            run(f"ip netns del {name}")


@contextlib.contextmanager
def hosts(count: int, folder: Path) -> Iterator[Hosts]:
    made = Hosts(count, folder)
    try:
        made.make()
        yield made
    finally:
        made.remove()
