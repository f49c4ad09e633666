"""`python -m bot` is `buildbell`."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line."""
    # Garbage collections would take a fifth of the start, and imports leave no garbage.
    gc.disable()
    from bot.cli import cli  # noqa: PLC0415 - see above

    gc.enable()
    cli()


if __name__ == "__main__":
    main()
