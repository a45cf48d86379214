"""Where the published weights come from: one table of hub repositories, folders, revisions and sizes. No torch.

source: demo_gradio.py and demo_gradio_f1.py of lllyasviel/FramePack; sizes as their downloads showed (10^9 bytes)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LICENCE = "Tencent Hunyuan Community License Agreement"
LICENCE_AT = "https://huggingface.co/tencent/HunyuanVideo/blob/main/LICENSE"

STEMS = {"transformer": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}  # of the others: "model"
CONFIGS = {"tokenizer": "tokenizer_config.json", "tokenizer_2": "tokenizer_config.json"} | {
    "feature_extractor": "preprocessor_config.json"
}
# Beside its config, what of a part without weights is fetched where the repository has it
WORDS = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "special_tokens_map.json")
UNREAD = 2  # layers at the end of the Llama: the third hidden state from the end is what the two before them give


@dataclass(frozen=True)
class Part:
    """One part of a model on the hub.

    repo:     owner/name         folder: in the repository, empty: its root
    revision: a commit; None: the newest when it is first fetched, which is written down then and kept to
    gb:       10^9 bytes that are fetched, for what is said before the hub was asked
    """

    repo: str
    folder: str
    gb: float
    revision: str | None = None

    @property
    def home(self) -> str:
        """The folder of the repository's files in models_dir; two models share what they have in common."""
        return home_of(self.repo)


def home_of(repo: str) -> str:
    """owner/name as the name of a folder."""
    return repo.replace("/", "--")


HUNYUAN = "hunyuanvideo-community/HunyuanVideo"
REDUX = "lllyasviel/flux_redux_bfl"  # its SigLIP and nothing else

COMMON = {
    "vae": Part(HUNYUAN, "vae", 0.49),
    "text_encoder": Part(HUNYUAN, "text_encoder", 14.90),  # three of four shards; all of it is 15.01
    "text_encoder_2": Part(HUNYUAN, "text_encoder_2", 0.25),
    "tokenizer": Part(HUNYUAN, "tokenizer", 0.02),
    "tokenizer_2": Part(HUNYUAN, "tokenizer_2", 0.002),
    "image_encoder": Part(REDUX, "image_encoder", 0.86),
    "feature_extractor": Part(REDUX, "feature_extractor", 0.001),
}
SOURCES: Mapping[str, Mapping[str, Part]] = {
    "framepack": {"transformer": Part("lllyasviel/FramePackI2V_HY", "", 25.75), **COMMON},
    "framepack-f1": {"transformer": Part("lllyasviel/FramePack_F1_I2V_HY_20250503", "", 25.75), **COMMON},
}

# transformer/config.json of lllyasviel/FramePack_F1_I2V_HY_20250503, as far as it is not the class's default
FRAMEPACK: Mapping[str, Any] = {
    "has_clean_x_embedder": True,
    "has_image_proj": True,
    "image_proj_dim": 1152,
    "image_condition_type": None,
}
VAE_BYTES = 492_957_606  # AutoencoderKLHunyuanVideo in float16


def needed(part: str, key: str, layers: int) -> bool:
    """Whether a weight of this name is ever read. Of the Llama: no last layers, no final norm, no head.

    layers: of the Llama, from its config
    """
    if part != "text_encoder":
        return True
    name = key.removeprefix("model.")
    if name.startswith("layers."):
        return int(name.split(".")[1]) < layers - UNREAD
    return name.startswith("embed_tokens.")


def shards(part: str, weight_map: Mapping[str, str], layers: int) -> dict[str, int]:
    """The files of an index that must be there, each with the number of weights in it that are never read.

    weight_map: of the index, weight → file
    """
    kept = {file for key, file in weight_map.items() if needed(part, key, layers)}
    return {
        file: sum(name == file and not needed(part, key, layers) for key, name in weight_map.items())
        for file in sorted(kept)
    }
