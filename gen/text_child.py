"""The process that encodes prompts with large encoders, and ends: so their memory is given back, to the last byte.

One line of JSON on stdin says what; the answer is a file, texts.safetensors or error.json, in the folder that it names.
When stdin ends nobody waits any more, and so does this process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from db.said import packed, said


def main() -> int:
    """Answer the line on stdin. Returns 0, or 1 where error.json says why not."""
    asked = json.loads(sys.stdin.readline())
    from gen import llama, weights  # noqa: F401  before anybody waits at stdin, as weights.import_all says
    from gen.errors import GenError, OutOfMemory

    with weights.staying():
        weights.model_class("text_encoder_2")
        weights.processor("tokenizer", Path(asked["parts"]["tokenizer"]))
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        tensors = encoded(asked)
    except GenError as error:
        return told(asked, error.reason, error.facts)
    except MemoryError:
        return told(asked, OutOfMemory.reason, {"doing": said("encoding the prompt")})
    from safetensors.torch import save_file

    out = Path(asked["out"])
    save_file(tensors, out / "new.safetensors")
    (out / "new.safetensors").replace(out / "texts.safetensors")
    return 0


def end_with_parent() -> None:
    """Wait for the end of stdin."""
    sys.stdin.read()
    os._exit(1)


def told(asked: Mapping[str, Any], reason: str, facts: Mapping[str, object]) -> int:
    """Write down what went wrong."""
    answer = json.dumps({"reason": reason, "facts": packed(facts)}, default=str)
    (Path(asked["out"]) / "error.json").write_text(answer, encoding="utf-8")
    return 1


def encoded(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors of every prompt, on the CPU."""
    import torch

    from gen import encode, weights
    from gen.card import PromptTemplate
    from gen.device import device_of
    from gen.engine import encoding
    from gen.errors import memory
    from gen.llama import StreamedLlama

    if asked["threads"]:
        torch.set_num_threads(asked["threads"])
    device = device_of(asked["device"])
    asked_dtype = getattr(torch, asked["dtype"]) if asked["dtype"] else None
    dtype = asked_dtype or (torch.float32 if device.type == "cpu" else torch.float16)
    parts = {part: Path(folder) for part, folder in asked["parts"].items()}
    with weights.quiet(), memory(said("loading the text encoder")):
        small = {part: weights.load_part(parts[part], part, device, dtype) for part in parts if part != "text_encoder"}
        with weights.reading(parts["text_encoder"]):
            llama = StreamedLlama(parts["text_encoder"], device, dtype)
    models, template = weights.Models(device, text_encoder=llama, **small), PromptTemplate(**asked["template"])
    tensors = {}
    with memory(said("encoding the prompt")), encoding():
        for n, prompt in enumerate(asked["prompts"]):
            text = encode.encode_text(models, template, prompt)
            tensors[f"{n}.prompt_embeds"] = text.prompt_embeds.contiguous().clone()
            tensors[f"{n}.pooled"] = text.pooled.contiguous().clone()
    return tensors


if __name__ == "__main__":
    sys.exit(main())
