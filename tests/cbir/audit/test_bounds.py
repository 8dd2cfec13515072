import pytest
from scipy.stats import binom

from cbir.audit.bounds import fewest_judged, lower_bound


@pytest.mark.parametrize(
    ("precision", "numbers"),
    [
        (0.90, [29, 46, 61, 76, 89, 103]),
        (0.95, [59, 93, 124, 153, 181, 208]),
        (0.98, [149, 236, 313, 386, 456, 523]),
        (0.99, [299, 473, 628, 773, 913, 1049]),
    ],
)
def test_a_promise_takes_the_numbers_of_the_published_tables(precision: float, numbers: list[int]) -> None:
    assert [fewest_judged(precision, wrong=wrong) for wrong in range(6)] == numbers
    for wrong, number in enumerate(numbers):
        assert lower_bound(number, wrong, of=10**6) >= precision > lower_bound(number - 1, wrong, of=10**6)


@pytest.mark.parametrize(("judged", "wrong"), [(59, 0), (80, 3), (20, 19)])
def test_at_the_bound_so_few_wrong_ones_turn_up_in_5_of_100_samples(judged: int, wrong: int) -> None:
    share = lower_bound(judged, wrong, of=10**6)
    assert binom.cdf(wrong, judged, 1 - share) == pytest.approx(0.05)


def test_nothing_right_bounds_nothing() -> None:
    assert lower_bound(10, 10, of=100) == 0


def test_where_all_pairs_were_judged_the_share_is_known() -> None:
    assert lower_bound(20, 1, of=20) == 0.95
