"""Whether the model of docs/distributed.md predicts a step's time on hosts with slow links.

    python benchmarks/hosts.py

As root, on Linux. It makes hosts on this machine, as network namespaces whose links are held to a
rate, runs benchmarks/distributed.py on them with one rank on each, and prints predicted and
measured times. Only rank 0 computes, because the hosts share the cores of this machine; the others
sleep as long.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from hosts import hosts, why_not  # noqa: E402
from launcher import on_hosts  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", default="2,3", help="how many, separated by commas")
    parser.add_argument("--rates", default="1000,100", help="of the links, in Mbit/s")
    parser.add_argument("--delay", type=float, default=0, help="of each link, ms; needs netem")
    parser.add_argument("--nets", default="MNIST example,LeNet-5", help="as in distributed.py")
    parser.add_argument("--runs", type=int, default=3, help="steps in each of eight rounds")
    options = parser.parse_args()
    if reason := why_not():
        sys.exit(reason)
    for count in map(int, options.hosts.split(",")):
        for rate in options.rates.split(","):
            with tempfile.TemporaryDirectory() as folder, hosts(count, Path(folder)) as made:
                made.limit(float(rate), options.delay)
                program = [
                    sys.executable, "benchmarks/distributed.py", "--only-rank-0-computes",
                    "--link", f"{rate}e6", "--delay", str(options.delay), "--nets",
                    options.nets, "--runs", str(options.runs),
                ]  # fmt: skip
                words = shlex.join([*on_hosts(made.shell, made.names, 1, made.folder), *program])
                subprocess.run([made.shell, "host1", f"cd {ROOT} && {words}"], check=True)


if __name__ == "__main__":
    main()
