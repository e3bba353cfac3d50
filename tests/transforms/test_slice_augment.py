"""Augmentation of slices: gaps by hand, labels with their slices, places and values as drawn."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from medpipe.core.study_sample import SliceSample, StudySample
from medpipe.transforms.slice_augment import (
    SliceAugmentation,
    SliceDraw,
    augment_slice,
    augment_study,
    draw_slices,
    keep_slices,
    move_in_plane,
    reverse_slices,
    with_evidence,
)

NAN = torch.nan
STRONG = SliceAugmentation(
    reverse=0.5, drop=1.0, dropped_share=0.5, crop=0.5, mirror=0.5, move=0.5, rotation_deg=20, shift=0.1,
    scale=(0.9, 1.1), change_values=0.5, offset=20, factor=(0.9, 1.1), noise=0.5, noise_std=10,
)  # fmt: skip


def study(gaps_mm: list[float], *, size: tuple[int, int] = (2, 3), labels: object = None) -> StudySample:
    """Return a study whose slice s is filled with 10 s."""
    count = len(gaps_mm)
    values = 10 * torch.arange(count, dtype=torch.int16)
    return StudySample(
        slices=values[:, None, None].repeat(1, *size),
        gaps_mm=torch.tensor(gaps_mm),
        study_labels=torch.tensor([1.0]),
        slice_labels=torch.full((count, 1), NAN) if labels is None else torch.tensor(labels),
        scores=torch.tensor([4.0]),
        window=torch.tensor([0.0, 80.0]),
        case_id="s",
    )


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestOrder:
    def test_gaps_after_reversal_are_to_the_slice_before(self) -> None:
        # Slices at 0, 4, 11 and 12 mm; from the last one on: 1, then 7, then 4 mm apart.
        sample = reverse_slices(study([0.0, 4.0, 7.0, 1.0], labels=[[0.0], [1.0], [NAN], [0.5]]))
        assert sample.gaps_mm.tolist() == [0.0, 1.0, 7.0, 4.0]
        assert sample.slices[:, 0, 0].tolist() == [30, 20, 10, 0]
        torch.testing.assert_close(
            sample.slice_labels, torch.tensor([[0.5], [NAN], [1.0], [0.0]]), equal_nan=True
        )

    def test_gaps_across_dropped_slices_add_up(self) -> None:
        sample = study([0.0, 4.0, 7.0, 1.0], labels=[[0.0], [1.0], [0.25], [0.5]])
        kept = keep_slices(sample, torch.tensor([True, False, False, True]))
        assert kept.gaps_mm.tolist() == [0.0, 12.0]
        assert kept.slices[:, 0, 0].tolist() == [0, 30]
        assert kept.slice_labels[:, 0].tolist() == [0.0, 0.5]
        # The first that is kept has no slice before it any more.
        assert keep_slices(sample, torch.tensor([False, True, True, False])).gaps_mm.tolist() == [0.0, 7.0]

    @given(gaps_mm=st.lists(st.floats(0.5, 10, width=32), min_size=1, max_size=30))
    def test_reversal_twice_is_none(self, gaps_mm: list[float]) -> None:
        sample = study([0.0, *gaps_mm])
        again = reverse_slices(reverse_slices(sample))
        assert again.gaps_mm.tolist() == sample.gaps_mm.tolist()
        assert torch.equal(again.slices, sample.slices)

    @given(gaps_mm=st.lists(st.floats(0.5, 10, width=32), min_size=3, max_size=30), seed=st.integers(0, 1000))
    def test_the_first_and_last_kept_slice_stay_as_far_apart(self, gaps_mm: list[float], seed: int) -> None:
        sample = study([0.0, *gaps_mm])
        keep = torch.rand(len(sample.slices), generator=seeded(seed)) < 0.5
        keep[[0, -1]] = True
        assert math.isclose(float(keep_slices(sample, keep).gaps_mm.sum()), sum(gaps_mm), rel_tol=1e-5)


class TestEvidence:
    def test_a_label_keeps_a_slice_that_has_it(self) -> None:
        labels = torch.tensor([[0.0, 1.0], [1.0, NAN], [0.0, 1.0], [NAN, 0.4]])
        keep = torch.tensor([True, False, False, True])
        # Label 0 is in slice 1 alone, label 1 is in slice 0 as well as in slice 2.
        assert with_evidence(keep, labels).tolist() == [True, True, False, True]

    def test_nothing_is_added_where_nothing_is_known(self) -> None:
        keep = torch.tensor([True, False])
        assert with_evidence(keep, torch.full((2, 3), NAN)).tolist() == [True, False]
        assert with_evidence(keep, torch.zeros(2, 0)).tolist() == [True, False]

    def test_of_no_slices_all_are_kept(self) -> None:
        assert with_evidence(torch.zeros(2, dtype=torch.bool), torch.zeros(2, 1)).tolist() == [True, True]


class TestPlane:
    def moved(self, slices: torch.Tensor, **options: object) -> torch.Tensor:
        return move_in_plane(
            slices, **{"turn_deg": 0.0, "scale": 1.0, "shift": (0.0, 0.0), "fill": -9.0, **options}
        )

    @staticmethod
    def marked(row: int, column: int, size: tuple[int, int] = (5, 5)) -> torch.Tensor:
        slices = torch.zeros(1, *size, dtype=torch.int16)
        slices[0, row, column] = 100
        return slices

    def test_quarter_turn_goes_clockwise(self) -> None:
        # Row 2, column 4 is at the right of the centre; clockwise, that comes to the bottom.
        moved = self.moved(self.marked(2, 4), turn_deg=90.0)
        torch.testing.assert_close(moved, self.marked(4, 2).float(), atol=1e-3, rtol=0)

    def test_turn_of_an_oblong_picture_keeps_right_angles(self) -> None:
        # 5 x 9, centre at row 2, column 4: two pixels right of it become two pixels below it.
        moved = self.moved(self.marked(2, 6, (5, 9)), turn_deg=90.0)
        torch.testing.assert_close(moved[0, :, 2:7], self.marked(4, 2)[0].float(), atol=1e-3, rtol=0)
        torch.testing.assert_close(moved[0, :, :2], torch.full((5, 2), -9.0), atol=1e-3, rtol=0)

    def test_shift_is_a_part_of_height_and_width_and_shows_the_fill(self) -> None:
        moved = self.moved(self.marked(1, 1, (5, 10)), shift=(0.2, 0.3))  # 1 of 5 rows, 3 of 10 columns
        expected = self.marked(2, 4, (5, 10))[0].float()
        expected[0], expected[:, :3] = -9.0, -9.0
        torch.testing.assert_close(moved[0], expected, atol=1e-3, rtol=0)

    def test_scale_moves_away_from_the_centre(self) -> None:
        moved = self.moved(self.marked(2, 3), scale=2.0)
        assert abs(float(moved[0, 2, 4]) - 100.0) < 1e-3

    def test_nothing_moves_by_no_turn(self) -> None:
        slices = torch.arange(2 * 3 * 4, dtype=torch.int16).reshape(2, 3, 4)
        torch.testing.assert_close(self.moved(slices), slices.float(), atol=1e-4, rtol=0)


class TestStudies:
    def test_by_default_nothing_happens(self) -> None:
        sample = study([0.0, 4.0, 7.0])
        changed = augment_study(sample, seeded(), augmentation=SliceAugmentation())
        assert all(torch.equal(one, two) for one, two in zip(sample[:3], changed[:3], strict=True))

    def test_mirror_exchanges_left_and_right(self) -> None:
        sample = study([0.0])._replace(slices=torch.tensor([[[1, 2, 3], [4, 5, 6]]], dtype=torch.int16))
        changed = augment_study(sample, seeded(), augmentation=SliceAugmentation(mirror=1.0))
        assert changed.slices.tolist() == [[[4, 5, 6], [1, 2, 3]]]
        assert sample.slices[0, 0, 0] == 1

    def test_values_are_scaled_about_zero_then_offset_and_rounded(self) -> None:
        augmentation = SliceAugmentation(change_values=1.0, factor=(1.1, 1.1), offset=0.0)
        changed = augment_study(study([0.0, 4.0, 7.0]), seeded(), augmentation=augmentation)
        assert changed.slices.dtype == torch.int16
        assert changed.slices[:, 0, 0].tolist() == [0, 11, 22]

    def test_values_stay_within_int16(self) -> None:
        sample = study([0.0])._replace(slices=torch.full((1, 2, 3), 30000, dtype=torch.int16))
        augmentation = SliceAugmentation(change_values=1.0, factor=(2.0, 2.0))
        assert augment_study(sample, seeded(), augmentation=augmentation).slices.unique().tolist() == [32767]

    def test_noise_has_at_most_its_deviation(self) -> None:
        sample = study([0.0], size=(100, 100))
        stds = [
            float(
                augment_study(
                    sample, seeded(seed), augmentation=SliceAugmentation(noise=1.0, noise_std=20.0)
                ).slices.float().std()
            )
            for seed in range(30)
        ]  # fmt: skip
        assert 0 <= min(stds) < 5
        assert 15 < max(stds) < 20.5

    def test_labels_go_with_their_slices_and_those_of_the_study_stay(self) -> None:
        # The label of each slice tells its value, whatever is dropped and however the order ends.
        sample = study([0.0, *[5.0] * 19], labels=[[number / 40] for number in range(20)])
        augmentation = SliceAugmentation(reverse=0.5, drop=1.0, dropped_share=0.9, crop=0.5, kept_share=0.3)
        lengths = set()
        for seed in range(20):
            changed = augment_study(sample, seeded(seed), augmentation=augmentation)
            values = changed.slices[:, 0, 0]
            torch.testing.assert_close(changed.slice_labels[:, 0] * 400, values.float())
            torch.testing.assert_close(changed.gaps_mm[1:], values.diff().abs() / 2.0)
            assert changed.gaps_mm[0] == 0
            assert changed.study_labels.tolist() == [1.0]
            assert changed.scores.tolist() == [4.0]
            lengths.add(len(values))
        assert len(lengths) > 5

    def test_crop_keeps_a_stretch(self) -> None:
        augmentation = SliceAugmentation(crop=1.0, kept_share=0.5)
        for seed in range(20):
            changed = augment_study(study([0.0, *[5.0] * 9]), seeded(seed), augmentation=augmentation)
            assert changed.gaps_mm.tolist() == [0.0, *[5.0] * (len(changed.slices) - 1)]
            assert 5 <= len(changed.slices) <= 10

    def test_the_only_bleeding_slice_is_never_dropped(self) -> None:
        labels = [[float(number == 7)] for number in range(20)]
        augmentation = SliceAugmentation(drop=1.0, dropped_share=0.9, crop=1.0, kept_share=0.2)
        for seed in range(20):
            changed = augment_study(
                study([0.0, *[5.0] * 19], labels=labels), seeded(seed), augmentation=augmentation
            )
            assert float(changed.slice_labels.max()) == 1.0

    def test_generator_alone_decides(self) -> None:
        transform = partial(augment_study, augmentation=STRONG)
        sample = study([0.0, *[5.0] * 19], size=(8, 8))
        state = torch.random.get_rng_state()
        one, again, other = (transform(sample, seeded(seed)) for seed in (1, 1, 2))
        assert torch.equal(one.slices, again.slices)
        assert one.slices.shape != other.slices.shape or not torch.equal(one.slices, other.slices)
        assert torch.equal(torch.random.get_rng_state(), state)


class TestSlices:
    def test_reversal_exchanges_the_neighbours(self) -> None:
        image = torch.tensor([1, 2, 3], dtype=torch.int16)[:, None, None].repeat(1, 2, 2)
        sample = SliceSample(image, torch.tensor([1.0]), torch.tensor([0.0, 80.0]), "s", 4)
        augmentation = SliceAugmentation(reverse=1.0, drop=1.0, crop=1.0)
        changed = augment_slice(sample, seeded(), augmentation=augmentation)
        assert changed.image[:, 0, 0].tolist() == [3, 2, 1]
        assert (changed.labels.tolist(), changed.case_id, changed.number) == ([1.0], "s", 4)


class TestDraws:
    def test_steps_do_not_change_each_other(self) -> None:
        whole = draw_slices(STRONG.model_copy(update={"move": 1.0}), seeded(5))
        alone = draw_slices(
            SliceAugmentation(move=1.0, rotation_deg=20, shift=0.1, scale=(0.9, 1.1)), seeded(5)
        )
        assert (whole.turn_deg, whole.scale, whole.shift) == (alone.turn_deg, alone.scale, alone.shift)
        assert alone._replace(turn_deg=0.0, scale=1.0, shift=(0.0, 0.0)) == SliceDraw()

    def test_amounts_fill_their_ranges(self) -> None:
        always = STRONG.model_copy(update=dict.fromkeys(("crop", "move", "change_values", "noise"), 1.0))
        draws = [draw_slices(always, seeded(seed)) for seed in range(200)]
        for values, low, high in (
            ([draw.turn_deg for draw in draws], -20, 20),
            ([draw.scale for draw in draws], 0.9, 1.1),
            ([draw.shift[0] for draw in draws], -0.1, 0.1),
            ([draw.shift[1] for draw in draws], -0.1, 0.1),
            ([draw.factor for draw in draws], 0.9, 1.1),
            ([draw.offset for draw in draws], -20, 20),
            ([draw.noise_std for draw in draws], 0, 10),
            ([draw.drop_chance for draw in draws], 0, 0.5),
            ([draw.kept[0] for draw in draws], 0.7, 1),
            ([draw.kept[1] for draw in draws], 0, 1),
        ):
            margin = 0.05 * (high - low)
            assert low <= min(values) < low + margin
            assert high - margin < max(values) <= high
        reversed_share = np.mean([draw.is_reversed for draw in draws])
        assert 0.4 < reversed_share < 0.6

    @pytest.mark.parametrize(
        "wrong",
        [{"drop": 1.1}, {"dropped_share": 1.0}, {"kept_share": 0.0}, {"scale": (1.1, 0.9)}, {"fill": 40000},
         {"factor": (0.0, 1.0)}, {"offset": -1.0}, {"turn": 3.0}],
    )  # fmt: skip
    def test_values_out_of_range_are_refused(self, wrong: dict) -> None:
        with pytest.raises(ValidationError):
            SliceAugmentation(**wrong)
