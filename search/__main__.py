"""`python -m search` is `resnet-search`."""

from search.cli import main

if __name__ == "__main__":
    main()
