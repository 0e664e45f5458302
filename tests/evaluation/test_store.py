from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eqae.evaluation.store import RowStore


def fill(store: RowStore, values: torch.Tensor, order: list[int]) -> None:
    for block in order:
        store.write(block, 0, values[block * store.block : (block + 1) * store.block])


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_rows_are_the_same_whatever_the_order_and_size_of_the_blocks(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    count, size = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    values = torch.arange(count * 3.0).reshape(count, 3)
    store = RowStore(tmp_path_factory.mktemp("store") / "rows", (count, 1, 3), size)
    fill(store, values, data.draw(st.permutations(range(-(-count // size)))))
    assert store.places == count
    np.testing.assert_array_equal(store.complete()[:, 0], values.numpy())


def test_a_lost_block_is_named(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "rows", (10, 1, 2), 4)
    fill(store, torch.ones(10, 2), [0, 2])
    assert store.places == 6
    with pytest.raises(RuntimeError, match="image 4, transform 0 were never written"):
        store.complete()


def test_a_repeated_block_is_refused(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "rows", (10, 1, 2), 5)
    fill(store, torch.ones(10, 2), [0, 1])
    with pytest.raises(ValueError, match="images 5 to 9, transform 0, were written already"):
        store.write(1, 0, torch.ones(5, 2))


@pytest.mark.parametrize("shape", [(4, 1), (1, 3), (3,), (5, 3)])
def test_values_of_another_shape_are_refused_rather_than_broadcast(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="values of shape"):
        RowStore(tmp_path / "rows", (4, 1, 3), 4).write(0, 0, torch.ones(shape))


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "rows", (2, 1, 2), 2)
    store.write(0, 0, torch.ones(2, 2, dtype=torch.bfloat16))
    assert store.complete().dtype == np.float32


def test_a_store_continues_where_it_stopped(tmp_path: Path) -> None:
    values = torch.arange(20.0).reshape(10, 2)
    fill(RowStore(tmp_path / "rows", (10, 1, 2), 4), values, [0, 1])
    again = RowStore(tmp_path / "rows", (10, 1, 2), 4)
    assert [again.has(block, 0) for block in range(3)] == [True, True, False]
    fill(again, values, [2])
    np.testing.assert_array_equal(again.complete()[:, 0], values.numpy())


@pytest.mark.parametrize("damage", ["cut short", "gone", "no array", "another shape"])
def test_damaged_values_are_made_anew_and_not_believed(tmp_path: Path, damage: str) -> None:
    fill(RowStore(tmp_path / "rows", (10, 1, 2), 4), torch.ones(10, 2), [0, 1, 2])
    file, shape = tmp_path / "rows.npy", (10, 1, 2)
    if damage == "cut short":
        file.write_bytes(file.read_bytes()[:-8])
    elif damage == "gone":
        file.unlink()
    elif damage == "no array":
        file.write_bytes(b"no array")
    else:
        shape = (10, 1, 3)
    assert RowStore(tmp_path / "rows", shape, 4).places == 0


def test_some_images_only_have_a_row(tmp_path: Path) -> None:
    members = np.array([0, 3, 4, 9])
    store = RowStore(tmp_path / "rows", (4, 1, 2), 4, members=members, images=10, dtype=np.float16)
    values = torch.arange(20.0).reshape(10, 2)
    fill(store, values, [2, 0, 1])
    assert store.complete().dtype == np.float16
    np.testing.assert_array_equal(store.complete()[:, 0], values.numpy()[members])
