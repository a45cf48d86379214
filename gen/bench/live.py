"""How much memory a computation holds at its peak, counted without a device: tensors of the device meta, no values."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all storages made while it is entered, and the most that lived at once.

    copies: beside each convolution over three axes, those that cuDNN makes of what goes in and what comes out, where
            its kernel wants the channels last
    """

    def __init__(self, *, copies: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.copies = copies
        self.now = 0
        self.peak = 0
        self.made = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and count what it made."""
        known = {storage_of(x) for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)}
        out = func(*args, **(kwargs or {}))
        for x in tree_flatten(out)[0]:
            if isinstance(x, Tensor) and storage_of(x) not in known:
                self.see(x)
        if self.copies and func is torch.ops.aten.convolution.default and args[0].ndim == 5:
            self.peak = max(self.peak, self.now + args[0].nbytes + out.nbytes)
        return out

    def forget(self) -> None:
        """Let the peak begin anew."""
        self.peak = self.now

    def see(self, x: Tensor) -> None:
        """A tensor: if its storage is new, it counts until it is gone."""
        storage = x.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen:
            return
        self._seen.add(key)
        self.made += 1
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self.gone, key, size)

    def gone(self, key: int, size: int) -> None:
        """A storage was given back."""
        self._seen.discard(key)
        self.now -= size


def storage_of(x: Tensor) -> int:
    """What tells one storage from another."""
    return int(x.untyped_storage()._cdata)


class Fused(TorchFunctionMode):
    """Attention as a fused kernel does it: no matrix of scores. On meta it would be counted."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Attention gives something like its query; all else runs."""
        if func is torch.nn.functional.scaled_dot_product_attention:
            query: Tensor = args[0] if args else (kwargs or {})["query"]
            return torch.empty_like(query)
        return func(*args, **(kwargs or {}))


def peak_of(work: Callable[[], object], *, copies: bool = False) -> int:
    """The most bytes that tensors made within `work` held at once. copies: as Live has it."""
    with torch.no_grad(), Fused(), Live(copies=copies) as live:
        work()
    return int(live.peak)
