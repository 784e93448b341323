"""The course as a website, from notebooks/, data/, docs/ and README.md alone: `make site`. Nothing is executed.

`pages` writes what Sphinx reads, in the places that files have in the repository, so that every link between them
holds; `lessons` prepares a stored notebook; `__main__` calls Sphinx and lays the rest beside its pages.
"""
