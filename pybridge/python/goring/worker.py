"""Run a function as a worker of a Go pool: ``python -m goring.worker module:function``.

``goring.worker`` is also the decorator for such functions.
"""

import sys

if __name__ == "__main__":
    from goring._worker._process import main

    sys.exit(main(sys.argv[1:]))

from ._worker import worker

# After `import goring.worker` the name must still be the decorator, not this module.
sys.modules[__name__] = worker  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
