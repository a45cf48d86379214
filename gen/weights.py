"""Loading a checkpoint's parts through the stock classes; what is wrong with its files is said by name."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from db.said import said
from gen.card import PARTS, Checkpoint, read_json
from gen.device import device_of
from gen.errors import CheckpointCorrupt, CheckpointIncomplete, GenError, OutOfMemory, ran_out, unfit
from gen.files import check_weights, check_words
from gen.llama import load_llama
from gen.modulation import Modulation
from gen.process import give_back
from gen.sources import CONFIGS
from gen.stream import Streamer
from gen.taps import drop_zero_taps
from gen.tensors import Merge
from gen.transformer import Compiled, Placement, load_transformer


@dataclass(frozen=True)
class Models:
    """The loaded parts, all in evaluation mode on one device; those not asked for are None."""

    device: torch.device
    transformer: Any = None
    vae: Any = None
    text_encoder: Any = None
    text_encoder_2: Any = None
    tokenizer: Any = None
    tokenizer_2: Any = None
    image_encoder: Any = None
    feature_extractor: Any = None
    modulation: Modulation | None = None
    streamer: Streamer | None = None
    compiled: Compiled | None = None


def load(
    checkpoint: Checkpoint,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    parts: tuple[str, ...] = PARTS,
    placement: Placement | None = None,
    merge: Merge | None = None,
) -> Models:
    """Load the parts of a checkpoint onto a device; the network is not asked.

    dtype:  of every model; None is float32 on a CPU, and elsewhere what the reference runs: bfloat16 for the
            transformer, float16 for the rest (the VAE in float32 where the placement says so)
    placement: where the transformer's weights go and how they are kept; None: all on the device, in its dtype
    merge:  changes the transformer's weights as they are read, such as for a LoRA
    raises: CheckpointIncomplete, CheckpointCorrupt with the file's name, DeviceMissing, OutOfMemory
    """
    place = device_of(device)
    with quiet():
        aside = ("image_encoder",) if placement is not None and placement.aside else ()
        wide = {"vae": torch.float32} if placement is not None and placement.wide_vae else {}
        found: dict[str, Any] = {
            part: OnCall(checkpoint.parts[part], part)
            if part in aside
            else load_part(checkpoint.parts[part], part, place, wide.get(part, dtype))
            for part in parts
            if part != "transformer"
        }
        if "transformer" not in parts:
            return Models(place, **found)
        folder = checkpoint.parts["transformer"]
        check_weights(folder, "transformer")
        made = load_transformer(folder, placement or usual_placement(place, dtype), place, merge)
    return Models(place, **vars(made), **found)


def usual_placement(device: torch.device, dtype: torch.dtype | None) -> Placement:
    """Everything on the device: in float32 on a CPU, elsewhere in bfloat16, unless a dtype is asked for."""
    if dtype is None:
        return Placement("fp32" if device.type == "cpu" else "bf16")
    return Placement({torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype])


class OnCall:
    """A part that is in memory only while it is called, on the CPU: a second or two for each picture.

    So where there is no room to spare, RAM has the picture's encoder or the process that reads prompts, never both.
    """

    device = torch.device("cpu")

    def __init__(self, folder: Path, part: str) -> None:
        """raises: what load_part raises: it is tried now"""
        self.folder, self.part = folder, part
        self.dtype: torch.dtype = self.loaded().dtype
        tidy()

    def loaded(self) -> Any:
        """The part, from its files."""
        with quiet():
            return load_part(self.folder, self.part, self.device, None)

    def __call__(self, *given: Any) -> Any:
        """As the part answers."""
        try:
            return self.loaded()(*given)
        finally:
            tidy()


def tidy() -> None:
    """Give the memory of what nobody has any more back to the system; modules hold each other."""
    gc.collect()
    give_back()


def load_part(folder: Path, part: str, device: torch.device, dtype: torch.dtype | None) -> Any:
    """One part, by the stock class for it."""
    read_json(folder / CONFIGS.get(part, "config.json"))
    if part in CONFIGS:
        check_words(folder, part)
        with reading(folder):
            return processor(part, folder)(folder, local_files_only=True)
    check_weights(folder, part)
    if dtype is None:
        usual = torch.bfloat16 if part == "transformer" else torch.float16
        dtype = torch.float32 if device.type == "cpu" else usual
    if part == "text_encoder":
        with reading(folder):
            return load_llama(folder, dtype).to(device)
    model = load_model(folder, part, dtype).eval().requires_grad_(False)
    if part == "vae":
        drop_zero_taps(model)
    return model.to(device)


def load_model(folder: Path, part: str, dtype: torch.dtype) -> Any:
    """A model with every one of its weights from the file: stock classes would fill a gap with random numbers."""
    kind, of_diffusers = model_class(part), part in ("transformer", "vae")
    options = {"torch_dtype" if of_diffusers else "dtype": dtype, "local_files_only": True}
    with reading(folder):
        model, info = kind.from_pretrained(folder, output_loading_info=True, **options)
    for what in ("missing_keys", "mismatched_keys", "error_msgs"):
        if found := sorted(map(str, info[what])):
            raise CheckpointCorrupt(file=str(folder), why=unfit(what, found[0]))
    return model


def model_class(part: str) -> Any:
    """The class of a part that has weights, but for the Llama; imported late, it takes seconds."""
    if part in ("transformer", "vae"):
        import diffusers

        of_diffusers: Any = diffusers
        names = {"transformer": "HunyuanVideoFramepackTransformer3DModel", "vae": "AutoencoderKLHunyuanVideo"}
        return getattr(of_diffusers, names[part])
    if part == "text_encoder_2":
        from transformers import CLIPTextModel

        return CLIPTextModel
    from transformers import SiglipVisionModel

    return SiglipVisionModel


def import_all() -> None:
    """Import every part's class, and with it what is written in C, before a thread waits at stdin.

    On Windows some of that asks after stdin while it is loaded, and waits for the thread (numpy/numpy issue 24290).
    """
    for part in ("transformer", "vae", "text_encoder_2", "image_encoder"):
        model_class(part)
    for part in ("tokenizer", "feature_extractor"):
        processor(part, Path("nowhere"))


@contextmanager
def staying() -> Iterator[None]:
    """What is imported within stays, and no collector looks through it now or later: a tenth of the import's time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def processor(part: str, folder: Path) -> Callable[..., Any]:
    """The loader of a part without weights. Pillow's image processor: the other one needs torchvision.

    The Llama's tokenizer is what tokenizer.json says, whatever class its config names: transformers 5.20 built that
    class around it, and every space and line break of a prompt was lost.
    """
    if part == "tokenizer" and (folder / "tokenizer.json").is_file():
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained
    if part != "feature_extractor":
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    return SiglipImageProcessorPil.from_pretrained


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Whatever a stock loader chokes on is a fault of the files in this folder."""
    try:
        yield
    except GenError:
        raise
    except FileNotFoundError as error:
        raise CheckpointIncomplete(file=error.filename or str(folder)) from error
    except Exception as error:  # the tokenizers library raises no type of its own
        if ran_out(error):
            raise OutOfMemory(doing=said("loading {part}", part=folder.name)) from error
        raise CheckpointCorrupt(
            file=str(folder), why=said("cannot be loaded ({error})", error=type(error).__name__)
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of transformers while loading: the terminal is the caller's."""
    from transformers.utils import logging as library

    logging: Any = library
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
