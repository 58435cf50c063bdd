"""The tests. What they compile is kept, also where the environment says that nothing is to be.

Their workers, and hundreds of small processes of hive's own, would else each compile everything anew:
that was a quarter of all their time.
"""

import os
import sys

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
