"""The contract of tile sources, on all kinds that need no slides of their own."""

from __future__ import annotations

import pytest

from contracts.tile_source import TileSourceTests
from slideconcord.training.recipe import Recipe, make_recipe
from training.training_data import (
    FOLDER_CLASSES,
    folder_recipe,
    tiny,
    with_context,
    write_folder,
)

VIRTUAL = {"virtual": {"tissues": 3, "side_um": 384}}


class OpenedTwice(TileSourceTests):
    def recipe(self, folder) -> Recipe:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    def opened(self, tmp_path_factory):
        recipe = self.recipe(tmp_path_factory.mktemp("data"))
        return recipe.open(), recipe.open()


class TestVirtual(OpenedTwice):
    def recipe(self, folder):
        return tiny(data__source=VIRTUAL)


class TestVirtualWithContext(OpenedTwice):
    levels = (2,)

    def recipe(self, folder):
        return make_recipe(with_context(VIRTUAL))


class TestFolder(OpenedTwice):
    def recipe(self, folder):
        return folder_recipe(write_folder(folder / "of tiles"))


class TestTileLabels(OpenedTwice):
    def recipe(self, folder):
        return tiny(data__source=VIRTUAL, data__tile_labels=0.2)


class TestMixed(OpenedTwice):
    def recipe(self, folder):
        main = {"rescanned": {"source": split_folder(folder), "scanners": ["virtual-A"]}}
        return folder_like({"mixed": {"main": main, "more": [VIRTUAL]}})


class TestRescanned(OpenedTwice):
    def recipe(self, folder):
        scanners = ["virtual-AT2", "virtual-P1000"]
        return folder_like({"rescanned": {"source": split_folder(folder), "scanners": scanners}})


class TestRescannedByAll(OpenedTwice):
    def recipe(self, folder):
        shown = {"scanners": ["virtual-AT2", "virtual-P1000"], "each_patient": "all"}
        return folder_like({"rescanned": {"source": split_folder(folder), **shown}})


class TestRescannedWithContext(OpenedTwice):
    levels = (2,)

    def recipe(self, folder):
        source = {"rescanned": {"source": VIRTUAL, "scanners": ["virtual-UFS"]}}
        return make_recipe(with_context(source))


def split_folder(folder):
    place = write_folder(folder / "of tiles", columns="name,patient,split")
    lines = (place / "index.csv").read_text().splitlines()
    splits = ["train", "train", "val", "test"]
    named = [f"{line},{splits[int(line.split('-')[1])]}" for line in lines[1:]]
    (place / "index.csv").write_text("\n".join([lines[0], *named]) + "\n")
    return {"folder": {"path": str(place)}}


def folder_like(source):
    labels = {"background": [*FOLDER_CLASSES["background"], "background", "other tissue"],
              "square": [*FOLDER_CLASSES["square"], "normal epithelium", "tumour"]}  # fmt: skip
    return tiny(data__source=source, classes=labels)
