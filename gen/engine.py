"""A plan and a picture in, sections out. Knows no database and no chat.

A section follows from (plan, conditioning, latents before it, its number) alone, to the bit: so a film can be stopped,
gone on with, redone and steered after any section, in any process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image
from torch import Tensor

from db.said import said
from gen import decode, encode
from gen.card import Card
from gen.context import RECENT, Context, pack_f1, pack_inverted
from gen.errors import BadPlan, EncoderFailed, NanLatents, PictureUnreadable, SectionsMissing, memory
from gen.memory import Tiles
from gen.modulation import Modulation
from gen.plan import latent_paddings
from gen.sample import Caches, Condition, make_noise, sample_section
from gen.texts import Texts, TextsHere, Waiting
from gen.types import Conditioning, OnStep, Plan, Section, Step
from gen.weights import Models

if TYPE_CHECKING:
    from gen.types import Frames

Decoded = tuple["Frames", "Frames", Tensor]  # final, provisional, tail
Previewer = Callable[[Tensor], Image.Image]  # (1, C, window, h, w), as sampled so far, to its last frame
History = Sequence[Tensor | None]  # latents of the sections before, oldest made first; None: not at hand


class Engine:
    """The loaded models with their card; of films it holds no more than what the last prompts and pictures led to."""

    def __init__(
        self,
        models: Models,
        card: Card,
        texts: Texts | None = None,
        *,
        tiles: Tiles = decode.WHOLE,
        forced: bool = False,
        previewer: Previewer | None = None,
    ) -> None:
        """models: at least transformer and vae; encode also needs the encoders.

        texts:  encodes prompts; None: with the models
        tiles:  how films that begin here are decoded; one that has begun keeps its own, for it must not change
        forced: unless memory ran out with them
        previewer: the picture of a section under way, from its latents as they stand; None: the card's matrix
        """
        self.models = models
        self.card = card
        self.tiles = tiles
        self.forced = forced
        self.previewer = previewer
        self.modulation = models.modulation or Modulation(models.transformer, models.device)
        self.texts: Texts = texts or TextsHere(models, card.prompt_template)

    def needed_history(self, plan: Plan) -> int:
        """How many sections before the next must be at hand: 19 latent frames of context, and two for the decode."""
        return max(-(-RECENT // plan.window), 2)

    def encode(
        self,
        plan: Plan,
        picture: Image.Image,
        end: Image.Image | None = None,
        waiting: Waiting | None = None,
    ) -> Conditioning:
        """Encode the plan's prompts and the picture, cropped to the plan's size.

        end:     the picture an inverted film ends on
        waiting: called now and then while prompts are encoded, and may raise Cancelled
        raises:  PictureUnreadable, EncoderFailed, TextEncoderDied, OutOfMemory, NanLatents
        """
        models, negative = self.models, [plan.negative] if plan.cfg != 1 else []
        crop, crop_end = cropped(picture, plan), None if end is None else cropped(end, plan)
        with memory(said("encoding")), encoding():
            texts = self.texts.encode([*plan.prompts, *negative], waiting)
            start = encode.start_latent(models.vae, crop)
            if not bool(start.isfinite().all()):
                raise NanLatents(n=0)
            return Conditioning(
                texts={prompt: texts[prompt] for prompt in dict.fromkeys(plan.prompts)},
                negative=texts[plan.negative] if negative else None,
                image_embeds=encode.encode_picture(models, crop),
                start=start,
                end=None if crop_end is None else encode.start_latent(models.vae, crop_end),
                tiles=str(self.tiles),
            )

    def encode_more(self, plan: Plan, known: Conditioning, waiting: Waiting | None = None) -> Conditioning:
        """The conditioning with all of the plan's prompts: those that are known stay as they are, others are forgotten.

        raises: EncoderFailed, TextEncoderDied, OutOfMemory
        """
        with memory(said("encoding")), encoding():
            new = self.texts.encode([prompt for prompt in plan.prompts if prompt not in known.texts], waiting)
        texts = {**new, **known.texts}
        return replace(known, texts={prompt: texts[prompt] for prompt in dict.fromkeys(plan.prompts)})

    def sample(
        self,
        plan: Plan,
        conditioning: Conditioning,
        history: History,
        n: int,
        on_step: OnStep | None = None,
        *,
        noise: Tensor | None = None,
        caches: Caches | None = None,
    ) -> Tensor:
        """The latents of section n, (1, C, window, h, w) float32 on the CPU: pure, same in, same out.

        history: latents of the sections before n, or at least the last needed_history of them
        on_step: hears every step, and may raise Cancelled to end it
        noise, caches: in place of the plan's own, for those who measure
        raises:  what on_step raises, NanLatents, OutOfMemory, SectionsMissing, BadPlan
        """
        if not 0 <= n < plan.sections:
            raise BadPlan(key="sections", got=plan.sections, expected=f"more than {n}")
        condition, context = self._condition(plan, conditioning, n), self._context(plan, conditioning, history, n)
        shape = self._shape(plan, conditioning)
        noise = make_noise(plan, n, shape) if noise is None else noise

        def on_sample(step: int, x: Tensor, x0: Tensor) -> None:
            if on_step is not None:
                on_step(Step(step, plan.steps, lambda: self._preview(x0), x))

        with memory(said("sampling")):
            transformer, noise = self.models.transformer, noise.to(self.models.device)
            made = sample_section(transformer, plan, condition, context, noise, on_sample, caches, self.modulation)
            latents = made.cpu()
        if not bool(latents.isfinite().all()):
            raise NanLatents(n=n)
        return latents

    def decode(
        self, plan: Plan, conditioning: Conditioning, history: History, n: int, tail: Tensor | None = None
    ) -> Decoded:
        """The frames that section n adds: (final, provisional, tail), as types.Section says.

        history: latents up to and with section n, or at least the last three of them
        tail:    of section n - 1; None: it is decoded again, to the same bits
        raises:  OutOfMemory, SectionsMissing, NanLatents
        """
        final, provisional, made = self.pixels(plan, conditioning, history, n, tail)
        return decode.to_uint8(final), decode.to_uint8(provisional), made

    def pixels(
        self, plan: Plan, conditioning: Conditioning, history: History, n: int, tail: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same before it is rounded: each (1, 3, F, H, W), about -1 to 1, not clamped."""
        overlap = decode.overlap_of(plan.window, self.card.time_compression)
        with memory(said("decoding")):
            if n > 0 and tail is None:
                tail = decode.tail_of(plan.sampling, self._piece(plan, conditioning, history[:-1], n - 1), overlap)
            piece = self._piece(plan, conditioning, history, n)
            joined = piece if tail is None else decode.append(plan.sampling, tail, piece, overlap)
            made = decode.tail_of(plan.sampling, piece, overlap)
        if plan.sampling == "f1":
            return joined[:, :, :-overlap], joined[:, :, -overlap:], made
        return joined[:, :, overlap:], joined[:, :, :overlap], made

    def _piece(self, plan: Plan, conditioning: Conditioning, history: History, n: int) -> Tensor:
        """Pixels of section n together with those of the section made before it."""
        shows_start = n == (0 if plan.sampling == "f1" else plan.sections - 1)
        start = conditioning.start if shows_start else None
        latents = decode.latents_of_piece(plan.sampling, start, last(history, min(n + 1, 2)))
        tiles = self.tiles if self.forced or not conditioning.tiles else Tiles.of(conditioning.tiles)
        pixels = decode.decode_latents(self.models.vae, latents, tiles)
        if not bool(pixels.isfinite().all()):  # they would be a black film
            raise NanLatents(n=n)
        return pixels

    def _context(self, plan: Plan, conditioning: Conditioning, history: History, n: int) -> Context:
        """What section n continues from."""
        made = last(history, min(n, self.needed_history(plan)))
        first = conditioning.start if plan.sampling == "f1" else conditioning.end
        if first is not None and len(made) == n:  # they reach back to where the film began to be made
            made = [first, *made]
        if plan.sampling == "f1":
            return pack_f1(conditioning.start, made, plan.window)
        return pack_inverted(conditioning.start, made, plan.window, latent_paddings(plan.sections)[n])

    def _condition(self, plan: Plan, conditioning: Conditioning, n: int) -> Condition:
        """What steers section n; raises BadPlan where it has not been encoded."""
        text = conditioning.texts.get(plan.prompt_of(n))
        if text is None:
            raise BadPlan(key="prompts", got="with one that was not encoded", expected="none but those encoded")
        if plan.cfg != 1 and conditioning.negative is None:
            raise BadPlan(key="cfg", got=plan.cfg, expected="1, as no negative prompt was encoded")
        return Condition(text, conditioning.negative, conditioning.image_embeds)

    def _shape(self, plan: Plan, conditioning: Conditioning) -> tuple[int, ...]:
        """(1, C, window, h, w) of the plan; raises BadPlan where the picture was encoded at another size."""
        ratio = self.card.space_compression
        shape = (1, self.card.latent_channels, plan.window, plan.height // ratio, plan.width // ratio)
        encoded = tuple(conditioning.start.shape)
        if encoded != (*shape[:2], 1, *shape[3:]):
            raise BadPlan(key="height and width", got=f"{plan.height}x{plan.width}", expected="what was encoded")
        return shape

    def _preview(self, x0: Tensor) -> Image.Image:
        if self.previewer is not None:
            return self.previewer(x0)
        rgb = decode.preview(x0[:, :, -1:], self.card.preview_factors, self.card.preview_bias)
        return Image.fromarray(decode.to_uint8(rgb * 2 - 1)[0])


def animate(
    engine: Engine,
    plan: Plan,
    picture: Image.Image,
    *,
    on_step: OnStep | None = None,
    history: Sequence[Tensor] = (),
    conditioning: Conditioning | None = None,
) -> Iterator[Section]:
    """Make the sections of a film one after the other.

    history:      latents of all sections made already: it goes on with the next
    conditioning: of the plan and the picture; None encodes them
    """
    if conditioning is None:
        conditioning = engine.encode(plan, picture)
    done, tail = len(history), None
    latents: list[Tensor] = list(history)
    for n in range(done, plan.sections):
        latents = latents[-engine.needed_history(plan) :]
        started = time.perf_counter()
        latents.append(engine.sample(plan, conditioning, latents, n, on_step))
        sampled = time.perf_counter()
        final, provisional, tail = engine.decode(plan, conditioning, latents, n, tail)
        decoded = time.perf_counter()
        times = round(1000 * (sampled - started)), round(1000 * (decoded - sampled))
        yield Section(n, latents[-1], final, provisional, tail, *times)


def last(history: History, count: int) -> list[Tensor]:
    """The last `count` sections of a history; raises SectionsMissing where they are not all at hand."""
    found = [latents for latents in history[len(history) - count :] if latents is not None] if count else []
    if len(found) < count:
        raise SectionsMissing(got=len(found), least=count)
    return found


def cropped(picture: Image.Image, plan: Plan) -> Image.Image:
    """The picture at the plan's size; raises PictureUnreadable where its pixels cannot be had."""
    try:
        return encode.fit(picture, plan.width, plan.height)
    except (OSError, ValueError, SyntaxError) as error:  # Pillow's own, for files that are cut off or malformed
        raise PictureUnreadable from error


@contextmanager
def encoding() -> Iterator[None]:
    """An encoder that is absent or does not fit its tokenizer fails in many ways: all are EncoderFailed."""
    try:
        yield
    except (TypeError, AttributeError, IndexError, ValueError) as error:
        raise EncoderFailed(what=f"{type(error).__name__}: {error}") from error
