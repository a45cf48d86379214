"""The transformer put together: diffusers' class without weights, then every block's weights where the plan wants them.

The class is made on the device meta, so that nothing is ever in memory twice: small parts go to the device, the
modulation stays in its file, resident blocks get a buffer on the device, streamed ones a buffer in RAM.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from db.said import said
from gen import precision
from gen.card import read_json
from gen.errors import CheckpointCorrupt, first_line, memory, ran_out, unfit
from gen.files import weight_files
from gen.memory import MemoryPlan
from gen.modulation import Aside, Modulation, detach
from gen.stream import HostBuffer, Streamed, Streamer, blocks_of, fill, layout_of, settle
from gen.tensors import Files, Merge, Shape, Source

log = logging.getLogger("flipbot.transformer")


@dataclass(frozen=True)
class Placement:
    """Where the weights of the blocks go.

    precision: "fp32", "bf16", "fp16", "fp8" or "nf4": how they are kept
    resident:  numbers of the blocks that stay on the device; None: all
    slots:     buffers on the device for the others
    aside:     whether the parts that are needed once a prompt stay in their file between prompts
    compiled:  whether the blocks are compiled (torch.compile) when they are first called
    wide_vae:  whether the VAE computes in float32 on a card, too
    """

    precision: str = "fp32"
    resident: tuple[int, ...] | None = None
    slots: int = 2
    aside: bool = False
    compiled: bool = False
    wide_vae: bool = False


def placement_of(plan: MemoryPlan, *, compiled: bool = False) -> Placement:
    """What a memory plan says of the transformer.

    On a GPU what is needed once a prompt comes from its file even where all blocks stay: beside the modulation's 6.8 GB
    it is little to read, and the plan has no room for it.
    """
    resident = plan.resident if plan.streams else None
    gpu, wide = plan.machine.gpu, plan.machine.vae_value == 4
    return Placement(plan.precision, resident, plan.slots, aside=gpu, compiled=compiled, wide_vae=gpu and wide)


@dataclass
class Compiled:
    """Blocks that are compiled when they are first called; works: until that has failed."""

    works: bool = True


@dataclass(frozen=True)
class Assembled:
    """The transformer, ready to be called, with what serves it.

    streamer: None where everything is resident    compiled: None where the blocks are not
    """

    transformer: Any
    modulation: Modulation
    streamer: Streamer | None
    compiled: Compiled | None = None


def load_transformer(folder: Path, placement: Placement, device: torch.device, merge: Merge | None = None) -> Assembled:
    """The transformer of a checkpoint's folder.

    merge:  changes each tensor as it is read, such as for a LoRA
    raises: CheckpointCorrupt, CheckpointIncomplete with the file's name, OutOfMemory
    """
    model, source = matched(folder, merge)
    with memory(said("loading the transformer")):
        return assemble(model, source, placement, device)


def matched(folder: Path, merge: Merge | None = None) -> tuple[Any, Files]:
    """The class of a folder's config, without weights, and the files, whose names and shapes fit it.

    raises: CheckpointCorrupt, CheckpointIncomplete
    """
    config = read_json(folder / "config.json")
    source = Files(weight_files(folder, "transformer"), merge)
    try:
        model = empty(config)
    except Exception as error:  # a config can be wrong in any way
        raise CheckpointCorrupt(
            file=str(folder), why=said("has no usable config ({error})", error=type(error).__name__)
        ) from error
    fits(model, source.shapes, folder)
    return model, source


def empty(config: Mapping[str, Any]) -> Any:
    """The class of a config, without weights."""
    from diffusers import HunyuanVideoFramepackTransformer3DModel

    kind: Any = HunyuanVideoFramepackTransformer3DModel

    with torch.device("meta"):
        model = kind.from_config(dict(config))
    return model.eval().requires_grad_(False)


def shapes_of(config: Mapping[str, Any]) -> dict[str, Shape]:
    """The tensors of a config's transformer."""
    return {name: tuple(parameter.shape) for name, parameter in empty(config).named_parameters()}


def fits(model: nn.Module, shapes: Mapping[str, tuple[int, ...]], folder: Path) -> None:
    """Raise CheckpointCorrupt where the files lack a tensor that the class has, or have it in another shape."""
    for name, parameter in model.state_dict().items():
        if shapes.get(name) != tuple(parameter.shape):
            what = "missing" if name not in shapes else "mismatched"
            raise CheckpointCorrupt(file=str(folder), why=unfit(what, name))


def assemble(model: Any, source: Source, placement: Placement, device: torch.device) -> Assembled:
    """Fill an empty model from a source, as the placement says."""
    kind = placement.precision
    dtype, half = precision.compute_dtype(kind, device), precision.halves(kind, device)
    detach(model, source)
    streamed, blocks = [], blocks_of(model)
    for n, (prefix, block) in enumerate(blocks):
        precision.convert(block, kind, dtype, half)
        precision.quicken(block, device)
        tensors, layout = precision.packed_tensors(block, prefix, source, device), layout_of(block)
        if placement.resident is None or n in placement.resident:
            buffer = torch.empty(layout.size, dtype=torch.uint8, device=device)
            fill(layout, tensors, buffer)
            settle(block, layout, buffer)
        else:
            host = HostBuffer(layout.size)
            fill(layout, tensors, host.bytes)
            settle(block, layout, host.bytes)
            streamed.append(Streamed(block, layout, host))
    inside = tuple(prefix for prefix, _ in blocks)
    for name, _ in list(model.named_parameters()):
        if placement.aside and name.split(".")[0] in Aside.PARTS:
            place(model, name, torch.empty(0, dtype=dtype, device=device))
        elif not name.startswith(inside):
            place(model, name, source.read(name).to(device, dtype, copy=True))
    aside = Aside(model, source, device, dtype) if placement.aside else None
    compiled = compile_blocks([block for _, block in blocks]) if placement.compiled else None
    streamer = Streamer(streamed, placement.slots, device) if streamed else None
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what packing worked with
    return Assembled(model, Modulation(model, device, aside), streamer, compiled)


def compile_blocks(blocks: Sequence[Any], backend: str | Callable[..., Any] = "inductor") -> Compiled:
    """Let the blocks be compiled when they are first called; where that fails, one sentence, and all run as they are.

    The forward, not the call: what fills the slots stays outside. Blocks of one kind share what was compiled. What is
    compiled anew too often fails, too: PyTorch would run it as it is from then on and say nothing.
    """
    all_of_them = Compiled()

    def compiled(block: Any) -> Callable[..., Any]:
        plain: Callable[..., Any] = block.forward
        quick: Callable[..., Any] | None = None

        def forward(*args: Any, **kwargs: Any) -> Any:
            nonlocal quick
            if all_of_them.works:
                try:
                    if quick is None:  # that refuses, too: on some systems and versions of Python
                        quick = torch.compile(plain, backend=backend)
                    from torch._dynamo import config

                    with config.patch(fail_on_recompile_limit_hit=True, suppress_errors=False):
                        return quick(*args, **kwargs)
                except Exception as error:  # compilers fail in every way; a wrong call fails again
                    if ran_out(error):
                        raise
                    all_of_them.works = False
                    why = first_line(error)
                    log.warning("compile is off: torch.compile failed here (%s: %.200s)", type(error).__name__, why)
            return plain(*args, **kwargs)

        return forward

    for block in blocks:
        block.forward = compiled(block)
    return all_of_them


def place(model: nn.Module, name: str, tensor: Tensor) -> None:
    """Put a tensor where the model's parameter of this name was."""
    owner, _, last = name.rpartition(".")
    setattr(model.get_submodule(owner), last, nn.Parameter(tensor, requires_grad=False))
