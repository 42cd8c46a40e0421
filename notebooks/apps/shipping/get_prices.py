"""Write the price list. A real one would be downloaded with the key; here the key is only checked."""

import json
import sys
from pathlib import Path

key = Path(sys.argv[1])
if not key.is_file() or "SHOP_KEY=" not in key.read_text():
    raise SystemExit(f"get_prices.py: no SHOP_KEY in {key}")
Path("prices.json").write_text(json.dumps({"coffee": 250, "tea": 220}))
