"""Try a tinynet that is installed: .ci/package runs this outside of the checkout.

    python -I try_installed.py NAME_OF_THE_ARCHIVE FOLDER_OF_THE_CHECKOUT
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import metadata, version
from pathlib import Path

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim


def main(archive: str, checkout: str) -> None:
    home = Path(tinynet.__file__).parent
    assert not home.is_relative_to(Path(checkout).resolve()), f"this is the checkout: {home}"
    assert version("tinynet-cnn") == tinynet.__version__, "two versions"
    assert f"tinynet_cnn-{tinynet.__version__}" in archive, f"{archive} is another version"
    assert "MIT" in str(metadata("tinynet-cnn")), "the licence is missing"
    assert (home / "py.typed").exists(), "types would not be found"

    digits = {train: tinynet.datasets.MNIST(train=train, download=False) for train in (True, False)}
    assert (len(digits[True]), len(digits[False])) == (10_000, 2_000), "digits are missing"
    tinynet.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(1152, 10)
    )
    optimizer = optim.Adam(model.parameters(), lr=0.002)
    for start in range(0, 6400, 64):
        images, labels = digits[True][start : start + 64]
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    images, labels = digits[False][:]
    right = (model(images).argmax(1) == labels).float().mean().item()
    assert right > 0.85, f"it learned only {right:.0%}"

    with tempfile.TemporaryDirectory() as folder:
        page = tinynet.explain.network(model, images[:2], labels[:2]).save(Path(folder, "n.html"))
        assert "</html>" in page.read_text(encoding="utf-8"), "half a page"
        tinynet.save(model.state_dict(), Path(folder, "w"))
        model.load_state_dict(tinynet.load(Path(folder, "w")))
        program = Path(folder, "program.py")
        program.write_text("import torch\nprint(torch.ones(2).sum().item())\n")
        command = Path(sys.executable).with_name("tinynet")
        for arguments, said in (
            (["explain", "-o", str(Path(folder, "c.html"))], ""),
            (["run", str(program)], "2.0"),
            (["check", str(program)], ""),
        ):
            run = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
            assert run.returncode == 0, f"tinynet {arguments[0]}: {run.stderr}"
            assert said in run.stdout, f"tinynet {arguments[0]} printed {run.stdout!r}"
    print(f"{archive}: installed and tried, {right:.1%} of the test digits after 100 steps")


if __name__ == "__main__":
    main(*sys.argv[1:])
