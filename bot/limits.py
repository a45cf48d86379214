"""What one person may ask for: the configuration, their roles, and what their server's admins set. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from bot.config import Role
from bot.words import listed, say
from db.operators import OwnLimits
from db.requests import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What somebody may ask for now. weight: their share of the turns; longest_seconds: of a film."""

    limits: Limits
    longest_seconds: float
    weight: float = 1.0


def allowance(
    limits: Limits,
    longest_seconds: float,
    roles: Mapping[str, Role],
    theirs: Collection[str],
    own: OwnLimits,
) -> Allowance:
    """Work out what somebody may ask for.

    roles:  of the configuration, by a Discord role's or a Telegram user's id
    theirs: the ids of the person; of several roles each limit is the most generous one's
    own:    what a server's admins set for it and for its roles, which only counts where it is narrower
    """
    server = _of_roles(own)
    held = [roles[id] for id in roles if id in theirs]
    general = {
        "queued_per_user": limits.queued_per_user,
        "gpu_seconds_per_day": limits.gpu_seconds_per_day,
        "cooldown_s": limits.cooldown_s,
    }
    most = {name: _widest(name, [getattr(role, name) for role in held], usual) for name, usual in general.items()}
    most["queued_per_chat"] = limits.queued_per_chat
    longest = _widest("longest_seconds", [role.longest_seconds for role in held], longest_seconds)
    narrowed = {name: int(_narrower(name, value, server.get(name))) for name, value in most.items()}
    return Allowance(
        limits=replace(limits, **narrowed),
        longest_seconds=_narrower("longest_seconds", longest, server.get("longest_seconds")),
        weight=max((role.weight for role in held), default=1.0),
    )


def told(locale: str, limits: Mapping[str, float]) -> str:
    """Limits of a server's own, by name, in words."""
    said = [say(locale, f"limit.{name}", value=f"{value:g}") for name, value in limits.items()]
    return listed(locale, said) or say(locale, "limit.none")


def _of_roles(own: OwnLimits) -> Mapping[str, float]:
    """A server's limits for somebody: what their roles there say goes before what holds for all, the most generous."""
    names = {name for role in own.roles for name in role}
    return {**own.server, **{name: _widest(name, [role.get(name) for role in own.roles], 0) for name in names}}


def _widest(name: str, said: Collection[float | None], usual: float) -> float:
    """The most generous of what roles say; what none says stays as usual."""
    values = [value for value in said if value is not None]
    if not values:
        return usual
    if name == "cooldown_s":
        return min(values)
    return 0 if name == "gpu_seconds_per_day" and 0 in values else max(values)


def _narrower(name: str, own: float, server: float | None) -> float:
    if server is None:
        return own
    if name == "cooldown_s":
        return max(own, server)
    if name == "gpu_seconds_per_day" and 0 in (own, server):
        return max(own, server)  # 0 is no limit
    return min(own, server)
