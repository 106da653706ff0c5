import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
# The small task that the bench is tested with.
sys.path.append(str(Path(__file__).parents[1] / "bench"))

# A busy machine is no reason for a test to fail.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")
