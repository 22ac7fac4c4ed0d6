"""``python -m slideconcord`` is the ``slideconcord`` command."""

import sys

from slideconcord.cli import main

sys.exit(main())
