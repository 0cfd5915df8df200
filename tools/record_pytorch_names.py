"""Write tinynet/compat/pytorch_names.txt: the public names of PyTorch and torchvision.

    python tools/record_pytorch_names.py [torchvision-….whl]

PyTorch must be installed. torchvision is read, not imported: from the given wheel or from where it
is installed. A line of the file is a name with its parameters, ``sum(input, dim, …)``, or without
brackets where it has none or they can't be found out; ``[module]`` starts a module.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import sys
import types
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tinynet" / "compat" / "pytorch_names.txt"

TORCH = """
torch torch.Tensor torch.nn torch.nn.Module torch.nn.functional torch.nn.init torch.nn.parameter
torch.nn.parallel torch.nn.utils torch.nn.utils.parametrizations torch.nn.utils.parametrize
torch.optim torch.optim.Optimizer torch.optim.lr_scheduler torch.optim.swa_utils
torch.utils torch.utils.data torch.utils.checkpoint torch.utils.dlpack torch.utils.tensorboard
torch.autograd torch.autograd.function torch.autograd.functional torch.autograd.profiler
torch.cuda torch.cuda.amp torch.amp torch.accelerator torch.mps torch.backends
torch.backends.cudnn torch.backends.mps torch.backends.cuda torch.backends.mkldnn
torch.backends.openmp torch.backends.cpu
torch.random torch.serialization torch.functional torch.hub torch.version torch.types
torch.distributed torch.testing
""".split()
TORCHVISION = """
torchvision torchvision.datasets torchvision.datasets.folder torchvision.transforms
torchvision.transforms.functional torchvision.transforms.v2 torchvision.utils
""".split()

# What PyTorch's modules hold beside their own names: helpers of theirs, and constants of its build.
NOT_PUBLIC = set(
    """
    BroadcastingList1 BroadcastingList2 BroadcastingList3 DType PRIVATE_OPS TYPE_CHECKING
    USE_GLOBAL_DEPS USE_RTLD_GLOBAL_WITH_LIBTORCH assert_int_or_pair boolean_dispatch classproperty
    get_file_path handle_torch_function has_torch_function has_torch_function_unary
    has_torch_function_variadic prepare_multiprocessing_environment
    profiler_allow_cudagraph_cupti_lazy_reinit_cuda12 reproducibility_notes sparse_support_notes
    tf32_notes windows torch annotations DRIVE_FOLDER CURRENT_DEVICE
    """.split()
)
# Modules that hold public names outside ``__all__``.
WHOLE = {"torch", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.cuda"}
# Names that `dir` does not show, and private ones that programs use all the same.
MORE = {
    "torch": "onnx",
    "torch.utils.data": "dataloader dataset distributed sampler",
    "torch.utils": "bottleneck cpp_extension mobile_optimizer model_zoo tensorboard",
    "torch.nn": "_ConvNd _BatchNorm _NormBase _InstanceNorm _Loss _WeightedLoss _pair _single "
    "_triple _quadruple _ntuple",
    "torch.nn.functional": "_Reduction",
    "torch.nn.init": "_calculate_correct_fan _calculate_fan_in_and_fan_out _no_grad_normal_ "
    "_no_grad_uniform_ _no_grad_trunc_normal_",
    "torch.backends.cudnn": "allow_tf32 benchmark benchmark_limit conv deterministic enabled "
    "fp32_precision rnn",
    "torch.backends.mkldnn": "allow_tf32 deterministic enabled fp32_precision",
    "torch.optim": "required",
    "torch.optim.lr_scheduler": "_LRScheduler",
}


def _in_doc(name: str, value: object) -> list[str] | None:
    """The parameters in the first line of a builtin's docstring, all of its forms together."""
    found: list[str] = []
    text = inspect.getdoc(value) or ""
    for line in re.findall(rf"^(?:\w+\.)*{re.escape(name)}\((.*?)\)\s*->", text, re.MULTILINE):
        found += re.findall(r"(\*{0,2}\b[a-zA-Z_]\w*)\s*(?:=[^,]*)?(?:,|$)", line)
    return list(dict.fromkeys(found)) or None


def _in_stub(path: Path, owner: str | None) -> dict[str, list[str]]:
    """The parameters of the functions in a stub file, or of the methods of its class `owner`."""
    tree: ast.AST = ast.parse(path.read_text())
    if owner is not None:
        tree = next(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == owner)
    found: dict[str, list[str]] = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            known = found.setdefault(node.name, [])
            known += [p for p in _of_def(node) if p not in known]
    return found


def _of_def(node: ast.FunctionDef) -> list[str]:
    a = node.args
    names = [arg.arg for arg in (*a.posonlyargs, *a.args)]
    names += ["*" + a.vararg.arg] if a.vararg else []
    names += [arg.arg for arg in a.kwonlyargs]
    names += ["**" + a.kwarg.arg] if a.kwarg else []
    return [n for n in names if n != "self"]


def _signature(value: object) -> list[str] | None:
    try:
        parameters = inspect.signature(value).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    kinds = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [kinds.get(p.kind, "") + n for n, p in parameters.items() if n != "self"]


def of_torch(path: str, parameters: Callable[[str, str, object], list[str] | None]) -> list[str]:
    try:
        owner = importlib.import_module(path)
    except ImportError:  # a class, or a module that needs what is not installed (tensorboard)
        parent, _, name = path.rpartition(".")
        owner = getattr(importlib.import_module(parent), name, None)
        if owner is None:
            return ["SummaryWriter(log_dir, comment, purge_step, max_queue, flush_secs, "
                    "filename_suffix)"] if path == "torch.utils.tensorboard" else []
    owner = getattr(owner, "m", owner)  # torch.backends.cudnn is a wrapper round a module
    is_module = isinstance(owner, types.ModuleType)
    lines: list[str] = []
    more = MORE.get(path, "").split()
    listed = dir(owner)
    if path not in WHOLE and hasattr(owner, "__all__"):
        listed = [n for n in listed if n in owner.__all__ or f"{path}.{n}" in sys.modules]
    for name in dict.fromkeys([*listed, *more]):
        if name in NOT_PUBLIC or (name.startswith("_") and name not in more):
            continue
        value = getattr(owner, name, None)
        kind = getattr(value, "__module__", None) or "torch"
        if isinstance(value, types.ModuleType):
            if name not in more and value.__name__ != f"{path}.{name}":
                continue
        elif is_module and name not in more and (
                isinstance(value, str | set | dict | list | tuple)
                or (callable(value) and not str(kind).startswith("torch"))):
            continue
        found = parameters(path, name, value) if callable(value) else None
        lines.append(name if found is None else f"{name}({', '.join(found)})")
    return sorted(set(lines))


def record_torch() -> dict[str, list[str]]:
    torch = importlib.import_module("torch")
    stubs = Path(torch.__file__).parent / "_C"
    functions = _in_stub(stubs / "_VariableFunctions.pyi", None)
    methods = _in_stub(stubs / "__init__.pyi", "TensorBase")

    def parameters(path: str, name: str, value: object) -> list[str] | None:
        found = _signature(value)
        if found is not None and not {"*args", "**kwargs"} & set(found):
            return found
        stub = {"torch": functions, "torch.Tensor": methods}.get(path, {})
        return stub.get(name) or _in_doc(name, value) or found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some names warn that they are on their way out
        return {path: of_torch(path, parameters) for path in TORCH}


class Source:
    """torchvision's files: in a wheel, or where it is installed."""

    def __init__(self, place: Path):
        self.zip = zipfile.ZipFile(place) if place.suffix == ".whl" else None
        self.root = place

    def read(self, name: str) -> ast.Module | None:
        try:
            text = self.zip.read(name) if self.zip else (self.root / name).read_bytes()
        except (KeyError, OSError):
            return None
        return ast.parse(text)

    @property
    def version(self) -> str:
        tree = self.read("torchvision/version.py")
        assert tree is not None
        return next(n.value.value for n in tree.body  # type: ignore[attr-defined]
                    if isinstance(n, ast.Assign) and n.targets[0].id == "__version__")  # type: ignore


def of_torchvision(source: Source, module: str) -> list[str]:
    """The names in ``__all__``, those of a star import, and in a file without it its own."""
    base = module.replace(".", "/")
    tree, package = source.read(f"{base}/__init__.py"), base
    if tree is None:
        tree, package = source.read(f"{base}.py"), base.rpartition("/")[0]
    assert tree is not None, module
    listed = next(
        (ast.literal_eval(n.value) for n in tree.body
         if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"), None)
    lines: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            own = f"{package}.{node.module}".replace("/", ".")
            stars = [a.name for a in node.names] == ["*"]
            if stars or listed or module.endswith(".v2"):
                for line in of_torchvision(source, own):
                    name = line.partition("(")[0]
                    if stars or name in {a.name for a in node.names}:
                        lines[name] = line
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            lines[node.targets[0].id] = node.targets[0].id
        elif isinstance(node, ast.FunctionDef):
            lines[node.name] = f"{node.name}({', '.join(_of_def(node))})"
        elif isinstance(node, ast.ClassDef):
            init = next((n for n in node.body
                         if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
            lines[node.name] = (
                node.name if init is None else f"{node.name}({', '.join(_of_def(init))})")
    if listed is not None:
        lines = {name: lines.get(name, name) for name in listed}
    if module == "torchvision":
        lines |= {name: name for name in "datasets io models ops transforms utils".split()}
    if module == "torchvision.transforms":
        lines |= {name: name for name in "functional v2".split()}
    return sorted(line for name, line in lines.items() if not name.startswith("_"))


def record_torchvision(source: Source) -> dict[str, list[str]]:
    return {module: of_torchvision(source, module) for module in TORCHVISION}


def text(versions: dict[str, str], modules: dict[str, list[str]]) -> str:
    numbers = [f"{name}({number})" for name, number in versions.items()]
    blocks = {"versions": numbers} | modules
    return "\n\n".join("\n".join([f"[{name}]", *lines]) for name, lines in blocks.items()) + "\n"


def main(arguments: list[str]) -> None:
    spec = importlib.util.find_spec("torchvision")
    if not arguments and (spec is None or spec.origin is None):
        raise SystemExit("torchvision is not installed; give its wheel as an argument")
    place = Path(arguments[0]) if arguments else Path(str(spec and spec.origin)).parents[1]
    source = Source(place)
    torch = importlib.import_module("torch").__version__.partition("+")[0]
    versions = {"torch": torch, "torchvision": source.version.partition("+")[0]}
    FILE.write_text(text(versions, record_torch() | record_torchvision(source)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
