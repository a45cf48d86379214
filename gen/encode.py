"""Prompt and picture to Conditioning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gen.types import Text

if TYPE_CHECKING:
    from gen.card import PromptTemplate
    from gen.weights import Models


def in_template(prompt: str, template: PromptTemplate) -> str:
    """The prompt within the words that the Llama encoder is given around it."""
    words = template.template
    if words is None:
        from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video import DEFAULT_PROMPT_TEMPLATE

        words = str(DEFAULT_PROMPT_TEMPLATE["template"])
    return words.replace("{}", prompt)


@torch.no_grad()
def encode_text(models: Models, template: PromptTemplate, prompt: str) -> Text:
    """Both encodings of one prompt: (1, n, D) with n at most max_length, and pooled (1, P), on the CPU.

    The Llama side is the hidden state third from the end (gen/llama.py ends there), without the template's beginning.
    Both encoders look only backwards, so nothing is padded: what comes after a token does not change it.
    source: encode_prompt_conds of lllyasviel/FramePack
    """
    device = models.device
    most = template.crop_start + template.max_length
    tokens = models.tokenizer(in_template(prompt, template), truncation=True, max_length=most, return_tensors="pt")
    hidden = models.text_encoder(input_ids=tokens.input_ids.to(device), use_cache=False).last_hidden_state
    most_2 = models.text_encoder_2.config.max_position_embeddings
    tokens_2 = models.tokenizer_2(prompt, truncation=True, max_length=most_2, return_tensors="pt")
    pooled: Tensor = models.text_encoder_2(input_ids=tokens_2.input_ids.to(device)).pooler_output
    return Text(hidden[:, template.crop_start :].cpu(), pooled.cpu())


def fit(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The picture scaled to cover width x height and cropped in the middle; Lanczos; as it is where it fits already."""
    picture = picture.convert("RGB")
    if picture.size == (width, height):
        return picture
    scale = max(width / picture.width, height / picture.height)
    scaled = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    # Half pixels go to the even side, as Pillow itself rounds them
    left, top = round((scaled.width - width) / 2), round((scaled.height - height) / 2)
    return scaled.crop((left, top, left + width, top + height))


@torch.no_grad()
def encode_picture(models: Models, picture: Image.Image) -> Tensor:
    """(1, m, E), the image encoder's last hidden state of a picture cropped by fit, on the CPU."""
    pixels = models.feature_extractor(images=np.asarray(picture), return_tensors="pt").pixel_values
    hidden: Tensor = models.image_encoder(
        pixels.to(models.image_encoder.device, models.image_encoder.dtype)
    ).last_hidden_state
    return hidden.cpu()


@torch.no_grad()
def picture_posterior(vae: Any, picture: Image.Image) -> tuple[Tensor, Tensor]:
    """Mean and log variance of the picture's latent, each (1, C, 1, h, w) float32 on the CPU, before scaling."""
    pixels = torch.from_numpy(np.array(picture)).float() / 127.5 - 1
    # (H, W, 3) -> (1, 3, 1, H, W)
    posterior = vae.encode(pixels.permute(2, 0, 1)[None, :, None].to(vae.device, vae.dtype)).latent_dist
    return posterior.mean.float().cpu(), posterior.logvar.float().cpu()


def start_latent(vae: Any, picture: Image.Image, draw: Tensor | None = None) -> Tensor:
    """The picture's latent times the scaling factor, (1, C, 1, h, w) float32.

    draw: unit normal noise of that shape makes it a sample of the posterior. None takes its mean: the reference draws
          from a generator that it never seeds, and a film should follow from its plan and picture alone
    """
    mean, logvar = picture_posterior(vae, picture)
    latent = mean if draw is None else mean + torch.exp(logvar / 2) * draw
    return latent * float(vae.config.scaling_factor)
