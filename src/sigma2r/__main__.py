"""``python -m sigma2r``."""

import sys

from sigma2r.cli import main

sys.exit(main())
