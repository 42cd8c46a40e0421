"""Send requests one after the other until SIGTERM, then print the counts as JSON.

Runs in a container. Each request resolves the name again, uses its own connection, and is
one attempt: anything but a complete answer with status 200 within 5 s counts as failed.
"""

import json
import signal
import sys
import time
import urllib.request
from collections import Counter
from types import FrameType

asked_to_stop = False


def stop(_number: int, _frame: FrameType | None) -> None:
    """Stop after the current request, once there were enough."""
    global asked_to_stop
    asked_to_stop = True


def send_requests(url: str, least: int, most_seconds: float) -> dict[str, object]:
    """Send at least `least` requests until asked to stop, at most `most_seconds`; return counts."""
    counts = {"sent": 0, "answered": 0, "failed": 0}
    versions: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    end = time.monotonic() + most_seconds
    while time.monotonic() < end and not (asked_to_stop and counts["sent"] >= least):
        counts["sent"] += 1
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                versions[json.load(response)["version"]] += 1
            counts["answered"] += 1
        except Exception as error:
            counts["failed"] += 1
            errors[f"{type(error).__name__}: {error}"[:80]] += 1
        time.sleep(0.01)
    return {**counts, "versions": versions, "errors": errors}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    print("started", flush=True)
    print(json.dumps(send_requests(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
