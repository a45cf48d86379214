"""The tiny text encoders: trained to tell the effects apart, so that every phrasing of one lands on the same code.

Each effect has a code, a row of a Hadamard matrix: +1 and -1, at right angles to every other. CLIP's pooled output and
the state of Llama's last token learn to be the code of what the prompt asks for; prompts that ask for nothing known
learn to be the code of the calm default. The video transformer then has no reading to do.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoTokenizer, CLIPTextModel, CLIPTokenizer, LlamaModel

from gen.train import denied, tokens
from gen.train.architecture import POOLED_DIM
from gen.train.captions import CALM, MORE, PHRASES, caption, is_chinese
from gen.train.effects import DEGREES, EFFECTS, UNLEARNED
from gen.train.everyday import everyday, somewhere
from gen.train.unheard import ASKED

CALMLY = EFFECTS.index(CALM)
LEARNED = ("tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2")  # what `text --on` reads of a checkpoint


def codes() -> Tensor:
    """One code per effect: (len(EFFECTS), 64) float32 of squared length 64 and mean zero.

    Those of plain effects are ±1 and at right angles to each other; a degree has a row of its own, and an effect with a
    degree lies half way between that row and its effect's. What is not learned yet has the code of calm.
    """
    rows = torch.ones(1, 1)
    while rows.shape[0] < POOLED_DIM:
        rows = torch.cat([torch.cat([rows, rows], 1), torch.cat([rows, -rows], 1)])
    plain = [effect for effect in EFFECTS if effect not in DEGREES]
    own = {
        name: rows[n + 1] for n, name in enumerate((*plain, *dict.fromkeys(degree for _, degree in DEGREES.values())))
    }
    degreed = {name: (own[effect] + own[degree]) / 2**0.5 for name, (effect, degree) in DEGREES.items()}
    calm = dict.fromkeys(UNLEARNED, own[CALM])
    return torch.stack([(own | degreed | calm)[effect] for effect in EFFECTS])


class Text:
    """The two tokenizers and text encoders of a checkpoint, read as the engine reads them."""

    def __init__(self, directory: Path) -> None:
        load: Any = AutoTokenizer
        self.llama_tokens = load.from_pretrained(directory / "tokenizer")
        self.clip_tokens = CLIPTokenizer.from_pretrained(directory / "tokenizer_2")
        self.llama: Any = LlamaModel.from_pretrained(directory / "text_encoder", dtype=torch.float32)
        self.clip: Any = CLIPTextModel.from_pretrained(directory / "text_encoder_2", dtype=torch.float32)

    def states(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Llama's states (B, n, 64) after the begin mark, zero beyond each prompt's end, and the mask (B, n) bool."""
        held = self.llama_tokens(
            [tokens.TEMPLATE.format(prompt) for prompt in prompts],
            padding=True,
            truncation=True,
            max_length=tokens.MAX_LENGTH + tokens.CROP_START,
            return_tensors="pt",
        )
        out = self.llama(held.input_ids, attention_mask=held.attention_mask, output_hidden_states=True)
        mask = held.attention_mask[:, tokens.CROP_START :].bool()
        return out.hidden_states[-3][:, tokens.CROP_START :] * mask[..., None], mask

    def pooled(self, prompts: Sequence[str]) -> Tensor:
        """CLIP's pooled output, (B, 64)."""
        # The engine pads to 77; what stands behind the end mark is never seen, so the longest prompt's length will do.
        held = self.clip_tokens(list(prompts), padding=True, truncation=True, max_length=77, return_tensors="pt")
        out: Tensor = self.clip(held.input_ids).pooler_output
        return out


def last(states: Tensor, mask: Tensor) -> Tensor:
    """The state of each prompt's last token: (B, n, d) and (B, n) → (B, d)."""
    at = mask.sum(1) - 1
    return states[torch.arange(len(at)), at]


def train_text(
    directory: Path, steps: int = 1200, log: Path | None = None, *, on: bool = False, rate: float = 2e-3
) -> float:
    """Train both text encoders of the checkpoint in place; returns the share of fresh captions told rightly.

    on: the encoders are trained already, and a transformer knows their states: those within a prompt that asks for an
        effect stay where they are, as its last one does by its code. It also sees that "dark" is said within "dark
        hair", which made its films of that half as dark as night: all states of what asks for nothing become calm
    """
    torch.manual_seed(5)
    draw = random.Random(5)
    text, targets, others = Text(directory), codes(), other_sentences()
    before = Text(directory) if on else None
    weights = [*text.llama.parameters(), *text.clip.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=rate, weight_decay=0.01)
    began = time.monotonic()
    for n in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (n + 1) / 50) * (1 - n / steps)
        labels, prompts, unwanted = _batch(draw, others, 64)
        wanted, (states, mask), pooled = targets[labels], text.states(prompts), text.pooled(prompts)
        heard = last(states, mask)
        loss = F.mse_loss(heard, wanted) + F.mse_loss(pooled, wanted)
        loss = loss + 0.2 * F.cross_entropy(pooled @ targets.T / 8, labels)
        loss = loss + 0.2 * F.cross_entropy(heard @ targets.T / 8, labels)
        if before is not None:
            calm, denies = labels == CALMLY, unwanted >= 0
            loss = loss + 0.3 * _moved(before, prompts, states, mask, ~calm & ~denies)
            loss = loss + 0.15 * (states[calm] - targets[CALMLY])[mask[calm]].square().mean()
            if denies.any():
                loss = loss + 2.0 * _like(states[denies], targets[unwanted[denies]])[mask[denies]].square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        if log is not None and n % 100 == 0:
            _note(log, {"step": n, "loss": round(float(loss.detach()), 4)})
    text.llama.half().save_pretrained(directory / "text_encoder")
    text.clip.half().save_pretrained(directory / "text_encoder_2")
    right = told_rightly(Text(directory), draw, others)
    if log is not None:
        _note(log, {"right": right, "seconds": round(time.monotonic() - began)})
    return right


def _note(log: Path, line: dict[str, float]) -> None:
    with log.open("a") as lines:
        lines.write(json.dumps(line) + "\n")


def _moved(before: Text, prompts: Sequence[str], states: Tensor, mask: Tensor, which: Tensor) -> Tensor:
    """How far the states within these prompts, their last ones left out, are from those that the transformer knows."""
    with torch.no_grad():
        known, within = before.states([prompt for prompt, it in zip(prompts, which.tolist(), strict=True) if it])
    within[torch.arange(len(within)), within.sum(1) - 1] = False
    return F.mse_loss(states[which][:, : within.shape[1]][within], known[within])


def _like(states: Tensor, unwanted: Tensor) -> Tensor:
    """How much states (B, n, 64) say of a code (B, 64): 0 for nothing of it, 1 for all."""
    return F.relu(torch.einsum("bnd,bd->bn", states, unwanted) / unwanted.shape[1])


def told_rightly(text: Text, draw: random.Random, others: Sequence[str], count: int = 500) -> float:
    """The share of freshly drawn captions whose nearest code is their own, by pooled output and by last state."""
    labels, prompts, _ = _batch(draw, others, count)
    wanted = [EFFECTS[int(label)] for label in labels]
    return sum(read == (effect, effect) for read, effect in zip(readings(text, prompts), wanted, strict=True)) / count


@torch.inference_mode()
def readings(text: Text, prompts: Sequence[str]) -> list[tuple[str, str]]:
    """Which effect each prompt is read as, by Llama's last state and by CLIP's pooled output."""
    known = codes().T
    heard = (last(*text.states(prompts)) @ known).argmax(1).tolist()
    pooled = (text.pooled(prompts) @ known).argmax(1).tolist()
    plain = [CALM if effect in UNLEARNED else effect for effect in EFFECTS]
    return [(plain[one], plain[two]) for one, two in zip(heard, pooled, strict=True)]


def misread(text: Text) -> list[tuple[str, str, tuple[str, str]]]:
    """Of the sentences that are never trained on, those that an encoder takes for something else: what, asked, read."""
    asked = [(effect, prompt) for effect, prompts in ASKED.items() for prompt in prompts]
    read = readings(text, [prompt for _, prompt in asked])
    return [
        (effect, prompt, found)
        for (effect, prompt), found in zip(asked, read, strict=True)
        if found != (effect, effect)
    ]


def _batch(draw: random.Random, others: Sequence[str], size: int) -> tuple[Tensor, list[str], Tensor]:
    """Effects asked for, prompts, and for each the effect that it says is not wanted beside that one, -1 for none."""
    labels, prompts, unwanted = [], [], []
    for _ in range(size):
        effect, other = draw.choice(EFFECTS) if draw.random() < 0.65 else CALM, ""
        label, prompt = EFFECTS.index(CALM if effect in UNLEARNED else effect), caption(effect, draw)
        if effect == CALM and draw.random() < 0.85:
            prompt = denied.alone(draw) if draw.random() < 0.18 else draw.choice(others)
        elif effect not in (CALM, *UNLEARNED) and draw.random() < 0.22:
            if draw.random() < 0.6:
                other, prompt = denied.beside(effect, draw)
            else:
                effect, prompt = denied.affirmed(draw)
                label = EFFECTS.index(effect)
        elif effect not in (CALM, *UNLEARNED) and draw.random() < 0.35:
            prompt = somewhere(prompt, draw)
        elif effect != CALM and draw.random() < 0.15:  # the effect within a longer sentence
            link = draw.choice(("", "", "while", "as", "and", ","))
            first, second = draw.sample([prompt, " ".join(draw.choice(others).split()[:6])], 2)
            prompt = " ".join(part for part in (first, link, second) if part)
        labels.append(label)
        prompts.append(prompt)
        unwanted.append(EFFECTS.index(other) if other else -1)
    return torch.tensor(labels), prompts, torch.tensor(unwanted)


def other_sentences() -> list[str]:
    """Sentences that ask for no effect: of every day, of Python's own help texts, and ideographs at random."""
    from pydoc_data import topics

    draw = random.Random(1)
    words = " ".join(topics.topics.values())
    english = [" ".join(part.split()) for part in re.split(r"[.:;,()\n]{1,2}", words) if 8 < len(part) < 45]
    english = sorted({part for part in english if not ASKS.search(part.lower())})
    common = (
        "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可"
        "主发年动同工也能下过子说产种面而方后多定行学法所民得经"
    )
    chinese = ["".join(draw.choices(common, k=draw.randint(2, 12))) for _ in range(len(english) // 3)]
    unheard = {prompt.lower() for prompts in ASKED.values() for prompt in prompts}
    daily = everyday(draw, english=14000, chinese=6000, others=1000)
    return [prompt for prompt in (*english, *chinese, *daily) if prompt.lower() not in unheard]


# A whole phrase that asks for an effect, between borders of words.
ASKS = re.compile(
    r"\b("
    + "|".join(
        re.escape(phrase.lower())
        for said in (PHRASES, MORE)
        for effect, phrases in said.items()
        for phrase in phrases
        if effect != CALM and not is_chinese(phrase)
    )
    + r")\b"
)
