"""`python -m ablations.probing` is `resnet-probe`."""

from ablations.probing.cli import main

if __name__ == "__main__":
    main()
