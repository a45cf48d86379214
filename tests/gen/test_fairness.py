"""The simulator, small: the turns of the service against others, on one community that is the same every time."""

from gen.bench import fairness


def result(policy: fairness.Policy) -> fairness.Result:
    films = fairness.community(1200, 0.95, seed=1)
    switches = fairness.simulate(films, policy)
    assert all(len(film.made) == film.sections for film in films)
    assert all(film.made == sorted(film.made) and film.made[0] > film.at for film in films)
    return fairness.measure(films, switches)


def test_first_seconds_come_soon_and_nobody_pays_for_it() -> None:
    ours, plain = result(fairness.Ours()), result(fairness.FirstCome())
    robin = result(fairness.RoundRobin(whole=False))
    assert ours.first < 3.5
    assert ours.first * 10 < min(plain.first, robin.first * 2)
    assert ours.all < 0.7 * min(plain.all, robin.all)
    assert ours.jain > max(plain.jain, robin.jain)


def test_what_is_foretold_is_right_when_nobody_else_comes() -> None:
    films = fairness.community(40, 0.95, seed=2)
    for film in films:
        film.at = 0.0  # all at once, so that the last one knows of everybody
    policy = fairness.Ours()
    told = fairness.Told(policy, films, every=1)
    fairness.simulate(films, policy, told)
    film, first, all_ = [each for each in told.share if not each[0].greedy][-1]
    late = fairness.SWITCH * sum(each.sections for each in films)
    assert first <= film.made[0] <= first + late + 1
    assert all_ <= film.made[-1] <= all_ + late + 1
