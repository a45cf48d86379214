"""The tiny checkpoint's models: the classes of the 13 B checkpoint at sizes that two CPU cores can train.

Every size that matters is here. The choice of 32 latent channels at 8x compression comes from what a linear code of
that rate keeps of held-out photographs; the thin top of the VAE keeps decoding under the cost of sampling.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKLHunyuanVideo, HunyuanVideoFramepackTransformer3DModel
from transformers import CLIPTextConfig, CLIPTextModel, LlamaConfig, LlamaModel, SiglipVisionConfig, SiglipVisionModel

CHANNELS = 32  # latent channels
WIDTHS = (16, 16, 48, 80)  # of the VAE's levels, the full size first
WINDOW = 9  # latent frames in a section: 36 frames, 1.2 s at 30 fps
TEXT_DIM = 64
POOLED_DIM = 64
IMAGE_DIM = 32
IMAGE_SIZE = 48  # pixels the image encoder sees: 3 x 3 patches of 16


def transformer() -> Any:
    """A new transformer of about 7 M parameters, width 192, one double and six single blocks."""
    make: Any = HunyuanVideoFramepackTransformer3DModel  # diffusers has no types
    return make(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_attention_heads=6,
        attention_head_dim=32,
        num_layers=1,
        num_single_layers=6,
        num_refiner_layers=1,
        mlp_ratio=3.0,
        text_embed_dim=TEXT_DIM,
        pooled_projection_dim=POOLED_DIM,
        rope_axes_dim=(8, 12, 12),
        has_image_proj=True,
        image_proj_dim=IMAGE_DIM,
        has_clean_x_embedder=True,
    )


def vae() -> Any:
    """A new VAE of about 3.4 M parameters: 8x in space, 4x in time, thin where the picture is large."""
    make: Any = AutoencoderKLHunyuanVideo
    return make(
        latent_channels=CHANNELS,
        block_out_channels=WIDTHS,
        layers_per_block=1,
        norm_num_groups=2,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


def text_encoder(vocabulary: int, pad: int, bos: int, eos: int) -> Any:
    """A new Llama of five layers; the third hidden state from the end (after layer 3) is what conditions."""
    return LlamaModel(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=TEXT_DIM,
            intermediate_size=128,
            num_hidden_layers=5,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=512,
            pad_token_id=pad,
            bos_token_id=bos,
            eos_token_id=eos,
        )
    )


def text_encoder_2(vocabulary: int, bos: int, eos: int) -> Any:
    """A new CLIP text tower of two layers; its pooled output conditions."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=POOLED_DIM,
            intermediate_size=128,
            projection_dim=POOLED_DIM,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=77,
            bos_token_id=bos,
            eos_token_id=eos,
            pad_token_id=eos,
        )
    )


def image_encoder() -> Any:
    """A new SigLIP vision tower of two layers: nine tokens of width 32 for a picture."""
    return SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=IMAGE_DIM,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=IMAGE_SIZE,
            patch_size=16,
        )
    )


def seeded(seed: int) -> None:
    """Seed the global generator, which the model classes draw their first weights from."""
    torch.manual_seed(seed)
