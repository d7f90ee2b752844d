"""The bestiary: pictures of creatures, plants and things, drawn by a program.

    from training.bestiary import FAMILIES, picture
    owl = picture("owl", 7)     # uint8 [128, 128, 3], the same each time

To add a family:

1. Write a function of its name in the module of its group in `training.bestiary.families`, or
   in a new module there, and decorate it with `@family(group)`; `upright=True` if it has an up
   and a down, `texture=True` if it covers the whole layer. Modules are found by themselves.
2. Draw one specimen with the pen it is given, within -1 to 1 in x and y, what is behind first.
   Background, light, copies and grain are not its business: `scene` adds them.
3. Throw only the pen's dice (`pen.between`, `pick`, `chance`, `noise`), so that a seed always
   gives the same picture, and throw them for shape, pose and colour, so that no two are alike.
4. Take what is there before you draw your own:
   - `shapes`: outlines and curves, such as `smooth`, `band`, `oval`, `rotated`
   - `solids`: `ball`, `lathe`, `solid` bodies, and `pose`; `light`: `swell`, `Clay`
   - `coats`, `eyeballs`, `limbs`, `head`: fur, feathers, eyes, legs, whole heads
   - `pigments`, `tints`, `palette`: colours; `fields`: clouds and colours for each pixel
5. Look at it: `python -m training sheet OUT.png NAME --each 24`. Is it known at a glance, small
   and large, and are its members different?
6. Say in `training.finish` what its group counts for, if the group is new.

Labels follow the groups' and families' names, so a new family changes those after it: pictures
drawn before are of no use to a training with it.
"""

import importlib
import pkgutil

from training.bestiary import families
from training.bestiary.registry import FAMILIES, Family
from training.bestiary.scene import SIDE, picture

__all__ = ["FAMILIES", "SIDE", "Family", "picture"]

for _module in pkgutil.walk_packages(families.__path__, f"{families.__name__}."):
    importlib.import_module(_module.name)
