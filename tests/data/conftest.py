import json

import numpy as np
import pytest


class Gallery:
    """A folder of small pictures and the tables that name them."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "img").mkdir()

    def picture(self, name, value=0, side=16):
        from PIL import Image

        rng = np.random.default_rng(value)
        pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        path = self.folder / "img" / name
        Image.fromarray(pixels).save(path)
        return f"img/{name}"

    def rows(self, n=6):
        return [
            {"image": self.picture(f"{i}.png", i), "caption": f"a picture of thing {i}"} for i in range(n)
        ]

    def csv(self, rows, name="pairs.csv", delimiter=","):
        import csv

        path = self.folder / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(
                file, list(dict.fromkeys(k for row in rows for k in row)), delimiter=delimiter
            )
            writer.writeheader()
            writer.writerows(rows)
        return path

    def jsonl(self, rows, name="pairs.jsonl"):
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path


@pytest.fixture
def gallery(tmp_path):
    return Gallery(tmp_path)
