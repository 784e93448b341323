"""Pack zips that have the same bytes whenever they hold the same files: fixed dates, the order that is given."""

import zipfile

__all__ = ["pack"]

WHEN = (1980, 1, 1, 0, 0, 0)  # of every file; a zip knows no earlier date


def pack(to, files):
    """Write pairs of (name, text or bytes) into a zip; to: a path, or a file that is open for writing bytes."""
    with zipfile.ZipFile(to, "w") as packed:
        for name, content in files:
            about = zipfile.ZipInfo(name, WHEN)
            about.compress_type, about.external_attr, about.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            packed.writestr(about, content)
