"""Files that are whole or not there, whatever ends the program."""
import json
import os


def replace(path, data):
    """The whole file or none of it, on the disk when this returns."""
    part = f"{path}.{os.getpid()}.part"
    with open(part, "wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(part, path)
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path, value):
    replace(path, json.dumps(value, indent=1).encode())
