"""Run a function as a worker of a Go pool: ``python -m goring.worker module:function``.

``goring.worker`` is also the decorator that such functions may carry.
"""

import sys

if __name__ == "__main__":
    from goring._worker._process import main

    sys.exit(main(sys.argv[1:]))

from ._worker import worker

# `import goring.worker` must not put this module where the decorator is looked for.
sys.modules[__name__] = worker  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
