"""`python -m dreamray`."""

from dreamray.cli import main

main()
