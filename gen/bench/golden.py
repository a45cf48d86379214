"""Golden cases: inputs and results of the published FramePack code, run here through the engine's public functions.

tests/golden/README.md says what is in a case. Further folders of the same kinds are run unchanged.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from gen import decode, encode
from gen.card import BUCKETS_640, PARTS, PRESETS, Card, Checkpoint, read_json
from gen.context import Context, Positions, positions_f1, positions_inverted
from gen.engine import Engine
from gen.plan import latent_paddings, nearest_bucket, sections_reference
from gen.sample import make_caches, noise_reference, tokens_of
from gen.schedule import make_sigmas
from gen.solver import denoise
from gen.types import Conditioning, Plan, Step, Text
from gen.velocity import prepare, velocity
from gen.weights import Models, load

Tensors = Mapping[str, Tensor]

EXACT = (0.0, 0.0)
LATENTS = (5e-4, 5e-5)  # largest and mean difference allowed
PIXELS = (4e-3, 2e-5)  # after rounding ours to float16
LEVELS = (1.0, 0.01)  # of whole frames in uint8: a difference of 1e-5 before truncation can be a level after it
FORWARD = (1e-4, 1e-4)
SOLVER = (5e-5, 5e-5)
SIGMAS = (1e-6, 1e-6)
TIMES = (1e-3, 1e-3)
NOISE = (2e-6, 2e-6)


@dataclass(frozen=True)
class Check:
    """One comparison: the largest and the mean absolute difference, and what they may be."""

    case: str
    what: str
    worst: float
    mean: float
    limit: tuple[float, float]

    @property
    def ok(self) -> bool:
        """Whether both stay within the limit; nan never does."""
        return self.worst <= self.limit[0] and self.mean <= self.limit[1]


@dataclass(frozen=True)
class Case:
    """One case folder, read."""

    folder: Path
    params: Mapping[str, Any]
    inputs: Tensors
    expected: Tensors

    def compare(self, what: str, ours: Tensor, limit: tuple[float, float], expected: Tensor | None = None) -> Check:
        """Ours against the expected tensor of this name."""
        theirs = self.expected[what] if expected is None else expected
        if ours.shape != theirs.shape:
            return Check(self.folder.name, f"{what}: shape {list(ours.shape)}", float("nan"), float("nan"), limit)
        difference = (ours.double() - theirs.double()).abs()
        return Check(self.folder.name, what, float(difference.max()), float(difference.mean()), limit)

    def same(self, what: str, ours: Any, theirs: Any) -> Check:
        """Whether two plain values are equal: 0 or 1."""
        wrong = float(ours != theirs)
        return Check(self.folder.name, what, wrong, wrong, EXACT)


def find_cases(folder: Path) -> list[Path]:
    """The case folders within a folder, or the folder itself where it is one."""
    return sorted(params.parent for params in [*folder.glob("params.json"), *folder.glob("*/params.json")])


def run_case(folder: Path) -> list[Check]:
    """All comparisons of one case."""
    params = json.loads((folder / "params.json").read_text(encoding="utf-8"))
    inputs, expected = load_file(folder / "inputs.safetensors"), load_file(folder / "expected.safetensors")
    run = KINDS.get(params["kind"])
    if run is None:
        return [Check(folder.name, f"kind {params['kind']} is not known", float("nan"), float("nan"), EXACT)]
    with torch.no_grad():
        return list(run(Case(folder, params, inputs, expected)))


def card_of(weights: Path) -> Card:
    """A card for golden weights, which have none: the ratios from their VAE."""
    vae = read_json(weights / "vae" / "config.json")
    return dataclasses.replace(
        PRESETS["framepack"],
        name="golden",
        samplings=("f1", "inverted"),
        step_cache="",
        latent_channels=vae["latent_channels"],
        space_compression=vae["spatial_compression_ratio"],
        time_compression=vae["temporal_compression_ratio"],
    )


def checkpoint_of(weights: Path, encoders: Path | None = None) -> Checkpoint:
    """A checkpoint of a folder of weights and, where asked for, one of encoders."""
    parts = {part: weights / part for part in ("transformer", "vae")}
    if encoders is not None:
        parts |= {part: encoders / part for part in PARTS if part not in parts}
    return Checkpoint(card_of(weights), parts)


@cache
def models_of(weights: Path, encoders: Path | None = None) -> Models:
    """The loaded models of golden weights, once a process."""
    checkpoint = checkpoint_of(weights, encoders)
    return load(checkpoint, parts=tuple(checkpoint.parts))


def engine_of(case: Case) -> Engine:
    """The engine with a case's weights, and its encoders where it names some."""
    weights = (case.folder / case.params["weights"]).resolve()
    encoders = case.params.get("encoders")
    models = models_of(weights, (case.folder / encoders).resolve() if encoders else None)
    return Engine(models, card_of(weights))


def plan_of(params: Mapping[str, Any]) -> Plan:
    """The plan of a case of kind "generate"."""
    prompt = params.get("prompt") or ""
    return Plan(
        sampling=params["sampling"],
        width=params["width"],
        height=params["height"],
        window=params["latent_window_size"],
        sections=params["sections"],
        steps=params["steps"],
        guidance=params["guidance_scale"],
        cfg=params["cfg_scale"],
        rescale=params["guidance_rescale"],
        step_cache=f"teacache:{params['teacache_threshold']}" if params["teacache"] else "",
        prompts=(prompt,) * params["sections"],
        negative=params.get("negative_prompt") or "",
        seed=params["seed"],
        fps=params["fps"],
        model="golden",
        noise="reference",
    )


def conditioning_of(plan: Plan, inputs: Tensors) -> Conditioning:
    """The conditioning of a case of kind "generate"."""
    negative = None
    if "negative_pooled" in inputs:
        negative = Text(inputs["negative_prompt_embeds"], inputs["negative_pooled"])
    texts = {plan.prompts[0]: Text(inputs["prompt_embeds"], inputs["pooled"])}
    return Conditioning(texts, negative, inputs["image_embeds"], inputs["start_latent"])


def run_generate(case: Case) -> Iterator[Check]:
    """A whole job, section by section."""
    engine, plan = engine_of(case), plan_of(case.params)
    conditioning, stride = conditioning_of(plan, case.inputs), case.params["pixel_stride"]
    yield from picture_checks(case, engine)
    seconds = case.params["total_second_length"]
    yield case.same("sections", sections_reference(seconds, plan.window, plan.fps), plan.sections)
    if "latent_paddings" in case.expected:
        yield case.same("latent_paddings", latent_paddings(plan.sections), case.expected["latent_paddings"].tolist())
    history: list[Tensor] = []
    video, tail = conditioning.start.new_zeros(1, 3, 0, plan.height, plan.width), None
    for n in range(plan.sections):
        latents, checks = run_section(case, engine, plan, conditioning, history, n)
        yield from checks
        history.append(latents)
        final, provisional, tail = engine.pixels(plan, conditioning, history, n, tail)
        video, whole = join(plan.sampling, video, final, provisional)
        # (1, 3, F, H, W) -> (F, 3, H, W)
        seen = whole[0].transpose(0, 1)[..., ::stride, ::stride]
        yield case.compare(f"pixels.{n}", seen.half(), PIXELS)
    yield case.compare("history", decode.latents_of_piece(plan.sampling, conditioning.start, history), LATENTS)
    frames = torch.from_numpy(decode.to_uint8(whole)[:, ::stride, ::stride])
    yield case.compare("frames_u8", frames, LEVELS)


def join(sampling: str, video: Tensor, final: Tensor, provisional: Tensor) -> tuple[Tensor, Tensor]:
    """The final frames so far, and those with the provisional ones."""
    if sampling == "f1":
        video = torch.cat([video, final], dim=2)
        return video, torch.cat([video, provisional], dim=2)
    video = torch.cat([final, video], dim=2)
    return video, torch.cat([provisional, video], dim=2)


def run_section(
    case: Case, engine: Engine, plan: Plan, conditioning: Conditioning, history: list[Tensor], n: int
) -> tuple[Tensor, list[Check]]:
    """One section of a job from the case's noise, with all that is recorded of it."""
    noise, caches, checks = case.inputs[f"noise.{n}"], make_caches(plan), []
    checks.append(case.compare(f"noise.{n}", noise_reference(plan.seed, n, noise.shape), NOISE, noise))
    if n == 0:
        sigmas = make_sigmas(plan.steps, tokens_of(engine.models.transformer, noise))
        checks.append(case.compare("timesteps", 1000 * sigmas[:-1], TIMES))

    def on_step(step: Step) -> None:
        if f"trace_x.{n}.{step.n - 1}" in case.expected and step.x is not None:
            checks.append(case.compare(f"trace_x.{n}.{step.n - 1}", step.x, LATENTS))

    latents = engine.sample(plan, conditioning, history, n, on_step, noise=noise, caches=caches)
    checks.append(case.compare(f"latents.{n}", latents, LATENTS))
    if caches[0] is not None and f"teacache_calc.{n}" in case.expected:
        checks.append(case.compare(f"teacache_calc.{n}", torch.tensor(caches[0].ran), EXACT))
        checks.append(case.compare(f"teacache_delta.{n}", torch.tensor(caches[0].change), LATENTS))
    return latents, checks


def picture_checks(case: Case, engine: Engine) -> Iterator[Check]:
    """The crop of a job's picture, and its posterior."""
    if "image_original" in case.inputs:
        h, w, _ = case.inputs["image"].shape
        yield case.compare(
            "image", pixels_of(encode.fit(picture(case, "image_original"), w, h)), EXACT, case.inputs["image"]
        )
    if "posterior_mean" in case.inputs:
        mean, logvar = encode.picture_posterior(engine.models.vae, picture(case, "image"))
        yield case.compare("posterior_mean", mean, FORWARD, case.inputs["posterior_mean"])
        yield case.compare("posterior_logvar", logvar, FORWARD, case.inputs["posterior_logvar"])


def picture(case: Case, name: str) -> Image.Image:
    """A picture among a case's inputs."""
    return Image.fromarray(case.inputs[name].numpy())


def pixels_of(image: Image.Image) -> Tensor:
    """(H, W, 3) uint8."""
    return torch.from_numpy(np.array(image))


def run_forward(case: Case) -> Iterator[Check]:
    """Single calls of the transformer."""
    transformer = engine_of(case).models.transformer
    for item in case.params["items"]:
        name = item["name"]
        given = {key.removeprefix(f"{name}."): x for key, x in case.inputs.items() if key.startswith(f"{name}.")}
        at = Positions(
            *(tuple(given[f"indices_latents{kind}"].tolist()) for kind in ("", "_clean", "_history_2x", "_history_4x"))
        )
        window = item["latent_window_size"]
        ours = positions_f1(window) if item["sampling"] == "f1" else positions_inverted(window, item["latent_padding"])
        yield case.same(f"{name}.indices", ours, at)
        context = Context(given["latents_clean"], given["latents_history_2x"], given["latents_history_4x"], ours)
        fixed = prepare(transformer, context, given["image_embeds"], torch.device("cpu"))
        text, x = Text(given["prompt_embeds"], given["pooled"]), given["hidden_states"]
        out = velocity(transformer, fixed, text, x, given["timestep"], given["guidance"], None)
        yield case.compare(f"{name}.out", out, FORWARD)
        if f"{name}.packed" in case.expected:
            yield case.compare(f"{name}.packed", torch.cat([fixed.tokens, transformer.x_embedder(x)], dim=1), FORWARD)
            yield case.compare(f"{name}.rope_cos", fixed.rope[0], FORWARD)
            yield case.compare(f"{name}.rope_sin", fixed.rope[1], FORWARD)


def run_sampler(case: Case) -> Iterator[Check]:
    """Schedules, and the solver on a denoiser with a formula."""
    for table in case.params["tables"]:
        steps, tokens = table["steps"], table["sequence_length"]
        yield case.compare(f"sigmas.{steps}.{tokens}", make_sigmas(steps, tokens), SIGMAS)
    a, b = case.inputs["a"], case.inputs["b"]
    for i, _ in enumerate(case.params["runs"]):
        checks: list[Check] = []

        def on_sample(step: int, x: Tensor, x0: Tensor, i: int = i, checks: list[Check] = checks) -> None:
            for what, tensor in ((f"run.{i}.x.{step - 1}", x), (f"run.{i}.denoised.{step - 1}", x0)):
                if what in case.expected:
                    checks.append(case.compare(what, tensor, SOLVER))

        def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
            return a * (1 - 0.3 * sigma) + 0.6 * torch.sin(b * x + 2 * sigma)

        out = denoise(denoiser, case.inputs["noise"], case.expected[f"run.{i}.sigmas"], on_sample)
        yield from checks
        yield case.compare(f"run.{i}.out", out, SOLVER)


def run_encode(case: Case) -> Iterator[Check]:
    """The parts around the loop."""
    engine, params, image = engine_of(case), case.params, picture(case, "image")
    for i, prompt in enumerate(params["prompts"]):
        text = encode.encode_text(engine.models, engine.card.prompt_template, prompt)
        yield case.compare(f"text.{i}.prompt_embeds", text.prompt_embeds, FORWARD)
        yield case.compare(f"text.{i}.pooled", text.pooled, FORWARD)
    for i, (h, w) in enumerate(params["crop_sizes_hw"]):
        yield case.compare(f"crop.{i}", pixels_of(encode.fit(image, w, h)), EXACT)
    h, w = params["crop_sizes_hw"][0]
    crop, vae = encode.fit(image, w, h), engine.models.vae
    yield case.compare("image_embeds", encode.encode_picture(engine.models, crop), FORWARD)
    mean, logvar = encode.picture_posterior(vae, crop)
    yield case.compare("posterior_mean", mean, FORWARD)
    yield case.compare("posterior_logvar", logvar, FORWARD)
    yield case.compare("start_latent", encode.start_latent(vae, crop, case.inputs["start_eps"]), FORWARD)
    yield from pixel_checks(case, engine)
    for (height, width), bucket in params["nearest_bucket"]:
        yield case.same(f"bucket of {height}x{width}", nearest_bucket(height, width, BUCKETS_640), tuple(bucket))
    for seconds, window, sections in params["sections"]:
        yield case.same(f"sections of {seconds} s, window {window}", sections_reference(seconds, window), sections)


def pixel_checks(case: Case, engine: Engine) -> Iterator[Check]:
    """Decode, preview, join and rounding."""
    z, stride, card = case.inputs["z"], case.params["pixel_stride"], engine.card
    for frames in case.params["decode_lengths"]:
        pixels = decode.decode_latents(engine.models.vae, z[:, :, :frames])
        yield case.compare(f"decode.{frames}", pixels[0].transpose(0, 1)[..., ::stride, ::stride].half(), PIXELS)
    rgb = decode.preview(z, card.preview_factors, card.preview_bias)
    yield case.compare("preview", rgb.half(), PIXELS)
    for i, overlap in enumerate(case.params["append_overlaps"]):
        earlier, later = case.inputs[f"append.{i}.history"], case.inputs[f"append.{i}.current"]
        yield case.compare(f"append.{i}.out", decode.blend(earlier, later, overlap), SIGMAS)
    yield case.compare("ramp_u8", torch.from_numpy(decode.to_uint8(case.inputs["ramp"])), EXACT)


KINDS: dict[str, Callable[[Case], Iterator[Check]]] = {
    "generate": run_generate,
    "forward": run_forward,
    "sampler": run_sampler,
    "encode": run_encode,
}
