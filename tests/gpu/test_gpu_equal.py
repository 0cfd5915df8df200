"""Everything gives on a GPU what it gives on the CPU: values, gradients, training."""

from __future__ import annotations

import gpu_cases
import pytest
from gpu_cases import CASES

import tinynet
import tinynet.nn.functional as F


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch warns of some of these inputs too
@pytest.mark.parametrize("name", CASES)
def test_equal_to_the_cpu(name, last_gpu):
    gpu_cases.assert_equal_to_the_cpu(CASES[name], last_gpu)


@pytest.mark.parametrize("name", gpu_cases.OPTIMIZERS)
def test_training_is_equal(name, last_gpu, tmp_path):
    gpu_cases.assert_training_is_equal(name, last_gpu, tmp_path)


# Public names that compute nothing from tensors.
NO_COMPUTATION = """
    Any Checkpoint Generator Size Tensor as_tensor cuda detect_anomaly device dtype enable_grad
    from_dlpack from_numpy get_num_threads grad gradcheck inference_mode is_grad_enabled load
    manual_seed mm no_grad result_type save set_grad_enabled set_num_threads set_printoptions
    summary tensor
"""
# Public functions that create tensors; test_gpu_devices.py has their tests.
CREATION = """
    arange bernoulli empty empty_like eye full full_like linspace normal ones ones_like rand
    rand_like randint randint_like randn randn_like randperm zeros zeros_like
"""


def test_every_function_of_nn_functional_has_a_case():
    tested = set(" ".join(CASES).split())
    assert not set(F.__all__) - tested, "add cases to nn_operations.py or gpu_cases.py"


def test_every_public_function_has_a_case():
    """A case counts if its name, or the code of its function, contains the public name."""
    computations = {
        name
        for name in vars(tinynet)
        if not name.startswith("_") and callable(getattr(tinynet, name)) and name not in F.__all__
    }
    codes = [case.f.__code__ for case in CASES.values() if hasattr(case.f, "__code__")]
    in_code = [str(word) for code in codes for word in code.co_names + code.co_consts]
    tested = set(" ".join([*CASES, *in_code]).replace(",", " ").split())
    lacking = computations - set(f"{NO_COMPUTATION} {CREATION}".split()) - tested
    assert not lacking, "add cases to operations.py"
