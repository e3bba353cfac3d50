"""The segmentation task: loss over levels, decoding, findings and scores."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.core.findings import CodedConcept, Laterality, Maker
from medpipe.core.grid import Grid
from medpipe.core.labels import LabelSpec
from medpipe.models.unet.heads import UNetOutput
from medpipe.tasks.dice_cross_entropy import dice_cross_entropy
from medpipe.tasks.segmentation import MaskPlace, SegmentationTask


def label(value: int, name: str, laterality: Laterality | None = None) -> LabelSpec:
    code = CodedConcept(scheme="99MEDPIPE", value=name, meaning=name.capitalize())
    return LabelSpec(value=value, name=name, code=code, laterality=laterality)


TASK = SegmentationTask((label(1, "head"), label(2, "tail")))
PLACE = MaskPlace(
    mask="left", source="t1", made_by=Maker(name="toy", version="2"), laterality=Laterality.LEFT
)


def random_logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class TestLoss:
    def test_one_level_is_dice_and_cross_entropy(self) -> None:
        logits, label_map = random_logits(2, 3, 4, 6, 8), torch.randint(3, (2, 4, 6, 8))
        assert_close(TASK.loss(UNetOutput(logits), label_map), dice_cross_entropy(logits, label_map))

    def test_weights_of_coarser_levels_halve_and_sum_to_1(self) -> None:
        label_map = torch.randint(3, (2, 5, 6, 8))
        levels = (random_logits(2, 3, 5, 6, 8), random_logits(2, 3, 3, 3, 4), random_logits(2, 3, 2, 2, 2))
        # Weights 1, 1/2 and 1/4, over 7/4; coarse voxels lie on every second and every fourth voxel.
        targets = (label_map, label_map[:, ::2, ::2, ::2], label_map[:, ::4, ::4, ::4])
        losses = [dice_cross_entropy(*pair) for pair in zip(levels, targets, strict=True)]
        expected = (4 * losses[0] + 2 * losses[1] + losses[2]) / 7
        assert_close(TASK.loss(UNetOutput(levels[0], levels[1:]), label_map), expected)

    def test_batch_dice_is_handed_on(self) -> None:
        task = SegmentationTask(TASK.labels, batch_dice=True)
        logits, label_map = random_logits(2, 3, 4, 4), torch.randint(3, (2, 4, 4))
        assert_close(
            task.loss(UNetOutput(logits), label_map), dice_cross_entropy(logits, label_map, batch_dice=True)
        )

    def test_perfect_logits_leave_no_loss(self) -> None:
        label_map = torch.arange(3).repeat(2, 4, 1)
        logits = 50.0 * torch.nn.functional.one_hot(label_map, 3).movedim(-1, 1)
        assert TASK.loss(UNetOutput(logits), label_map) < 1e-6

    @pytest.mark.parametrize("shape", [(1, 4, 4, 4, 4), (1, 3, 4, 4, 5), (2, 3, 4, 4, 4)])
    def test_logits_of_other_classes_grids_or_batches_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ShapeError, match=r"label map \(1, 4, 4, 4\)"):
            TASK.loss(UNetOutput(torch.zeros(shape)), torch.zeros(1, 4, 4, 4, dtype=torch.long))


def test_decode_takes_the_likeliest_class() -> None:
    logits = torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]], [[2.0, 5.0]]])[None]
    label_map = TASK.decode(logits)
    assert label_map.dtype == torch.uint8
    assert label_map.tolist() == [[[1, 2]]]


class TestFindings:
    # 3 x 4 x 5 mm, so 0.06 mL a voxel.
    GRID = Grid((2, 3, 4), np.diag([3.0, 4.0, 5.0, 1.0]))

    def test_volume_is_voxels_by_their_size(self) -> None:
        label_map = np.zeros((2, 3, 4), np.uint8)
        label_map[0, 0, :3] = 1
        label_map[1, 2, 3] = 2
        head, tail = TASK.findings(label_map, self.GRID, PLACE)
        assert (head.id, head.label, head.mask, head.source) == ("toy/left/head", 1, "left", "t1")
        assert head.volume_ml == pytest.approx(0.18)
        assert tail.volume_ml == pytest.approx(0.06)

    def test_shear_of_the_grid_counts(self) -> None:
        affine = np.diag([3.0, 4.0, 5.0, 1.0])
        affine[1, 2] = 5.0  # slices move on by as much as they rise; the volume between them stays
        (head, _) = TASK.findings(np.ones((2, 3, 4), np.uint8), Grid((2, 3, 4), affine), PLACE)
        assert head.volume_ml == pytest.approx(24 * 0.06)

    def test_structure_that_was_not_found_has_no_volume(self) -> None:
        findings = TASK.findings(np.zeros((2, 3, 4), np.uint8), self.GRID, PLACE)
        assert [item.volume_ml for item in findings] == [0.0, 0.0]

    def test_side_of_the_label_comes_before_that_of_the_crop(self) -> None:
        task = SegmentationTask((label(1, "head", Laterality.MIDLINE), label(2, "tail")))
        findings = task.findings(np.zeros((2, 3, 4), np.uint8), self.GRID, PLACE)
        assert [item.laterality for item in findings] == [Laterality.MIDLINE, Laterality.LEFT]

    def test_spread_over_views_is_the_interval(self) -> None:
        label_map = np.zeros((2, 3, 4), np.uint8)
        label_map[0, 0, :3] = 1
        counts = np.array([[20, 4, 0], [19, 5, 0], [21, 2, 1]])
        head, tail = TASK.findings(label_map, self.GRID, PLACE, view_counts=counts)
        assert head.uncertainty is not None
        assert (head.uncertainty.level, head.uncertainty.method) == (0, "views")
        assert (head.uncertainty.low, head.uncertainty.high) == pytest.approx((0.12, 0.3))
        # The one view that found a tail was outvoted: the merged volume is 0, and the spread says so.
        assert tail.volume_ml == 0
        assert tail.uncertainty is not None
        assert (tail.uncertainty.low, tail.uncertainty.high) == pytest.approx((0, 0.06))
        total = TASK.total_spread(counts, self.GRID)
        assert total is not None
        assert (total.low, total.high) == pytest.approx((3 * 0.06, 5 * 0.06))
        assert TASK.total_spread(None, self.GRID) is None

    def test_label_map_of_another_grid_is_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"found \(4, 3, 2\)"):
            TASK.findings(np.zeros((4, 3, 2), np.uint8), self.GRID, PLACE)


def test_scores_are_by_structure() -> None:
    gt = np.zeros((4, 5, 6), np.uint8)
    gt[0, 0, :4] = 1
    pred = np.zeros_like(gt)
    pred[0, 0, 2:4] = 1
    scores = TASK.score(pred, gt, Grid(gt.shape, np.diag([1.0, 1.0, 2.0, 1.0])))
    # Two of four voxels: 2 * 2 / 6. The ends of the row are 4 and 2 mm from the found part.
    assert scores["head"].dice == pytest.approx(2 / 3)
    assert scores["head"].volume_error_percent == pytest.approx(-50.0)
    assert scores["tail"].dice == 1.0


@pytest.mark.parametrize("values", [(), (1, 3), (2, 1)])
def test_label_values_must_be_channels(values: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match="found \\["):
        SegmentationTask(tuple(label(value, f"part_{value}") for value in values))
