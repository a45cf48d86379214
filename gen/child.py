"""The process that owns the GPU: a message in, a section out.

Lines of JSON on stdin and stdout; whatever a library prints goes to stderr. It opens no database and talks to nobody
but its parent; when the parent is gone, stdin ends and so does this process, in the middle of a step if need be.

    ← {"event": "ready", ...}                               after {"do": "load", ...}
    ← {"event": "phase", "phase": "encoding"}               what it is busy with now
    ← {"event": "step", "n": 3, "of": 8, "preview": ...}    one sampling step, with a JPEG (base64) at most every second
    ← {"event": "section", "latents": path, ...}            the files it made, inside the folder the parent named
    ← {"event": "error", "reason": ..., "facts": {...}}     the section was not made; the process lives on
"""

import base64
import io
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from db.said import packed, said
from gen import attention, errors, film, inputs, weights
from gen.card import PARTS, Card, find_checkpoint
from gen.check import FRAMES, Check, Classifier
from gen.device import device_of, usual_device, uuid_of
from gen.engine import Engine, Previewer
from gen.files import identity, weight_files
from gen.lora import identity_of_loras, merge_of
from gen.memory import (
    CONTEXT,
    GIB,
    WORKSPACE,
    Machine,
    MemoryPlan,
    Wishes,
    plan_now,
    share_of,
    summary,
    this_machine,
    told,
)
from gen.pipe import Answer, Message, Say, serve
from gen.process import give_back
from gen.sample import make_caches, ran
from gen.stream import cuda
from gen.taehv import load_taehv
from gen.tensors import Files
from gen.texts import TEXT_PARTS, Texts, TextsElsewhere, TextsHere, fits_here
from gen.transformer import placement_of
from gen.types import Conditioning, Plan, Step

NICE = 5  # of this process: where the processor computes, people are answered first, and nothing else waits
PREVIEW_EVERY_S = 1.0
NOT_COMPARED = {"ran": 0, "card": ""}  # of what latents say of what made them: for the doctor alone
TIDY_EVERY = 8  # sections

log = logging.getLogger("flipbot.child")


class Child:
    """Answers one message after the other; holds the loaded models between them."""

    def __init__(self, say: Say, cancelled: Callable[[int], bool]) -> None:
        """say: sends one event to the parent; cancelled: whether the parent took back the section with that id."""
        self.say = say
        self.cancelled = cancelled
        self.engine: Engine | None = None
        self.classifier: Classifier | None = None
        self.looked_at: set[str] = set()  # pictures
        self.made_by: dict[str, Any] = {}  # what the numbers depend on beside the plan
        self.device = "cpu"
        self.planned: MemoryPlan | None = None
        self.untidy = 0  # sections since memory was given back

    def answer(self, message: Message) -> None:
        """Do what the message asks and say how it went. raises: SystemExit, where the card is lost to this process."""
        try:
            if message["do"] == "load":
                self.load(message)
            else:
                self.tidy(self.section(message))
        except Exception as error:  # the edge of the process: the parent hears a reason, the log has the rest
            ours = isinstance(error, errors.GenError)
            if short := isinstance(error, errors.OutOfMemory) or (not ours and errors.ran_out(error)):
                error = self.crowded() or (error if ours else errors.OutOfMemory())
            if isinstance(error, errors.MemoryTaken):
                error.facts["card"] = uuid_of(torch.device(self.device))
            if isinstance(error, errors.GenError):
                self.tidy(True)  # a cancel is one: there may be nothing to do after it
                if short and torch.cuda.is_available():
                    torch.cuda.empty_cache()
                self.say({"event": "error", "reason": error.reason, "facts": packed(error.facts)})
                return
            log.exception("unexpected")
            if lost_card():
                log.error("the card does not answer any more; another process begins anew")
                raise SystemExit(1) from error
            self.say({"event": "error", "reason": "internal", "facts": {"what": type(error).__name__}})

    def crowded(self) -> errors.MemoryTaken | None:
        """What to say where memory ran out because other programs have taken what the plan counted on."""
        if self.planned is None or not self.planned.machine.gpu:
            return None
        device = torch.device(self.planned.machine.device)
        try:
            free, _ = torch.cuda.mem_get_info(device)
        except RuntimeError:  # it does not answer any more
            return None
        need, have = self.planned.vram, free + torch.cuda.memory_reserved(device) + CONTEXT
        if have >= need:
            return None
        gib = {"need": f"{need / GIB:.1f}", "have": f"{have / GIB:.1f}"}
        return errors.MemoryTaken(kind=said("VRAM"), precision=self.planned.precision, **gib)

    def load(self, message: Message) -> None:
        """Load the checkpoint of the message onto its device."""
        if message["threads"]:
            torch.set_num_threads(message["threads"])
        torch.backends.cudnn.deterministic = True  # a resumed film must be equal to the bit
        models_dir = Path(message["models_dir"]) if message["models_dir"] else None
        checkpoint = find_checkpoint(message["model"], models_dir)
        device = message["device"]
        if device == "auto":
            device = usual_device()
            if device == "cpu" and torch.cuda.is_available():
                log.warning("this PyTorch has no kernels for the card: the processor computes; see flipbot doctor")
        self.device = device
        tried(device)
        self.engine = None  # before the new one: both would not fit
        check = message.get("check")
        self.classifier = Classifier(Check.from_json(check)) if check else None  # before memory is planned
        wishes = Wishes(
            message["precision"],
            message.get("vram_limit_gib", 0.0),
            message.get("ram_limit_gib", 0.0),
            message.get("tighter", 0),
            tuple(message.get("sizes", ())),
            (message.get("beside_loaded", 0), message.get("beside_waiting", 0)),
        )
        machine = this_machine(device)
        planned = self.planned = plan_now(checkpoint, machine, wishes)
        log.info("%s", summary(planned))
        keep_within(machine, wishes)
        dtype = torch.float32 if planned.precision == "fp32" else None
        placement = placement_of(planned, compiled=message.get("compile", False))
        here = fits_here(checkpoint)
        parts = tuple(part for part in PARTS if here or part not in TEXT_PARTS)
        trial = attention.trial_on(device, planned.precision)
        kernel = attention.choose(message.get("attention", "auto"), attention.capability_of(device), trial)
        loras = [(Path(file), float(weight)) for file, weight in message.get("loras", ())]
        shapes = Files(weight_files(checkpoint.parts["transformer"], "transformer")).shapes
        merge = merge_of(loras, shapes)
        models = weights.load(checkpoint, device=device, dtype=dtype, parts=parts, placement=placement, merge=merge)
        attention.use(models.transformer, kernel.backend)
        self.made_by = {
            "model": identity(checkpoint),
            "precision": planned.precision,
            "device": device.split(":")[0],
            "card": machine.name if machine.gpu else "",
            "attention": kernel.backend,
            "loras": identity_of_loras(loras),
        }
        texts: Texts = TextsHere(models, checkpoint.card.prompt_template)
        if not here:
            folder, threads = Path(message["texts_dir"]), message["threads"]
            texts = TextsElsewhere(checkpoint, folder, device=device, dtype=dtype, threads=threads)
        previewer = self.previewer(message.get("preview_decoder", ""), checkpoint.card, models.device)
        card, forced = checkpoint.card, wishes.tighter > 0
        self.engine = Engine(models, card, texts, tiles=planned.tiles, forced=forced, previewer=previewer)
        self.say({"event": "ready", "model": checkpoint.card.name, "device": device, "memory": told(planned)})

    def previewer(self, file: str, card: Card, device: torch.device) -> Previewer | None:
        """What shows a section under way, where the owner has a decoder for it; one that does not fit is said once."""
        if not file:
            return None
        try:
            made = load_taehv(Path(file), card.latent_channels, card.space_compression, device)
        except errors.PreviewUnusable as error:
            log.warning("%s", error)
            return None
        return made.picture

    def section(self, message: Message) -> bool:
        """Make section n of the message's plan from its files, and its film so far; whether it is the film's last."""
        engine = self.engine
        assert engine is not None, "load comes first"
        plan, n, out = Plan.from_json(message["plan"]), int(message["n"]), Path(message["out"])
        if plan.model != engine.card.identity:
            raise errors.OtherModel(made=plan.model, loaded=engine.card.identity)
        self.look_at_pictures(message)
        conditioning, encoded = self.conditioning(engine, plan, message, out)
        made_before = message["latents"]
        first = max(0, n - engine.needed_history(plan))
        history = [inputs.load_latents(made_before, each) for each in range(first, n)]
        self.compare(made_before[-1] if made_before else None)
        mended = inputs.mend_clips(engine, plan, conditioning, made_before, message["clips"], out)
        self.say({"event": "phase", "phase": "sampling"})
        started = time.perf_counter()
        caches = make_caches(plan)
        latents = engine.sample(plan, conditioning, history, n, self.on_step(message["id"]), caches=caches)
        sampled = time.perf_counter()
        with inputs.writing(out):
            # one key alone, as Conditioning.save says
            said = json.dumps({**self.set_up(), "ran": ran(plan, caches)})
            del caches  # a decode has no room for what they hold
            save_file({"latents": latents.contiguous()}, out / "latents.safetensors", {"made_by": said})

        self.say({"event": "phase", "phase": "decoding"})
        tail = load_file(message["tail"])["tail"] if message["tail"] and inputs.intact(message["tail"]) else None
        final, provisional, tail = engine.decode(plan, conditioning, [*history, latents], n, tail)
        self.look_at_film(final, provisional)
        with inputs.writing(out):
            save_file({"tail": tail.contiguous().cpu()}, out / "tail.safetensors")
        decoded = time.perf_counter()

        self.say({"event": "phase", "phase": "writing"})
        clip = None
        if len(final):
            clip = out / "clip.mp4"
            film.encode_clip(final, clip, plan.fps)
        film.encode_clip(provisional, out / "provisional.mp4", plan.fps)
        clips = [mended.get(each) or Path(path) for each, path in enumerate(message["clips"]) if path]
        clips += [clip] if clip else []
        # Inverted films are made from their end: what is made later stands earlier, and the provisional part in front.
        ends = [out / "provisional.mp4"]
        order = clips + ends if plan.sampling == "f1" else ends + clips[::-1]
        metadata = film.film_metadata(message["plan"], plan.model)
        made = film.join(order, out / "film.mp4", fps=plan.fps, metadata=metadata)
        fragments: dict[str, str | None] = {"fragment": None, "fragment_end": None}
        if plan.sampling == "f1":  # seconds come in viewing order, so a player can add them while it plays
            fragments = self.fragments(plan.fps, made.frames, clip, len(final), ends[0], len(provisional), out)
        self.say(
            {
                "event": "section",
                "latents": str(out / "latents.safetensors"),
                "tail": str(out / "tail.safetensors"),
                "clip": str(clip) if clip else None,
                "film": str(out / "film.mp4"),
                **fragments,
                "mended": [str(path) for path in mended.values()],
                "conditioning": str(encoded) if encoded else None,
                "frames": made.frames,
                "sampling_ms": round(1000 * (sampled - started)),
                "decode_ms": round(1000 * (decoded - sampled)),
                "encode_ms": round(1000 * (time.perf_counter() - decoded)),
                "vram": torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0,
                "ram": psutil.Process().memory_info().rss,
            }
        )
        return n + 1 == plan.sections

    def look_at_pictures(self, message: Message) -> None:
        """raises: PictureHeldBack. One that is gone was looked at when its conditioning was made."""
        for path in (message["picture"], message["end_picture"]):
            needed = path and (Path(path).is_file() or not message["conditioning"])
            if self.classifier and needed and path not in self.looked_at:
                self.classifier.look([picture(path)], errors.PictureHeldBack)
                self.looked_at.add(path)

    def look_at_film(self, *made: film.Frames) -> None:
        """made: all frames of a section, none of which anybody has seen. raises: FilmHeldBack."""
        if self.classifier and self.classifier.check.films:
            frames = [frame for part in made for frame in part]
            some = [frames[n * (len(frames) - 1) // FRAMES] for n in range(1, FRAMES + 1)]
            self.classifier.look([Image.fromarray(frame) for frame in some], errors.FilmHeldBack)

    def tidy(self, last: bool) -> None:
        """Give back, after a film's last section and every few, what the allocator kept for the next one.

        Not after each: the next would ask for it page by page (docs/log.md, 2026-11-25).
        """
        self.untidy += 1
        if last or self.untidy == TIDY_EVERY:
            give_back()
            self.untidy = 0

    def fragments(
        self, fps: int, frames: int, clip: Path | None, final: int, end: Path, provisional: int, out: Path
    ) -> dict[str, str | None]:
        """The section's final frames and the provisional ones as fragments, each at its place in a film of `frames`."""
        made: dict[str, str | None] = {"fragment": None, "fragment_end": str(out / "end.m4s")}
        film.fragment(end, out / "end.m4s", fps=fps, start=frames - provisional)
        if clip:
            film.fragment(clip, out / "fragment.m4s", fps=fps, start=frames - provisional - final)
            made["fragment"] = str(out / "fragment.m4s")
        return made

    def conditioning(self, engine: Engine, plan: Plan, message: Message, out: Path) -> tuple[Conditioning, Path | None]:
        """The job's conditioning and the file it was written to, None where it is as it came.

        It comes from its file, with what a film that was steered or gone on with has to say beside it; or it is made.
        """
        kept = message["conditioning"]
        known = Conditioning.load(Path(kept)) if kept and inputs.intact(kept) else None
        if known is not None and set(plan.prompts) <= set(known.texts):
            return known, None
        self.say({"event": "phase", "phase": "encoding"})

        def waiting() -> None:
            if self.cancelled(message["id"]):
                raise errors.Cancelled

        if known is not None:
            made = engine.encode_more(plan, known, waiting)
        else:
            end = picture(message["end_picture"]) if message["end_picture"] else None
            made = engine.encode(plan, picture(message["picture"]), end, waiting)
        path = out / "conditioning.safetensors"
        with inputs.writing(out):
            made.save(path)
        # Read back, so that an unbroken film and a resumed one start from the very same numbers.
        return Conditioning.load(path), path

    def compare(self, before: str | None) -> None:
        """Say it in the log where the section before was made by other weights, LoRAs, precision or attention."""
        theirs = inputs.made_by(Path(before)) if before else None
        ours = self.set_up()
        if theirs and {**theirs, **NOT_COMPARED} != {**ours, **NOT_COMPARED}:
            log.warning("goes on with what another set-up made: before=%s now=%s", theirs, ours)

    def set_up(self) -> dict[str, Any]:
        """What latents say of what made them; whether blocks are compiled is known only once they were called."""
        assert self.engine is not None
        return {**self.made_by, **compiled(self.engine.models)}

    def on_step(self, id: int) -> Callable[[Step], None]:
        """What happens after each sampling step: tell it, with a picture now and then, and hear a cancel."""
        shown = float("-inf")

        def step_done(step: Step) -> None:
            nonlocal shown
            if self.cancelled(id):
                raise errors.Cancelled
            preview, unseen = None, self.classifier is not None and self.classifier.check.films
            if not unseen and time.monotonic() - shown >= PREVIEW_EVERY_S:
                shown = time.monotonic()
                preview = jpeg(step.preview())
            self.say({"event": "step", "n": step.n, "of": step.of, "preview": preview})

        return step_done


def compiled(models: weights.Models) -> dict[str, bool]:
    """What there is to say of compiled blocks, which round in other places: nothing where there are none."""
    return {"compiled": True} if models.compiled is not None and models.compiled.works else {}


def lost_card() -> bool:
    """Whether CUDA answers everything with an error from now on: after a kernel's fault, or a card that was reset."""
    if not cuda().is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def tried(device: str) -> None:
    """Try the device. raises: DeviceMissing; MemoryTaken, where a card has not even room for CUDA itself"""
    try:
        device_of(device)
    except errors.DeviceMissing as missing:
        if missing.__cause__ is None or not errors.ran_out(missing.__cause__):
            raise
        need = f"{(CONTEXT + WORKSPACE) / GIB:.1f}"
        raise errors.MemoryTaken(kind=said("VRAM"), precision="CUDA", need=need, have="0.0") from missing


def keep_within(machine: Machine, wishes: Wishes) -> None:
    """Let torch take no more of a card than may be taken (gen/memory.py)."""
    if machine.gpu:
        index = torch.device(machine.device).index
        which = torch.cuda.current_device() if index is None else index
        torch.cuda.set_per_process_memory_fraction(share_of(machine, wishes), which)


def picture(path: str) -> Image.Image:
    """The picture in the file, in RGB. raises: PictureUnreadable."""
    try:
        with Image.open(path) as opened:
            return opened.convert("RGB")
    except (OSError, SyntaxError) as error:
        raise errors.PictureUnreadable from error


def jpeg(picture: Image.Image) -> str:
    """The picture as a base64 JPEG, for a line of JSON."""
    with io.BytesIO() as file:
        picture.save(file, "JPEG", quality=80)
        return base64.b64encode(file.getvalue()).decode("ascii")


def main() -> None:
    """Serve the parent until it closes stdin."""
    if hasattr(os, "nice"):
        os.nice(NICE)

    def make(say: Say, cancelled: Callable[[int], bool]) -> Answer:
        with weights.staying():
            weights.import_all()
        return Child(say, cancelled).answer

    serve(make)


if __name__ == "__main__":
    main()
