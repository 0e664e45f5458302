import numpy as np
import pytest
import torch

from eqae.evaluation.evidence import FeatureMaps
from eqae.evaluation.semantic.tokens import TokenKind, TokenSets, token_sets, without_background
from eqae.groups import get_group

KINDS: tuple[TokenKind, ...] = ("position", "element", "invariant")


def feature_maps(images: int, side: int, fields: int, order: int, seed: int = 0) -> FeatureMaps:
    values = np.random.default_rng(seed).random((images, side * side, fields, order)).astype(np.float16)
    return FeatureMaps(values, side, side, np.arange(images), np.zeros(images, np.int64))


def sorted_tokens(tokens: np.ndarray) -> np.ndarray:
    return np.stack([image[np.lexsort(image.T[::-1])] for image in tokens])


def test_tokens_of_the_three_kinds_hold_what_they_say() -> None:
    maps = feature_maps(3, 2, 5, 8)
    images, values = np.array([2, 0]), maps.values[[2, 0]].astype(np.float32)
    made = {kind: token_sets(maps, images, kind, 64).values for kind in KINDS}
    np.testing.assert_array_equal(made["position"], values.reshape(2, 4, 40))
    np.testing.assert_array_equal(made["element"], values.swapaxes(2, 3).reshape(2, 32, 5))
    np.testing.assert_allclose(made["invariant"], np.concatenate([values.mean(3), values.max(3)], 2))


def test_without_a_group_the_three_kinds_coincide() -> None:
    maps = feature_maps(4, 3, 6, 1)
    first, *others = (token_sets(maps, np.arange(4), kind, 9).values for kind in KINDS)
    for other in others:
        np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize(
    ("side", "order", "kind", "most", "count"),
    [
        (14, 8, "invariant", 64, 49), (28, 8, "position", 64, 49), (16, 1, "position", 64, 64),
        (8, 8, "invariant", 64, 64), (9, 8, "invariant", 64, 25), (14, 8, "invariant", 256, 196),
        (14, 8, "element", 256, 8 * 25), (7, 8, "element", 4, 8),
    ],
)  # fmt: skip
def test_wide_maps_are_averaged_to_few_tokens(side: int, order: int, kind: TokenKind, most: int, count: int) -> None:
    maps = feature_maps(2, side, 3, order)
    pooled = token_sets(maps, np.arange(2), kind, most).values
    assert pooled.shape[1] == count
    if kind == "position" and side % round(count**0.5) == 0:  # windows that do not overlap keep the mean
        np.testing.assert_allclose(pooled.mean(1), maps.values.reshape(2, -1, 3 * order).mean(1, np.float32), rtol=1e-4)


@pytest.mark.parametrize("side", [7, 9, 13, 14])
@pytest.mark.parametrize("kind", ["element", "invariant"])
def test_a_transform_of_the_image_permutes_the_tokens(side: int, kind: TokenKind) -> None:
    # The regular field moves by permuting positions as the group does and its entries by left translation.
    group = get_group("D4")
    maps = feature_maps(1, side, 4, 8)
    planes = torch.from_numpy(maps.values.astype(np.float32)).unflatten(1, (side, side)).permute(0, 3, 4, 1, 2)
    here = sorted_tokens(token_sets(maps, np.arange(1), kind, 128).values)
    for element in range(8):
        moved = group.act(element, planes.flatten(0, 2)[:, None]).reshape(planes.shape)
        moved = moved[:, :, torch.randperm(8, generator=torch.Generator().manual_seed(element))]
        values = moved.permute(0, 3, 4, 1, 2).flatten(1, 2).numpy().astype(np.float16)
        other = FeatureMaps(values, side, side, maps.index, maps.labels)
        there = sorted_tokens(token_sets(other, np.arange(1), kind, 128).values)
        np.testing.assert_allclose(here, there, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_tokens_shorter_than_a_share_of_the_median_are_zeroed(share: float) -> None:
    values = np.arange(1, 13, dtype=np.float32).reshape(2, 6, 1)  # lengths 1 to 12, median 6.5
    kept = without_background(TokenSets(values), share).values
    np.testing.assert_array_equal(kept, np.where(values >= share * 6.5, values, 0))
    maps = FeatureMaps(values.reshape(2, 6, 1, 1).astype(np.float16), 2, 3, np.arange(2), np.zeros(2, np.int64))
    np.testing.assert_array_equal(token_sets(maps, np.arange(2), "position", 64, share).values, kept)


def test_rectangular_maps_are_averaged_by_one_factor() -> None:
    values = np.random.default_rng(0).random((2, 12 * 20, 3, 1)).astype(np.float16)
    maps = FeatureMaps(values, 12, 20, np.arange(2), np.zeros(2, np.int64))
    assert token_sets(maps, np.arange(2), "position", 64).values.shape == (2, 6 * 10, 3)
