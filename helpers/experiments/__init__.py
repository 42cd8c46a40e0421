"""One folder per experiment: measure.py, result.py, view.py, and widget.py if it has one."""
