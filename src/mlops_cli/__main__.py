"""`python -m mlops_cli` is the command `mlops`."""

from mlops_cli.cli.main import main

main()
