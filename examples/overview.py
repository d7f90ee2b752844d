"""A Deep Zoom as one small picture, put together from the tiles of one of its levels.

    python examples/overview.py atlas.dzi overview.jpg 1100

takes the smallest level that is at least so wide, and reduces it to that.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

SPACE = "{http://schemas.microsoft.com/deepzoom/2008}"


def overview(description: Path, width: int) -> Image.Image:
    """The picture, RGB, so wide."""
    root = ElementTree.parse(description).getroot()
    size = root.find(f"{SPACE}Size")
    assert size is not None
    whole = int(size.attrib["Width"]), int(size.attrib["Height"])
    tile, overlap = int(root.attrib["TileSize"]), int(root.attrib["Overlap"])
    levels = (max(whole) - 1).bit_length()
    down = 0
    while whole[0] >> (down + 1) >= width:
        down += 1
    image = Image.new("RGB", tuple(-(-side >> down) for side in whole))
    folder = description.with_name(f"{description.stem}_files") / str(levels - down)
    for path in folder.iterdir():
        column, row = map(int, path.stem.split("_"))
        place = column * tile - overlap * (column > 0), row * tile - overlap * (row > 0)
        image.paste(Image.open(path), place)
    height = round(image.height * width / image.width)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def main() -> None:
    """Write the picture that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("description", type=Path, help="of the Deep Zoom: atlas.dzi")
    parser.add_argument("output", type=Path, help="a JPEG")
    parser.add_argument("width", type=int, help="in pixels")
    given = parser.parse_args()
    overview(given.description, given.width).save(given.output, quality=80, optimize=True)


if __name__ == "__main__":
    main()
