from typing import Any

import pytest

from bot.config import Role
from bot.limits import allowance
from db.operators import OwnLimits
from db.requests import Limits

GENERAL = Limits(queued_per_user=5, queued_per_chat=20, queued_in_all=500, gpu_seconds_per_day=600, cooldown_s=60)
ROLES = {
    "supporter": Role(weight=2.0, queued_per_user=10, cooldown_s=0),
    "new": Role(weight=0.5, queued_per_user=1, gpu_seconds_per_day=60),
    "staff": Role(gpu_seconds_per_day=0, longest_seconds=120.0),
}


@pytest.mark.parametrize(
    ("theirs", "server", "got"),
    [
        ([], {}, (5, 20, 600, 60, 60.0, 1.0)),
        (["unknown"], {}, (5, 20, 600, 60, 60.0, 1.0)),
        (["supporter"], {}, (10, 20, 600, 0, 60.0, 2.0)),
        (["new"], {}, (1, 20, 60, 60, 60.0, 0.5)),
        (["new", "supporter"], {}, (10, 20, 60, 0, 60.0, 2.0)),
        (["staff", "new"], {}, (1, 20, 0, 60, 120.0, 1.0)),
        ([], {"queued_per_user": 3, "cooldown_s": 90, "longest_seconds": 10}, (3, 20, 600, 90, 10, 1.0)),
        ([], {"queued_per_user": 99, "gpu_seconds_per_day": 0, "cooldown_s": 0}, (5, 20, 600, 60, 60.0, 1.0)),
        (["staff"], {"gpu_seconds_per_day": 30, "queued_per_chat": 4}, (5, 4, 30, 60, 120.0, 1.0)),
    ],
)
def test_roles_widen_a_servers_admins_only_narrow(theirs: list[str], server: dict[str, float], got: Any) -> None:
    may = allowance(GENERAL, 60.0, ROLES, theirs, OwnLimits(server=server))
    limits = may.limits
    assert limits.queued_in_all == 500
    assert got == (
        *(limits.queued_per_user, limits.queued_per_chat, limits.gpu_seconds_per_day, limits.cooldown_s),
        *(may.longest_seconds, may.weight),
    )


def test_what_a_server_says_for_a_role_goes_before_what_it_says_for_all() -> None:
    own = OwnLimits(
        server={"queued_per_user": 1, "longest_seconds": 5},
        roles=({"queued_per_user": 2}, {"queued_per_user": 4}, {"longest_seconds": 99}),
    )
    may = allowance(GENERAL, 60.0, ROLES, [], own)
    assert (may.limits.queued_per_user, may.longest_seconds) == (4, 60.0)  # and never more than the owner's
