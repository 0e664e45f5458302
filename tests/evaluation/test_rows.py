import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eqae.evaluation.rows import IndexedRows


def blocks(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_rows_are_the_same_whatever_the_order_and_size_of_the_blocks(data: st.DataObject) -> None:
    count, size = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    values = torch.arange(count * 3.0).reshape(count, 3)
    rows = IndexedRows(count, 1, 3)
    for block in data.draw(st.permutations(blocks(count, size))):
        rows.write(block, 0, values[block])
    np.testing.assert_array_equal(rows.complete()[:, 0], values.numpy())


def test_a_lost_block_is_named() -> None:
    rows = IndexedRows(10, 1, 2)
    for block in blocks(10, 4):
        if block.start != 4:
            rows.write(block, 0, torch.ones(block.stop - block.start, 2))
    with pytest.raises(RuntimeError, match="image 4, transform 0 were written 0 times"):
        rows.complete()


def test_a_repeated_block_is_named() -> None:
    rows = IndexedRows(10, 2, 2)
    for column in range(2):
        for block in blocks(10, 5):
            rows.write(block, column, torch.ones(5, 2))
    rows.write(slice(5, 10), 1, torch.ones(5, 2))
    with pytest.raises(RuntimeError, match="image 5, transform 1 were written 2 times"):
        rows.complete()


@pytest.mark.parametrize("shape", [(4, 1), (1, 3), (3,), (5, 3)])
def test_values_of_another_shape_are_refused_rather_than_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="values of shape"):
        IndexedRows(4, 1, 3).write(slice(0, 4), 0, torch.ones(shape))


def test_half_precision_becomes_float32() -> None:
    rows = IndexedRows(2, 1, 2)
    rows.write(slice(0, 2), 0, torch.ones(2, 2, dtype=torch.bfloat16))
    assert rows.complete().dtype == np.float32
