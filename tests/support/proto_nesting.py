"""proto_nesting.py DIR: no message of reveille.v1 (generated for Python in DIR) may contain itself, directly or not."""
import importlib
import pathlib
import sys

sys.path.insert(0, sys.argv[1])
files = [importlib.import_module(f"reveille.v1.{p.stem}").DESCRIPTOR for p in sorted(pathlib.Path(sys.argv[1]).glob("reveille/v1/*_pb2.py"))]


def walk(message, path):
    if message.full_name in path:
        sys.exit(f"{message.full_name} contains itself: {' -> '.join([*path, message.full_name])}")
    for field in message.fields:
        if field.message_type:
            walk(field.message_type, [*path, message.full_name])


for file in files:
    for message in file.message_types_by_name.values():
        walk(message, [])
