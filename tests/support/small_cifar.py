"""A tiny data set in the binary layout of CIFAR-10, and archives and a server of it, for tests."""

import contextlib
import hashlib
import http.server
import io
import sys
import tarfile
import threading

import numpy as np

from isaclib import cli
from isaclib.data import cifar10 as module
from isaclib.data.cifar10 import Archive
from isaclib.data.images import CLASSES, FOLDER, NAMES_FILE, TEST_FILE, TRAIN_FILES

RECORDS = 20
FILES = (*TRAIN_FILES, TEST_FILE)


def records(seed):
    """Records of one file: every class twice, pixels at random."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(RECORDS) % 10).astype(np.uint8)
    pixels = rng.integers(0, 256, (RECORDS, 3072), dtype=np.uint8)
    return np.concatenate([labels[:, None], pixels], axis=1)


def contents():
    """Content of each file by its name."""
    files = {name: records(seed).tobytes() for seed, name in enumerate(FILES)}
    return files | {NAMES_FILE: ("\n".join(CLASSES) + "\n\n").encode()}


def write(folder, files=None):
    """Write a set into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (files or contents()).items():
        (folder / name).write_bytes(content)
    return folder


def member(name, content=b"", **fields):
    """Header and content of an archive's member."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def members(files=None):
    """Members of the archive of a set, as the official one has them."""
    found = [member(FOLDER, type=tarfile.DIRTYPE, mode=0o755)]
    for name, content in (files or contents()).items():
        found.append(member(f"{FOLDER}/{name}", content))
    return [*found, member(f"{FOLDER}/readme.html", b"<html></html>")]


def pack(items):
    """An archive's content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for info, content in items:
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def described(content, url="http://unused.invalid/small.tar.gz"):
    """What is known of an archive before it is downloaded."""
    return Archive(url, hashlib.sha256(content).hexdigest(), RECORDS)


@contextlib.contextmanager
def served(content, *, sent=None, status=200, during=None):
    """A server on this machine with one file.

    Args:
        content: The file.
        sent: How many bytes of it are sent before the connection is closed; all if not given.
        status: Status that it answers with.
        during: Called when the first half has been sent.

    Yields:
        URL of the file.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            part = content[:sent]
            half = len(part) // 2
            with contextlib.suppress(OSError):
                self.wfile.write(part[:half])
                self.wfile.flush()
                if during is not None:
                    during()
                self.wfile.write(part[half:])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/cifar.tar.gz"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(arguments, stderr):
    """Run the command as the whole work of a process, for which CIFAR-10 is the tiny set."""
    module.CIFAR10 = described(pack(members()))
    with stderr.open("w") as sys.stderr:
        cli.app(arguments)
