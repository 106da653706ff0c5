import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
# The small task that the bench is tested with.
sys.path.append(str(Path(__file__).parents[1] / "bench"))
