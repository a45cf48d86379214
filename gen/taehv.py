"""TAEHV: a decoder of ten million weights that shows a section while it is sampled. The film is the VAE's.

The weights are the owner's to get (github.com/madebyollin/taehv, MIT: taehv.pth or taehv.safetensors, which go with
HunyuanVideo's latents). Of each latent frame the last of its four pictures is made, as its author does for cheaper
previews: the layers that grow time keep only the channels of that one.
"""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor, nn

from db.said import Said, said
from gen.decode import to_uint8
from gen.device import half_convolves
from gen.errors import PreviewUnusable

WIDTHS = (256, 128, 64, 64)  # channels of the decoder's levels
SCALE = 8  # pixels of a latent, along each side
SHOWN = 3  # latent frames that are decoded for one picture: its memory reaches back through the others
SIDE = 320  # pixels of a preview's longer side at most: it travels as one line of text


class Memory(nn.Module):
    """A residual block that sees the frame before beside its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(2 * width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(T, width, h, w) to the same; before the first frame there is nothing."""
        before = F.pad(x, (0, 0, 0, 0, 0, 0, 1, 0))[:-1]
        return F.relu(self.conv(torch.cat([x, before], dim=1)) + x)


class Grow(nn.Module):
    """Time made finer: of the frames that it makes, the last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(T, width, h, w) to the same."""
        out: Tensor = self.conv(x)
        return out


class Bounded(nn.Module):
    """Latents far out are drawn in."""

    def forward(self, x: Tensor) -> Tensor:
        """To -3..3."""
        return torch.tanh(x / 3) * 3


class Taehv(nn.Module):
    """The decoder. Its parameters are named as in the published files."""

    def __init__(self, channels: int) -> None:
        """channels: of the latents."""
        super().__init__()
        layers: list[nn.Module] = [Bounded(), nn.Conv2d(channels, WIDTHS[0], 3, padding=1), nn.ReLU()]
        for width, narrower in pairwise(WIDTHS):
            layers += [Memory(width), Memory(width), Memory(width), nn.Upsample(scale_factor=2), Grow(width)]
            layers += [nn.Conv2d(width, narrower, 3, padding=1, bias=False)]
        self.decoder = nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(WIDTHS[-1], 3, 3, padding=1))

    @torch.no_grad()
    def forward(self, latents: Tensor) -> Tensor:
        """(1, C, T, h, w), as sampled, to pictures (1, 3, T, 8 h, 8 w), 0 to 1."""
        parameter = next(self.parameters())
        # (1, C, T, h, w) -> (T, C, h, w) and back
        out = self.decoder(latents[0].transpose(0, 1).to(parameter.device, parameter.dtype))
        pictures: Tensor = out.transpose(0, 1)[None].float().clamp(0, 1)
        return pictures

    def picture(self, latents: Tensor) -> Image.Image:
        """The last frame of a section as it stands, SIDE pixels at most."""
        shown = Image.fromarray(to_uint8(self(latents[:, :, -SHOWN:])[:, :, -1:] * 2 - 1)[0])
        shown.thumbnail((SIDE, SIDE))
        return shown


def load_taehv(path: Path, channels: int, scale: int, device: torch.device) -> Taehv:
    """The decoder of a file, float16 on a GPU that convolves in it.

    channels, scale: of the checkpoint's latents
    raises: PreviewUnusable, one sentence
    """
    tensors = {name: tensor for name, tensor in tensors_of(path).items() if name.startswith("decoder.")}
    if scale != SCALE:
        why = said("makes {made} pixels of a latent, this checkpoint needs {needed}", made=SCALE, needed=scale)
        raise PreviewUnusable(file=str(path), why=why)
    with torch.device("meta"):
        made = Taehv(channels)
    wanted = made.state_dict()
    for name, like in wanted.items():
        if name not in tensors:
            raise PreviewUnusable(file=str(path), why=foreign(said("it has no {name}", name=name)))
        if name.endswith(".conv.weight") and tensors[name].shape[1:] == like.shape[1:]:
            tensors[name] = tensors[name][-like.shape[0] :]  # of a layer that grows time, the last frame's channels
        if tensors[name].shape != like.shape:
            shapes = {"got": tuple(tensors[name].shape), "expected": tuple(like.shape)}
            raise PreviewUnusable(
                file=str(path), why=foreign(said("{name} is {got}, expected {expected}", name=name, **shapes))
            )
    made.load_state_dict({name: tensors[name] for name in wanted}, assign=True)
    dtype = torch.float16 if device.type == "cuda" and half_convolves(device) else torch.float32
    return made.eval().requires_grad_(False).to(device, dtype)


def foreign(why: Said) -> Said:
    """Of a file that holds something else."""
    return said("is no TAEHV for this checkpoint: {why}", why=why)


def tensors_of(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of PyTorch's own; nothing in it is run. raises: PreviewUnusable."""
    from safetensors.torch import load_file

    try:
        found = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except FileNotFoundError as error:
        raise PreviewUnusable(file=str(path), why=said("is not there")) from error
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise PreviewUnusable(
            file=str(path), why=said("cannot be read ({error})", error=type(error).__name__)
        ) from error
    if not isinstance(found, dict) or not all(isinstance(each, Tensor) for each in found.values()):
        raise PreviewUnusable(file=str(path), why=said("holds no tensors by name"))
    return found
