"""Which attention kernel is chosen, with the reason; and that the blocks alone hear of it."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

from gen import attention
from gen.errors import AttentionMissing
from gen.weights import Models

AMPERE, TURING = (8, 6), (7, 5)


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, package: str, version: str, source: str = ""
) -> None:
    """A package that has what is looked for, or is as its source says."""
    kernel = next(each for each in attention.KERNELS if each.package == package)
    whole = "\n".join(f"def {name}(): ..." for name in kernel.functions)
    (folder / module).mkdir()
    (folder / module / "__init__.py").write_text(source or whole)
    (folder / module / "ops.py").write_text("")
    for name in (module, f"{module}.ops"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    info = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(folder))
    sys.path_importer_cache.clear()


def test_without_a_card_it_is_pytorchs_own() -> None:
    assert attention.choose("auto", None).backend == "native"
    with pytest.raises(AttentionMissing, match="no card"):
        attention.choose("sage", None)


def test_a_kernel_that_is_not_installed_is_not_chosen_and_said() -> None:
    chosen = attention.choose("auto", AMPERE)
    assert chosen.backend == "native"
    assert all(name in chosen.why for name in ("sageattention is not installed", "flash-attn", "xformers"))
    with pytest.raises(AttentionMissing, match=r"attention is flash, but flash-attn is not installed"):
        attention.choose("flash", AMPERE)


def test_the_fastest_that_imports_and_fits_the_card_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "sageattention", "sageattention", "2.2.0")
    install(tmp_path, monkeypatch, "xformers", "xformers", "0.0.31.post1")
    assert attention.choose("auto", AMPERE).backend == "sage"
    assert attention.choose("auto", TURING).backend == "xformers"
    assert attention.choose("native", AMPERE).backend == "native"
    with pytest.raises(AttentionMissing, match=r"Ampere or newer, this card has 7\.5"):
        attention.choose("sage", TURING)


def test_one_that_is_installed_and_does_not_load_is_not_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "raise ImportError('undefined symbol: _ZN3c10')"
    install(tmp_path, monkeypatch, "flash_attn", "flash-attn", "2.8.3", broken)
    install(tmp_path, monkeypatch, "sageattention", "sageattention", "2.2.0", "def sageattn(): ...")
    why = attention.choose("auto", AMPERE).why
    assert "flash-attn 2.8.3 cannot be loaded here (ImportError: undefined symbol: _ZN3c10)" in why
    assert "sageattention 2.2.0 has no sageattn_varlen" in why
    with pytest.raises(AttentionMissing, match="cannot be loaded here"):
        attention.choose("flash", AMPERE)


def test_one_that_does_not_compute_on_this_card_is_not_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "sageattention", "sageattention", "2.2.0")
    install(tmp_path, monkeypatch, "flash_attn", "flash-attn", "2.8.3")
    failures = {"sage": "it does not run on this card (RuntimeError: no kernel image)"}
    assert attention.choose("auto", AMPERE, failures.get).backend == "flash"
    assert "Not sage: it does not run" in attention.choose("auto", AMPERE, (failures | {"flash": "no"}).get).why
    with pytest.raises(AttentionMissing, match="no kernel image"):
        attention.choose("sage", AMPERE, failures.get)


def test_a_kernel_is_tried_against_pytorchs_own() -> None:
    tried = attention.trial_on("cpu")
    assert tried("_native_math") is None
    assert (tried("flash") or "").startswith("it does not run on this card (TypeError")


def test_one_that_is_too_old_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "sageattention", "sageattention", "1.0.6")
    assert "sageattention 1.0.6 is older than 2.1.1" in attention.choose("auto", AMPERE).why


def test_the_blocks_alone_hear_of_it(models: Models) -> None:
    transformer = copy.deepcopy(models.transformer)
    before = _AttentionBackendRegistry.get_active_backend()[0]
    attention.use(transformer, "_native_math")
    blocks = (*transformer.transformer_blocks, *transformer.single_transformer_blocks)
    assert {block.attn.processor._attention_backend for block in blocks} == {AttentionBackendName._NATIVE_MATH}
    for block in transformer.context_embedder.token_refiner.refiner_blocks:
        assert getattr(block.attn.processor, "_attention_backend", None) is None
    assert _AttentionBackendRegistry.get_active_backend()[0] == before


def test_every_name_of_the_configuration_is_one_of_diffusers() -> None:
    assert {name for name in attention.NAMES if name != "auto"} <= {each.value for each in AttentionBackendName}
