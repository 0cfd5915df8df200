"""``tinynet run``: small programs of the usual kinds run as they stand, and end as in Python."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tinynet
from tinynet.compat.names import Version

ROOT = Path(tinynet.__file__).parents[1]


class Ran:
    def __init__(self, done: subprocess.CompletedProcess[str]):
        self.out, self.err, self.code = done.stdout, done.stderr, done.returncode

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ran) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"{self.code}\n{self.out}\n{self.err}"


@pytest.fixture
def run(tmp_path):
    """``run(program, *arguments)``: the program's text is train.py, `files` lie beside it."""

    def run(program, *arguments, command=("-m", "tinynet", "run"), files=None, cwd=None):
        for name, text in {"train.py": program, **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        script = "train.py" if cwd is None else str(tmp_path / "train.py")
        return Ran(subprocess.run(
            [sys.executable, *command, script, *arguments], cwd=cwd or tmp_path, text=True,
            capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False))

    return run


@pytest.fixture
def python(run):
    return lambda *arguments, **options: run(*arguments, command=(), **options)


# --------------------------------------------------------------------------------- programs


LENET = """
    import argparse
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    import torch.optim as optim
    from torch.optim.lr_scheduler import StepLR
    from torch.utils.data import DataLoader, TensorDataset


    class Net(nn.Module):
        def __init__(self):
            super(Net, self).__init__()
            self.conv1 = nn.Conv2d(1, 4, 3)
            self.dropout = nn.Dropout2d(0.25)
            self.fc = nn.Linear(4 * 6 * 6, 3)

        def forward(self, x):
            x = F.relu(F.max_pool2d(self.conv1(x), 2))
            x = self.dropout(x)
            x = x.view(-1, 4 * 6 * 6)
            return F.log_softmax(self.fc(x), dim=1)


    def train(model, device, loader, optimizer):
        model.train()
        total = 0.
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            optimizer.zero_grad()
            loss = F.nll_loss(model(data), target)
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total / len(loader)


    def main():
        parser = argparse.ArgumentParser()
        parser.add_argument("--epochs", type=int, default=1)
        parser.add_argument("--lr", type=float, default=0.5)
        args = parser.parse_args()
        torch.manual_seed(0)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        targets = torch.randint(0, 3, (48,))
        images = torch.randn(48, 1, 14, 14) + targets.view(-1, 1, 1, 1)
        loader = DataLoader(TensorDataset(images, targets), batch_size=16, shuffle=True)
        model = Net().to(device)
        optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.5)
        scheduler = StepLR(optimizer, step_size=1, gamma=0.9)
        losses = []
        for epoch in range(1, args.epochs + 1):
            losses.append(train(model, device, loader, optimizer))
            scheduler.step()
        print(len(losses), losses[-1] < losses[0], "%.3f" % optimizer.param_groups[0]["lr"])


    if __name__ == "__main__":
        main()
    """


def test_a_classifier_with_arguments(run):
    ran = run(LENET, "--epochs", "4", "--lr", "0.1")
    assert (ran.code, ran.out, ran.err) == (0, "4 True 0.066\n", "")


def test_a_wrong_argument_of_the_program_is_the_programs_affair(run, python):
    assert run(LENET, "--epoch=x").code == 2
    assert "train.py: error: argument --epochs" in run(LENET, "--epochs=x").err


def test_modules_and_packages_beside_the_program(run, tmp_path):
    ran = run(
        """
        from models import *
        from models.blocks import Block
        from utils import count
        import torch

        net = Net()
        print(isinstance(net, torch.nn.Module), isinstance(net.block, Block), count(net))
        """,
        files={
            "models/__init__.py": "from .net import *\n",
            "models/net.py": """
                import torch.nn as nn
                from .blocks import Block
                __all__ = ["Net"]

                class Net(nn.Module):
                    def __init__(self):
                        super().__init__()
                        self.block = Block(2)
                """,
            "models/blocks.py": """
                from torch import nn

                class Block(nn.Sequential):
                    def __init__(self, planes):
                        super().__init__(nn.Conv2d(planes, planes, 3), nn.BatchNorm2d(planes))
                """,
            "utils.py": """
                import torch

                def count(net):
                    return sum(torch.numel(p) if hasattr(torch, "numel") else p.numel()
                               for p in net.parameters())
                """,
        },
        cwd=tmp_path.parent,
    )
    assert (ran.code, ran.out, ran.err) == (0, "True True 42\n", "")


AUTOENCODER = """
    import torch
    from torch import nn, optim

    torch.manual_seed(1)
    encoder = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(True))
    decoder = nn.Sequential(nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1), nn.Sigmoid())
    model = nn.Sequential(encoder, decoder)
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    criterion = nn.MSELoss()
    x = torch.rand(8, 1, 8, 8)
    first = None
    for epoch in range(30):
        loss = criterion(model(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first = loss.item() if first is None else first
    print(loss.item() < first)
    """

GAN = """
    import torch
    import torch.nn as nn
    import torch.nn.parallel
    from torch.autograd import grad

    def weights_init(m):
        classname = m.__class__.__name__
        if classname.find("Linear") != -1:
            m.weight.data.normal_(0.0, 0.02)
            m.bias.data.fill_(0)

    D = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2, inplace=True), nn.Linear(8, 1))
    G = nn.Sequential(nn.Linear(3, 8), nn.ReLU(True), nn.Linear(8, 2))
    D.apply(weights_init), G.apply(weights_init)
    opts = [torch.optim.RMSprop(m.parameters(), lr=5e-5) for m in (D, G)]
    for step in range(3):
        real, fake = torch.randn(4, 2), G(torch.randn(4, 3)).detach()
        alpha = torch.rand(4, 1)
        mixed = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
        g = grad(D(mixed), mixed, torch.ones(4, 1), create_graph=True, retain_graph=True)[0]
        penalty = ((g.norm(2, dim=1) - 1) ** 2).mean()
        loss = D(fake).mean() - D(real).mean() + 10 * penalty
        opts[0].zero_grad()
        loss.backward()
        opts[0].step()
        opts[1].zero_grad()
        (-D(G(torch.randn(4, 3))).mean()).backward()
        opts[1].step()
    print(torch.isfinite(loss).item())
    """

REGRESSION = """
    import numpy as np
    import torch

    x = torch.linspace(-1, 1, 50).unsqueeze(1)
    y = 3 * x + 2
    w = torch.zeros(1, 1, requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    for _ in range(200):
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.5 * w.grad
            b -= 0.5 * b.grad
            w.grad.zero_()
            b.grad.zero_()
    print(np.allclose([w.item(), b.item()], [3, 2], atol=1e-3))
    """

CHECKPOINT = """
    import os
    import torch
    from torch import nn

    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    state = {"net": net.state_dict(), "acc": 91.5, "epoch": 3}
    if not os.path.isdir("checkpoint"):
        os.mkdir("checkpoint")
    torch.save(state, "./checkpoint/ckpt.st")
    loaded = torch.load("./checkpoint/ckpt.st", map_location="cpu")
    other = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    other.load_state_dict(loaded["net"])
    same = all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters()))
    print(same and loaded["acc"] == 91.5)
    """

OWN_DATA_SET = """
    import torch
    from torch.utils.data.dataset import Dataset
    from torch.utils.data.dataloader import DataLoader, default_collate
    from torch.utils.data import random_split

    class Squares(Dataset):
        def __init__(self, n): self.n = n
        def __len__(self): return self.n
        def __getitem__(self, i): return torch.tensor([float(i)]), i * i

    train, test = random_split(Squares(10), [8, 2])
    n = sum(x.size(0) for x, y in DataLoader(train, batch_size=3, collate_fn=default_collate))
    print(n == 8 and len(test) == 2)
    """

RESNET_FILE = """
    import torch
    import torch.nn as nn
    import torch.utils.model_zoo as model_zoo
    import torch.utils.checkpoint as cp
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.utils import _pair
    from torch.nn.parameter import Parameter
    try:
        from torch.hub import load_state_dict_from_url
    except ImportError:
        from torch.utils.model_zoo import load_url as load_state_dict_from_url

    class BasicBlock(nn.Module):
        expansion = 1

        def __init__(self, inplanes, planes, stride=1, downsample=None):
            super(BasicBlock, self).__init__()
            self.conv1 = nn.Conv2d(inplanes, planes, _pair(3), stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(planes)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = downsample
            self.scale = Parameter(torch.ones(1))

        def forward(self, x):
            out = self.relu(self.bn1(self.conv1(x)))
            return self.scale * out + (x if self.downsample is None else self.downsample(x))

    def resnet(pretrained=False):
        net = nn.Sequential(BasicBlock(2, 2), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())
        for m in net.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, _BatchNorm):
                nn.init.constant_(m.weight, 1)
        if pretrained:
            net.load_state_dict(load_state_dict_from_url("https://example.org/r.pth"))
        return net

    print(tuple(resnet()(torch.randn(2, 2, 5, 5)).shape) == (2, 2))
    """

STARS = """
    from torch import *
    from torch.nn import *
    from torch.nn.functional import *
    from torch.optim.lr_scheduler import *

    net = Sequential(Linear(2, 2), ReLU())
    print(relu(net(zeros(1, 2))).shape[1] == 2 and "StepLR" in dir())
    """

LR_SCHEDULERS = """
    import math
    import torch
    from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, _LRScheduler

    class Half(_LRScheduler):
        def get_lr(self):
            return [base / 2 for base in self.base_lrs]

    p = [torch.nn.Parameter(torch.zeros(1))]
    rates = []
    for make in (lambda o: CosineAnnealingLR(o, T_max=10),
                 lambda o: LambdaLR(o, lambda e: 0.5 ** e), Half):
        o = torch.optim.SGD(p, lr=1.0)
        s = make(o)
        o.step()
        s.step()
        rates.append(round(o.param_groups[0]["lr"], 4))
    print(rates == [round((1 + math.cos(math.pi / 10)) / 2, 4), 0.5, 0.5])
    """

VERSIONS = """
    import torch, torchvision
    v = torch.__version__
    major, minor = (int(n) for n in v.split(".")[:2])
    print(major >= 1 and v >= "1.8" and v > (1, 4) and not v < "0.4" and float(v[:3]) > 0.4
          and [int(n) for n in v.split("+")[0].split(".")][0] == 2 and "tinynet" in v
          and torch.version.cuda is None and torchvision.__version__ >= "0.2.2")
    """

INTROSPECTION = """
    import inspect, pickle, sys
    import torch
    from torch import nn
    sys.modules["torch.nn.functional"]

    class Net(nn.Module):
        pass

    print(Net.__module__ == "__main__" and "class Net" in inspect.getsource(Net)
          and pickle.loads(pickle.dumps(nn.Linear)) is nn.Linear
          and pickle.loads(pickle.dumps(Net)) is Net
          and pickle.loads(b"ctorch.nn.modules.linear\\nLinear\\n.") is nn.Linear
          and repr(torch) == "<module 'torch' (tinynet)>"
          and getattr(torch.optim, "SGD") is torch.optim.__dict__["SGD"]
          and "Conv2d" in dir(nn) and "LSTM" not in dir(nn)
          and torch.nn.functional is sys.modules["torch.nn.functional"])
    """.replace('    sys.modules["torch.nn.functional"]\n', "    import torch.nn.functional\n")

NOT_PYTORCH = """
    import sys
    import torch, torch.nn.functional, torchvision.transforms
    print(not [n for n, m in sys.modules.items() if n.split(".")[0] in ("torch", "torchvision")
               and m.__spec__.origin != "tinynet"] and "torch._C" not in sys.modules)
    """

MIXED_PRECISION = """
    import torch
    from torch.cuda.amp import autocast, GradScaler
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = torch.nn.Linear(2, 1).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = GradScaler(enabled=False)
    before = model.weight.detach().clone()
    with autocast(False), torch.amp.autocast("cuda", enabled=False):
        loss = model(torch.ones(4, 2, device=device)).sum()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    scaler.load_state_dict(scaler.state_dict())

    @torch.autocast(device_type="cpu", dtype=torch.float16, enabled=False)
    def decorated(x):
        return 2 * x

    try:
        torch.autocast("cpu")
    except RuntimeError as error:
        said = str(error)
    print(torch.allclose(before - model.weight, torch.full_like(before, 0.4))
          and loss.dtype == torch.float32 and decorated(2) == 4 and scaler.get_scale() == 1
          and not scaler.is_enabled() and "enabled=False" in said)
    """

SETTINGS = """
    import torch
    torch.cuda.is_available = lambda: True   # as tests of programs do
    torch.my_own = 3
    import tinynet.cuda
    said = []
    try:
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.jit = None
    except AttributeError as error:
        said.append(str(error))
    print(torch.cuda.is_available() and torch.my_own == 3 and len(said) == 1)
    """


@pytest.mark.parametrize("program", [
    pytest.param(text, id=name) for name, text in list(globals().items())
    if name.isupper() and isinstance(text, str) and name != "LENET"])
def test_a_program_runs_as_it_stands(run, program):
    ran = run(program)
    assert (ran.code, ran.out, ran.err) == (0, "True\n", "")


# ----------------------------------------------------------------------------- as in Python


WHO = """
    import sys
    print(__name__, __file__, sys.argv, sys.path[0], __package__, __spec__, __doc__)
    print(sys.modules["__main__"].__dict__ is globals(), sorted(k for k in globals()))
    print(type(__builtins__), type(__loader__), __loader__.path)
    """


@pytest.mark.parametrize("arguments", [(), ("-v", "--help", "run", "a b")])
def test_what_a_program_sees(run, python, arguments, tmp_path):
    ran = run(WHO, *arguments)
    assert ran == python(WHO, *arguments)
    assert run(WHO, *arguments, cwd=tmp_path.parent) == python(WHO, *arguments, cwd=tmp_path.parent)


@pytest.mark.parametrize("path", ["./train.py", "../{0}/train.py", "link.py", ".//train.py"])
def test_where_a_program_lies_is_told_as_in_python(run, python, path, tmp_path):
    run(WHO, "")
    (tmp_path / "link.py").symlink_to("train.py")
    run, python = (
        subprocess.run([sys.executable, *command, path.format(tmp_path.name), "x"], cwd=tmp_path,
                       capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
                       check=True).stdout for command in (("-m", "tinynet", "run"), ()))
    assert run == python


@pytest.mark.parametrize("ending", [
    "sys.exit(3)", "sys.exit('a message')", "sys.exit()", "raise SystemExit(None)", "1 / 0",
    "raise KeyError('k')", "raise KeyboardInterrupt", "import nowhere", "f()",
    "sys.excepthook = lambda *e: print('hook', e[0].__name__)\n1 / 0",
    "import os; os._exit(7)", "open('nowhere.txt')", "raise BrokenPipeError('x')",
    "import beside",
    "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('x') from e",
])
def test_a_program_ends_as_in_python(run, python, ending):
    program = ("import atexit, sys\natexit.register(print, 'at exit')\n\ndef f():\n    g()\n\n"
               f"def g():\n    raise RuntimeError('deep')\n\nprint('begin')\n{ending}\n")
    files = {"beside.py": "print('beside')\nundefined_name\n"}
    ran = run(program, files=files)
    assert ran == python(program, files=files)
    assert "begin" in ran.out


@pytest.mark.parametrize("text", ["def f(:\n", "x = 1\n  y = 2\n", "x = '\n", "# no code\n"])
def test_syntax_errors_are_pythons(run, python, text):
    assert run(text) == python(text)


def test_encodings_are_pythons(run, tmp_path):
    (tmp_path / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nprint(ascii('é'))\n".encode(
        "latin-1"))
    assert run("import latin").out == "'\\xe9'\n"
    command = [sys.executable, "-m", "tinynet", "run", str(tmp_path / "latin.py")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, capture_output=True, text=True, env=env,
                          check=True).stdout == "'\\xe9'\n"


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["nowhere.py"], 2, "tinynet run: can't open 'nowhere.py': No such file or directory"),
    (["."], 2, "tinynet run: can't open '.'"),
    ([], 2, "usage: tinynet run train.py"),
])
def test_no_program(tmp_path, arguments, code, said):
    done = subprocess.run(
        [sys.executable, "-m", "tinynet", "run", *arguments], cwd=tmp_path, capture_output=True,
        text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert (done.returncode, done.stdout) == (code, "") and done.stderr.startswith(said)


# --------------------------------------------------------------------------- what is missing


MISSING = [
    ("torch.fft.fft(x)", "AttributeError", "tinynet has no torch.fft. Fourier transforms are out"),
    ("import torch.fft as fft", "ModuleNotFoundError", "tinynet has no torch.fft. Fourier"),
    ("from torch import fft", "ModuleNotFoundError", "tinynet has no torch.fft. Fourier"),
    ("from torch.fft import fft", "ModuleNotFoundError", "tinynet has no torch.fft. Fourier"),
    ("from torch.nn import LSTM", "ModuleNotFoundError", "tinynet has no torch.nn.LSTM. Recurrent"),
    ("nn.LSTM(2, 3)", "AttributeError", "tinynet has no torch.nn.LSTM. Recurrent networks"),
    ("nn.modules.conv.Conv3d", "AttributeError", "tinynet has no torch.nn.modules.conv.Conv3d."),
    ("import torchvision.io", "ModuleNotFoundError", "tinynet has no torchvision.io. Image files"),
    ("from torchvision import models; models.resnet18()", "AttributeError",
     "tinynet has no torchvision.models.resnet18. Pretrained models are out of scope"),
    ("torch.zeroes(3)", "AttributeError", "tinynet has no torch.zeroes, nor is it in the list"),
    ("torch.explain", "AttributeError", "tinynet has no torch.explain, nor is it in the list"),
    ("torch.jit = 3", "AttributeError", "tinynet has no torch.jit. TorchScript"),
]


def test_a_missing_name_says_what_to_use(run):
    ran = run(f"""
        import torch
        from torch import nn
        x = torch.ones(2)
        for line in {[line for line, _, _ in MISSING]}:
            try:
                exec(line)
            except Exception as error:
                print(type(error).__name__ + ":", error)
        """)
    assert (ran.code, ran.err) == (0, "")
    for said, (line, kind, text) in zip(ran.out.splitlines(), MISSING, strict=True):
        assert said.startswith(f"{kind}: {text}"), line


@pytest.mark.parametrize(("line", "kind", "said"), [
    ("torch.fft.fft(x)", "AttributeError", "tinynet has no torch.fft. Fourier transforms are out"),
    ("import torch.fft", "ModuleNotFoundError", "tinynet has no torch.fft. Fourier"),
    ("x.lgamma()", "AttributeError", "tinynet has no torch.Tensor.lgamma. Special functions"),
    ("torch.Tensor.lgamma", "AttributeError", "tinynet has no torch.Tensor.lgamma. Special"),
    ("nn.Linear(1, 1).ipu()", "AttributeError", "tinynet has no torch.nn.Module.ipu. tinynet comp"),
    ("import torchaudio", "ModuleNotFoundError", "tinynet has no torchaudio. Extensions"),
    ("torch.hub.load('a', 'b')", "RuntimeError", "tinynet has no torch.hub.load. Pretrained"),
])
def test_a_program_stops_at_its_own_line(run, line, kind, said):
    ran = run(f"import torch\nfrom torch import nn\nx = torch.ones(2)\n{line}\n")
    first, *_, last = ran.err.splitlines()
    assert ran.code == 1 and first.startswith("Traceback")
    assert last.startswith(f"{kind}: {said}")
    assert f'train.py", line 4, in <module>\n    {line}\n' in ran.err
    assert "compat" not in ran.err, "only the program's own lines are shown"


def test_earlier_errors_show_only_the_programs_lines_too(run):
    ran = run("""
        try:
            import torch.fft
        except ImportError:
            raise ValueError("no fft")
        """)
    assert "tinynet has no torch.fft." in ran.err and "During handling" in ran.err
    assert ran.err.splitlines()[-1] == "ValueError: no fft" and "compat" not in ran.err


def test_a_program_can_ask_whether_a_name_is_there(run):
    ran = run("""
        import torch
        print(hasattr(torch, "fft"), hasattr(torch, "relu"), hasattr(torch.zeros(1), "lgamma"),
              hasattr(torch.nn, "LSTM"), getattr(torch, "compile", None))
        for name in "torchaudio", "torch.fft", "torchtext":
            try:
                __import__(name)
            except ImportError:
                print("no", name)
        try:
            from torch.cuda.amp import custom_fwd
        except ImportError:
            custom_fwd = None
        print(custom_fwd)
        """)
    assert ran.err == "" and ran.out.splitlines() == [
        "False True False False None", "no torchaudio", "no torch.fft", "no torchtext", "None"]


def test_errors_of_the_program_are_not_changed(run):
    """An AttributeError of an object of the program's own, with the name of a tensor's method."""
    ran = run("class A: pass\nA().lgamma")
    assert ran.err.splitlines()[-1] == "AttributeError: 'A' object has no attribute 'lgamma'"


@pytest.mark.parametrize(("other", "result"), [
    ("2.2", True), ("2.13", True), ("2.14", False), ((1, 8), True), ((3,), False), ("1.10", True)])
def test_versions_compare_by_numbers(other, result):
    assert (Version("2.13.0+tinynet.0.1.0") >= other) is result
    assert (Version("2.13.0+tinynet.0.1.0") < other) is not result


# ------------------------------------------------------------------------------ the command


def test_the_installed_command_is_this_one():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.scripts]\ntinynet = "tinynet.__main__:main"\n' in text
    assert '"compat/*.txt"' in text, "the tables are installed too"


@pytest.mark.parametrize(("arguments", "code", "out", "err"), [
    (["--help"], 0, "usage: tinynet COMMAND", ""),
    ([], 2, "", "usage: tinynet COMMAND"),
    (["train"], 2, "", "tinynet: no command 'train'"),
    (["--version"], 0, tinynet.__version__, ""),
    (["run", "--help"], 0, "usage: tinynet run train.py", ""),
    (["check", "--help"], 0, "usage: tinynet check PATH", ""),
])
def test_the_command(arguments, code, out, err, capsys):
    from tinynet.__main__ import main

    assert main(arguments) == code
    said = capsys.readouterr()
    assert said.out.startswith(out) and said.err.startswith(err)
    assert bool(said.out) == bool(out) and bool(said.err) == bool(err)


# ----------------------------------------------------------------------------- printed text


PRINTED = """
    import torch
    from torch import nn, optim
    from torchvision import datasets, transforms
    x = torch.arange(6.0).reshape(2, 3)
    print(x.shape, x.shape[1:], x.shape + (1,), x.dtype, [torch.int64], f"{torch.bool}")
    print(torch.zeros(1, dtype=torch.float64), torch.get_default_dtype())
    print(x.max(1), x.topk(1, 0), sep=" ")
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    print(type(x), type(x.shape), type(x.dtype), type(torch.device("cpu")), type(net[0]))
    print(nn.Parameter(torch.ones(1)), optim.SGD(net.parameters(), lr=0.1), torch.FloatTensor)
    data = datasets.FakeData(3, (3, 4, 5), transform=transforms.Resize(2))
    print(data, data[0][0].mode, datasets.FakeData(2)[0][0].size, type(data))
    print(x.dtype == torch.float32, x.dtype is torch.float32, {torch.float32: 1}[x.dtype],
          x.dtype.is_floating_point, torch.zeros(2, dtype=x.dtype).numpy().dtype)
    torch.save({"model": net, "dtype": x.dtype}, "file.pt")
    found = torch.load("file.pt", weights_only=False)
    print(type(found["model"][0]).__name__, found["dtype"])
"""
# what PyTorch 2.13 and torchvision 0.29.1 print
ITS_WORDS = """\
torch.Size([2, 3]) torch.Size([3]) torch.Size([2, 3, 1]) torch.float32 [torch.int64] torch.bool
tensor([0.], dtype=torch.float64) torch.float32
torch.return_types.max(
values=tensor([2., 5.]),
indices=tensor([2, 2])) torch.return_types.topk(
values=tensor([[3., 4., 5.]]),
indices=tensor([[1, 1, 1]]))
<class 'torch.Tensor'> <class 'torch.Size'> <class 'torch.dtype'> <class 'torch.device'> \
<class 'torch.nn.modules.conv.Conv2d'>
Parameter containing:
tensor([1.], requires_grad=True) SGD (
Parameter Group 0
    dampening: 0
    differentiable: False
    foreach: None
    fused: None
    lr: 0.1
    maximize: False
    momentum: 0
    nesterov: False
    weight_decay: 0
) <class 'torch.FloatTensor'>
Dataset FakeData
    Number of datapoints: 3
    StandardTransform
Transform: Resize(size=2, interpolation=bilinear, max_size=None, antialias=True) RGB (224, 224) \
<class 'torchvision.datasets.fakedata.FakeData'>
True True 1 True float32
Conv2d torch.float32
"""


def test_it_prints_pytorchs_words(run):
    ran = run(PRINTED)
    assert (ran.err, ran.code) == ("", 0)
    assert ran.out == ITS_WORDS
    assert repr(tinynet.ones(2).shape) == "tinynet.Size([2])"  # not where tinynet is imported
    assert tinynet.float32 == "float32"


def test_programs_that_expect_pytorchs_errors_catch_them(run):
    ran = run("""
        import torch
        for wrong in (lambda: torch.ones(2, 3) @ torch.ones(2), lambda: torch.ones(4).view(3),
                      lambda: torch.ones(3) + torch.ones(2),
                      lambda: torch.nn.Linear(2, 1)(torch.ones(1, 3))):
            for kind in (RuntimeError, ValueError):
                try:
                    wrong()
                except kind as error:
                    print(type(error).__name__)
        """)
    assert (ran.out, ran.err) == ("RuntimeError\n" * 8, "")
    ran = run("""
        import torch
        try:
            torch.nn.functional.cross_entropy(torch.ones(2, 3), torch.ones(2))
        except RuntimeError as error:
            print(type(error).__name__, torch.result_type(torch.ones(1), 1))
        """)
    assert (ran.out, ran.err) == ("TypeError torch.float32\n", "")


def test_the_bases_of_losses_are_those_of_a_programs_own(run):
    ran = run("""
        import torch
        from torch import nn
        from torch.nn.modules.loss import _Loss, _WeightedLoss
        class Doubled(_Loss):
            def forward(self, x):
                return 2 * x.sum() if self.reduction == "sum" else 2 * x.mean()
        print(Doubled(reduction="sum")(torch.ones(3)), Doubled()._get_name())
        own = _WeightedLoss(torch.ones(2))
        print(own.reduction, list(own.state_dict()), isinstance(nn.MSELoss(), _Loss))
        """)
    assert (ran.out, ran.err) == ("tensor(6.) Doubled\nmean ['weight'] True\n", "")
