"""`python -m ablations` is `resnet-ablate`."""

from ablations.cli import main

if __name__ == "__main__":
    main()
