"""The commands of an installed course: `python -m course_lib doctor`, `real` and `results`."""

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
    results = commands.add_parser("results", help="export your predictions, exercises, quizzes and drill for a class")
    results.add_argument("--name", help="your name, if your teacher shall know it (none otherwise, but a random id)")
    results.add_argument("--out", help="a file that ends in .json or .csv (both, in this folder, if none is named)")
    options = parser.parse_args(arguments)
    try:
        if options.command == "doctor":  # imported here, so that --help answers at once
            from course_lib.doctor import run

            return run(training=not options.no_training)
        try:
            if options.command == "results":
                from course_lib.exercises import results

                return results.run(options.name, options.out)
            from course_lib.apply import real

            return real.run(options.names, options.list)
        except ValueError as unknown:
            parser.error(unknown)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
