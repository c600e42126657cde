"""`python -m maskwright`, and so `accelerate launch -m maskwright train ...`."""

from .cli.main import main

if __name__ == "__main__":
    main()
