"""Pictures: from encoded bytes to pixels and back, with what they carry besides pixels.

| module | |
|---|---|
| `decoding`, `encoding` | a picture that is held as a whole |
| `ingest`, `taking`, `source_stream` | a source of any size, into a chunked raster |
| `formats` | which formats are read, told by their beginning |
| `carried` | what belongs to the pixels |
| `png_source`, `tiff_source`, `jpeg_source`, `heif_source` | what a format says of itself |
| `export`, `png_stream`, `jpeg_stream`, `tiff_stream` | a result of any size |
| `deep_zoom`, `viewer` | a result as tiles, and the page that shows them |
| `deep_zoom_placement` | both in the place of older ones |
| `outputs` | what may be replaced, for every output |
| `metadata` | the settings of a dream inside its picture |
| `reduction` | a smaller picture |
| `guard` | decoders held in check, and their errors in one line |
| `noise` | a source that is made up |
| `colour`, `rgb_space`, `exif`, `parts`, `strips`, `preview` | what these are made of |
"""

from dreamray.pictures.decoding import (
    DEFAULT_MAX_PIXELS,
    Picture,
    decode,
)
from dreamray.pictures.encoding import Format, check_output, encode, output_format
from dreamray.pictures.metadata import metadata_text, read_metadata
from dreamray.raster.pixels import Pixels, from_tensor, to_tensor

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "Format",
    "Picture",
    "Pixels",
    "check_output",
    "decode",
    "encode",
    "from_tensor",
    "metadata_text",
    "output_format",
    "read_metadata",
    "to_tensor",
]
