"""The memory plan: what of a checkpoint stays on the device, what travels, in which precision, and how it is decoded.

Arithmetic from shapes and a few constants, before anything is loaded; no torch is imported unless the machine is asked.
The same machine, limits and checkpoint always lead to the same decode tiles, however much is free at the moment: tiles
change pixels in their last bits, and a film that is gone on with must be equal to an unbroken one.
"""

from __future__ import annotations

import itertools
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from db.said import Said, listed, said
from gen.card import Card, Checkpoint, read_json
from gen.errors import BadPrecision, MemoryTaken, SizeNotSupported, TooLargeSize, TooLittleMemory
from gen.files import weight_files
from gen.sources import FRAMEPACK, VAE_BYTES
from gen.tensors import Shape, read_index

if TYPE_CHECKING:
    from rich.table import Table

GB = 10**9
GIB = 1 << 30
ALIGN = 256  # bytes: where tensors begin in a block's buffer (gen/stream.py)

# Counted with tensors of the device meta at the 13 B model's shapes (`flipbot bench vram --plan` counts again)
ACTIVATIONS = {2: 19.5, 4: 17.9}  # peak of one call ÷ (tokens × dim × bytes of a value), attention fused
CACHED = 3  # tensors as large as the tokens, that a step cache holds beside a call
ACTIVATIONS_FP16 = 12.75  # the same of products in fp16, whose residual is float32: ÷ (tokens × dim × 4)
DECODE = 1195.0  # peak of the VAE's decoder ÷ (frames × rows × columns of a tile × bytes of a value)
DECODED = 12.0  # values kept for each finished pixel: the pieces, and their joins over space and time
# Of CUDA and the libraries; from what others measured, to be measured by `flipbot bench vram`
CONTEXT = 0.5 * GB  # what the driver takes for a process that has loaded torch's kernels
STARTED = 0.2 * GB  # of that, what is gone already once CUDA can be asked what is free
WORKSPACE = 0.25 * GB  # cuBLAS and cuDNN
# Of what the allocator holds, what it cannot give anybody; without expandable segments (Windows, virtual cards) as a
# replay of a section's tensors through a model of the allocator came out
FRAGMENTS, FRAGMENTS_FIXED = 0.04, 0.12
# Kept free where blocks stay: one that travels costs nothing beside a step, an allocator at its limit holds the card up
ROOM = 0.1 * GB
RUNTIME_RAM = 2.6 * GB  # torch, CUDA's kernels and the libraries in RAM
RUNTIME_CPU = 0.5 * GB  # the same without a GPU
# What a decode takes ÷ its tensors: cuDNN's own copies of what goes into a convolution and comes out of it, where its
# kernel wants the channels last (counted, to be measured); oneDNN's (measured with tiny)
SCRATCH_GPU, SCRATCH_CPU = 1.46, 2.8
INDEXED = 1 << 31  # values of one tensor that CUDA's padding can count
# The process that reads a new prompt beside the engine (measured on a processor), or the picture's encoder in float32
# (1.7): each comes and goes, one after the other
ENCODERS_RAM = 2.13 * GB

# What a system keeps whatever is closed: of a card its desktop's, of RAM its own
DESKTOP, SYSTEM_RAM = 0.5 * GB, 3 * GB

TEXT_TOKENS, IMAGE_TOKENS = 256, 729  # the most beside a section's tokens
TABLES = 4  # modulation tables kept in RAM; the device has one of them (gen/modulation.py)
SLOTS = 2
TIGHTER = 0.85  # of the memory, for each time it ran out all the same
# What a decode may take: as much as sampling, or a share of a large memory. Larger tiles gain little: the rest is
# better spent on blocks that stay.
DECODE_SHARE = 0.16
# (rows and columns, frames) of a tile, the largest first; 0: whole pictures. 16 frames are diffusers' own, 64 those of
# HunyuanVideo's own VAE (sample_tsize): two thirds of the work, since less is decoded twice.
TILES = (
    (0, 64),
    (0, 16),
    (512, 16),
    (448, 16),
    (384, 16),
    (320, 16),
    (256, 16),
    (224, 16),
    (192, 16),
    (160, 16),
    (128, 16),
    (128, 8),
)

BLOCKS = ("transformer_blocks", "single_transformer_blocks")
ASIDE = ("context_embedder", "time_text_embed", "image_projection")
MODULATED = ("norm1", "norm1_context", "norm", "norm_out")
IN_FILE = 2  # bytes of a value in the files of published weights
VALUE = {"fp32": 4, "bf16": 2, "fp16": 4}  # bytes of what flows between the blocks
SMALLER = said("choose a smaller model")
PRECISIONS = ("fp32", "bf16", "fp16", "fp8", "nf4")


@dataclass(frozen=True)
class Machine:
    """What there is. Bytes; a device that is no GPU has no VRAM of its own, and capability (0, 0).

    vram_free:  what one process may have in all, what CUDA takes for itself included
    expandable: whether torch's allocator joins what was freed
    half:       whether convolutions in float16 are right on the card
    wsl:        whether this is Linux within Windows, which gives it a part of the RAM
    """

    device: str = "cpu"
    name: str = "CPU"
    vram_total: int = 0
    vram_free: int = 0
    ram_total: int = 0
    ram_free: int = 0
    capability: tuple[int, int] = (0, 0)
    four_bit: bool = False
    expandable: bool = True
    half: bool = True
    wsl: bool = False

    @property
    def gpu(self) -> bool:
        """Whether the device has memory of its own."""
        return self.device.startswith("cuda")

    @property
    def vae_value(self) -> int:
        """Bytes of the VAE's values."""
        return 2 if self.gpu and self.half else 4

    @property
    def fragments(self) -> float:
        """The share beside what the allocator holds that it cannot give anybody."""
        return FRAGMENTS if self.expandable else FRAGMENTS_FIXED


@dataclass(frozen=True)
class Wishes:
    """What the owner sets; 0 and "auto" leave it to the plan.

    sizes:   that may be asked for, keys of the card, "" its default; none: all of them
    tighter: how often memory ran out under this plan. From the first time on it is made for all sizes: the film may be
             one that was asked for when others were offered
    beside:  other engines of this process, (loaded, yet to load): ram_limit_gib is for all of them
    """

    precision: str = "auto"
    vram_limit_gib: float = 0.0
    ram_limit_gib: float = 0.0
    tighter: int = 0
    sizes: tuple[str, ...] = ()
    beside: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Tiles:
    """How the VAE decodes: rows and columns of a tile in pixels (0: whole pictures), and its frames."""

    side: int = 0
    frames: int = 16

    def __str__(self) -> str:
        return f"{self.side}/{self.frames}"

    @classmethod
    def of(cls, text: str) -> Tiles:
        """What str made. raises: ValueError."""
        side, frames = map(int, text.split("/"))
        return cls(side, frames)


@dataclass(frozen=True)
class Decoder:
    """The VAE: bytes of its weights on the device, and its channels before the last block, 256 in HunyuanVideo's."""

    bytes: int
    channels: int = 256


@dataclass(frozen=True)
class Parts:
    """Bytes of a transformer in one precision.

    blocks: of each, as it lies in its buffer    small: what is always on the device
    aside:  what only tables need                layer: the largest modulation layer, of which one is there at a time
    table:  of one prompt                        modulation: all of its layers, which stay in their file, as they are
    """

    blocks: tuple[int, ...]
    small: int
    aside: int
    layer: int
    table: int
    modulation: int


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything goes. Bytes.

    resident: numbers of the blocks that stay on the device; the others travel through the slots, every step
    cached:   what a step cache keeps while a section is sampled
    decode:   what a decode's tensors take
    vram, ram: peaks, by arithmetic
    """

    machine: Machine
    precision: str
    parts: Parts
    resident: tuple[int, ...]
    slots: int
    tiles: Tiles
    vae: Decoder
    activations: int
    cached: int
    decode: int
    vram_limit: int
    ram_limit: int

    @property
    def streams(self) -> bool:
        """Whether anything travels."""
        return len(self.resident) < len(self.parts.blocks)

    @property
    def streamed(self) -> int:
        """What travels to the device in each step."""
        stay = set(self.resident)
        return sum(size for n, size in enumerate(self.parts.blocks) if n not in stay)

    @property
    def weights(self) -> int:
        """What of the transformer is always on the device, its slots included."""
        staying = sum(self.parts.blocks[n] for n in self.resident)
        return staying + slot_bytes(self.parts, self.slots if self.streams else 0) + self.parts.small

    @property
    def once(self) -> int:
        """The most that a phase takes beside the weights: sampling, making a table, or decoding."""
        return max(self.activations + self.cached, self.parts.aside + 2 * self.parts.layer, self.decoding)

    @property
    def decoding(self) -> int:
        """A decode's peak beside the weights: its tensors, and the libraries' copies of them."""
        return round((SCRATCH_GPU if self.machine.gpu else SCRATCH_CPU) * self.decode)

    @property
    def vram(self) -> int:
        """The peak on the device."""
        held = self.weights + self.vae.bytes + self.parts.table + self.once
        return round((held + WORKSPACE) * (1 + self.machine.fragments) + CONTEXT)

    @property
    def ram(self) -> int:
        """The peak of the process that computes, and of the one that reads prompts for it."""
        if self.machine.gpu:
            return round(RUNTIME_RAM + ENCODERS_RAM + TABLES * self.parts.table + self.streamed)
        held = self.weights + self.parts.aside + self.vae.bytes + TABLES * self.parts.table
        return round(RUNTIME_CPU + held + self.once)


def make_memory_plan(
    shapes: Mapping[str, Shape], vae: Decoder, card: Card, machine: Machine, wishes: Wishes = Wishes()
) -> MemoryPlan:
    """The plan for a checkpoint on a machine.

    shapes: of the transformer's tensors
    raises: TooLittleMemory, BadPrecision, SizeNotSupported: one sentence, before anything is loaded
    """
    failures, precisions = [], candidates(machine, wishes.precision)
    for precision in precisions:
        try:
            return plan_for(precision, shapes, vae, card, machine, wishes)
        except TooLittleMemory as short:
            failures.append(short)
    if wishes.tighter:  # there is no such step down: take the smallest plan that fits at all
        return plan_for(precisions[-1], shapes, vae, card, machine, wishes, least=True)
    raise advised(failures[-1], shapes, vae, card, machine, wishes)  # of the narrowest: what is missing at least


def advised(
    short: TooLittleMemory, shapes: Mapping[str, Shape], vae: Decoder, card: Card, machine: Machine, wishes: Wishes
) -> TooLittleMemory:
    """The same with the ways out: the largest of the smaller sizes that would fit, or whatever else there is."""
    area = {size: math.prod(largest(card, (size,))) for size in card.sizes}
    asked = max((size or card.size for size in wishes.sizes or card.sizes), key=lambda size: area[size])
    smaller = sorted((size for size in area if area[size] < area[asked]), key=lambda size: -area[size])
    for size, precision in itertools.product(smaller, candidates(machine, wishes.precision)):
        with suppress(TooLittleMemory):
            plan_for(precision, shapes, vae, card, machine, replace(wishes, sizes=(size,)))
            return TooLargeSize(**short.facts, asked=asked, fits=size)
    kind = str(short.facts["kind"])
    limit = f"{kind.lower()}_limit_gib"
    capped = bool(getattr(wishes, limit))
    ways = [said("raise [model] {limit}" if capped else "close what else uses it", limit=limit)]
    if machine.wsl and kind == "RAM":
        ways.append(said("give WSL more of it (memory= in .wslconfig)"))
    if machine.gpu and not machine.four_bit and wishes.precision == "auto":
        with suppress(TooLittleMemory):
            plan_for("nf4", shapes, vae, card, machine, wishes)
            ways.append(said("install what keeps it in 4 bits, in which it fits (pip install 'flipbot[nf4]')"))
    return TooLittleMemory(**{**short.facts, "ways": listed([*ways, said("or {way}", way=SMALLER)])})


def candidates(machine: Machine, wished: str) -> tuple[str, ...]:
    """The precisions to try, the best first. raises: BadPrecision for a wish that cannot be."""
    if wished == "nf4" and not machine.four_bit:
        why = said("bitsandbytes is not installed, or does not work on this card (pip install 'flipbot[nf4]')")
        raise BadPrecision(precision="nf4", why=why)
    if wished == "bf16" and machine.gpu and machine.capability < (8, 0):
        why = said("{card} only imitates bfloat16; say fp16 or auto", card=machine.name)
        raise BadPrecision(precision="bf16", why=why)
    if wished != "auto":
        return (wished,)
    if not machine.gpu:  # widened for each product: a quarter of the RAM, and a processor is slow either way
        return ("fp32", "fp8")
    widest = "fp16" if machine.capability < (8, 0) else "bf16"
    return (widest, "fp8", "nf4") if machine.four_bit else (widest, "fp8")


def plan_for(
    precision: str,
    shapes: Mapping[str, Shape],
    vae: Decoder,
    card: Card,
    machine: Machine,
    wishes: Wishes,
    *,
    least: bool = False,
) -> MemoryPlan:
    """The plan in one precision. raises: TooLittleMemory.

    least: no block stays on a GPU, and only what there is bounds it
    """
    parts = parts_of(shapes, precision, machine, card.steps)
    vram_limit, ram_limit = limits(machine, replace(wishes, tighter=0) if least else wishes)
    h, w = largest(card, () if wishes.tighter else wishes.sizes)
    count, dim = tokens(card, h, w), dim_of(shapes)
    activations = activation_bytes(count, dim, precision, machine)
    cached = CACHED * count * dim * value_bytes(precision, machine)
    if machine.gpu:  # of what there is, not of what is free: tiles must not change from day to day
        limit, total = wishes.vram_limit_gib * GIB, machine.vram_total
    else:
        limit, total = wishes.ram_limit_gib * GIB, machine.ram_total
    most = max(activations + cached, DECODE_SHARE * min(limit or total, total))
    if machine.gpu:
        most /= SCRATCH_GPU
    else:  # smaller ones before it is refused; a film that has begun keeps its own
        held = RUNTIME_CPU + sum(parts.blocks) + parts.small + parts.aside + vae.bytes + TABLES * parts.table
        most = min(most, (ram_limit - held) / SCRATCH_CPU)
    tiles, decode = choose_tiles(card, vae, (h, w), most, machine, down=wishes.tighter)
    plan = MemoryPlan(
        machine, precision, parts, (), SLOTS, tiles, vae, activations, cached, decode, vram_limit, ram_limit
    )
    if not machine.gpu:
        return within(replace(plan, resident=tuple(range(len(parts.blocks)))))
    if least:
        return within(plan)
    everything = replace(plan, resident=tuple(range(len(parts.blocks))))
    if everything.vram <= vram_limit - ROOM:
        return within(everything)
    room = int((vram_limit - ROOM - plan.vram) / (1 + machine.fragments))
    return within(replace(plan, resident=spread(parts.blocks, room)))


def within(plan: MemoryPlan) -> MemoryPlan:
    """The plan itself, if it keeps its limits. raises: TooLittleMemory."""
    short = ((said("VRAM"), plan.vram, plan.vram_limit),) if plan.machine.gpu else ()
    for kind, need, have in (*short, (said("RAM"), plan.ram, plan.ram_limit)):
        if need > have:
            needs = {"need": f"{need / GIB:.1f}", "have": f"{have / GIB:.1f}"}
            raise TooLittleMemory(kind=kind, precision=plan.precision, **needs, ways=SMALLER)
    return plan


def limits(machine: Machine, wishes: Wishes) -> tuple[int, int]:
    """Bytes of VRAM and RAM that may be taken: what is free, or less where the owner says so.

    Of RAM each engine gets as much as those that are yet to load, beside what those that have loaded take now and then.
    """

    def limit(free: float, wished_gib: float) -> int:
        return int(min(free, wished_gib * GIB) if wished_gib else free)

    loaded, waiting = wishes.beside
    free = max(0.0, machine.ram_free - loaded * ENCODERS_RAM) / (1 + waiting)
    vram = limit(machine.vram_free, wishes.vram_limit_gib)
    ram = limit(free, wishes.ram_limit_gib / (1 + loaded + waiting))
    tight = TIGHTER**wishes.tighter
    return (int(vram * tight), ram) if machine.gpu else (0, int(ram))


def share_of(machine: Machine, wishes: Wishes) -> float:
    """The share of a card that torch's allocator may take, 0 to 1, so that all in all the limit is kept.

    A plan is arithmetic; this holds whatever comes. Without it Windows would hand out RAM in place of a full card's
    memory, a tenth as fast, and what `vram_limit_gib` leaves to others would be theirs only as planned.
    """
    most, _ = limits(machine, replace(wishes, tighter=0))
    return share(most, machine.vram_total)


def share(most: float, total: int) -> float:
    """What is left of so many bytes beside the driver's own, as a share of a card's memory, 0 to 1."""
    return max(0.0, min(1.0, (most - CONTEXT) / total))


def value_bytes(precision: str, machine: Machine) -> int:
    """Bytes of the values that flow between the blocks."""
    if precision in VALUE:
        return VALUE[precision]
    return 2 if machine.gpu and machine.capability >= (8, 0) else 4


def halves(precision: str, machine: Machine) -> bool:
    """Whether matrices are multiplied in float16 there while float32 flows between them, as gen/precision.py has it."""
    before_ampere = machine.gpu and machine.capability < (8, 0)
    return precision == "fp16" or (precision in ("fp8", "nf4") and before_ampere)


def parts_of(shapes: Mapping[str, Shape], precision: str, machine: Machine, steps: int) -> Parts:
    """What a transformer of these tensors takes in a precision."""
    value, half = value_bytes(precision, machine), halves(precision, machine)
    blocks: dict[tuple[int, int], int] = {}
    small = aside = layer = modulation = rows = 0
    dim = dim_of(shapes)
    for name, shape in shapes.items():
        kind, count = name.split("."), math.prod(shape)
        if is_modulation(kind):
            modulation += count * IN_FILE
            layer = max(layer, count * value)
            rows += count * value if len(shape) == 1 else 0
        elif kind[0] in BLOCKS:
            place = (BLOCKS.index(kind[0]), int(kind[1]))
            blocks[place] = blocks.get(place, 0) + stored(name, shape, precision, value, half)
        elif kind[0] in ASIDE:
            aside += count * value
        else:
            small += count * value
    table = steps * (rows + (1 + TEXT_TOKENS) * dim * value)
    return Parts(tuple(blocks[place] for place in sorted(blocks)), small, aside, layer, table, modulation)


def is_modulation(name: list[str]) -> bool:
    """Whether the parts of a name are those of a layer that the table takes the place of (gen/modulation.py)."""
    return name[0] in (*BLOCKS, "norm_out") and len(name) > 2 and name[-2] == "linear" and name[-3] in MODULATED


def stored(name: str, shape: Shape, precision: str, value: int, half: bool) -> int:
    """Bytes of a block's tensor in its buffer, each on a boundary of its own (gen/precision.py says what is kept)."""
    count = math.prod(shape)
    if len(shape) == 2 and precision not in ("fp32", "bf16"):
        scales = {"fp16": 0, "fp8": 4 * shape[0], "nf4": 4 * -(-count // 64)}[precision]
        packed = {"fp16": 2 * count, "fp8": count, "nf4": -(-count // 2)}[precision]
        return aligned(packed) + aligned(scales)
    narrow = half and name.split(".")[-2] in ("norm_q", "norm_k", "norm_added_q", "norm_added_k")
    return aligned(count * (2 if narrow else value))


def aligned(size: int) -> int:
    """The size, up to the next boundary."""
    return -(-size // ALIGN) * ALIGN


def dim_of(shapes: Mapping[str, Shape]) -> int:
    """The width of the tokens."""
    return shapes["x_embedder.proj.weight"][0]


def slot_bytes(parts: Parts, slots: int) -> int:
    """What so many slots take: each holds the largest block."""
    return slots * max(parts.blocks, default=0)


def spread(sizes: Sequence[int], room: int) -> tuple[int, ...]:
    """Which of the blocks stay on the device, where `room` bytes are free for them: as many as fit, evenly spread.

    Between two that stay there is then time for the copies of those that do not. The first stays first: what looks
    only at it (a step cache) needs no copy.
    """
    if sum(sizes) <= room:
        return tuple(range(len(sizes)))
    for count in range(len(sizes) - 1, 0, -1):
        chosen = tuple(sorted({n * len(sizes) // count for n in range(count)}))
        if sum(sizes[n] for n in chosen) <= room:
            return chosen
    return ()


def largest(card: Card, sizes: Sequence[str] = ()) -> tuple[int, int]:
    """(h, w) in pixels of the largest bucket of these sizes, or of all. raises: SizeNotSupported."""
    keys = [size or card.size for size in sizes] or list(card.sizes)
    for key in keys:
        if key not in card.sizes:
            raise SizeNotSupported(asked=key, known=", ".join(card.sizes))
    return max((bucket for key in keys for bucket in card.sizes[key]), key=lambda hw: hw[0] * hw[1])


def tokens(card: Card, h: int, w: int) -> int:
    """Tokens of one call at most: noisy, clean (2 frames), 2x (2 frames), 4x (16), the picture's and the prompt's."""
    rows, columns = h // card.space_compression, w // card.space_compression
    full = (rows // 2) * (columns // 2)
    twice = -(-rows // 4) * -(-columns // 4)
    four = 4 * -(-rows // 8) * -(-columns // 8)
    return (card.window + 2) * full + twice + four + IMAGE_TOKENS + TEXT_TOKENS


def activation_bytes(count: int, dim: int, precision: str, machine: Machine) -> int:
    """The peak of one call beside the weights."""
    value, half = value_bytes(precision, machine), halves(precision, machine)
    factor = ACTIVATIONS_FP16 if half else ACTIVATIONS[value]
    # The largest weight, made wide for its product
    widened = dim * 5 * dim * (2 if half else value) if precision in ("fp8", "nf4") else 0
    return round(count * dim * value * factor + 2 * widened)


def choose_tiles(
    card: Card, vae: Decoder, hw: tuple[int, int], most: float, machine: Machine, *, down: int
) -> tuple[Tiles, int]:
    """The largest tiles whose decode of so many pixels takes no more than so many bytes, and what they take.

    down: steps below these
    """
    (h, w), value = hw, machine.vae_value
    for side, frames in TILES:
        tiles = Tiles(side, frames)
        need = decode_bytes(card, vae, h, w, tiles, value)
        padded = vae.channels * (frames + 3) * (min(h, side or h) + 2) * (min(w, side or w) + 2)
        if side < max(h, w) and need <= most and not (machine.gpu and padded >= INDEXED):
            if down == 0:
                break
            down -= 1
    return tiles, need


def decode_bytes(card: Card, vae: Decoder, h: int, w: int, tiles: Tiles, value: int) -> int:
    """The peak of decoding a section with the one before it."""
    longest = 2 * card.window + 1
    frames = card.time_compression * (min(longest, tiles.frames // card.time_compression + 1) - 1) + 1
    tile = min(h, tiles.side or h) * min(w, tiles.side or w)
    whole = card.time_compression * (longest - 1) + 1
    return round(
        value * (DECODE * vae.channels / 256 * frames * tile + DECODED * frames * h * w) + 3 * value * 2 * whole * h * w
    )


def plan_checkpoint(checkpoint: Checkpoint, machine: Machine, wishes: Wishes = Wishes()) -> MemoryPlan:
    """The plan for a checkpoint's files, from their headers.

    raises: TooLittleMemory, BadPrecision, SizeNotSupported, CheckpointIncomplete, CheckpointCorrupt
    """
    folder = checkpoint.parts["vae"]
    values = sum(math.prod(where.shape) for where in read_index(weight_files(folder, "vae")).values())
    channels = read_json(folder / "config.json").get("block_out_channels", (128, 256))
    vae = Decoder(values * machine.vae_value, int(channels[1]))
    index = read_index(weight_files(checkpoint.parts["transformer"], "transformer"))
    return make_memory_plan({name: where.shape for name, where in index.items()}, vae, checkpoint.card, machine, wishes)


def plan_now(checkpoint: Checkpoint, machine: Machine, wishes: Wishes = Wishes()) -> MemoryPlan:
    """As plan_checkpoint. raises: MemoryTaken instead, where it would fit if other programs held no memory."""
    try:
        return plan_checkpoint(checkpoint, machine, wishes)
    except TooLittleMemory as short:
        if not fits(checkpoint, alone(machine), wishes):
            raise
        raise MemoryTaken(**{name: short.facts[name] for name in ("kind", "precision", "need", "have")}) from None


def fits(checkpoint: Checkpoint, machine: Machine, wishes: Wishes) -> bool:
    """Whether there is a plan."""
    try:
        plan_checkpoint(checkpoint, machine, wishes)
    except TooLittleMemory:
        return False
    return True


def alone(machine: Machine) -> Machine:
    """The machine with every program closed but the system itself."""
    vram, ram = machine.vram_total - DESKTOP, machine.ram_total - SYSTEM_RAM
    return replace(machine, vram_free=max(machine.vram_free, int(vram)), ram_free=max(machine.ram_free, int(ram)))


def plan_published(card: Card, machine: Machine, wishes: Wishes = Wishes()) -> MemoryPlan:
    """The plan for published weights that are not here yet. raises: TooLittleMemory, BadPrecision."""
    from gen.transformer import shapes_of

    return make_memory_plan(shapes_of(FRAMEPACK), Decoder(VAE_BYTES // 2 * machine.vae_value), card, machine, wishes)


def this_machine(device: str) -> Machine:
    """What there is here. device: "cpu", "cuda", "cuda:1", "mps"."""
    import psutil
    import torch

    seen = psutil.virtual_memory()
    from gen.device import expands, half_convolves
    from gen.precision import four_bit_works, has_four_bit

    four_bit = has_four_bit() and (not device.startswith("cuda") or four_bit_works(device))
    here = Machine(device, device.upper(), ram_total=seen.total, ram_free=seen.available, four_bit=four_bit)
    here = replace(here, wsl="microsoft" in platform.release().lower())
    if not here.gpu:
        return here
    free, total = torch.cuda.mem_get_info(device)
    return replace(
        here,
        name=torch.cuda.get_device_name(device),
        vram_total=total,
        vram_free=min(total, free + round(STARTED)),
        capability=torch.cuda.get_device_capability(device),
        expandable=expands(),
        half=half_convolves(torch.device(device)),
    )


def summary(plan: MemoryPlan) -> str:
    """One line for the log."""
    stay, blocks = len(plan.resident), len(plan.parts.blocks)
    peak = f"vram={plan.vram / GIB:.1f}GiB " if plan.machine.gpu else ""
    where = f"precision={plan.precision} resident={stay}/{blocks} tiles={plan.tiles}"
    return f"memory plan {where} {peak}ram={plan.ram / GIB:.1f}GiB"


def sentence(plan: MemoryPlan) -> Said:
    """The plan in words."""
    stay, blocks, gpu = len(plan.resident), len(plan.parts.blocks), plan.machine.gpu
    ram = said("{most:.1f} of {limit:.1f} GiB of RAM", most=plan.ram / GIB, limit=plan.ram_limit / GIB)
    if not gpu:
        return said("It works in {precision} and takes at most {ram}.", precision=plan.precision, ram=ram)
    where = said("all blocks stay on the card")
    if plan.streams:
        facts = {"stay": stay, "blocks": blocks, "gb": plan.streamed / GB}
        where = said(
            "{stay} of {blocks} blocks stay on the card, and {gb:.1f} GB are copied to it in each step", **facts
        )
    vram = said("{most:.1f} of {limit:.1f} GiB of its memory", most=plan.vram / GIB, limit=plan.vram_limit / GIB)
    takes = {"precision": plan.precision, "where": where, "vram": vram, "ram": ram}
    return said("In {precision} {where}. It takes at most {vram} and {ram}.", **takes)


def told(plan: MemoryPlan) -> dict[str, Any]:
    """The plan as plain JSON, for who shows it. Bytes; the parts add up to the peak but for what libraries take."""
    parts, blocks = plan.parts, plan.parts.blocks
    return {
        "device": plan.machine.name,
        "gpu": plan.machine.gpu,
        "precision": plan.precision,
        "blocks": len(blocks),
        "resident": len(plan.resident),
        "streamed": plan.streamed,
        "vram": plan.vram if plan.machine.gpu else 0,
        "vram_limit": plan.vram_limit,
        "ram": plan.ram,
        "ram_limit": plan.ram_limit,
        "parts": {
            "blocks": sum(blocks[n] for n in plan.resident),
            "slots": slot_bytes(parts, plan.slots if plan.streams else 0),
            "tables": parts.table if plan.machine.gpu else TABLES * parts.table,
            "embedders": parts.small,
            "vae": plan.vae.bytes,
            "once": plan.once,
        },
    }


def memory_table(plan: MemoryPlan, title: str, say: Callable[[str], str] = str) -> Table:
    """The plan for people. say: what makes a sentence one of their language"""
    from rich.table import Table

    table = Table(title=say(title), caption=say(said("1 GiB = 1.07 GB; by arithmetic from shapes, nothing was loaded")))
    for column in (said("what"), said("where")):
        table.add_column(say(column))
    table.add_column("GiB", justify="right")
    for what, where, size in memory_rows(plan):
        table.add_row(say(what), say(where), gib(size))
    table.add_section()
    if plan.machine.gpu:
        table.add_row(say(said("peak of the GPU's memory")), say(of(plan.vram_limit)), gib(plan.vram))
    table.add_row(say(said("peak of RAM")), say(of(plan.ram_limit)), gib(plan.ram))
    return table


def memory_rows(plan: MemoryPlan) -> list[tuple[Said, Said, float]]:
    """What takes memory, where it lies, and how many bytes it has."""
    parts, blocks, stay = plan.parts, len(plan.parts.blocks), len(plan.resident)
    ram, once = said("RAM"), said("in their file, read once a prompt")
    here = said("device") if plan.machine.gpu else ram
    facts = {"stay": stay, "blocks": blocks, "precision": plan.precision}
    staying = said(
        "all {blocks} blocks, {precision}" if stay == blocks else "{stay} of {blocks} blocks, {precision}", **facts
    )
    rows: list[tuple[Said, Said, float]] = [(staying, here, sum(parts.blocks[n] for n in plan.resident))]
    if plan.streams:
        others = said("{blocks} blocks, {precision}", blocks=blocks - stay, precision=plan.precision)
        rows.append((others, said("RAM, travel every step"), plan.streamed))
        rows.append((said("{slots} slots for them", slots=plan.slots), here, slot_bytes(parts, plan.slots)))
    rows.append((said("modulation layers"), once, parts.modulation))
    if plan.machine.gpu:
        rows.append((said("their table for the prompt under way"), here, parts.table))
    rows.append((said("their tables for {count} prompts", count=TABLES), ram, TABLES * parts.table))
    rows.append((said("refiner, time and picture projections"), once if plan.machine.gpu else here, parts.aside))
    rows.append((said("embedders and head"), here, parts.small))
    rows.append((said("VAE"), here, plan.vae.bytes))
    rows.append((said("sampling, at its peak"), here, plan.activations))
    rows.append((said("a step cache"), here, plan.cached))
    side = plan.tiles.side
    tiles = said("tiles of {side} px" if side else "whole pictures", side=side)
    decoding = said("decoding, {tiles}, {frames} frames", tiles=tiles, frames=plan.tiles.frames)
    return [*rows, (decoding, here, plan.decoding)]


def of(limit: float) -> Said:
    """The most there may be."""
    return said("of {limit}", limit=gib(limit))


def gib(size: float) -> str:
    """Bytes as GiB, small ones with more digits."""
    return f"{size / GIB:.2f}" if size >= 0.005 * GIB else f"{size / GIB:.4f}"
