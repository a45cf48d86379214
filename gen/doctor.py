"""What this machine can do for the engine, in plain sentences. Imports torch only when asked."""

import io
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from db.finding import Finding
from gen import attention
from gen.card import PRESETS, find_checkpoint
from gen.config import ModelConfig
from gen.errors import (
    BadPrecision,
    CheckpointCorrupt,
    CheckpointIncomplete,
    CheckpointMissing,
    DeviceMissing,
    GenError,
    SizeNotSupported,
    TooLittleMemory,
    UnknownModel,
    first_line,
    ran_out,
)
from gen.files import faults, weight_files
from gen.memory import (
    Machine,
    MemoryPlan,
    Wishes,
    largest,
    memory_table,
    plan_checkpoint,
    plan_published,
    sentence,
    this_machine,
)
from gen.roofline import Gpu, Pace, step_tflop, verdict

GIB = 1 << 30
CUDA_WHEELS = "https://download.pytorch.org/whl/cu130"  # for Linux and Windows; what PyPI has for Linux is this build
PROCESSOR = 1.0  # TFLOP/s, float32: two cores of a server made 0.2 (docs/benchmarks.md), a large desktop makes about 1


def examine(model: ModelConfig, models_dir: Path, sizes: tuple[str, ...] = ()) -> list[Finding]:
    """Everything the engine needs, and what to do about each miss. sizes: that may be asked for."""
    return [
        *device(model),
        memory(),
        *kernels(model),
        *weights(model, models_dir),
        *loras(model, models_dir),
        *previews(model, models_dir),
        *plan(model, models_dir, sizes),
        encoder(),
    ]


def device(model: ModelConfig) -> list[Finding]:
    """What computes, and the card and its driver, or why there is none."""
    import torch

    from gen.device import device_of, usual_device

    threads = model.threads or torch.get_num_threads()
    found = [Finding(True, f"PyTorch {torch.__version__} works with {threads} thread{'' if threads == 1 else 's'}.")]
    asked, cards = model.device, torch.cuda.is_available()
    name = usual_device() if asked == "auto" else asked
    if name == "cpu" and asked == "auto":
        why = too_old(torch.cuda.get_device_capability()) if cards else no_cuda()
        return [*found, Finding(None, f"No GPU is used: {why} The tiny model runs well without one.")]
    try:
        here = device_of(name)
    except DeviceMissing as error:
        instead = "cpu" if asked == "auto" else "auto or cpu"
        why = not_there(name, error.__cause__)
        return [*found, Finding(False, f"[model] device is {asked}, but {why} Or set it to {instead}.")]
    if here.type == "cuda":
        return found + about(here)
    tried = "no GPU is used." if here.type == "cpu" else "nobody has tried Flipbot on one yet."
    return [*found, Finding(None, f"[model] device is {asked}: {tried}")]


def not_there(name: str, error: BaseException | None) -> str:
    """Why a device that is asked for cannot be used, and what to do. error: what it answered"""
    import torch

    from gen.device import has_kernels

    if not name.startswith("cuda"):
        return "this PyTorch cannot use one here."
    if not torch.cuda.is_available():
        return f"{no_cuda()} Mend that."
    count, number = torch.cuda.device_count(), name.partition(":")[2] or "0"
    index = int(number) if number.isdecimal() else count
    if index >= count:
        return f"there {'is one card' if count == 1 else f'are {count} cards'}, and the first is cuda:0."
    capability = torch.cuda.get_device_capability(index)
    if not has_kernels(capability):
        return too_old(capability)
    if error is not None and ran_out(error):
        return "its memory is full: close what else uses it."
    said = f" ({first_line(error):.120})" if isinstance(error, Exception) else ""
    return f"it does not answer{said}; restart the computer."


def about(here: Any) -> list[Finding]:
    """What a card is that computes. here: torch.device"""
    import torch

    from gen.device import half_convolves
    from gen.precision import has_fp8_product

    library: Any = torch.backends.cudnn
    free, total = torch.cuda.mem_get_info(here)
    found = [Finding(True, f"GPU: {torch.cuda.get_device_name(here)}, {free / GIB:.1f} of {total / GIB:.1f} GiB free.")]
    if torch.version.hip is not None:
        return [*found, Finding(None, "This PyTorch is for AMD's cards: nobody has tried Flipbot on one yet.")]
    half = half_convolves(here)
    found.append(computes(torch.cuda.get_device_capability(here), fp8=has_fp8_product(here), half=half))
    return found + (convolves(library.version() or 0) if half else [])


def too_old(capability: tuple[int, int]) -> str:
    """What to do where PyTorch has no kernels for a card of this compute capability."""
    lacks = f"this PyTorch has no kernels for a card of compute capability {capability[0]}.{capability[1]}."
    if capability < (7, 5):  # source: pytorch/pytorch issues 172352 and 190385
        return f"{lacks} PyTorch 2.14 and older for CUDA 12.6 has some for cards as old."
    return f"{lacks} Install the build that pytorch.org names."


def computes(capability: tuple[int, int], *, fp8: bool, half: bool) -> Finding:
    """What a card of this compute capability works with.

    fp8: whether it multiplies e4m3    half: whether it convolves in float16
    """
    name = f"Compute capability {capability[0]}.{capability[1]}"
    decoded = "" if half else " Films are decoded in fp32, since its convolutions in fp16 cannot be used."
    if capability < (7, 0):
        return Finding(
            None, f"{name}: no tensor cores and no bfloat16. It computes in fp16, many times slower.{decoded}"
        )
    if capability < (8, 0):
        sums = "It computes in fp16, with sums between the blocks in fp32."
        return Finding(None, f"{name}: no bfloat16. {sums}{decoded}")
    if not fp8:
        return Finding(True, f"{name}: computes in bf16; fp8 saves memory, its weights are widened for each product.")
    return Finding(True, f"{name}: computes in bf16, and fp8 products where weights are kept in fp8.")


def where_of(model: ModelConfig) -> str:
    """The device that computes."""
    from gen.device import usual_device

    return usual_device() if model.device == "auto" else model.device


def convolves(cudnn: int) -> list[Finding]:
    """Nothing, or that PyTorch does not let this cuDNN decode. source: issues 163539 and 166643 of pytorch/pytorch."""
    if not 90800 <= cudnn < 91500:
        return []
    which = f"cuDNN {cudnn // 10000}.{cudnn // 100 % 100}"
    return [
        Finding(
            None,
            f"{which}: PyTorch decodes films without this one, in many times the memory. Install a later one: "
            'pip install "nvidia-cudnn-cu12>=9.15", or -cu13, as your PyTorch has it.',
        )
    ]


def no_cuda() -> str:
    """Why torch sees no GPU, as far as can be told."""
    import torch

    if torch.version.hip is not None:
        return "this PyTorch is for AMD's cards, and sees none."
    if torch.version.cuda is None:
        return without_cuda(torch.__version__)
    if shutil.which("nvidia-smi") is None:
        return "no NVIDIA driver is installed."
    try:
        asked = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return "the NVIDIA driver does not answer; restart the computer."
    return "the NVIDIA driver shows no card." if asked.returncode else "the driver and this PyTorch do not go together."


def without_cuda(version: str) -> str:
    """What to do where this PyTorch is a build for the CPU; nothing where no card is there that it leaves unused."""
    try:
        asked = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        asked = None
    if asked is None or asked.returncode or "GPU" not in asked.stdout:
        return "this PyTorch is a build for the CPU only."
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    wheel = f"torch=={version.partition('+')[0]} --index-url {CUDA_WHEELS}"
    return (
        "an NVIDIA card is here, but this PyTorch is for the processor alone: "
        f"{python} -m pip install --force-reinstall {wheel} puts the one for the card in its place."
    )


def memory() -> Finding:
    """RAM: the tiny model needs little, the large ones much."""
    seen = psutil.virtual_memory()
    sentence = f"RAM: {seen.available / GIB:.1f} of {seen.total / GIB:.1f} GiB free."
    enough = seen.available >= GIB
    return Finding(enough, sentence if enough else f"{sentence} At least 1 GiB is needed.")


def kernels(model: ModelConfig) -> list[Finding]:
    """Which attention kernel is chosen, and why not a faster one."""
    where = where_of(model)
    try:
        chosen = attention.choose(
            model.attention, attention.capability_of(where), attention.trial_on(where, model.precision)
        )
    except GenError as error:
        return [Finding(False, str(error))]
    name = "PyTorch's own" if chosen.backend == attention.NATIVE else chosen.backend
    return [Finding(None if chosen.backend == attention.NATIVE else True, f"Attention: {name}. {chosen.why}")]


def loras(model: ModelConfig, models_dir: Path) -> list[Finding]:
    """Whether the configured LoRAs are there and fit."""
    found = [(Path(file), weight) for file, weight in model.lora_files(models_dir)]
    if not found or faults(model.name, models_dir):
        return []
    checkpoint = find_checkpoint(model.name, models_dir)
    from gen.lora import merge_of
    from gen.tensors import Files

    try:
        merge_of(found, Files(weight_files(checkpoint.parts["transformer"], "transformer")).shapes)
    except GenError as error:
        return [Finding(False, str(error))]
    return [Finding(True, f"LoRAs: {', '.join(f'{file.name} at {weight:g}' for file, weight in found)}.")]


def previews(model: ModelConfig, models_dir: Path) -> list[Finding]:
    """Whether the configured decoder of previews is there and fits; films are made without it as well."""
    if not model.preview_decoder or faults(model.name, models_dir):
        return []
    import torch

    from gen.taehv import load_taehv

    card, file = find_checkpoint(model.name, models_dir).card, Path(model.preview_file(models_dir))
    try:
        load_taehv(file, card.latent_channels, card.space_compression, torch.device("cpu"))
    except GenError as error:
        return [Finding(None, str(error))]
    return [Finding(True, f"Previews: by {file.name}; films by the model's own decoder.")]


def weights(model: ModelConfig, models_dir: Path) -> list[Finding]:
    """Whether every part of the configured checkpoint is there; each file that is not, by name."""
    if found := faults(model.name, models_dir):
        known = any(isinstance(each, CheckpointMissing | UnknownModel) for each in found)  # and says what to do
        again = [] if known else [to_do(model.name, models_dir)]
        return [Finding(False, f"Model {model.name}: {error}") for error in found] + again
    card = find_checkpoint(model.name, models_dir).card
    trained = "" if card.trained else " (untrained test checkpoint: shows the machinery, not pictures)"
    knows = "; ".join(row["en"] for row in card.understands)
    return [
        Finding(True, f"Model {card.identity} is complete{trained}." + (f" It understands: {knows}." if knows else ""))
    ]


def to_do(name: str, models_dir: Path) -> Finding:
    """What mends a checkpoint that is not complete."""
    if name not in PRESETS:
        return Finding(False, "Copy the checkpoint's folder here once more, or name another one in [model] name.")
    under_way = sum(path.stat().st_size for path in models_dir.rglob("*.part"))
    begun = (
        f" A download stopped midway with {under_way / GIB:.1f} GiB of a file; it goes on there." if under_way else ""
    )
    return Finding(
        False, f"Run `flipbot download {name}`: it fetches what is absent or damaged and keeps the rest.{begun}"
    )


def plan(model: ModelConfig, models_dir: Path, sizes: tuple[str, ...] = ()) -> list[Finding]:
    """What would stay on the device and what would travel, in one table; or why that cannot work."""
    try:
        made = planned(model, models_dir, sizes)
    except (TooLittleMemory, BadPrecision) as error:
        return [Finding(False, f"Memory: {error}")]
    except SizeNotSupported as error:
        return [Finding(False, str(error))]
    if made is None:
        return []
    with io.StringIO() as text:
        table = memory_table(made, f"Memory plan of {model.name} on {made.machine.name}")
        Console(file=text, width=100, markup=False, emoji=False).print(table)
        fits = Finding(True, f"Memory: {sentence(made)}\n{text.getvalue().rstrip()}")
    return [fits, *slow(model.name, made.machine, sizes)]


def slow(name: str, machine: Machine, sizes: tuple[str, ...] = ()) -> list[Finding]:
    """That a processor alone is no way to make films with a large model, where there is nothing else."""
    if machine.gpu or name not in PRESETS:
        return []
    card = PRESETS[name]
    h, w = largest(card, sizes)
    hours = card.steps * step_tflop(w, h) / PROCESSOR / 3600
    long = (
        f"1.2 s of film at {w}x{h} take {hours:.1f} hours even at {PROCESSOR:g} TFLOP/s, more than most processors do."
    )
    return [Finding(None, f"Speed: without a card, {long} Use tiny here, or a machine with one.")]


def planned(model: ModelConfig, models_dir: Path, sizes: tuple[str, ...] = ()) -> MemoryPlan | None:
    """The memory plan here and now; None where there is no checkpoint or no such device, which is said elsewhere.

    Of published weights it is known before they are fetched: nobody should fetch 40 GiB to hear that they do not fit.

    raises: TooLittleMemory, BadPrecision, SizeNotSupported
    """
    wishes = Wishes(model.precision, model.vram_limit_gib, model.ram_limit_gib, sizes=sizes)
    try:
        return plan_of(model.name, models_dir, this_machine(where_of(model)), wishes)
    except (TooLittleMemory, BadPrecision, SizeNotSupported):
        raise
    except (GenError, RuntimeError, AssertionError):
        return None


def plan_of(name: str, models_dir: Path, machine: Machine, wishes: Wishes) -> MemoryPlan | None:
    """The plan of what is there of a model, or of what is published of it; None where it is neither."""
    try:
        return plan_checkpoint(find_checkpoint(name, models_dir), machine, wishes)
    except (CheckpointMissing, CheckpointIncomplete, CheckpointCorrupt):
        return plan_published(PRESETS[name], machine, wishes) if name in PRESETS else None


def encoder() -> Finding:
    """Whether PyAV can make H.264."""
    import av

    if "libx264" in av.codecs_available:
        return Finding(True, f"Films: PyAV {av.__version__} with libx264.")
    return Finding(False, "PyAV here cannot make H.264. Install it from its wheel: pip install --force-reinstall av.")


def speed(model: ModelConfig, paces: Sequence[Pace], models_dir: Path, sizes: tuple[str, ...] = ()) -> list[Finding]:
    """Whether the large models run as fast here as they should; nothing is said of others, or before the first film."""
    if model.name not in PRESETS or not paces:
        return []
    where = where_of(model)
    try:
        kernel = attention.choose(model.attention, attention.capability_of(where)).backend
    except GenError:
        return []  # that is a finding of its own
    return [Finding(*verdict(paces, this_gpu(where), kernel, streamed(model, models_dir, sizes)))]


def this_gpu(where: str) -> Gpu:
    """What bounds the speed of the card here; nothing known where there is none."""
    import torch

    if not where.startswith("cuda") or not torch.cuda.is_available() or torch.version.hip is not None:
        return Gpu()
    seen: Any = torch.cuda.get_device_properties(where)
    clock = 1000.0 * getattr(seen, "clock_rate", 0)  # kHz; not every version of PyTorch tells it
    return Gpu(seen.name, (seen.major, seen.minor), seen.multi_processor_count, clock)


def streamed(model: ModelConfig, models_dir: Path, sizes: tuple[str, ...] = ()) -> int:
    """Bytes that travel to the card in each step, as planned here now; 0 where there is no plan."""
    try:
        made = planned(model, models_dir, sizes)
    except GenError:
        return 0
    return made.streamed if made is not None and made.machine.gpu else 0
