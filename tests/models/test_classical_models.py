"""Principal components against scikit-learn; Zernike moments against their definition and their symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import Tensor

from eqae.errors import ConfigError
from eqae.groups import D4
from eqae.models import build_model


def digits(count: int = 40) -> Tensor:
    """Real digits, enlarged; ``(N, 1, 16, 16)`` in [0, 1]."""
    images = torch.from_numpy(load_digits().images[:count] / 16).unsqueeze(1)
    return torch.nn.functional.interpolate(images, size=(16, 16), mode="bilinear").float()


def test_principal_components_agree_with_scikit_learn() -> None:
    images = digits()
    model = build_model("pca", (1, 16, 16), {"components": 10})
    model.fit(images)
    flat = images.flatten(1).numpy()
    reference = PCA(10, random_state=0).fit(flat)
    projected = reference.transform(flat)
    embedding = model.encode(images)
    assert embedding.shape == (40, 1, 10)
    np.testing.assert_allclose(embedding.squeeze(1).numpy(), projected, atol=1e-4)
    restored = reference.inverse_transform(projected)
    np.testing.assert_allclose(model(images).images.flatten(1).numpy(), restored, atol=1e-4)


def test_principal_axes_are_orthonormal_and_in_the_state_dict() -> None:
    model = build_model("pca", (1, 16, 16), {"components": 7})
    model.fit(digits())
    torch.testing.assert_close(model.axes @ model.axes.T, torch.eye(7), atol=1e-5, rtol=0)
    twin = build_model("pca", (1, 16, 16), {"components": 7})
    twin.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(twin.encode(digits()), model.encode(digits()))


def test_more_components_than_pixels_or_images_are_refused() -> None:
    with pytest.raises(ConfigError, match="at most 256, the number of pixels"):
        build_model("pca", (1, 16, 16), {"components": 257})
    with pytest.raises(ConfigError, match="at most 40, the training images"):
        build_model("pca", (1, 16, 16), {"components": 41}).fit(digits())


def zernike_by_definition(image: np.ndarray, radius: float, degree: int) -> list[float]:
    """``|A_nl|`` about the centre of mass inside a disc, for l of n's parity, the image's sum in the disc being 1."""
    rows, columns = np.indices(image.shape)
    total = image.sum()
    y = (rows - (rows * image).sum() / total) / radius
    x = (columns - (columns * image).sum() / total) / radius
    rho, theta = np.hypot(x, y), np.arctan2(y, x)
    inside = rho <= 1
    weight = image[inside] / image[inside].sum()
    moduli = []
    for n in range(degree + 1):
        for l in range(n % 2, n + 1, 2):  # noqa: E741 - the letter of the literature
            radial = sum(
                (-1) ** m * math.factorial(n - m)
                / (math.factorial(m) * math.factorial((n - 2 * m + l) // 2) * math.factorial((n - 2 * m - l) // 2))
                * rho[inside] ** (n - 2 * m)
                for m in range((n - l) // 2 + 1)
            )  # fmt: skip
            moment = (n + 1) / math.pi * (weight * radial * np.exp(-1j * l * theta[inside])).sum()
            moduli.append(abs(moment))
    return moduli


@pytest.mark.parametrize(("degree", "count"), [(1, 2), (4, 9), (12, 49)])
def test_zernike_moduli_follow_their_definition(degree: int, count: int) -> None:
    images = digits(3).double()
    moments = build_model("zernike", (1, 16, 16), {"degree": degree}).encode(images)
    assert moments.shape == (3, 1, count)
    expected = [zernike_by_definition(image[0].numpy(), 8, degree) for image in images]
    np.testing.assert_allclose(moments.squeeze(1).numpy(), expected, atol=1e-9)


def test_zernike_moduli_do_not_change_under_quarter_turns_and_flips() -> None:
    model, images = build_model("zernike", (1, 16, 16), {}), digits(6).double()
    upright = model.encode(images)
    for g in range(8):
        assert (model.encode(D4.act(g, images)) - upright).abs().max() < 1e-6


def test_zernike_moments_of_each_colour_stand_side_by_side() -> None:
    grey = digits(2)
    colour = torch.cat([grey, grey.flip(-1) * 0.5, grey], 1)
    one, three = (build_model("zernike", (c, 16, 16), {"degree": 6}) for c in (1, 3))
    assert three.channels == 3 * one.channels
    moments = three.encode(colour).unflatten(-1, (3, -1))
    torch.testing.assert_close(moments[:, :, 0], one.encode(grey))
    torch.testing.assert_close(moments[:, :, 2], one.encode(grey))


def test_an_empty_image_has_zero_moments() -> None:
    moments = build_model("zernike", (1, 16, 16), {}).encode(torch.zeros(2, 1, 16, 16))
    assert moments.shape == (2, 1, 49)
    assert not moments.any()
