"""`python -m receiver`: the same as the command `receiver`."""

from receiver.cli import main

if __name__ == "__main__":  # processes that compute for a receiver import it by another name
    main()
