"""`python -m dreamray`."""

from dreamray.cli.app import main

main()
