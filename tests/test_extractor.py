"""Features of a checkpoint as a scikit-learn transformer."""

from __future__ import annotations

import io
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

import eqae
from eqae.checkpoint import ModelSpec, load_checkpoint, save_checkpoint
from eqae.errors import CheckpointError, ConfigError, DataError
from eqae.extractor import FeatureExtractor, load_extractor
from eqae.groups import D4, get_group
from eqae.heads import build_head
from eqae.models import build_model

GREY = ModelSpec("eqae", {"group": "D4", "fields": [4, 6], "code": 8}, "gram", {}, (1, 12, 12), "digits", 0)
COLOUR = replace(GREY, image_shape=(3, 12, 12), model_options=GREY.model_options | {"group": "C4"})
Images = NDArray[np.float32]


def make_run(folder: Path, spec: ModelSpec) -> Path:
    """A run whose normalisation statistics are those of images."""
    generator = torch.Generator().manual_seed(3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(spec.model, spec.image_shape, spec.model_options)
    images = torch.rand(64, *spec.image_shape, generator=generator)
    if model.trained_by == "gradient":
        for _ in range(5):
            model(images)
    model.fit(images)
    save_checkpoint(folder, model, spec)
    return folder


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "grey", GREY)


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "colour", COLOUR)


def pictures(*shape: int, seed: int = 0) -> Images:
    return np.random.default_rng(seed).random(shape, np.float32)


# --- what comes out -------------------------------------------------------------------------------------------


def test_features_are_those_of_the_model_and_its_head(grey: Path) -> None:
    images = pictures(5, 1, 12, 12)
    checkpoint = load_checkpoint(grey)
    expected = checkpoint.head(checkpoint.model.encode(torch.from_numpy(images)))
    features = load_extractor(grey).transform(images)
    assert features.dtype == np.float32
    assert features.shape == (5, 36)
    np.testing.assert_allclose(features, expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("index", range(D4.order))
def test_features_do_not_change_when_the_image_is_turned(grey: Path, index: int) -> None:
    extractor = load_extractor(grey)
    images = torch.from_numpy(pictures(4, 1, 12, 12))
    upright, moved = extractor.transform(images), extractor.transform(extractor.group.act(index, images))
    error = np.linalg.norm(moved - upright, axis=1) / np.linalg.norm(upright, axis=1)
    assert error.max() < 1e-5
    assert np.linalg.norm(upright[0] - upright[1]) > 1e-2 * np.linalg.norm(upright[0])


def test_rows_of_the_embedding_move_as_the_group_says(grey: Path) -> None:
    extractor = load_extractor(grey)
    images = torch.from_numpy(pictures(3, 1, 12, 12))
    upright, moved = extractor.embed(images), extractor.embed(D4.act(5, images))
    assert upright.shape == (3, 8, 8)
    np.testing.assert_allclose(moved, D4.permute(5, torch.from_numpy(upright)).numpy(), atol=1e-5)


def test_an_embedding_is_decoded_to_the_models_reconstruction(grey: Path) -> None:
    extractor, model = load_extractor(grey), load_checkpoint(grey).model
    images = pictures(40, 1, 12, 12)
    embedding = extractor.embed(images)
    expected = model(torch.from_numpy(images)).images.numpy()
    np.testing.assert_allclose(extractor.decode(embedding), expected, atol=1e-5)
    assert np.array_equal(extractor.decode(torch.from_numpy(embedding)), extractor.decode(embedding))


def test_a_model_without_a_decoder_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "zernike", replace(GREY, model="zernike", model_options={}, head="mean"))
    extractor = load_extractor(run)
    embedding = extractor.embed(pictures(2, 12, 12))
    with pytest.raises(ConfigError, match="without a decoder"):
        extractor.decode(embedding)


@pytest.mark.parametrize("V", [np.zeros((2, 8)), np.zeros((2, 7, 8)), np.zeros((0, 8, 8)), np.full((1, 8, 8), np.nan)])
def test_embeddings_that_are_none_are_refused(grey: Path, V: Images) -> None:
    with pytest.raises(DataError, match="V:"):
        load_extractor(grey).decode(V)


def test_facts_about_the_model_are_at_hand(colour: Path) -> None:
    extractor = load_extractor(colour)
    assert (extractor.group, extractor.image_shape, extractor.width) == (get_group("C4"), (3, 12, 12), 36)


# --- the same to the last bit ---------------------------------------------------------------------------------

MODELS = {
    "eqae": GREY,
    "attention": replace(GREY, model_options=GREY.model_options | {"attention": 5}, head="attention"),
    "correlation": replace(GREY, head="correlation"),
    "cnn": replace(GREY, model="cnn", model_options={"fields": [4, 6], "code": 8}, image_shape=(3, 15, 15)),
    "pca": replace(GREY, model="pca", model_options={"components": 9}, head="mean"),
}


@pytest.fixture(scope="module", params=MODELS)
def any_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Images]:
    spec = MODELS[request.param]
    run = make_run(tmp_path_factory.mktemp("bits") / request.param.replace(" ", "_"), spec)
    return run, pictures(75, *spec.image_shape)


def test_features_do_not_depend_on_how_images_are_grouped(any_run: tuple[Path, Images]) -> None:
    run, images = any_run
    extractor = load_extractor(run)
    together = extractor.transform(images)
    for batch_size in (1, 7, 32, 64, 1000):
        assert np.array_equal(load_extractor(run, batch_size=batch_size).transform(images), together)
    for size in (1, 2, 31, 33):
        parts = [extractor.transform(images[start : start + size]) for start in range(0, 75, size)]
        assert np.array_equal(np.concatenate(parts), together)
    order = np.random.default_rng(1).permutation(75)
    assert np.array_equal(extractor.transform(images[order]), together[order])


def test_embeddings_and_reconstructions_do_not_depend_on_grouping_either(grey: Path) -> None:
    extractor, images = load_extractor(grey), pictures(40, 12, 12)
    embedding = extractor.embed(images)
    assert np.array_equal(np.concatenate([extractor.embed(images[i : i + 1]) for i in range(40)]), embedding)
    decoded = [extractor.decode(embedding[i : i + 1]) for i in range(40)]
    assert np.array_equal(np.concatenate(decoded), extractor.decode(embedding))


PROCESS = """
import sys, numpy as np, torch, eqae
images = np.random.default_rng(7).random((37, 12, 12), np.float32)
extractor = eqae.load_extractor(sys.argv[1])
sys.stdout.buffer.write(extractor.transform(images).tobytes())
if hasattr(torch.backends.mkldnn, "matmul"):  # torch's newer interface, which refuses to be mixed with the older one
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
sys.stdout.buffer.write(extractor.set_params(head="gram").transform(images).tobytes())
assert getattr(torch.backends.mkldnn, "matmul", None) is None or torch.backends.mkldnn.matmul.fp32_precision == "bf16"
"""


def test_a_new_process_gives_the_same_bits_even_with_reduced_precision_around_it(grey: Path) -> None:
    here = load_extractor(grey).transform(pictures(37, 12, 12, seed=7)).tobytes()
    there = subprocess.run([sys.executable, "-c", PROCESS, str(grey)], capture_output=True, check=False)
    assert there.stderr == b""
    assert there.stdout == here * 2


def test_settings_of_the_surrounding_program_do_not_touch_the_features(any_run: tuple[Path, Images]) -> None:
    run, images = any_run
    extractor = load_extractor(run)
    expected = extractor.transform(images)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", torch.bfloat16):
            assert np.array_equal(extractor.transform(images), expected)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


# --- what goes in ---------------------------------------------------------------------------------------------


def test_every_way_of_holding_grey_images_gives_the_same_features(grey: Path) -> None:
    extractor = load_extractor(grey)
    levels = np.random.default_rng(0).integers(0, 256, (6, 12, 12), np.uint8)
    expected = extractor.transform(levels)
    floats = levels.astype(np.float32) / 255
    readonly = levels.copy()
    readonly.flags.writeable = False
    forms: tuple[Any, ...] = (
        levels[:, None], levels[..., None], floats, floats[:, None], floats.astype(">f4"), floats.tolist(),
        torch.from_numpy(levels), torch.from_numpy(floats), torch.from_numpy(floats).requires_grad_(),
        np.asfortranarray(levels), levels[:, ::-1][:, ::-1], np.repeat(levels, 2, axis=0)[::2], readonly,
    )  # fmt: skip
    for images in forms:
        assert np.array_equal(extractor.transform(images), expected)


def test_the_order_of_the_axes_in_memory_does_not_touch_a_single_bit(grey: Path, colour: Path) -> None:
    for run, channels in ((grey, 1), (colour, 3)):
        extractor, images = load_extractor(run), pictures(70, channels, 12, 12)  # two full blocks and a part
        expected = extractor.embed(images)
        assert np.array_equal(extractor.embed(np.ascontiguousarray(images.transpose(0, 2, 3, 1))), expected)
        assert np.array_equal(extractor.embed(np.asfortranarray(images)), expected)
        assert np.array_equal(
            extractor.embed(torch.from_numpy(images).contiguous(memory_format=torch.channels_last)), expected
        )


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.longdouble])
def test_floats_of_any_width_are_read(grey: Path, dtype: type[np.floating[Any]]) -> None:
    images = (np.arange(2 * 144).reshape(2, 12, 12) / 512).astype(dtype)
    expected = load_extractor(grey).transform(images.astype(np.float32))
    assert np.array_equal(load_extractor(grey).transform(images), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_tensors_of_any_float_type_are_read(grey: Path, dtype: torch.dtype) -> None:
    images = torch.arange(2 * 144).view(2, 12, 12).div(512).to(dtype)
    expected = load_extractor(grey).transform(images.float())
    assert np.array_equal(load_extractor(grey).transform(images), expected)


def test_colour_images_are_read_with_channels_first_or_last(colour: Path) -> None:
    extractor, images = load_extractor(colour), pictures(4, 3, 12, 12)
    expected = extractor.transform(images)
    assert np.array_equal(extractor.transform(images.transpose(0, 2, 3, 1)), expected)
    declared = load_extractor(colour, layout="NHWC")
    assert np.array_equal(declared.transform(images.transpose(0, 2, 3, 1)), expected)
    with pytest.raises(DataError, match="expected"):
        declared.transform(images)


def test_a_layout_that_two_readings_fit_must_be_declared(tmp_path: Path) -> None:
    spec = replace(GREY, model="pca", model_options={"components": 4}, head="mean", image_shape=(3, 3, 3))
    run = make_run(tmp_path / "cube", spec)
    images = pictures(2, 3, 3, 3)
    with pytest.raises(DataError, match="could be NCHW or NHWC"):
        load_extractor(run).transform(images)
    first, last = (load_extractor(run, layout=layout).transform(images) for layout in ("NCHW", "NHWC"))
    assert not np.array_equal(first, last)


REFUSED = {
    "grey model, colour images": (np.zeros((2, 3, 12, 12)), "average the three channels"),
    "grey model, colour last": (np.zeros((2, 12, 12, 3)), "average the three channels"),
    "another size": (np.zeros((2, 16, 16)), r"12x12: resize yours"),
    "another size, channel last": (np.zeros((2, 16, 16, 1)), r"12x12: resize yours"),
    "one image": (np.zeros((12, 12)), r"images\[None\]"),
    "vectors": (np.zeros((2, 100)), "not vectors"),
    "flat images": (np.zeros((2, 144)), r"images\.reshape\(-1, 12, 12\)"),
    "a number": (np.float64(0.5), "not vectors"),
    "nothing": (np.zeros((0, 12, 12)), "no images"),
    "an empty list": ([], "not vectors"),
    "objects": (np.array([None, None]), "dtype object"),
    "None": (None, "dtype object"),
    "text": ("digits.png", "dtype <U"),
    "ragged": ([np.zeros((12, 12)), np.zeros((9, 9))], "different shapes"),
    "integers": (np.zeros((2, 12, 12), np.int64), "dtype int64"),
    "integer tensor": (torch.zeros(2, 12, 12, dtype=torch.int32), "torch.int32"),
    "complex": (np.zeros((2, 12, 12), complex), "dtype complex128"),
    "NaN": (np.where(np.arange(3)[:, None, None] == 2, np.nan, np.zeros((3, 12, 12))), r"images\[2\].*NaN"),
    "beyond float32": (np.full((1, 12, 12), 1e300), "infinite"),
    "grey levels as floats": (np.full((1, 12, 12), 255.0), "divide by the largest value"),
    "negative": (np.full((1, 12, 12), -0.5), r"values in \[0, 1\]"),
}


@pytest.mark.parametrize(("images", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_image_of_the_models_kind_is_refused_with_the_mend(grey: Path, images: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_extractor(grey).transform(images)  # type: ignore[arg-type]


def test_grey_images_for_a_colour_model_are_refused_with_the_mend(colour: Path) -> None:
    for images in (np.zeros((2, 12, 12)), np.zeros((2, 1, 12, 12))):
        with pytest.raises(DataError, match="repeat the grey channel"):
            load_extractor(colour).transform(images)


def test_flat_colour_images_are_refused_with_both_ways_to_mend_them(colour: Path) -> None:
    with pytest.raises(DataError, match=r"reshape\(-1, 3, 12, 12\), or \(-1, 12, 12, 3\)"):
        load_extractor(colour).transform(np.zeros((2, 3 * 144)))


def test_the_image_at_fault_is_found_far_down_the_list(grey: Path) -> None:
    images = pictures(100, 12, 12)
    images[70, 3, 3] = np.nan
    with pytest.raises(DataError) as caught:
        load_extractor(grey, batch_size=32).transform(images)
    place = caught.value.problems[0].where
    assert np.isnan(eval(place, {"images": images})).any()  # the place reads as Python and is the image


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=st.lists(st.sampled_from([0, 1, 2, 3, 12]), max_size=5).map(tuple))
def test_any_shape_gives_features_or_a_data_error(grey: Path, shape: tuple[int, ...]) -> None:
    try:
        features = load_extractor(grey).transform(np.zeros(shape, np.float32))
    except DataError:
        return
    assert features.shape == (shape[0], 36)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, "8", None])
def test_a_batch_size_must_be_a_positive_whole_number(grey: Path, batch_size: object) -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        load_extractor(grey, batch_size=batch_size).transform(pictures(1, 12, 12))  # type: ignore[arg-type]


def test_a_layout_must_be_one_of_three(grey: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'NCHW'"):
        load_extractor(grey, layout="nchw").transform(pictures(1, 12, 12))  # type: ignore[arg-type]


# --- the standard pose ----------------------------------------------------------------------------------------

ATTENTIVE = replace(GREY, model_options=GREY.model_options | {"attention": 5}, head="attention")
POSED = {
    f"{group} {mode}": replace(
        ATTENTIVE, model_options=ATTENTIVE.model_options | {"group": group, "attention_mode": mode}
    )
    for group, mode in (("D4", "soft"), ("D4", "hard"), ("C4", "hard"), ("D2", "soft"))
}


@pytest.fixture(scope="module", params=POSED)
def posed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeatureExtractor:
    return load_extractor(make_run(tmp_path_factory.mktemp("posed") / "run", POSED[request.param]))


def test_the_pose_moves_as_the_image_does_and_the_standard_picture_not_at_all(posed: FeatureExtractor) -> None:
    group, images = posed.group, torch.from_numpy(pictures(50, 1, 12, 12))
    pose, canonical = posed.pose(images), posed.canonical(images)
    assert len(set(pose.element)) > 1
    for g in range(group.order):
        moved = group.act(g, images)
        expected = [group.cayley[element][group.inverses[g]] for element in pose.element]
        again = posed.pose(moved)
        assert again.element.tolist() == expected
        np.testing.assert_allclose(again.weight, pose.weight, rtol=1e-4)
        np.testing.assert_allclose(again.entropy, pose.entropy, atol=1e-4)
        assert np.array_equal(posed.canonical(moved), canonical)


def test_the_pose_is_the_transform_that_gives_the_standard_picture(posed: FeatureExtractor) -> None:
    images = pictures(20, 1, 12, 12)
    pose, canonical = posed.pose(images), posed.canonical(images)
    for i in range(20):
        image = images[i][..., ::-1] if pose.mirrored[i] else images[i]
        assert np.array_equal(np.rot90(image, int(pose.degrees[i]) // 90, (-2, -1)), canonical[i])
    # In standard pose the identity is the standardising transform.
    assert posed.pose(canonical).element.tolist() == [0] * 20


def test_a_pose_tells_its_weight_and_entropy(posed: FeatureExtractor) -> None:
    images = torch.from_numpy(pictures(20, 1, 12, 12))
    model = load_checkpoint(posed.path).model
    weights = model.attention(model.encode(images))
    assert weights is not None
    pose = posed.pose(images)
    np.testing.assert_allclose(pose.weight, weights.amax(1).numpy(), rtol=1e-4)
    np.testing.assert_allclose(pose.entropy, -(weights * weights.log()).sum(1).numpy(), atol=1e-5)


def test_pose_and_picture_do_not_depend_on_grouping_or_layout(posed: FeatureExtractor) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (40, 12, 12), np.uint8)
    pose, canonical = posed.pose(levels), posed.canonical(levels)
    assert canonical.shape == (40, 1, 12, 12)
    assert canonical.dtype == np.float32
    for form in (levels[..., None], torch.from_numpy(levels)[:, None]):
        assert all(map(np.array_equal, posed.pose(form), pose))
        assert np.array_equal(posed.canonical(form), canonical)
    parts = [posed.canonical(levels[start:stop]) for start, stop in ((0, 1), (1, 8), (8, 40))]
    assert np.array_equal(np.concatenate(parts), canonical)


def test_a_symmetric_image_has_one_standard_picture_though_its_pose_is_open(posed: FeatureExtractor) -> None:
    corner = pictures(10, 1, 12, 12)
    images = sum(D4.act(g, torch.from_numpy(corner)) for g in range(8)) / 8
    assert posed.pose(images).weight.max() < 1 / posed.group.order + 1e-4
    np.testing.assert_allclose(posed.canonical(images), images.numpy(), atol=1e-6)


def test_a_model_without_attention_has_no_pose_and_says_what_to_do(grey: Path) -> None:
    extractor = load_extractor(grey)
    for method in (extractor.pose, extractor.canonical):
        with pytest.raises(ConfigError, match=r"no attention.*\n.*model\.attention: 64.*attention_mode: hard"):
            method(pictures(2, 12, 12))
        with pytest.raises(DataError):
            method(np.zeros((0, 12, 12)))


# --- heads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["mean", "max", "gram", "gram_banded", "correlation"])
def test_heads_are_switched_without_training(grey: Path, head: str) -> None:
    extractor = load_extractor(grey, head=head)
    model = load_checkpoint(grey).model
    images = pictures(3, 1, 12, 12)
    expected = build_head(head, model, {})(model.encode(torch.from_numpy(images))).detach().numpy()
    np.testing.assert_allclose(extractor.transform(images), expected, rtol=1e-4, atol=1e-5)


def test_a_head_that_the_model_cannot_carry_is_refused_at_once(grey: Path) -> None:
    with pytest.raises(ConfigError, match="needs a model trained with attention"):
        load_extractor(grey, head="attention")
    with pytest.raises(ConfigError, match="did you mean 'gram'"):
        load_extractor(grey, head="gramm")


def test_the_runs_own_head_keeps_its_options(tmp_path: Path) -> None:
    run = make_run(tmp_path / "banded", replace(GREY, head_options={"band": 2}))
    assert load_extractor(run).width == load_extractor(run, head="gram").width == 15


# --- scikit-learn ---------------------------------------------------------------------------------------------


def test_it_works_in_a_pipeline_and_in_cross_validation(grey: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = rng.random((60, 12, 12), np.float32) * np.where(labels, 0.3, 1)[:, None, None].astype(np.float32)
    pipeline = make_pipeline(FeatureExtractor(grey), StandardScaler(), LogisticRegression())
    assert cross_val_score(pipeline, images, labels, cv=3).mean() > 0.9
    named = Pipeline([("features", load_extractor(grey)), ("probe", LogisticRegression())]).fit(images, labels)
    assert named.score(images, labels) > 0.9
    assert list(named[:-1].get_feature_names_out())[:2] == ["gram_0_0", "gram_0_1"]


def test_fit_learns_nothing_and_returns_the_transformer(grey: Path) -> None:
    extractor = FeatureExtractor(grey)
    images = pictures(3, 12, 12)
    assert extractor.fit(images, [0, 1, 2]) is extractor
    check_is_fitted(extractor)
    assert np.array_equal(FeatureExtractor(grey).fit_transform(images), FeatureExtractor(grey).transform(images))


def test_a_clone_has_the_same_parameters_and_features(grey: Path) -> None:
    extractor = load_extractor(str(grey), head="mean", layout="NHW", batch_size=16)
    copy = clone(extractor)
    assert copy.get_params() == {"path": str(grey), "head": "mean", "layout": "NHW", "batch_size": 16}
    images = pictures(3, 12, 12)
    assert np.array_equal(copy.transform(images), extractor.transform(images))


def test_setting_another_head_or_path_takes_effect(grey: Path, colour: Path) -> None:
    extractor = load_extractor(grey)
    assert extractor.set_params(head="mean").transform(pictures(2, 12, 12)).shape == (2, 8)
    assert extractor.set_params(path=colour, head=None).transform(pictures(2, 3, 12, 12)).shape == (2, 36)


@pytest.mark.parametrize("library", ["pickle", "joblib"])
def test_a_pickled_transformer_carries_its_weights(tmp_path: Path, library: str) -> None:
    run = make_run(tmp_path / "run", MODELS["attention"])
    extractor, images = load_extractor(run), pictures(3, 12, 12)
    expected = extractor.transform(images)
    if library == "pickle":
        data = pickle.dumps(extractor)
        shutil.rmtree(run)
        copy = pickle.loads(data)
    else:
        file = io.BytesIO()
        joblib.dump(extractor, file)
        shutil.rmtree(run)
        file.seek(0)
        copy = joblib.load(file)
    assert np.array_equal(copy.transform(images), expected)


def test_features_have_one_distinct_name_each(grey: Path) -> None:
    for head in ("mean", "gram", "correlation"):
        extractor = load_extractor(grey, head=head)
        names = extractor.get_feature_names_out()
        assert names.shape == (extractor.width,)
        assert len(set(names)) == extractor.width


def test_a_path_that_is_no_run_is_refused_when_loading(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no manifest\.json"):
        eqae.load_extractor(tmp_path)
