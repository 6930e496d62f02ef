"""Real devices, one file each; `_blueprint.py` is the one to copy."""
