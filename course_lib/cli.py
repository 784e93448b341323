"""The command line: `python -m course_lib COMMAND`.

A command is a module with `arguments(parser)` and `run(options) -> exit status`; add a line to COMMANDS and
it is there. Only the module of the command asked for is imported, so that `--help` answers at once.
"""

import argparse
import difflib
import importlib
import sys

__all__ = ["COMMANDS", "main"]

COMMANDS = {  # name: (module, what it does)
    "doctor": (
        "course_lib.doctor",
        "check this machine: versions, device, memory, disk, a five-second training run",
    ),
    "evidence": ("course_lib.evidence", "run the recorded experiments over seeds, or list their records"),
    "bench": ("course_lib.bench", "measure the training loop against transformers' Trainer"),
    "bake": ("course_lib.bake", "run notebooks from a fresh kernel and store their outputs in a normal form"),
}


def main(arguments=None):
    """Run one command and return its exit status: 0 well, 1 something to mend, 2 a wrong command line."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from course_lib import __version__

        print(__version__)
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        print(f"There is no command {name!r}.{hint}\n\n{usage()}", file=sys.stderr)
        return 2
    module, what = COMMANDS[name]
    command = importlib.import_module(module)
    parser = argparse.ArgumentParser(
        prog=f"python -m course_lib {name}", description=what[0].upper() + what[1:] + "."
    )
    command.arguments(parser)
    try:
        return command.run(parser.parse_args(rest))
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def usage():
    """Return the list of commands as text."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "usage: python -m course_lib COMMAND [--help]\n\n" + "\n".join(lines)
