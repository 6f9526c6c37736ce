"""`python -m newsroom`: see `newsroom.commands`."""

from newsroom.commands import main

if __name__ == "__main__":
    main(prog_name="python -m newsroom")
