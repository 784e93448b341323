"""The command of an installed course: `python -m course_lib doctor`."""

import argparse
import sys

__all__ = ["main"]


def main(arguments=None):
    """Run one command and return its exit status: 0 well, 1 something to mend, 2 a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m course_lib", description="One Mask Apart.")
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="check this machine: versions, device, memory, disk, a short training")
    doctor.add_argument("--no-training", action="store_true", help="leave out the five-second training run")
    options = parser.parse_args(arguments)
    try:
        from course_lib.doctor import run  # here, so that --help answers at once

        return run(training=not options.no_training)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
