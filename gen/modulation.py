"""What the transformer makes of time, guidance and text alone: computed once a prompt, not once a step.

Every block modulates its norms by a linear layer of the time embedding. Those layers are 27 % of the 13 B model's
weights, and their outputs follow from (time, guidance, pooled text): one vector for each step. So a table of them is
made once for a prompt, the layers are taken out of the model, and their weights stay in the file. A row is computed by
the very operation that the layer would have run, so nothing changes, to the bit. The refined text (from text and time)
and the projected picture are kept in the same way.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gen.precision import Packed
from gen.tensors import Source
from gen.types import Text

T = TypeVar("T")
MODULATED = ("norm1", "norm1_context", "norm", "norm_out")  # modules with a layer of their own for the time
KEPT = 4  # tables in RAM: 56 MB each with 25 steps of the 13 B model, beside 39 MB of refined text


class Looked(nn.Module):
    """Stands where a modulation's linear layer stood and gives the row of the step under way.

    Without a row it computes one from the weights in their file: right, and slow, for whoever calls the class's own
    forward.
    """

    def __init__(self, source: Source, name: str) -> None:
        """name: of the layer, as in the source."""
        super().__init__()
        self.source = source
        self.name = name
        self.row: Tensor | None = None

    def weights(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """(out, in) and (out,), in the dtype and on the device of another tensor."""
        weight, bias = (self.source.read(f"{self.name}.{kind}") for kind in ("weight", "bias"))
        # copies: where a tensor begins in its file, a product may round otherwise than at an address of our own
        return weight.to(like.device, like.dtype, copy=True), bias.to(like.device, like.dtype, copy=True)

    def forward(self, x: Tensor) -> Tensor:
        """(1, in) to (1, out)."""
        if self.row is not None:
            return self.row
        return F.linear(x, *self.weights(x))


def is_modulation(name: str) -> bool:
    """Whether the tensor of this name belongs to a layer that the table takes the place of."""
    parts = name.split(".")
    inside = parts[0] in ("transformer_blocks", "single_transformer_blocks", "norm_out")
    return inside and len(parts) > 2 and parts[-2] == "linear" and parts[-3] in MODULATED


def detach(transformer: Any, source: Source) -> None:
    """Put a Looked in the place of every modulation's linear layer of diffusers' transformer."""
    for name, module in list(transformer.named_modules()):
        if is_modulation(f"{name}.linear.weight") and isinstance(getattr(module, "linear", None), nn.Linear):
            module.linear = Looked(source, f"{name}.linear")


@dataclass(frozen=True)
class Table:
    """What a prompt's calls need of time, guidance and text, for each of its steps.

    steps: sigma → number of the step
    rows:  for each step, of each modulation its row (1, out)
    temb:  (steps, dim), the time embedding; words: (steps, n, dim), the refined text
    """

    steps: dict[float, int]
    rows: list[list[Tensor]]
    temb: Tensor
    words: Tensor

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        rows = sum(row.nbytes for step in self.rows for row in step)
        return rows + self.temb.nbytes + self.words.nbytes

    def on(self, device: torch.device) -> Table:
        """A copy of it on a device."""
        layers = [torch.cat(rows).to(device) for rows in zip(*self.rows, strict=True)]  # one copy for all of its steps
        rows = [[layer[n : n + 1] for layer in layers] for n in range(len(self.rows))]
        return Table(self.steps, rows, self.temb.to(device), self.words.to(device))


class Modulation:
    """The tables and projections of one transformer, the last few of each.

    Tables wait in RAM; the device has the one that is used. Bringing another is 0.1 GB over the bus: nothing beside a
    section, and on a card of 6 GB three more of them would take the place of a block.
    """

    def __init__(self, transformer: Any, device: torch.device, aside: Aside | None = None) -> None:
        """aside: brings the parts that only tables and projections need; None: they are there all the time."""
        self.transformer = transformer
        self.device = device
        self.aside: AbstractContextManager[object] = aside or nullcontext()
        self.looked = [module for module in transformer.modules() if isinstance(module, Looked)]
        self.rounds = rounds_times(transformer)
        self.tables: Recent[Table] = Recent(KEPT)
        self.near: Recent[Table] = Recent(1)
        self.images: Recent[Tensor] = Recent(2 * KEPT)

    @property
    def detached(self) -> bool:
        """Whether the transformer's layers were taken out, so that tables can stand in."""
        return bool(self.looked)

    def table(self, text: Text, sigmas: list[Tensor], guidance: Tensor) -> Table:
        """The table for a prompt and its steps; made where it is not there. sigmas: of the steps, each a scalar."""
        key = fingerprint(text.prompt_embeds, text.pooled, torch.stack(sigmas), guidance)

        def make() -> Table:
            with self.aside:
                made = make_table(self.transformer, self.looked, text, sigmas, guidance, rounds=self.rounds)
                return made if self.device.type == "cpu" else made.on(torch.device("cpu"))

        if self.device.type == "cpu":
            return self.tables.get(key, make)
        return self.near.get(key, lambda: self.tables.get(key, make).on(self.device))

    def image(self, embeds: Tensor) -> Tensor:
        """(1, m, dim), the projected image embeddings."""

        def project() -> Tensor:
            with self.aside:
                projection = self.transformer.image_projection
                out: Tensor = projection(embeds.to(self.device, projection.up.weight.dtype))
                return out

        return self.images.get(fingerprint(embeds), project)

    @contextmanager
    def at(self, table: Table, step: int) -> Iterator[None]:
        """Meanwhile the model's modulations give the rows of this step."""
        for looked, row in zip(self.looked, table.rows[step], strict=True):
            looked.row = row
        try:
            yield
        finally:
            for looked in self.looked:
                looked.row = None


class Aside:
    """Parts that only tables and projections need: the refiner, the projections of time and picture.

    They are there while it is entered.
    """

    PARTS = ("context_embedder", "time_text_embed", "image_projection")

    def __init__(self, transformer: Any, source: Source, device: torch.device, dtype: torch.dtype) -> None:
        """The parts' parameters may be without values; they are read from the source each time."""
        self.source, self.device, self.dtype = source, device, dtype
        self.parameters = {
            name: parameter for name, parameter in transformer.named_parameters() if name.split(".")[0] in self.PARTS
        }

    def __enter__(self) -> None:
        for name, parameter in self.parameters.items():
            parameter.data = self.source.read(name).to(self.device, self.dtype, copy=True)

    def __exit__(self, *_: object) -> None:
        for parameter in self.parameters.values():
            parameter.data = parameter.new_empty(0)


@torch.no_grad()
def make_table(
    transformer: Any, looked: list[Looked], text: Text, sigmas: list[Tensor], guidance: Tensor, *, rounds: bool
) -> Table:
    """Run every layer that hears the time, each step by itself: the operation of the model, so the same bits.

    rounds: as rounds_times says
    """
    device, dtype = guidance.device, transformer.x_embedder.proj.weight.dtype
    words, pooled = text.prompt_embeds.to(device, dtype), text.pooled.to(device, dtype)
    mask = torch.ones(words.shape[:2], dtype=torch.bool, device=device)
    tembs, refined = [], []
    for sigma in sigmas:
        time, strength = heard((1000 * sigma).reshape(1).to(device), guidance, dtype, rounds)
        tembs.append(transformer.time_text_embed(time, pooled, strength)[0])
        refined.append(transformer.context_embedder(words, time, mask))
    activated = [F.silu(temb) for temb in tembs]
    rows: list[list[Tensor]] = [[] for _ in sigmas]
    for layer in looked:  # each layer's weights come from the file once
        weight, bias = layer.weights(activated[0])
        for n, x in enumerate(activated):
            rows[n].append(F.linear(x, weight, bias))
    steps = {float(sigma): n for n, sigma in enumerate(sigmas)}
    return Table(steps, rows, torch.cat(tembs), torch.cat(refined))


def rounds_times(transformer: Any) -> bool:
    """Whether times and guidance are rounded to bfloat16 for it, as they were when the model was made: 965.5 is 964.

    So it hears the same in each precision, fp16 and fewer bits included, where float32 flows between the layers. What
    is float32 all through hears them as they are.
    """
    if transformer.x_embedder.proj.weight.dtype == torch.bfloat16:
        return True
    return any(isinstance(module, Packed) for module in transformer.modules())


def heard(time: Tensor, guidance: Tensor, dtype: torch.dtype, rounds: bool) -> tuple[Tensor, Tensor]:
    """Time and guidance, each (1,) float32, as the model hears them."""
    if not rounds:
        return time, guidance
    return time.to(torch.bfloat16).to(dtype), guidance.to(torch.bfloat16).to(dtype)


class Recent(Generic[T]):
    """The values last asked for, by key; what was not asked for longest goes first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.made = 0
        self._values: OrderedDict[str, T] = OrderedDict()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """The value of a key, made where it is not there."""
        if key not in self._values:
            while len(self._values) >= self.most:  # first, so that there is room for the new one
                self._values.popitem(last=False)
            self._values[key] = make()
            self.made += 1
        self._values.move_to_end(key)
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[T]:
        return iter(self._values.values())


def fingerprint(*tensors: Tensor) -> str:
    """A hash of what is in some tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
