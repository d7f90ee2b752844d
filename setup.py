"""The build, but for what pyproject.toml says: bundles OpenSeadragon where npm can be reached.

The pages of Deep Zoom results then work without a network. Without npm, or if anything goes
wrong, the package is built all the same, and the pages load OpenSeadragon from a public one.
"""

import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ASSETS = Path("dreamray", "pictures", "assets")
PINNED = json.loads((Path(__file__).parent / ASSETS / "openseadragon.json").read_text())
NPM_SECONDS = 60


class BuildWithViewer(build_py):
    """`build_py`, and then OpenSeadragon among the assets."""

    def run(self):
        """Build, and bundle unless an earlier build did."""
        super().run()
        root = Path(__file__).parent if self.editable_mode else Path(self.build_lib)
        folder = root / ASSETS / "openseadragon"
        if is_complete(folder):
            return
        try:
            bundle(folder)
        except Exception as error:  # A build must not depend on a network.
            sys.stderr.write(f"OpenSeadragon is not bundled: {' '.join(str(error).split())}\n")


def is_complete(folder):
    """Whether the pinned script and its licence are there."""
    script = folder / Path(PINNED["script"]).name
    return (
        script.is_file()
        and integrity(script.read_bytes()) == PINNED["script_integrity"]
        and (folder / PINNED["licence"]).is_file()
    )


def bundle(folder):
    """Put the script and its licence from the pinned, verified npm package into a folder."""
    with tarfile.open(fileobj=io.BytesIO(verified_package()), mode="r:gz") as package:
        files = {
            Path(name).name: package.extractfile(f"package/{name}").read()
            for name in (PINNED["script"], PINNED["licence"])
        }
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def verified_package():
    """The package as npm fetches it, from the registry that npm is set to."""
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("there is no npm")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"openseadragon@{PINNED['version']}", "--ignore-scripts"]
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=NPM_SECONDS,
        )
        (package,) = Path(folder).glob("*.tgz")
        data = package.read_bytes()
    if integrity(data) != PINNED["package_integrity"]:
        raise RuntimeError("the package is not the pinned one")
    return data


def integrity(data):
    """The checksum of some bytes, as npm and browsers write it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


setup(cmdclass={"build_py": BuildWithViewer})
