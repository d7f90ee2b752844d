"""A picture that settings name: told by its bytes, wherever it lies and whatever it is called."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_serializer

from dreamray.settings.schema import none_as_word


class NamedPicture(BaseModel):
    """Its place, and the digest of its bytes once they are known.

    Equal to others of the same bytes. Written as the place alone while the bytes are not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    picture: str = Field(min_length=1)
    """A path or s3:// URI, as it was given."""
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """Of the encoded bytes; None until somebody has looked."""

    @property
    def content(self) -> str:
        """What it is told by: the digest, or else the place."""
        return self.sha256 or self.picture

    @model_serializer
    def _as_text_while_unknown(self) -> str | dict[str, str]:
        known = self.sha256 is not None
        return {"picture": self.picture, "sha256": self.content} if known else self.picture

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedPicture) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)

    def __str__(self) -> str:
        return self.picture


def _named(value: object) -> Any:
    value = none_as_word(value)
    return {"picture": value} if isinstance(value, str) else value


Picture = Annotated[NamedPicture, BeforeValidator(_named)]
"""A path or s3:// URI, or such a one with its digest."""

PictureSetting = Annotated[NamedPicture | None, BeforeValidator(_named)]
"""A setting that is a `Picture` or none."""

PICTURE = "the path or s3:// URI of a picture, or none"
"""What such a setting allows."""
