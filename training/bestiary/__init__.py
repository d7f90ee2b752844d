"""The bestiary: pictures of creatures, plants and things, drawn by a program.

    from training.bestiary import FAMILIES, picture
    owl = picture("owl", 7)     # uint8 [128, 128, 3], the same each time

Each family is one function of `training.bestiary.families`. To add one, write a function that
draws a specimen with the pen it is given, and decorate it with `@family(group)`.
"""

import importlib
import pkgutil

from training.bestiary import families
from training.bestiary.registry import FAMILIES, Family
from training.bestiary.scene import SIDE, picture

__all__ = ["FAMILIES", "SIDE", "Family", "picture"]

for _module in pkgutil.walk_packages(families.__path__, f"{families.__name__}."):
    importlib.import_module(_module.name)
