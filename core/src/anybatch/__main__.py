"""`python -m anybatch`."""

from anybatch.cli import main

if __name__ == "__main__":
    main()
