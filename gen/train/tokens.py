"""The two tokenizers, made on the spot from the captions: byte pairs, so that any prompt has tokens."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from gen.train.captions import corpus

UNK, PAD, BOS, EOT = "<unk>", "<pad>", "<|begin_of_text|>", "<|eot_id|>"
TEMPLATE = "{}" + EOT  # the end mark sees the whole prompt, and an empty prompt still has one token
CROP_START = 1  # the begin mark
MAX_LENGTH = 96
END_OF_WORD = "</w>"
CLIP_START, CLIP_END = "<|startoftext|>", "<|endoftext|>"
# The words and marks that CLIP's tokenizer class splits into before pairing bytes (transformers, CLIPTokenizer).
CLIP_WORDS = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


def save_llama_tokenizer(directory: Path) -> None:
    """Write `tokenizer/`: lower case, byte-level pairs within words, a begin mark in front."""
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"[\u4e00-\u9fff]"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    made.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(
            vocab_size=1200,
            special_tokens=[UNK, PAD, BOS, EOT],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    made.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, made.token_to_id(BOS))]
    )
    directory.mkdir(parents=True, exist_ok=True)
    made.save(str(directory / "tokenizer.json"))
    marks = {"unk_token": UNK, "pad_token": PAD, "bos_token": BOS, "eos_token": EOT}
    config = {
        **marks,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 512,
        "padding_side": "right",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    _write(directory / "tokenizer_config.json", config)
    _write(directory / "special_tokens_map.json", marks)


def save_clip_tokenizer(directory: Path) -> None:
    """Write `tokenizer_2/`: vocabulary and merges in the form of CLIP's tokenizer class."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = _pairs(_clip_words(), 700)
    # Both forms of every byte, inside a word and at its end, as in CLIP's own vocabulary: no prompt is out of it.
    singles = [*alphabet, *(letter + END_OF_WORD for letter in alphabet)]
    tokens = list(dict.fromkeys([*singles, *(left + right for left, right in merges), CLIP_START, CLIP_END]))
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory / "vocab.json", {token: n for n, token in enumerate(tokens)})
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (directory / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    marks = {"bos_token": CLIP_START, "eos_token": CLIP_END, "pad_token": CLIP_END, "unk_token": CLIP_END}
    config = {**marks, "errors": "replace", "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    _write(directory / "tokenizer_config.json", config)
    _write(directory / "special_tokens_map.json", marks)


def _clip_words() -> Counter[tuple[str, ...]]:
    """Count the words of the captions, each a tuple of byte letters of which the last bears the end mark."""
    split = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    words = (word for line in corpus() for word, _ in split.pre_tokenize_str(line.lower()))
    return Counter((*word[:-1], word[-1] + END_OF_WORD) for word in words)


def _pairs(words: Counter[tuple[str, ...]], most: int) -> list[tuple[str, str]]:
    """Learn byte-pair merges: the commonest neighbours become one, ties in alphabetical order, so always the same.

    source: Sennrich et al. 2016, Neural Machine Translation of Rare Words with Subword Units (arXiv:1508.07909)
    """
    merges: list[tuple[str, str]] = []
    while len(merges) < most:
        counts: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                counts[pair] += times
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        merges.append(best)
        words = Counter({_merged(word, best): times for word, times in words.items()})
    return merges


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    made: list[str] = []
    for letter in word:
        if made and (made[-1], letter) == pair:
            made[-1] += letter
        else:
            made.append(letter)
    return tuple(made)


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
