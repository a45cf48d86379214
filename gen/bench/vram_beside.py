"""A step of the 13 B model's shapes beside what else there is: precisions, attention, offloading, compiled blocks."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gen import attention, precision
from gen.bench.vram_measured import NO_FOUR_BIT, Line, Meter, Setup, few_blocks, peak_ram, repeats, stepped
from gen.memory import GB, GIB, largest, tokens
from gen.tensors import Drawn
from gen.transformer import Placement, empty, place, shapes_of

BACKENDS = ("native", "_native_flash", "_native_efficient", "_native_cudnn", "flash", "sage", "xformers")
PRECISION, OFFLOADING = "precision, 2 + 4 blocks", "offloading, 2 + 8 blocks"
Offloaded = tuple[Callable[[], object], Callable[[], object]]  # a step, and what a decode between two sections does
Offload = Callable[[Any, Setup], Offloaded]
COMPILED = "torch.compile, 2 + 4 blocks"


def precision_lines(setup: Setup, meter: Meter, group: str) -> list[Line]:
    """fp8 and 4 bits against bf16: seconds and the difference of one step's output."""
    found: list[Line] = []
    outputs: dict[str, Tensor] = {}
    for kind in dict.fromkeys((setup.wide, "fp16", "fp8", "nf4")):
        if kind == "nf4" and not precision.has_four_bit():
            found.append(Line(group, kind, NO_FOUR_BIT))
            continue
        made = stepped(few_blocks(setup, 2, 4), Placement(kind), meter)
        outputs[kind] = made.out
        off = difference(outputs[kind], outputs[setup.wide])
        fast = f", fp8 product: {'yes' if precision.has_fp8_product(setup.device) else 'no'}" if kind == "fp8" else ""
        what = f"{kind}: s a step; relative to {setup.wide}{fast}"
        found.append(Line(group, what, f"{made.seconds:.3f}; {off:.4f}"))
    return found


def difference(one: Tensor, other: Tensor) -> float:
    """Relative, by norms."""
    return float((one - other).norm() / other.norm())


def attention_lines(setup: Setup, meter: Meter, group: str) -> list[Line]:
    """The attention kernels that are here, side by side, on the tokens of a call."""
    from diffusers.models.attention_dispatch import dispatch_attention_fn

    found = []
    h, w = largest(setup.card)
    config = empty(setup.config).config
    shape = (1, tokens(setup.card, h, w), config.num_attention_heads, config.attention_head_dim)
    q, k, v = (torch.randn(shape, device=setup.device, dtype=torch.float32).to(dtype_of(setup)) for _ in range(3))
    attend: Any = dispatch_attention_fn
    capability = attention.capability_of(str(setup.device))
    obstacles = {kernel.name: attention.obstacle(kernel, capability) for kernel in attention.KERNELS}
    for name in BACKENDS:
        if why := obstacles.get(name):
            found.append(Line(group, name, f"not here: {why}"))
            continue
        try:
            with torch.no_grad():
                work = lambda name=name: attend(q, k, v, backend=name)  # noqa: E731
                work()  # type: ignore[no-untyped-call]
                seconds = statistics.median(meter.seconds(work) for _ in range(setup.steps))
            found.append(Line(group, name, f"{1000 * seconds:.2f} ms"))
        except Exception as error:  # noqa: BLE001  each kernel refuses in its own way, and that is the finding
            found.append(Line(group, name, f"not here ({attention.short(error)})"))
    return found


def library_lines(setup: Setup, meter: Meter, group: str) -> list[Line]:
    """Our streamer beside diffusers' own group offloading and model offload, with the same few blocks.

    Theirs call the stock class's forward, as its pipeline does, so its modulation layers travel, too. Model offload
    brings the whole model for the first step after a decode: once a section.
    """
    few = few_blocks(setup, 2, 8)
    ours = stepped(few, Placement(setup.wide, (0,), aside=True), meter)
    found = [line_of(group, "this streamer, 1 resident", f"{ours.seconds:.3f}", meter)]
    for name, offload in (("diffusers group offloading", group_offload), ("diffusers model offload", model_offload)):
        meter.reset()
        try:
            found.append(offload_line(few, group, name, offload, meter))
        except (RuntimeError, ValueError, ImportError, NotImplementedError, TypeError) as error:
            found.append(Line(group, name, f"does not run here ({type(error).__name__}: {error})"))
    return found


def offload_line(few: Setup, group: str, name: str, offload: Offload, meter: Meter) -> Line:
    """One of diffusers' ways; when it returns the model is gone."""
    call, away = offload(stock_model(few), few)
    call()
    away()
    first = meter.seconds(call)
    seconds = statistics.median(meter.seconds(call) for _ in range(repeats(few, first)))
    return line_of(group, name, f"{seconds:.3f}, first of a section {first:.3f}", meter)


def line_of(group: str, name: str, seconds: str, meter: Meter) -> Line:
    """Seconds with both peaks."""
    figure = f"{seconds}; {meter.reserved() / GIB:.2f}; {peak_ram() / GB:.2f}"
    return Line(group, f"{name}: s a step; peak GiB; RAM GB", figure)


def dtype_of(setup: Setup) -> torch.dtype:
    """What the stock class is measured in."""
    return torch.bfloat16 if setup.wide == "bf16" else torch.float16


def stock_model(setup: Setup) -> Any:
    """diffusers' class as it is, with all of its layers, on the CPU in 16 bits."""
    model, source = empty(setup.config), Drawn(shapes_of(setup.config), dtype_of(setup), setup.device)
    for name, _ in list(model.named_parameters()):
        place(model, name, source.read(name).cpu())
    return model


def stock_call(model: Any, setup: Setup) -> Callable[[], object]:
    """A call of the class's own forward, with as many tokens as a section's."""
    card, config, device, dtype = setup.card, model.config, setup.device, dtype_of(setup)
    h, w = (side // card.space_compression for side in largest(card))

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, device=device).to(dtype)

    def at(first: int, count: int) -> Tensor:
        return torch.arange(first, first + count)

    given: dict[str, object] = {
        "hidden_states": some(1, card.latent_channels, card.window, h, w),
        "timestep": torch.tensor([900.0], device=device, dtype=dtype),
        "guidance": torch.tensor([10_000.0], device=device, dtype=dtype),
        "encoder_hidden_states": some(1, 256, config.text_embed_dim),
        "encoder_attention_mask": torch.ones(1, 256, dtype=torch.bool, device=device),
        "pooled_projections": some(1, config.pooled_projection_dim),
        "image_embeds": some(1, 729, config.image_proj_dim),
        "indices_latents": at(20, card.window),
        "latents_clean": some(1, card.latent_channels, 2, h, w),
        "indices_latents_clean": torch.tensor([0, 19]),
        "latents_history_2x": some(1, card.latent_channels, 2, h, w),
        "indices_latents_history_2x": at(17, 2),
        "latents_history_4x": some(1, card.latent_channels, 16, h, w),
        "indices_latents_history_4x": at(1, 16),
        "return_dict": False,
    }

    @torch.no_grad()
    def call() -> object:
        return model(**given)

    return call


def group_offload(model: Any, setup: Setup) -> Offloaded:
    """Block by block with a stream, where there is CUDA."""
    from diffusers.hooks.group_offloading import apply_group_offloading

    apply: Any = apply_group_offloading
    streams = setup.device.type == "cuda"
    apply(model, setup.device, offload_type="block_level", num_blocks_per_group=1, use_stream=streams)
    return stock_call(model, setup), lambda: None


def model_offload(model: Any, setup: Setup) -> Offloaded:
    """A pipeline's own enable_model_cpu_offload: a decode sends the transformer back to RAM."""
    from diffusers import DiffusionPipeline

    kind: Any = DiffusionPipeline

    class Parts(kind):  # type: ignore[misc]
        """The transformer and the VAE of a pipeline."""

        model_cpu_offload_seq = "transformer->vae"

        def __init__(self, transformer: Any, vae: Any) -> None:
            super().__init__()
            self.register_modules(transformer=transformer, vae=vae)

    parts = Parts(model, setup.vae(torch.device("cpu")))
    parts.enable_model_cpu_offload(device=setup.device)
    h, w = largest(setup.card)
    latents = torch.randn(1, setup.card.latent_channels, 1, h // 8, w // 8, device=setup.device)

    @torch.no_grad()
    def decoded() -> object:
        return parts.vae.decode(latents.to(parts.vae.dtype))

    return stock_call(model, setup), decoded


def compile_lines(setup: Setup, meter: Meter, group: str) -> list[Line]:
    """Blocks compiled against as they are: seconds of the first step and of later ones, and the difference."""
    few = few_blocks(setup, 2, 4)
    plain, quick = (stepped(few, Placement(setup.wide, (0,), compiled=compiled), meter) for compiled in (False, True))
    found = [Line(group, "as they are, streamed: s a step; the first", f"{plain.seconds:.3f}; {plain.first:.3f}")]
    if not quick.compiled:  # its figures would be those of the blocks as they are
        return [*found, Line(group, "compiled", "does not work here; the line above says why")]
    off = difference(quick.out, plain.out)
    return [
        *found,
        Line(group, "compiled, streamed: s a step; the first", f"{quick.seconds:.3f}; {quick.first:.3f}"),
        Line(group, "relative difference", f"{off:.1e}", "<= 2e-2", off <= 2e-2),
    ]
