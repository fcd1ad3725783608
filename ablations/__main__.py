"""`python -m ablations` is `resnet-ablate`."""

from ablations.cli import main

main()
