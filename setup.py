"""Builds eventsim._core from ext/core.pyx; everything else stands in pyproject.toml.

Three environment variables choose another build of the same sources, each in a build directory of its own, so that
switching between them neither mixes objects nor leaves a stale module behind:

EVENTSIM_DEBUG=1     index checks of Cython on, -O1 -g, and every bound of a window checked (`Windows.proving`)
EVENTSIM_PORTABLE=1  no code for AVX2 and AVX-512 beside that for any processor: the same bits, slower
EVENTSIM_SANITIZE=1  address and undefined-behaviour sanitizers, stopping at the first report (see `make sanitize`)
"""

import os
from glob import glob
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("EVENTSIM_DEBUG", "0") not in ("", "0")
PORTABLE = os.environ.get("EVENTSIM_PORTABLE", "0") not in ("", "0")
SANITIZE = os.environ.get("EVENTSIM_SANITIZE", "0") not in ("", "0")

# Strict IEEE arithmetic: no fast-math, and no contraction of a*b+c, which would make the bits of a spike time depend on
# the machine the compiler aimed at. errno and exception flags are not used; without them loops become vector code.
STRICT = ["-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
# A loop that copies a few lanes is to stay vector code, and not to become a call of memcpy.
compile_args, link_args, build_base = ["-O3", "-fno-tree-loop-distribute-patterns", *STRICT], [], "build"
if PORTABLE:
    compile_args, build_base = [*compile_args, "-DEVENTSIM_PORTABLE"], "build/portable"
if DEBUG:
    compile_args, build_base = ["-O1", "-g", "-UNDEBUG", "-DEVENTSIM_PROVING=1", *STRICT], "build/debug"
if SANITIZE:
    # The group leaves out two legal things the core relies on: division by zero (IEEE) and wrapping of unsigned integers
    # (Philox). -fno-wrapv undoes a default of CPython's flags that would hide overflow of signed ones.
    link_args, build_base = ["-fsanitize=address,undefined,float-cast-overflow"], "build/sanitize"
    compile_args = ["-O1", "-g", "-fno-omit-frame-pointer", "-fno-wrapv", *STRICT, *link_args]
    compile_args += ["-fno-sanitize-recover=all"]

directives = dict(
    language_level=3,
    embedsignature=True,
    cdivision=True,
    boundscheck=DEBUG,
    wraparound=False,
    initializedcheck=DEBUG,
    overflowcheck=False,
)


class BuildExt(build_ext):
    """build_ext whose in-place form replaces the module of any other build and lets `import eventsim.networks` work."""

    def copy_extensions_to_source(self):
        self.force = True  # else a newer module stays, though it may be the debug build's
        super().copy_extensions_to_source()
        link = Path("eventsim/networks")
        if not link.is_symlink():
            link.symlink_to("../networks", target_is_directory=True)


core = Extension(
    "eventsim._core",
    ["ext/core.pyx"],
    depends=["setup.py", *sorted(glob("ext/**/*.pxi", recursive=True)), *sorted(glob("ext/**/*.h", recursive=True))],
    include_dirs=["ext", "ext/layers", "ext/windows"],
    extra_compile_args=compile_args,
    extra_link_args=link_args,
)

# Cython copies headers beside the C code it writes; a copy of one that has moved would be found first.
for copy in Path(build_base, "cython").glob("**/*.h"):
    if not copy.relative_to(Path(build_base, "cython")).exists():
        copy.unlink()

setup(
    packages=["eventsim", "eventsim.networks"],
    package_dir={"eventsim": "eventsim", "eventsim.networks": "networks"},
    package_data={"eventsim": ["py.typed", "*.pyi"], "eventsim.networks": ["data/*", "data/*/*"]},
    include_package_data=False,  # MANIFEST.in is for the sdist only
    ext_modules=cythonize([core], build_dir=f"{build_base}/cython", compiler_directives=directives),
    options={"build": {"build_base": build_base}},
    cmdclass={"build_ext": BuildExt},
)
