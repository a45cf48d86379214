"""What this machine can do for the engine, in plain sentences. Imports torch only when asked."""

import io
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any

import psutil
from PIL import Image
from rich.console import Console

from db.finding import Finding
from db.said import Said, listed, said, together, written
from gen import attention
from gen.card import PRESETS, find_checkpoint
from gen.check import Check, Classifier
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
from gen.hours import opens
from gen.leave import Leave
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


def examine(
    model: ModelConfig, models_dir: Path, sizes: tuple[str, ...] = (), say: Callable[[str], str] = str
) -> list[Finding]:
    """Everything the engine needs, and what to do about each miss.

    sizes: that may be asked for    say: what makes a sentence one of the reader's language, for the one with a table
    """
    each = [replace(model, device=device) for device in model.devices]
    return [
        library(model),
        *(found for one in each for found in device(one)),
        memory(),
        *dict.fromkeys(found for one in each for found in kernels(one)),
        *weights(model, models_dir),
        *loras(model, models_dir),
        *previews(model, models_dir),
        *(found for one in each for found in plan(one, models_dir, sizes, say, engines=len(each))),
        encoder(),
        *own(model),
    ]


def own(model: ModelConfig) -> list[Finding]:
    """When the machine is its owner's: the hours, and the programs that come first."""
    found, leave, now = [], Leave(model), datetime.now()
    if model.hours:
        facts = {"hours": model.hours, "now": f"{now:%H:%M}"}
        begins = opens(model.spans, now)
        text = said("Films are made in these hours by this machine's clock, which says {now}: {hours}.", **facts)
        if begins is not None:
            again = {**facts, "opens": f"{begins:%Y-%m-%d %H:%M}"}
            text = said(
                "Films wait until {opens}: it is {now} by this machine's clock, and hours are {hours}.", **again
            )
        found.append(Finding(True if begins is None else None, text))
    if model.yields_to:
        program = leave.first_of(leave.programs())
        text = said("None of the programs that come before films runs now: {names}.", names=", ".join(model.yields_to))
        if program:
            text = said("{program} runs, and comes before films ([model] yields_to): they wait.", program=program)
        found.append(Finding(None if program else True, text))
    return found


def library(model: ModelConfig) -> Finding:
    """What computes."""
    import torch

    threads = model.threads or torch.get_num_threads()
    works = said(
        "PyTorch {version} works with {threads} thread."
        if threads == 1
        else "PyTorch {version} works with {threads} threads.",
        version=torch.__version__,
        threads=threads,
    )
    return Finding(True, works)


def device(model: ModelConfig) -> list[Finding]:
    """Where it computes: the card and its driver, or why there is none."""
    import torch

    from gen.device import device_of, usual_device

    asked, cards = model.device, torch.cuda.is_available()
    name = usual_device() if asked == "auto" else asked
    if name == "cpu" and asked == "auto":
        why = too_old(torch.cuda.get_device_capability()) if cards else no_cuda()
        return [Finding(None, said("No GPU is used: {why} The tiny model runs well without one.", why=why))]
    try:
        here = device_of(name)
    except DeviceMissing as error:
        why = not_there(name, error.__cause__)
        facts = {"asked": asked, "why": why, "instead": "cpu" if asked == "auto" else said("auto or cpu")}
        return [Finding(False, said("[model] device is {asked}, but {why} Or set it to {instead}.", **facts))]
    if here.type == "cuda":
        return about(here) + (idle(torch.cuda.device_count()) if asked in ("auto", "cuda") else [])
    tried = said("no GPU is used." if here.type == "cpu" else "nobody has tried Flipbot on one yet.")
    return [Finding(None, said("[model] device is {asked}: {tried}", asked=asked, tried=tried))]


def idle(cards: int) -> list[Finding]:
    """Nothing, or that of several cards only one computes."""
    if cards < 2:
        return []
    every = ", ".join(f"cuda:{n}" for n in range(cards))
    more = said(
        'This machine has {count} cards, and one of them computes. [model] device = "{every}" has each make sections.',
        count=cards,
        every=every,
    )
    return [Finding(None, more)]


def not_there(name: str, error: BaseException | None) -> str:
    """Why a device that is asked for cannot be used, and what to do. error: what it answered"""
    import torch

    from gen.device import has_kernels

    if not name.startswith("cuda"):
        return said("this PyTorch cannot use one here.")
    if not torch.cuda.is_available():
        return said("{why} Mend that.", why=no_cuda())
    count, number = torch.cuda.device_count(), name.partition(":")[2] or "0"
    index = int(number) if number.isdecimal() else count
    if index >= count:
        return said(
            "there is one card, and the first is cuda:0."
            if count == 1
            else "there are {count} cards, and the first is cuda:0.",
            count=count,
        )
    capability = torch.cuda.get_device_capability(index)
    if not has_kernels(capability):
        return too_old(capability)
    if error is not None and ran_out(error):
        return said("its memory is full: close what else uses it.")
    if isinstance(error, Exception):
        return said("it does not answer ({error:.120}); restart the computer.", error=first_line(error))
    return said("it does not answer; restart the computer.")


def about(here: Any) -> list[Finding]:
    """What a card is that computes. here: torch.device"""
    import torch

    from gen.device import half_convolves
    from gen.precision import has_fp8_product

    library: Any = torch.backends.cudnn
    free, total = torch.cuda.mem_get_info(here)
    facts = {"name": torch.cuda.get_device_name(here), "free": free / GIB, "total": total / GIB}
    found = [Finding(True, said("GPU: {name}, {free:.1f} of {total:.1f} GiB free.", **facts))]
    if torch.version.hip is not None:
        return [*found, Finding(None, said("This PyTorch is for AMD's cards: nobody has tried Flipbot on one yet."))]
    half = half_convolves(here)
    found.append(computes(torch.cuda.get_device_capability(here), fp8=has_fp8_product(here), half=half))
    return found + (convolves(library.version() or 0) if half else [])


def too_old(capability: tuple[int, int]) -> str:
    """What to do where PyTorch has no kernels for a card of this compute capability."""
    version = f"{capability[0]}.{capability[1]}"
    lacks = said("this PyTorch has no kernels for a card of compute capability {version}.", version=version)
    if capability < (7, 5):  # source: pytorch/pytorch issues 172352 and 190385
        return together(lacks, said("PyTorch 2.14 and older for CUDA 12.6 has some for cards as old."))
    return together(lacks, said("Install the build that pytorch.org names."))


def computes(capability: tuple[int, int], *, fp8: bool, half: bool) -> Finding:
    """What a card of this compute capability works with.

    fp8: whether it multiplies e4m3    half: whether it convolves in float16
    """
    name = f"{capability[0]}.{capability[1]}"
    decoded = "" if half else said("Films are decoded in fp32, since its convolutions in fp16 cannot be used.")
    if capability < (7, 0):
        old = said(
            "Compute capability {name}: no tensor cores and no bfloat16. It computes in fp16, many times slower.",
            name=name,
        )
        return Finding(None, together(old, decoded))
    if capability < (8, 0):
        old = said(
            "Compute capability {name}: no bfloat16. It computes in fp16, with sums between the blocks in fp32.",
            name=name,
        )
        return Finding(None, together(old, decoded))
    does = said(
        "Compute capability {name}: computes in bf16, and fp8 products where weights are kept in fp8."
        if fp8
        else "Compute capability {name}: computes in bf16; fp8 saves memory, its weights are widened for each product.",
        name=name,
    )
    return Finding(True, does)


def where_of(model: ModelConfig) -> str:
    """The device that computes."""
    from gen.device import usual_device

    return usual_device() if model.device == "auto" else model.device


def convolves(cudnn: int) -> list[Finding]:
    """Nothing, or that PyTorch does not let this cuDNN decode. source: issues 163539 and 166643 of pytorch/pytorch."""
    if not 90800 <= cudnn < 91500:
        return []
    passed_over = said(
        "cuDNN {version}: PyTorch decodes films without this one, in many times the memory. Install a later one: "
        'pip install "nvidia-cudnn-cu12>=9.15", or -cu13, as your PyTorch has it.',
        version=f"{cudnn // 10000}.{cudnn // 100 % 100}",
    )
    return [Finding(None, passed_over)]


def no_cuda() -> Said:
    """Why torch sees no GPU, as far as can be told."""
    import torch

    if torch.version.hip is not None:
        return said("this PyTorch is for AMD's cards, and sees none.")
    if torch.version.cuda is None:
        return without_cuda(torch.__version__)
    if shutil.which("nvidia-smi") is None:
        return said("no NVIDIA driver is installed.")
    if (asked := cards_of_driver()) is None:
        return said("the NVIDIA driver does not answer; restart the computer.")
    if asked.returncode:
        return said("the NVIDIA driver shows no card.")
    return said("the driver and this PyTorch do not go together.")


def cards_of_driver() -> "subprocess.CompletedProcess[str] | None":
    """What NVIDIA's driver answers when it is asked for its cards; None where it does not answer."""
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return None


def without_cuda(version: str) -> Said:
    """What to do where this PyTorch is a build for the CPU; nothing where no card is there that it leaves unused."""
    asked = cards_of_driver()
    if asked is None or asked.returncode or "GPU" not in asked.stdout:
        return said("this PyTorch is a build for the CPU only.")
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    command = f"{python} -m pip install --force-reinstall torch=={version.partition('+')[0]} --index-url {CUDA_WHEELS}"
    return said(
        "an NVIDIA card is here, but this PyTorch is for the processor alone: {command} puts the one for the card "
        "in its place.",
        command=command,
    )


def memory() -> Finding:
    """RAM: the tiny model needs little, the large ones much."""
    seen = psutil.virtual_memory()
    free = said("RAM: {free:.1f} of {total:.1f} GiB free.", free=seen.available / GIB, total=seen.total / GIB)
    enough = seen.available >= GIB
    return Finding(enough, free if enough else together(free, said("At least 1 GiB is needed.")))


def kernels(model: ModelConfig) -> list[Finding]:
    """Which attention kernel is chosen, and why not a faster one."""
    where = where_of(model)
    try:
        chosen = attention.choose(
            model.attention, attention.capability_of(where), attention.trial_on(where, model.precision)
        )
    except GenError as error:
        return [Finding(False, error.said())]
    native = chosen.backend == attention.NATIVE
    name = said("PyTorch's own") if native else chosen.backend
    return [Finding(None if native else True, said("Attention: {name}. {why}", name=name, why=chosen.why))]


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
        return [Finding(False, error.said())]
    each = [said("{file} at {weight:g}", file=file.name, weight=weight) for file, weight in found]
    return [Finding(True, said("LoRAs: {files}.", files=listed(each)))]


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
        return [Finding(None, error.said())]
    return [Finding(True, said("Previews: by {file}; films by the model's own decoder.", file=file.name))]


def weights(model: ModelConfig, models_dir: Path) -> list[Finding]:
    """Whether every part of the configured checkpoint is there; each file that is not, by name."""
    if found := faults(model.name, models_dir):
        known = any(isinstance(each, CheckpointMissing | UnknownModel) for each in found)  # and says what to do
        again = [] if known else [to_do(model.name, models_dir)]
        named = [said("Model {name}: {error}", name=model.name, error=error.said()) for error in found]
        return [Finding(False, each) for each in named] + again
    card = find_checkpoint(model.name, models_dir).card
    whole = said(
        "Model {model} is complete."
        if card.trained
        else "Model {model} is complete (untrained test checkpoint: shows the machinery, not pictures).",
        model=card.identity,
    )
    knows = [written(row) for row in card.understands]
    if not knows:
        return [Finding(True, whole)]
    texts = reduce(lambda first, second: said("{first}; {second}", first=first, second=second), knows)
    return [Finding(True, together(whole, said("It understands: {texts}.", texts=texts)))]


def to_do(name: str, models_dir: Path) -> Finding:
    """What mends a checkpoint that is not complete."""
    if name not in PRESETS:
        return Finding(False, said("Copy the checkpoint's folder here once more, or name another one in [model] name."))
    under_way = sum(path.stat().st_size for path in models_dir.rglob("*.part"))
    begun = said("A download stopped midway with {gib:.1f} GiB of a file; it goes on there.", gib=under_way / GIB)
    run = said("Run `flipbot download {name}`: it fetches what is absent or damaged and keeps the rest.", name=name)
    return Finding(False, together(run, begun) if under_way else run)


def plan(
    model: ModelConfig,
    models_dir: Path,
    sizes: tuple[str, ...] = (),
    say: Callable[[str], str] = str,
    *,
    engines: int = 1,
) -> list[Finding]:
    """What would stay on the device and what would travel, in one table; or why that cannot work.

    engines: how many share this machine's RAM
    """
    try:
        made = planned(model, models_dir, sizes, engines=engines)
    except (TooLittleMemory, BadPrecision) as error:
        return [Finding(False, said("Memory: {why}", why=error.said()))]
    except SizeNotSupported as error:
        return [Finding(False, error.said())]
    if made is None:
        return []
    with io.StringIO() as text:
        machine = made.machine.name if engines == 1 else f"{made.machine.name} ({model.device})"
        title = said("Memory plan of {model} on {machine}", model=model.name, machine=machine)
        Console(file=text, width=100, markup=False, emoji=False).print(memory_table(made, title, say))
        fits = say(said("Memory: {why}", why=sentence(made)))
        shown = Finding(True, "\n".join([fits, text.getvalue().rstrip()]))
    return [shown, *slow(model.name, made.machine, sizes)]


def slow(name: str, machine: Machine, sizes: tuple[str, ...] = ()) -> list[Finding]:
    """That a processor alone is no way to make films with a large model, where there is nothing else."""
    if machine.gpu or name not in PRESETS:
        return []
    card = PRESETS[name]
    h, w = largest(card, sizes)
    hours = card.steps * step_tflop(w, h) / PROCESSOR / 3600
    takes = said(
        "Speed: without a card, 1.2 s of film at {size} take {hours:.1f} hours even at {pace:g} TFLOP/s, more than "
        "most processors do. Use tiny here, or a machine with one.",
        size=f"{w}x{h}",
        hours=hours,
        pace=PROCESSOR,
    )
    return [Finding(None, takes)]


def planned(
    model: ModelConfig, models_dir: Path, sizes: tuple[str, ...] = (), *, engines: int = 1
) -> MemoryPlan | None:
    """The memory plan here and now; None where there is no checkpoint or no such device, which is said elsewhere.

    Of published weights it is known before they are fetched: nobody should fetch 40 GiB to hear that they do not fit.

    raises: TooLittleMemory, BadPrecision, SizeNotSupported
    """
    limits = (model.vram_limit_gib, model.ram_limit_gib)
    wishes = Wishes(model.precision, *limits, sizes=sizes, beside=(0, engines - 1))
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


def looks(check: Check | None) -> list[Finding]:
    """Whether what is to look at pictures first can, tried on a grey one."""
    if check is None:
        return []
    try:
        classifier = Classifier(check)
        classifier.scores([Image.new("RGB", (64, 48), "grey")])
    except GenError as error:
        return [Finding(False, error.said())]
    labels = listed(sorted(classifier.labels))
    facts = {"labels": labels, "least": check.least}
    pictures = said("Pictures are looked at first: {labels} from {least:.0%} on is held back.", **facts)
    films = said("Pictures and films are looked at first: {labels} from {least:.0%} on is held back.", **facts)
    return [Finding(True, films if check.films else pictures)]


def encoder() -> Finding:
    """Whether PyAV can make H.264."""
    import av

    if "libx264" in av.codecs_available:
        return Finding(True, said("Films: PyAV {version} with libx264.", version=av.__version__))
    cannot = said("PyAV here cannot make H.264. Install it from its wheel: pip install --force-reinstall av.")
    return Finding(False, cannot)


def speed(model: ModelConfig, paces: Sequence[Pace], models_dir: Path, sizes: tuple[str, ...] = ()) -> list[Finding]:
    """Whether the large models run as fast here as they should; nothing is said of others, or before the first film."""
    if model.name not in PRESETS:
        return []
    each = [replace(model, device=device) for device in model.devices]
    found = (speed_of(one, paces, models_dir, sizes, engines=len(each)) for one in each)
    return list(dict.fromkeys(finding for finding in found if finding is not None))


def speed_of(
    model: ModelConfig, paces: Sequence[Pace], models_dir: Path, sizes: tuple[str, ...], *, engines: int
) -> Finding | None:
    """The same of one device: by the sections that were made on such a card."""
    where = where_of(model)
    gpu = this_gpu(where)
    made_here = [pace for pace in paces if pace.card in ("", gpu.name)]
    try:
        kernel = attention.choose(model.attention, attention.capability_of(where)).backend
    except GenError:
        return None  # that is a finding of its own
    if not made_here:
        return None
    return Finding(*verdict(made_here, gpu, kernel, streamed(model, models_dir, sizes, engines=engines)))


def this_gpu(where: str) -> Gpu:
    """What bounds the speed of the card here; nothing known where there is none."""
    import torch

    if not where.startswith("cuda") or not torch.cuda.is_available() or torch.version.hip is not None:
        return Gpu()
    seen: Any = torch.cuda.get_device_properties(where)
    clock = 1000.0 * getattr(seen, "clock_rate", 0)  # kHz; not every version of PyTorch tells it
    return Gpu(seen.name, (seen.major, seen.minor), seen.multi_processor_count, clock)


def streamed(model: ModelConfig, models_dir: Path, sizes: tuple[str, ...] = (), *, engines: int = 1) -> int:
    """Bytes that travel to the card in each step, as planned here now; 0 where there is no plan."""
    try:
        made = planned(model, models_dir, sizes, engines=engines)
    except GenError:
        return 0
    return made.streamed if made is not None and made.machine.gpu else 0
