"""Recipes: the shipped ones load, and every bad key is named."""

import re
from pathlib import Path

import pytest

from quiesce import models
from quiesce.sw.quant import Widths
from quiesce.sw.train.errors import RecipeError
from quiesce.sw.train.recipe import load_recipe

GOOD = """
name = "small"
model = "mlp3"
seed = 3
batch = 16
[real]
epochs = 2
rate = 1e-3
[integer]
epochs = 1
rate = 1e-4
"""


def load(tmp_path, text):
    path = tmp_path / "small.toml"
    path.write_text(text)
    return load_recipe(path)


@pytest.mark.parametrize("path", sorted((Path(models.__file__).parent / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes(path):
    assert load_recipe(path).name == path.stem


def test_defaults_and_digest(tmp_path):
    recipe = load(tmp_path, GOOD)
    assert (recipe.data.validation, recipe.data.images, recipe.methods) == (5000, 55000, ())
    assert recipe.digest() == load(tmp_path, GOOD).digest()
    assert recipe.digest() != load(tmp_path, GOOD.replace("seed = 3", "seed = 4")).digest()


def test_overrides(tmp_path):
    load(tmp_path, GOOD + '[[methods]]\nkind = "penalty"\ncoefficient = 1.0\n')
    changes = ("seed=7", "methods.0.coefficient=2.5", 'methods.0.regulariser="tl1"', "real.restarts=[1]", "data.shift=1.0")
    recipe = load_recipe(tmp_path / "small.toml", changes)
    assert (recipe.seed, recipe.real.restarts, recipe.data.shift) == (7, (1,), 1.0)
    assert recipe.methods == ({"kind": "penalty", "coefficient": 2.5, "regulariser": "tl1"},)
    for bad in ("seed", "seed=x", "methods.1.b=1", "methods.b=1", "seed.x=1", "=1.0"):
        with pytest.raises(RecipeError, match=rf"{re.escape(bad)}|unknown field"):
            load_recipe(tmp_path / "small.toml", [bad])


def test_widths(tmp_path):
    table = "[widths]\nweights = 4\nactivations = 4\nweights_of = {conv1 = 8}\n[real]"
    recipe = load(tmp_path, GOOD.replace("[real]", table, 1))
    assert recipe.widths == Widths(weights=4, activations=4, weights_of={"conv1": 8})
    assert recipe.digest() != load(tmp_path, GOOD).digest()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 3", "", "seed"),
        ("seed = 3", "seed = 3.5", r"Expected `int`, got `float` - at `\$.seed`"),
        ("seed = 3", "seed = -1", r"Expected `int` >= 0 - at `\$.seed`"),
        ("seed = 3", "seed = 3\nsead = 3", "unknown field `sead`"),
        ("epochs = 2", "epochs = 2\nepoch = 2", r"unknown field `epoch` - at `\$.real`"),
        ("epochs = 2", "epochs = -2", r"Expected `int` >= 0 - at `\$.real.epochs`"),
        ("rate = 1e-4", "rate = nan", r"Expected `float` >= 1e-09 - at `\$.integer.rate`"),
        ("rate = 1e-4", "", r"missing required field `rate` - at `\$.integer`"),
        ('"mlp3"', '"vgg"', "model: 'vgg' is not one of lenet4, lenet5, mlp3"),
        ('"small"', '"a b"', "name"),
        ('"small"', "7", "name"),
        ("batch = 16", "batch = 1", r"Expected `int` >= 2 - at `\$.batch`"),
        ("batch = 16", "batch = true", r"Expected `int`, got `bool` - at `\$.batch`"),
        ("[real]", "[data]\nvalidation = 60000\n[real]", "data.validation"),
        ("[real]", "[data]\nimages = 60000\n[real]", "data.images: 60000 is not in 1..55000"),
        ("[real]", '[data]\nzoom = "x"\n[real]', r"Expected `float`, got `str` - at `\$.data.zoom`"),
        ("[real]", 'methods = "arts"\n[real]', r"Expected `array`, got `str` - at `\$.methods`"),
        ("[real]", '[[methods]]\nkind = "l0"\n[real]', r"methods\[0\].kind: 'l0' is not one of penalty, arts"),
        ("[real]", '[[methods]]\nkind = "penalty"\n[real]', r"methods\[0\]: penalty: missing.*'coefficient'"),
        ("[real]", '[[methods]]\nkind = "grid"\nshare = "x"\n[real]', r"methods\[0\]: grid"),
        ("[real]", '[[methods]]\nkind = "arts"\n[real]', r"methods\[0\]: arts needs coefficient"),
        ("[real]", '[[methods]]\nkind = "penalty"\ncoefficient = -1\n[real]', "penalty: coefficient: -1 is not finite"),
        ("[real]", '[[methods]]\nkind = "penalty"\ncoefficient = 1\nfirst = 2\nlast = 1\n[real]', "penalty: first 2 and last 1"),
        ("[real]", '[[methods]]\nkind = "prune"\n[real]', "prune: pruning needs either"),
        ("[real]\nepochs = 2", "[real]\nepochs = 2\nrestarts = [2]", r"restarts: 2 is not in 1..1 - at `\$.real`"),
        ("[real]\nepochs = 2", "[real]\nepochs = 2\nrestarts = 1", r"Expected `array`, got `int` - at `\$.real.restarts`"),
        ("batch = 16", "data = 3", r"Expected `object`, got `int` - at `\$.data`"),
        ("seed = 3", "seed = ", "not a TOML file"),
        ("[real]", '[data]\nset = "imagenet"\n[real]', "data.set: 'imagenet' is not one of mnist, cifar10"),
        ("[real]", '[data]\nset = "cifar10"\n[real]', "mlp3 takes 28 x 28 x 1 images, CIFAR-10 has other ones"),
        ("[real]", '[data]\nset = "cifar10"\nimages = 45001\n[real]', "data.images: 45001 is not in 1..45000"),
        ("[real]", '[data]\nset = "scenes"\nflip = true\n[real]', "data: images whose pixels have labels are not augmented"),
        ('model = "mlp3"', 'model = "segmenter"\ndata = {set = "cifar10"}', "segmenter and CIFAR-10: one of them has classes of"),
        ("[real]", "[real]\ndraw = -1", r"Expected `int` >= 0 - at `\$.real.draw`"),
        ("[real]", "[data]\npad = 17\n[real]", r"Expected `int` <= 16 - at `\$.data.pad`"),
        ("[real]", "[data]\nflip = 1\n[real]", r"Expected `bool`, got `int` - at `\$.data.flip`"),
        ("batch = 16", "sparsity = 1.0", r"Expected `float` <= 0.99 - at `\$.sparsity`"),
        ("batch = 16", "balanced = 1", r"Expected `bool`, got `int` - at `\$.balanced`"),
        ("batch = 16", 'bfloat16 = "yes"', r"Expected `bool`, got `str` - at `\$.bfloat16`"),
        ("batch = 16", 'calibration = "mean"', r"Invalid enum value 'mean' - at `\$.calibration`"),
        ("batch = 16", "calibration = [1]", r"got `array` - at `\$.calibration`"),
        ("rate = 1e-4", "rate = 1e-4\nwarmup = -1", r"Expected `float` >= 0.0 - at `\$.integer.warmup`"),
        ("rate = 1e-4", "rate = 1e-4\nimages = -1", r"Expected `int` >= 0 - at `\$.integer.images`"),
        ("[real]", '[start]\nfile = "/a.th"\nsha256 = "0"\n[real]', "start.file: '/a.th' is no path within"),
        ("[real]", '[start]\nfile = "../a.th"\nsha256 = "0"\n[real]', "start.file: '../a.th' is no path within"),
        ("[real]", '[start]\nfile = "a.th"\nsha256 = "0"\n[real]', "start.sha256: '0' is not 64 hexadecimal"),
        ("[real]", '[start]\nfile = "a.th"\n[real]', "start.*sha256"),
        ("[real]", "[widths]\nweights = 3\n[real]", r"weights: 3 is not one of 2, 4, 8 bits - at `\$.widths`"),
        ("[real]", "[widths]\nweights_of = 4\n[real]", r"Expected `object`, got `int` - at `\$.widths.weights_of`"),
    ],
)
def test_bad_recipes(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(RecipeError, match=f"small.toml: .*{message}"):
        load(tmp_path, GOOD.replace(old, new, 1))


def test_missing_file(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")
