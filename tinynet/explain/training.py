"""The numbers of a training report: what was recorded, and what the model makes of the test
images."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import tinynet
import tinynet.nn.functional as F
from tinynet.ops.arguments import from_users_code

from .texts import check_language

Points = list[tuple[float, float]]

BATCH = 500                 # images that the model gets at a time


class TrainingRun:
    """A trained classifier, its test images and the records of its training.

    `guesses` (N,) holds the class that the model chooses for each image, `certainty` (N,) its
    probability; `confusion` (K, K) counts the images of each true class (row) by guess (column).
    All are numpy arrays.
    """

    def __init__(self, model: Any, images: Any, labels: Any, loss: Iterable[Any],
                 accuracy: Iterable[Any], gradients: Mapping[str, Iterable[Any]] | None,
                 classes: Sequence[str] | None, sample: int, name: str | None, lang: str,
                 kernels: Iterable[Any] = ()) -> None:
        if not isinstance(model, tinynet.nn.Module):
            raise TypeError(f"explain.report: model is a {type(model).__name__}; it must be an "
                            "nn.Module that maps images (N, C, H, W) to scores (N, K)")
        check_tensor("images", images, "(N, C, H, W)")
        check_tensor("labels", labels, "(N,)")
        if not 0 < len(images) == len(labels):
            raise ValueError(f"explain.report: {len(images)} images and {len(labels)} labels; "
                             "there must be one label per image, and at least one image")
        if not -len(images) <= sample < len(images):
            raise ValueError(f"explain.report: sample={sample}, but there are {len(images)} "
                             f"images; it must be between 0 and {len(images) - 1}")
        check_language("explain.report", lang)
        self.name = type(model).__name__ if name is None else name
        self.lang, self.sample = lang, sample % len(images)
        self.loss, self.accuracy = points("loss", loss), points("accuracy", accuracy)
        self.gradients = {key: points(f"gradients[{key!r}]", norms)
                          for key, norms in (gradients or {}).items()}
        self.parameters = [(key, tuple(p.shape)) for key, p in model.named_parameters()]
        if unknown := self.gradients.keys() - dict(self.parameters).keys():
            raise ValueError(f"explain.report: gradients of {sorted(unknown)}; the model's "
                             f"parameters are {', '.join(key for key, _ in self.parameters)}")

        self.images, self.labels = as_numpy(images), as_numpy(labels)
        scores = scores_of(model, images)
        if scores.ndim != 2 or scores.dtype.kind != "f":
            raise ValueError(f"explain.report: the model returned shape {scores.shape} of "
                             f"{scores.dtype}; it must return a score for each class, (N, K)")
        count = scores.shape[1]
        low, high = self.labels.min(), self.labels.max()
        if self.labels.dtype.kind not in "iu" or low < 0 or high >= count:
            raise ValueError(f"explain.report: labels are {self.labels.dtype} from {low} to "
                             f"{high}; they must be whole numbers of classes, 0 to {count - 1}")
        if classes is not None and len(classes) != count:
            raise ValueError(f"explain.report: {len(classes)} classes are named, but the model has "
                             f"{count}; name them all, or none")
        self.classes = [str(c) for c in (range(count) if classes is None else classes)]
        self.guesses = scores.argmax(1)
        with tinynet.no_grad():
            self.certainty = as_numpy(F.softmax(tinynet.tensor(scores), 1).amax(1))
        self.confusion = np.zeros((count, count), dtype=np.int64)
        np.add.at(self.confusion, (self.labels, self.guesses), 1)
        wrong = np.flatnonzero(self.guesses != self.labels)
        self.wrong = wrong[np.argsort(-self.certainty[wrong], kind="stable")]

        self.maps = feature_maps(model, images[self.sample:self.sample + 1])
        convolutions = [(key, as_numpy(m.weight)) for key, m in model.named_modules()
                        if isinstance(m, tinynet.nn.Conv2d)]
        self.first_conv = next(iter(convolutions), None)
        self.kept = self._kept(kernels)

    def _kept(self, kernels: Iterable[Any]) -> list[tuple[float, np.ndarray]]:
        """What the first convolution's weight was during training: (images seen, weight)."""
        shape = None if self.first_conv is None else self.first_conv[1].shape
        kept = []
        for seen, weight in pairs_of("kernels", kernels):
            array = as_numpy(weight) if isinstance(weight, tinynet.Tensor) else np.asarray(weight)
            if array.dtype.kind not in "biuf" or array.shape != shape:
                raise ValueError(f"explain.report: kernels has a weight of shape {array.shape} and "
                                 f"{array.dtype}; it must be the weight of the model's first "
                                 f"nn.Conv2d, numbers of shape {shape}")
            kept.append((seen, array.astype(np.float64)))
        return kept

    def truth(self, k: int) -> str:
        return self.classes[self.labels[k]]

    def guess(self, k: int) -> str:
        return self.classes[self.guesses[k]]


def check_tensor(what: str, value: Any, shape: str) -> None:
    """Raise ValueError unless `value` is a tensor with as many dimensions as `shape` names."""
    if not isinstance(value, tinynet.Tensor):
        given = f"type {type(value).__name__}"
    elif value.dim() != shape.count(",") + (shape != "(N,)"):
        given = f"shape {tuple(value.shape)}"
    else:
        return
    raise ValueError(f"explain.report: {what} has {given}; it must be a tensor {shape}")


def as_numpy(tensor: Any) -> np.ndarray:
    return np.array(tensor.detach().cpu().array)


def points(what: str, pairs: Iterable[Any]) -> Points:
    """Pairs of numbers from the user's iterable, whose own exceptions pass through."""
    must = f"explain.report: {what} must be pairs of numbers"
    if not hasattr(pairs, "__iter__"):
        raise ValueError(f"{must}; got a {type(pairs).__name__}")
    result = []
    for pair in pairs:
        try:
            x, y = pair
            result.append((float(x), float(y)))
        except (TypeError, ValueError) as error:
            if from_users_code(error):
                raise
            raise ValueError(f"{must}; got {pair!r}") from error
    return result


def pairs_of(what: str, pairs: Iterable[Any]) -> list[tuple[float, Any]]:
    """Pairs of a number and something else from the user's iterable."""
    must = f"explain.report: {what} must be pairs (images seen, weight)"
    if not hasattr(pairs, "__iter__"):
        raise ValueError(f"{must}; got a {type(pairs).__name__}")
    result = []
    for pair in pairs:
        try:
            seen, value = pair
            result.append((float(seen), value))
        except (TypeError, ValueError) as error:
            if from_users_code(error):
                raise
            raise ValueError(f"{must}; got {pair!r:.60}") from error
    return result


# -- running the model -----------------------------------------------------------------------------

def evaluated(model: Any, work: Callable[[], Any]) -> Any:
    """The result of `work`, with the model in eval mode and no gradient recorded; then every module
    gets its mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with tinynet.no_grad():
            return work()
    finally:
        for module, training in modes:
            module.training = training


def forward(model: Any, images: Any) -> Any:
    """The model's output, computed on the device of its parameters."""
    parameter = next(model.parameters(), None)
    return model(images if parameter is None else images.to(parameter.device))


def scores_of(model: Any, images: Any) -> np.ndarray:
    batches = range(0, len(images), BATCH)
    return np.asarray(evaluated(model, lambda: np.concatenate(
        [as_numpy(forward(model, images[k:k + BATCH])) for k in batches])))


def feature_maps(model: Any, image: Any) -> dict[str, np.ndarray]:
    """The output (O, OH, OW) of each convolution for one image, by its path, in the order in which
    they ran."""
    return observed(model, image)[0]


def observed(model: Any, image: Any) -> tuple[dict[str, np.ndarray], Any]:
    """The feature maps for one image (1, C, H, W), and what the model returns for it."""
    maps: dict[str, np.ndarray] = {}

    def recorder(path: str) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            maps[path] = as_numpy(output)[0]
        return hook

    hooks = [module.register_forward_hook(recorder(path)) for path, module in model.named_modules()
             if isinstance(module, tinynet.nn.Conv2d)]
    try:
        result = evaluated(model, lambda: forward(model, image))
    finally:
        for hook in hooks:
            hook.remove()
    return maps, result
