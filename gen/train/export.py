"""From training state to a checkpoint directory: weights in float16, the card, and what is measured for it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gen.train import architecture, fastvae
from gen.train.flow import averaged
from gen.train.photos import Stills
from gen.train.untrained import card, write_card
from gen.train.whole import Unready, aside

# Phrases for people, and what kind of thing each effect is. Only those that pass the measure go onto the card.
SAID = {
    "night": ("night falls", "夜幕降临", "light"),
    "sunrise": ("the sun rises, golden light", "日出，金色的阳光", "light"),
    "fog": ("fog rolls in", "起雾了", "weather"),
    "snow": ("snow falls", "下雪了", "weather"),
    "rain": ("rain falls", "下雨了", "weather"),
    "spot_right": ("a spotlight sweeps to the right", "聚光灯向右扫过", "light"),
    "spot_left": ("a spotlight sweeps to the left", "聚光灯向左扫过", "light"),
    "bw": ("fade to black and white", "变成黑白", "colour"),
    "flicker": ("old film flicker", "老电影闪烁", "colour"),
    "calm": ("calm", "平静", "calm"),
    "ripples": ("water ripples", "水波荡漾", "motion"),
    "sway": ("gentle sway", "轻轻摇摆", "motion"),
    "breathing": ("it breathes", "轻轻呼吸", "motion"),
    "pan_left": ("the camera pans left", "镜头左移", "camera"),
    "pan_right": ("the camera pans right", "镜头右移", "camera"),
    "pan_up": ("the camera pans up", "镜头上移", "camera"),
    "pan_down": ("the camera pans down", "镜头下移", "camera"),
    "zoom_in": ("zoom in", "镜头推近", "camera"),
    "zoom_out": ("zoom out", "镜头拉远", "camera"),
    "night_slowly": ("night falls slowly", "夜幕慢慢降临", "light"),
    "sunrise_slowly": ("the sun rises slowly", "太阳慢慢升起", "light"),
    "fog_slowly": ("fog rolls in slowly", "慢慢起雾了", "weather"),
    "snow_heavy": ("heavy snow", "大雪纷飞", "weather"),
    "rain_heavy": ("heavy rain", "倾盆大雨", "weather"),
}

NOTE = {  # what people read where they write their text, once the measure says that it is so
    "en": "This model can change light and weather. Anything else stays calm: nothing in the picture walks or talks. "
    "Films are small, 96 to 192 pixels.",
    "zh": "这个模型能改变光线和天气；其他内容只会得到平静的画面，图中的东西不会走动或说话。影片很小，96 到 192 像素。",
}


def export_vae(work: Path, directory: Path) -> None:
    """Write work/vae.pt as `vae/` in float16: latents of unit spread, and a posterior that is a point."""
    held = torch.load(work / "vae.pt", weights_only=True, map_location="cpu")
    model = architecture.vae()
    if not held["clips"]:
        fastvae.without_time(model)
    model.load_state_dict(held["model"])
    if not held["clips"]:
        fastvae.with_time(model)
    channels = architecture.CHANNELS
    with torch.no_grad():  # the log variance is never trained: sampling the posterior must be as good as its mean
        model.quant_conv.weight[channels:] = 0
        model.quant_conv.bias[channels:] = -12
    spread = float(torch.cat([z.flatten() for z, _ in _codes(model, work)]).std())
    model.register_to_config(scaling_factor=round(1 / spread, 4))
    with aside(directory) as made:
        model.half().save_pretrained(made / "vae")


def preview(vae: Any, work: Path) -> dict[str, Any]:
    """The matrix that turns scaled latents into colours, by least squares on stills."""
    scale = float(vae.config.scaling_factor)
    pairs = [(z * scale, F.avg_pool2d((still[None] + 1) / 2, 8)[0]) for z, still in _codes(vae, work)]
    known = torch.cat([z.flatten(1).T for z, _ in pairs])
    known = torch.cat([known, torch.ones(len(known), 1)], 1)
    colours = torch.cat([colour.flatten(1).T for _, colour in pairs])
    matrix = torch.linalg.lstsq(known, colours).solution
    rows = [[round(float(value), 4) for value in row] for row in matrix]
    return {"factors": rows[:-1], "bias": rows[-1]}


@torch.inference_mode()
def _codes(vae: Any, work: Path, count: int = 48) -> list[tuple[Tensor, Tensor]]:
    """Latents (C, h, w), unscaled, of some stills (3, H, W) in -1..1."""
    stills = Stills(work / "photos.npz", seed=99)
    made = []
    for _ in range(count):
        still = stills.crop(128, 128) * 2 - 1
        made.append((fastvae.encode_mean(vae, still[None, :, None])[0, :, 0], still))
    return made


def export(work: Path, directory: Path, *, trained: bool, understands: tuple[str, ...], note: str) -> None:
    """Write transformer and card beside the encoders and the VAE that `directory` holds already.

    note: what the card tells people; empty: NOTE, of what is trained
    """
    from gen.train.clips import load_vae

    heads = ("en", "zh", "kind", "film")
    listed = [dict(zip(heads, (*SAID[name], f"examples/{name}.mp4"), strict=True)) for name in understands]
    with aside(directory) as made:
        averaged(work).half().save_pretrained(made / "transformer")
        found = preview(load_vae(directory / "vae"), work)
        told = note or (NOTE if trained else "")
        write_card(made, card(trained=trained, understands=listed, note=told, preview=found))


def resume(directory: Path, work: Path, *, encoder: bool) -> None:
    """Begin a working folder from the weights of a checkpoint: averages become weights, the clocks start at zero.

    The optimisers' momenta are lost, which costs some hundred steps; the encoders are copied to work/checkpoint.
    encoder: whether the VAE's encoder is to be trained on, on stills; the transformer then has to learn its new code
    raises:  Unready, when the folder holds a training or another checkpoint already
    """
    from gen.train.clips import load_vae
    from gen.train.flow import FlowRun, Training, load_transformer

    kept = work / "checkpoint"
    same = kept.resolve() == directory.resolve()
    for there in (work / "flow.pt", work / "vae.pt", *(() if same else (kept,))):
        if there.exists():
            raise Unready(f"{there} is there already, and would be lost: name another --work, or remove it.")
    work.mkdir(parents=True, exist_ok=True)
    if not same:
        shutil.copytree(directory, kept)
    training = Training(FlowRun(work, kept, 0.0))
    training.model.load_state_dict(load_transformer(kept / "transformer").state_dict())
    training.average = {name: weight.clone() for name, weight in training.model.state_dict().items()}
    training.save()
    model = load_vae(kept / "vae")
    if encoder:
        fastvae.without_time(model)
    torch.save({"clips": not encoder, "step": 0, "spent": 0.0, "model": model.state_dict()}, work / "vae.pt")
