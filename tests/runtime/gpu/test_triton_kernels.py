from types import FunctionType
from typing import Any

from tests.runtime.gpu.interpreted import interpreted


def test_every_kernel_says_what_it_does() -> None:
    compiled: Any = interpreted().compiled
    for name in compiled.__all__:
        kernel = getattr(compiled, name)
        if not isinstance(kernel, int):
            assert isinstance(kernel.fn, FunctionType)
            assert kernel.fn.__doc__
