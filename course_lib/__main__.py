"""The commands of an installed course: `python -m course_lib doctor` and `real`."""

import argparse
import sys

__all__ = ["main"]


def main(arguments=None):
    """Run one command and return its exit status: 0 well, 1 something to mend, 2 a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m course_lib", description="One Mask Apart.")
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="check this machine: versions, device, memory, disk, a short training")
    doctor.add_argument("--no-training", action="store_true", help="leave out the five-second training run")
    real = commands.add_parser("real", help="fetch the world's checkpoints once, into the cache")
    real.add_argument("names", nargs="*", help="checkpoints to fetch; all that can be had if none is named")
    real.add_argument("--list", action="store_true", help="only show what there is, how large, and what is here")
    options = parser.parse_args(arguments)
    try:
        if options.command == "doctor":  # imported here, so that --help answers at once
            from course_lib.doctor import run

            return run(training=not options.no_training)
        from course_lib.apply import real

        try:
            return real.run(options.names, options.list)
        except ValueError as unknown:
            parser.error(unknown)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
