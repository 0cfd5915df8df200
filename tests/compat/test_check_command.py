"""``tinynet check``: what a program asks for that tinynet lacks, by file and line."""

from __future__ import annotations

import ast
import json
import textwrap
from pathlib import Path

import pytest

import tinynet
from tinynet.compat import check


def missing(text):
    """(line, path or text) of what is missing in a program."""
    found = check.check(ast.parse(textwrap.dedent(text)))
    return [(line, said.split(" has no ")[1].split(". ")[0].rstrip(".").split(",")[0]
             if said.startswith("tinynet has no ") else said) for line, said in found]


@pytest.mark.parametrize(("program", "expected"), [
    ("import torch\ntorch.fft.fft(x)", [(2, "torch.fft")]),
    ("import torch as t\nt.fft.fft(x)", [(2, "torch.fft")]),
    ("import torch.nn as nn\nnn.LSTM(3, 4)", [(2, "torch.nn.LSTM")]),
    ("from torch import nn\nnn.LSTM(3, 4)", [(2, "torch.nn.LSTM")]),
    ("from torch import nn as layers\n\nlayers.LSTM(3, 4)", [(3, "torch.nn.LSTM")]),
    ("from torch.nn import functional as F\nF.ctc_loss(a)", [(2, "torch.nn.functional.ctc_loss")]),
    ("import torch.nn.functional as F\nF.ctc_loss", [(2, "torch.nn.functional.ctc_loss")]),
    ("import torch\nF = torch.nn.functional\nF.ctc_loss(a)", [(3, "torch.nn.functional.ctc_loss")]),
    ("import torch.fft", [(1, "torch.fft")]),
    ("import numpy, torch.fft as f", [(1, "torch.fft")]),
    ("from torch import relu, fft", [(1, "torch.fft")]),
    ("from torch.fft import fft, ifft", [(1, "torch.fft")]),
    ("from torch.nn.modules.rnn import LSTM", [(1, "torch.nn.modules.rnn")]),
    ("from torch.nn.modules.conv import _ConvNd, Conv3d", [(1, "torch.nn.modules.conv.Conv3d")]),
    ("import torchaudio", [(1, "torchaudio")]),
    ("from torchvision import models\nmodels.resnet18(True)", [(2, "torchvision.models.resnet18")]),
    ("from torch.hub import load_state_dict_from_url as f\nf('u')",
     [(2, "torch.hub.load_state_dict_from_url")]),
    ("import torch\nclass L(torch.nn.LSTM): pass", [(2, "torch.nn.LSTM")]),
    ("import torch\n@torch.jit.script\ndef f(x: torch.fft): pass",
     [(2, "torch.jit"), (3, "torch.fft")]),
    ("import torch\ndef f(a, b=torch.fft): return torch.linalg.inv(a)",
     [(2, "torch.fft"), (2, "torch.linalg")]),
    ("import torch\ntorch.zeroes(3)", [(2, "torch.zeroes")]),
    ("import torch\ntorch.jit = None", [(2, "torch.jit")]),
    ("def f():\n    import torch\n    return torch.fft", [(3, "torch.fft")]),
    ("import torch\nx = lambda: torch.fft", [(2, "torch.fft")]),
    ("import torch\ndef f(torch=torch.fft):\n    return torch.jit", [(2, "torch.fft")]),
    ("import torch\nclass A:\n    torch = 3\n    def f(self):\n        return torch.fft",
     [(5, "torch.fft")]),
    ("def f():\n    return torch.fft\nimport torch", [(2, "torch.fft")]),
    ("import torch\ntorch.mine.deep = 3", [(2, "torch.mine")]),
    ("import torch\n[torch.fft for torch in a]", []),  # not PyTorch any more
])
def test_names(program, expected):
    assert missing(program) == expected


@pytest.mark.parametrize("program", [
    "import torch, torch.nn as nn\nnn.Conv2d(1, 2, 3)(torch.zeros(1, 1, 4, 4)).relu().sum().item()",
    "import torch\ntorch.nn.functional.relu(torch.randn(3)).t().T.mT.shape.numel()",
    "import torch\ntorch.sum(x, axis=1, keepdims=True, out=y)",
    "import torch\ntorch.div(x, y, rounding_mode='floor')",
    "import torch\ntorch.mm(x, y, out=z)\ntorch.divide(x, y, out=z, rounding_mode='trunc')",
    "import torch\ntorch.Tensor.add, torch.nn.Module.train, torch.float32.itemsize",
    "import torch\ntorch.cuda(3), torch.random(x=3)",
    "import torch\ntorch.my_own = 3\nprint(torch.__version__, torch.version.cuda)",
    "from torch import *\nfrom torch.nn import *",
    "import torch.nn.parallel, torch.utils.model_zoo, torch.multiprocessing as mp",
    "from torch.hub import load_state_dict_from_url",
    "try:\n    import torchaudio\nexcept ImportError:\n    torchaudio = None",
    "try:\n    from torch.cuda.amp import autocast\nexcept (ImportError, ValueError):\n    pass",
    "try:\n    import torch.fft\nexcept:\n    pass",
    "import torch\ntry:\n    torch.compile(1)\nexcept AttributeError:\n    pass",
    "import torch\nif hasattr(torch, 'compile'):\n    net = torch.compile(net)",
    "import numpy as np\nnp.linalg.inv(np.fft.fft(a)).lgamma()",
    "import torch\nnn = 3\ndef f(torch):\n    return torch.fft",
    "from . import torch\ntorch.fft",
    "class torch: pass\ntorch.fft",
])
def test_nothing_is_missing(program):
    assert missing(program) == []


@pytest.mark.parametrize(("program", "expected"), [
    ("import torch\nx = torch.zeros(3)\nx.lgamma()", [(3, "torch.Tensor.lgamma")]),
    ("import torch\n(torch.zeros(3) + y)[0].view(3).lgamma()", [(2, "torch.Tensor.lgamma")]),
    ("import torch\ntorch.zeros(3).lgamma()", [(2, "torch.Tensor.lgamma")]),
    ("import torch\ntorch.Tensor.lgamma(x)", [(2, "torch.Tensor.lgamma")]),
    ("import torch\nclass N:\n    def f(self, x):\n        return self.conv(x).lgamma()",
     [(4, "torch.Tensor.lgamma")]),
    ("def f(x):\n    import torchvision\n    return x.log_normal_()",
     [(3, "torch.Tensor.log_normal_")]),
    ("from torch import nn\nnet.register_state_dict_pre_hook(f)",
     [(2, "torch.nn.Module.register_state_dict_pre_hook")]),
    ("import numpy, torch\no.register_step_post_hook(f)",
     [(2, "torch.optim.Optimizer.register_step_post_hook")]),
])
def test_methods(program, expected):
    assert missing(program) == expected


@pytest.mark.parametrize("program", [
    "import torch\nx.imag(), x.nanquantile(3), x.name()",  # numpy and others have these
    "import torch\ndef f(options):\n    return options.lgamma",  # not called
    "import torch\nself.add_module('lgamma', m)\nself.lgamma(x)",
    "import torch\nclass A:\n    def log_normal_(self): pass\na.log_normal_()",
    "import torch\ndef f(a):\n    a.log_normal_ = 3\n    return a.log_normal_()",
    "import torch, library\nlibrary.things.log_normal_()",
    "import torch, library\nlibrary.things(3)[2].log_normal_()",
    "import torch\nfrom library import thing\nthing.log_normal_()",
    "x.log_normal_()",  # no PyTorch in this file
    "from torch import nn\nclass N(nn.Module):\n    def lgamma(self): pass\nN().lgamma()",
    "import torch\ntry:\n    torch.zeros(3).lgamma()\nexcept AttributeError:\n    pass",
    "import torch\nif hasattr(x, 'lgamma'):\n    x.lgamma()",
])
def test_methods_that_may_be_others(program):
    assert missing(program) == []


@pytest.mark.parametrize(("program", "expected"), [
    ("import torch.nn as nn\nnn.Conv2d(1, 2, 3,\n  kernel=3)",
     [(3, "tinynet's torch.nn.Conv2d has no argument kernel.")]),
    ("from torch.optim import Adam\nAdam(p, lr=1, capturable=True)", []),
    ("import torch\ntorch.nn.utils.clip_grad_norm_(p, 1.0, foreach=True)",
     [(2, "tinynet's torch.nn.utils.clip_grad_norm_ has no argument foreach. It changes speed, not "
          "results: leave it out.")]),
    ("import torch\ntorch.sum(x, dimension=1)",
     [(2, "tinynet's torch.sum has no argument dimension.")]),
    ("import torch.nn.functional as F\nF.relu(x, inplace_=True)",
     [(2, "tinynet's torch.nn.functional.relu has no argument inplace_.")]),
    ("import torch\ntorch.zeros(3, dtype=torch.float32, requires_grad=True, device='cpu')", []),
    ("import torch.nn as nn\nnn.Conv2d(1, 2, 3, **options)", []),
])
def test_arguments(program, expected):
    assert missing(program) == expected


def test_files_and_folders(tmp_path, capsys):
    (tmp_path / "models").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "train.py").write_text("import torch\nx = torch.fft\nmodel.log_normal_()\n")
    (tmp_path / "models" / "net.py").write_text("def log_normal_(): pass\n")
    (tmp_path / ".hidden" / "no.py").write_text("import torch.fft\n")
    (tmp_path / "notes.txt").write_text("import torch.fft\n")
    assert check.main([str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == (f"{tmp_path}/train.py:2: tinynet has no torch.fft. Fourier transforms are "
                        "out of scope: use numpy.fft on tensor.numpy(), which gives no gradient.\n")
    assert said.err == "2 files: 1 missing\n"
    assert check.main([str(tmp_path / "models" / "net.py")]) == 0
    assert capsys.readouterr() == ("", "1 file: nothing missing\n")


@pytest.mark.parametrize("content", [None, b"def f(:\n", b"\x00", b"# coding: nowhere\n", b"\xff"])
def test_what_cannot_be_read(tmp_path, capsys, content):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("import torch.fft\n")
    if content is not None:
        bad.write_bytes(content)
    assert check.main([str(bad), str(good)]) == 2
    said = capsys.readouterr()
    assert "good.py:1" in said.out and said.err.startswith(f"tinynet check: {bad} can't be read: ")


def test_notebooks(tmp_path, capsys):
    cells = [
        {"cell_type": "markdown", "source": ["import torch.fft"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!pip install x\n",
                                         "import torch\n", "if True:\n", "    %time f()"]},
        {"cell_type": "code", "source": ["%%bash\n", "cd /"]},
        {"cell_type": "code", "source": "x = 1\ntorch.fft"},
    ]
    path = tmp_path / "book.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    assert check.main([str(path)]) == 1
    assert capsys.readouterr().out.startswith(f"{path}:cell 4, line 2: tinynet has no torch.fft. ")
    path.write_text("{}")
    assert check.main([str(path)]) == 2


@pytest.mark.parametrize("path", sorted(Path(tinynet.__file__).parent.rglob("*.py")),
                         ids=lambda path: path.stem)
def test_nothing_is_reported_in_code_that_is_not_written_for_pytorch(path):
    """tinynet's own files, as if they imported PyTorch: many of its names are in them."""
    tree = ast.parse("import torch\n" + path.read_text(encoding="utf-8"))
    assert check.check(tree) == []


def test_check_and_run_say_the_same(tmp_path):
    from tinynet.compat.imports import Stand

    stand = Stand("torch")
    with pytest.raises(AttributeError) as error:
        stand.fft  # noqa: B018  (the error is what we want)
    assert check.check(ast.parse("import torch\ntorch.fft"))[0] == (2, str(error.value))
