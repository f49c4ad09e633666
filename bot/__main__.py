"""`python -m bot` is `buildbell`."""

from bot.cli import main

if __name__ == "__main__":
    main()
