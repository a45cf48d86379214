"""The published FramePack code's numbers, from the same weights and inputs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from safetensors.torch import load_file

from gen.bench.golden import LATENTS, Case, conditioning_of, engine_of, find_cases, plan_of, run_case
from gen.card import read_json

GOLDEN = Path(__file__).parents[1] / "golden"


def test_every_case_is_found() -> None:
    assert [case.name for case in find_cases(GOLDEN)] == [
        "encode",
        "f1_3s",
        "forward",
        "inverted_3s",
        "sampler",
        "teacache_2s",
    ]


@pytest.mark.parametrize("folder", find_cases(GOLDEN), ids=lambda folder: folder.name)
def test_the_reference_s_numbers_come_out(folder: Path) -> None:
    checks = run_case(folder)
    assert len(checks) >= 7
    assert [check for check in checks if not check.ok] == []


def test_the_sigmas_and_positions_are_the_reference_s_to_the_bit() -> None:
    checks = [check for name in ("sampler", "forward") for check in run_case(GOLDEN / name)]
    exact = [check for check in checks if check.what.startswith("sigmas") or check.what.endswith("indices")]
    assert len(exact) == 11
    assert {check.worst for check in exact} == {0.0}


def test_the_noise_a_plan_draws_for_itself_makes_the_same_section() -> None:
    folder = GOLDEN / "f1_3s"
    case = Case(folder, read_json(folder / "params.json"), *(load_file(folder / f"{x}.safetensors") for x in IO))
    plan, engine = plan_of(case.params), engine_of(case)
    history = [case.expected["latents.0"], case.expected["latents.1"]]
    latents = engine.sample(plan, conditioning_of(plan, case.inputs), history, 2)
    assert case.compare("latents.2", latents, LATENTS).ok
    keyed = dataclasses.replace(plan, noise="keyed")
    assert not case.compare(
        "latents.2", engine.sample(keyed, conditioning_of(plan, case.inputs), history, 2), LATENTS
    ).ok


IO = ("inputs", "expected")
