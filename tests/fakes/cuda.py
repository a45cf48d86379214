"""A stand-in for a card: tensors that say they are on cuda:0, compute on the CPU, and cannot be mixed with its own.

It refuses what a card would refuse at the first call (tensors of two devices in one operation, numpy of a tensor on the
card), tells where the processor waited for the card, and counts what tensors take of its memory. It is as fast as the
CPU and knows no time: the order of copies and kernels is held by tests/gen/test_stream.py.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gen import precision, weights
from gen.bench.live import Live

CUDA = torch.device("cuda", 0)
GEN = str(Path(__file__).parents[2] / "gen")
aten = torch.ops.aten
MOVES = (aten._to_copy.default, aten.copy_.default, aten._local_scalar_dense.default)  # may be of two devices
HOLDERS = (list, tuple)
HELD = (Tensor, dict, *HOLDERS)  # where tensors are
# What a processor takes up to seventy times as long for in 16 bits, and a card adds up in float32 anyway
PRODUCTS = (aten.convolution.default, aten.addmm.default, aten.mm.default, aten.bmm.default)
HALVES = (torch.float16, torch.bfloat16)
INDEXED = (aten.index.Tensor, aten.index_put_.default)  # whose indices may lie in RAM


class OnCard(Tensor):
    """A tensor on the card; its values lie in an ordinary one inside. The shell is meta: `cpu()` would be free else."""

    inner: Tensor
    memory: Live | None = None  # of the card that there is
    __torch_function__ = torch._C._disabled_torch_function_impl
    device = property(lambda self: CUDA)  # type: ignore[assignment]
    is_cuda = property(lambda self: True)  # type: ignore[assignment]
    is_meta = property(lambda self: False)  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, inner: Tensor) -> OnCard:
        options: dict[str, Any] = {"dtype": inner.dtype, "device": "meta", "strides": inner.stride()}
        made: OnCard = Tensor._make_wrapper_subclass(cls, inner.size(), **options)  # type: ignore[attr-defined]
        made.inner = inner
        if cls.memory is not None:
            cls.memory.see(inner)
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"OnCard({tuple(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {}, [])

    def __setitem__(self, where: Any, value: Any) -> None:
        self.inner[changed(where, inside)] = together(self, value)[1]

    @property
    def data(self) -> OnCard:  # type: ignore[override]
        return self

    @data.setter
    def data(self, other: OnCard) -> None:
        assert self.dtype == other.dtype, "this stand-in cannot change a parameter's dtype"
        self.inner = other.inner

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


def on_card(value: Any) -> bool:
    """Whether this is on the card; so is an ordinary parameter that was pointed at something there."""
    return isinstance(value, OnCard) or (isinstance(value, Tensor) and hasattr(value, "pointed_at"))


def inside(value: Any) -> Any:
    """The ordinary tensor with the values."""
    if isinstance(value, OnCard):
        return value.inner
    return value.pointed_at.inner if on_card(value) else value


def changed(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """What an operation takes or gives, each tensor changed. (torch's pytree takes longer than the engine.)"""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, HOLDERS):
        return type(value)([changed(each, change) if isinstance(each, HELD) else each for each in value])
    return {key: changed(each, change) for key, each in value.items()} if isinstance(value, dict) else value


def tensors_of(value: Any, found: list[Tensor]) -> list[Tensor]:
    """All tensors in what an operation takes, behind those that were found."""
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, Tensor):
            found.append(each)
        elif isinstance(each, HELD):
            tensors_of(each, found)
    return found


def together(*values: Any) -> list[Any]:
    """The ordinary tensors of one operation; raises RuntimeError where they lie on two devices."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    strange = [tuple(each.shape) for each in tensors if not on_card(each) and each.dim() > 0]
    if strange and any(map(on_card, tensors)):
        raise RuntimeError(f"Expected all tensors to be on the same device, but {strange} are not on cuda:0")
    return [inside(value) for value in values]


def run(func: Any, args: Any, kwargs: dict[str, Any], waits: list[str]) -> Any:
    """One operation, where its tensors are; what leaves the card is waited for."""
    tensors = tensors_of(kwargs, tensors_of(args, []))
    cards, first = any(map(on_card, tensors)), args[0] if args else None
    named = None if kwargs.get("device") is None else torch.device(kwargs["device"])
    if named is not None and named.type == "meta" and not cards:
        return func(*args, **kwargs)
    if func is aten.copy_.default:
        there = on_card(args[0])
    elif func is aten._local_scalar_dense.default:
        there = False
    elif named is not None:
        there = named.type != "cpu"  # meta is the shell's device: what asks for that in C++ means the card
    else:
        there = cards
    if func in MOVES:
        if cards and not there:
            waits.append(asking())
    elif cards and func not in INDEXED:
        together(*tensors)
    if named is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if cards:
        args, kwargs = changed(args, inside), changed(kwargs, inside)
    out = product(func, args) if func in PRODUCTS and not kwargs else func(*args, **kwargs)
    if args and out is args[0]:  # it was changed in place
        return first
    return changed(out, OnCard) if there else out


def product(func: Any, args: Any) -> Any:
    """A convolution or a product of matrices; of 16 bits added up in float32, as a card does."""
    kind = args[0].dtype
    return func(*changed(args, torch.Tensor.float)).to(kind) if kind in HALVES else func(*args)


def asking() -> str:
    """The function of gen/ that is asking, as module.function."""
    frame: Any = sys._getframe()
    while frame is not None and not frame.f_code.co_filename.startswith(GEN):
        frame = frame.f_back
    return "" if frame is None else f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"


class Card(TorchDispatchMode):
    """While it is entered there is a card. waits: who waited for it, as module.function; memory: what tensors take."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.memory = Live()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {}, self.waits)


class Stream:
    """A queue of the card, which does everything at once."""

    def __init__(self, device: object = None) -> None:
        pass

    def wait_event(self, event: object) -> None:
        """It has happened."""


class Event:
    """A place in a queue."""

    def record(self, stream: object = None) -> None:
        """It is reached at once."""


class Runtime:
    """CUDA's runtime, as far as memory is pinned. pinned: where, and how many bytes."""

    def __init__(self) -> None:
        self.pinned: dict[int, int] = {}

    def cudaHostRegister(self, pointer: int, size: int, flags: int) -> int:
        self.pinned[pointer] = size
        return 0

    def cudaHostUnregister(self, pointer: int) -> int:
        del self.pinned[pointer]
        return 0


class Generator(torch.Generator):
    """Draws on the CPU, wherever it is asked to."""

    def __new__(cls, device: object = "cpu") -> Generator:
        return super().__new__(cls, "cpu")


def whole(function: Callable[..., Any]) -> Callable[..., Any]:
    """A composite of torch that makes tensors of its own in C++, where the shell's device would be asked."""

    def called(*args: Any, **kwargs: Any) -> Any:
        flat = [*args, *kwargs.values()]
        if not any(map(on_card, flat)):
            return function(*args, **kwargs)
        together(*flat)
        return OnCard(function(*map(inside, args), **{key: inside(value) for key, value in kwargs.items()}))

    return called


@contextmanager
def a_card(capability: tuple[int, int] = (8, 6), total: int = 12 << 30) -> Iterator[Card]:
    """A card of this compute capability, with so many bytes; gone after."""
    import_all()
    converts = torch.__future__.get_overwrite_module_params_on_conversion()
    with pytest.MonkeyPatch.context() as patch, Card() as there:
        known(patch, there, capability, total)
        patch.setattr(OnCard, "memory", there.memory)
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        torch._C._set_only_lift_cpu_tensors(True)  # type: ignore[attr-defined]
        precision.has_fp8_product.cache_clear()  # it was tried on another card
        try:
            yield there
        finally:
            precision.has_fp8_product.cache_clear()
            torch._C._set_only_lift_cpu_tensors(False)  # type: ignore[attr-defined]
            torch.__future__.set_overwrite_module_params_on_conversion(converts)


def import_all() -> None:
    """What is imported late, while there is no card: libraries look for one when they are imported, and remember it."""
    weights.import_all()
    for module in ("diffusers.models.attention_dispatch", "diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video"):
        importlib.import_module(module)


def known(patch: pytest.MonkeyPatch, there: Card, capability: tuple[int, int], total: int) -> None:
    """Let torch know the card."""
    memory = there.memory
    runtime, stream = Runtime(), Stream()
    major, minor = capability
    seen = SimpleNamespace(name="a stand-in", total_memory=total, major=major, minor=minor, multi_processor_count=28)
    seen.uuid = "0a1b2c3d"
    functions: dict[str, Any] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "current_device": lambda: 0,
        "current_stream": lambda device=None: stream,
        "cudart": lambda: runtime,
        "empty_cache": lambda: None,
        "get_arch_list": lambda: ["sm_75", "sm_80", "sm_86", "sm_90"],
        "get_device_capability": lambda device=None: capability,
        "get_device_name": lambda device=None: "a stand-in",
        "get_device_properties": lambda device=None: seen,
        "max_memory_allocated": lambda device=None: memory.peak,
        "max_memory_reserved": lambda device=None: memory.peak,
        "mem_get_info": lambda device=None: (total - memory.now, total),
        "memory_allocated": lambda device=None: memory.now,
        "memory_reserved": lambda device=None: memory.now,
        "memory_stats": lambda device=None: {},
        "reset_peak_memory_stats": lambda device=None: memory.forget(),
        "set_per_process_memory_fraction": lambda share, device=None: None,
        "stream": lambda stream: nullcontext(),
        "synchronize": lambda device=None: None,
        "Event": Event,
        "Stream": Stream,
    }
    for name, value in functions.items():
        patch.setattr(torch.cuda, name, value)
    patch.setattr(F, "scaled_dot_product_attention", whole(F.scaled_dot_product_attention))
    patch.setattr(torch, "where", whole(torch.where))
    patch.setattr(torch, "Generator", Generator)
    plain = torch.nn.Parameter.data

    def point(parameter: Any, value: Tensor) -> None:
        if isinstance(value, OnCard):
            parameter.pointed_at = value
        else:
            plain.__set__(parameter, value)  # type: ignore[attr-defined]

    pointing: Any = property(lambda parameter: plain.__get__(parameter), point)  # type: ignore[attr-defined]
    patch.setattr(torch.nn.Parameter, "data", pointing, raising=False)
